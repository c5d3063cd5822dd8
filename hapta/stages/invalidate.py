"""A write is announced before it is sent and closed before it is answered.

Between the two nothing it may change is served from the store, and afterwards what it changed is unusable
(:mod:`hapta.cache.generations` says why that is enough). Whatever PocketBase answered: a write that failed
may have been committed before a hook threw. Only a refusal where no hooks can be (``pb_hooks = "none"``)
changes nothing for certain. A write whose answer was lost leaves doubt.

Of a request to a route nobody knows it is not known whether it writes, nor how long it will take: what is
stored is served meanwhile, and unusable when the answer is there.
"""

from typing import Protocol

from hapta.cache.generations import Generations
from hapta.cache.plan import HooksMode
from hapta.cache.writes import ALL, NOTHING, WriteTags, Written
from hapta.model.errors import HaptaError, Overloaded, UpstreamLost, UpstreamRefused, UpstreamUnavailable
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.stages.batch import batch_payloads, sub_requests
from hapta.stages.leaves_files import leaves_files

_K = OperationClass
_READ = frozenset({"GET", "HEAD", "OPTIONS"})
_NEVER_SENT = (UpstreamRefused, UpstreamUnavailable, Overloaded)
_STREAMED = frozenset({_K.UNKNOWN})
_HARMLESS_ADMIN = frozenset({"backups", "backup-upload"})
"""Backups are made, uploaded and thrown away beside the data; a restore is another action."""


class Writes(Protocol):
    """What writes may change, under the current schema."""

    @property
    def version(self) -> int:
        """Moves when the tags of a write may be others."""
        ...

    @property
    def write_tags(self) -> WriteTags:
        """Of writes that begin now."""
        ...

    def hooks_of(self, name_or_id: str | None) -> HooksMode:
        """What hooks may do around writes to a collection; of an unknown one or ``None``, around any."""
        ...

    def file_fields(self, name_or_id: str | None) -> frozenset[str] | None:
        """Names of a collection's file fields; ``None`` for one that is not known."""
        ...


class Invalidation:
    """The stage.

    Args:
        writes: what writes may change.
        generations: where they are announced.
        in_doubt_s: ``cache.in_doubt_s``.
    """

    def __init__(self, writes: Writes, generations: Generations, *, in_doubt_s: float) -> None:
        self._writes = writes
        self._generations = generations
        self._in_doubt_s = in_doubt_s

    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Carry out one request."""
        if exchange.method in _READ or exchange.operation.action in _HARMLESS_ADMIN:
            return await forward(exchange)
        version = self._writes.version
        written = await self._written(exchange)
        is_open = exchange.operation.kind not in _STREAMED
        keeps_files = await self._keeps_files(exchange)
        write = self._generations.begin(written.announced, is_open=is_open, keeps_files=keeps_files)
        try:
            answer = await forward(exchange)
        except _NEVER_SENT:
            write.close(has_changed=False)
            raise
        except UpstreamLost:
            write.lose(self._in_doubt_s)
            raise
        except HaptaError:
            write.close()  # refused on the way up, or on the way back when it was done
            raise
        except BaseException:
            write.lose(self._in_doubt_s)
            raise
        write.close(has_changed=not self._is_refused(exchange, answer))
        if version != self._writes.version:
            # the schema it was announced under was not the one it was carried out under
            self._generations.move((await self._written(exchange)).announced)
        return answer

    async def _keeps_files(self, exchange: Exchange) -> bool:
        operation = exchange.operation
        if operation.kind is not _K.RECORD_WRITE or operation.action != "update":
            return False
        if self._writes.hooks_of(operation.collection) is not HooksMode.NONE:
            return False
        fields = self._writes.file_fields(operation.collection)
        return fields is not None and await leaves_files(exchange, fields)

    async def _written(self, exchange: Exchange) -> Written:
        operation, tags = exchange.operation, self._writes.write_tags
        if operation.action == "batch":
            return await self._batch(exchange, tags)
        written = tags.of(operation, exchange.method)
        # of a collection that is not known nothing is stored; if it comes to be known, the version tells
        return NOTHING if written.is_unknown else written

    @staticmethod
    async def _batch(exchange: Exchange, tags: WriteTags) -> Written:
        content_type = exchange.headers.get("Content-Type", "")
        try:
            payloads = await batch_payloads(exchange.body, content_type, exchange.target.query)
            return tags.of_batch([request for payload in payloads for request in sub_requests(payload)])
        except HaptaError:
            return ALL

    def _is_refused(self, exchange: Exchange, answer: Answer) -> bool:
        """Whether nothing was committed, for certain."""
        operation = exchange.operation
        return (
            400 <= answer.status < 500
            and operation.kind is not _K.ADMIN
            and self._writes.hooks_of(operation.collection) is HooksMode.NONE
        )
