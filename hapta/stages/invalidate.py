"""A write is announced before it is sent and closed before it is answered.

Between the two nothing it may change is served from the store, and afterwards what it changed is unusable
(:mod:`hapta.cache.generations` says why that is enough). Whatever PocketBase answered: a write that failed
may have been committed before a hook threw, or before a ``fields`` that cannot be read made the answer a 400.
Only another refusal where no hooks can be (``pb_hooks = "none"``) changes nothing for certain. A write whose
answer was lost leaves doubt.

What the answer to a write shows of its row tells which restricted lists the row is in now
(:mod:`hapta.cache.known_rows`), so it is read before it leaves, where it can be taken at its word: without
``fields``, where no hooks can be.

Of a request to a route nobody knows it is not known whether it writes, nor how long it will take: what is
stored is served meanwhile, and unusable when the answer is there.
"""

import re
from typing import Final, Protocol

import orjson

from hapta.cache.generations import Generations
from hapta.cache.plan import HooksMode
from hapta.cache.query import parse_query
from hapta.cache.writes import ALL, NOTHING, WriteTags, Written
from hapta.model.errors import HaptaError, Overloaded, UpstreamLost, UpstreamRefused, UpstreamUnavailable
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.stages.batch import batch_requests
from hapta.stages.fetch import gather
from hapta.stages.json_members import json_members
from hapta.stages.leaves_files import leaves_files
from hapta.stages.row_writes import FollowedWrite, Outcome, RowWrites
from hapta.stages.second_factor import FIRST_LEGS, may_be_second_leg

_K = OperationClass
_READ = frozenset({"GET", "HEAD", "OPTIONS"})
_NEVER_SENT = (UpstreamRefused, UpstreamUnavailable, Overloaded)
_STREAMED = frozenset({_K.UNKNOWN})
MAX_ROW_BYTES: Final = 256 * 1024
"""Of a row that is read out of the answer to its write."""
_NO_ROUTE = frozenset({307, 404, 405})
"""The first one is for a path that is not clean, such as ``//x``: whoever asks shall ask for another."""
_BEYOND_RIGHTS = frozenset({401, 403, 404, 405})
"""Said before anything is done: of a superusers' route, or because there is none for this method."""
_BEFORE_SIGN_IN = frozenset({400, 404, 429})
_CERTAIN_QUERY = re.compile(r"(?:[\w.,*&=+-]|%2[AC0])*", re.ASCII | re.IGNORECASE)
"""A query whose ``fields``, if it has any, PocketBase can carry out: with others it commits a write and then
answers 400 (``tools/picker``)."""
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

    def collection_of(self, collection_id: str) -> Collection | None:
        """A collection."""
        ...

    def hooks_of(self, name_or_id: str | None) -> HooksMode:
        """What hooks may do around writes to a collection; of an unknown one or ``None``, around any."""
        ...


class Invalidation:
    """The stage.

    Args:
        writes: what writes may change.
        rows: where they are announced and followed.
        generations: of all tags.
        in_doubt_s: ``cache.in_doubt_s``.
    """

    def __init__(
        self, writes: Writes, rows: RowWrites, generations: Generations, *, in_doubt_s: float
    ) -> None:
        self._writes = writes
        self._rows = rows
        self._generations = generations
        self._in_doubt_s = in_doubt_s

    def configure(self, *, in_doubt_s: float) -> None:
        """How long what is lost from now on leaves doubt."""
        self._in_doubt_s = in_doubt_s

    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Carry out one request."""
        if exchange.method in _READ or exchange.operation.action in _HARMLESS_ADMIN:
            return await forward(exchange)
        version = self._writes.version
        write = await self._begin(exchange)
        outcome = None
        try:
            answer = await forward(exchange)
            is_refused = await self._is_refused(exchange, answer)
            if write.wants_outcome and not is_refused:
                outcome = await self._outcome(exchange, answer)
                if outcome is not None:
                    await write.before_close()
        except HaptaError as error:
            if exchange.is_answered:
                write.close(has_changed=True)  # it is done; what went wrong did so on the way back
            elif isinstance(error, _NEVER_SENT):
                write.close(has_changed=False)
            elif isinstance(error, UpstreamLost):
                await self._lose(exchange, write, version)
            else:
                write.close(has_changed=True)
            raise
        except BaseException:
            write.lose(self._in_doubt_s)
            raise
        write.close(has_changed=not is_refused, outcome=outcome)
        if version != self._writes.version:
            # the schema it was announced under was not the one it was carried out under
            self._generations.move((await self._written(exchange)).announced)
        return answer

    async def _begin(self, exchange: Exchange) -> FollowedWrite:
        operation = exchange.operation
        members = await json_members(exchange) if operation.kind is _K.RECORD_WRITE else None
        asked_for = None if members is None or operation.record is not None else members.get("id")
        body_id = asked_for if isinstance(asked_for, str) and asked_for else None
        written = await self._written(exchange, body_id)
        collection = None if written.collection is None else self._writes.collection_of(written.collection)
        is_deleted = operation.action == "delete"
        # rows of other collections go with a deleted one: what hooks do about these may come back to it
        hooks = self._writes.hooks_of(None if is_deleted else operation.collection)
        is_followed = collection is not None and hooks is HooksMode.NONE
        is_update = operation.action == "update"
        return self._rows.begin(
            written.announced,
            collection,
            operation.record or body_id,
            operation.action,
            members=members,
            is_followed=is_followed,
            is_open=operation.kind not in _STREAMED and not exchange.is_beyond_rights,
            keeps_files=is_update
            and is_followed
            and collection is not None
            and leaves_files(members, _file_fields(collection)),
        )

    async def _outcome(self, exchange: Exchange, answer: Answer) -> Outcome | None:
        """The row as it stands in the answer; ``None`` if that cannot be seen."""
        if exchange.operation.action == "delete":
            return Outcome({}, b"") if answer.status == 204 else None
        query = parse_query(exchange.target.query)
        if answer.status != 200 or query is None or "fields" in query.values:
            return None
        if any(name.lower() == b"content-encoding" for name, _ in answer.headers):
            return None
        await gather(answer, MAX_ROW_BYTES)
        if not isinstance(answer.body, bytes):
            return None
        try:
            row = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return None
        return Outcome(row, answer.body) if isinstance(row, dict) else None

    async def _lose(self, exchange: Exchange, write: FollowedWrite, version: int) -> None:
        """It may still land, under the schema of then: what that would change is in doubt as well."""
        write.lose(self._in_doubt_s)
        if version != self._writes.version:
            late = self._generations.begin((await self._written(exchange)).announced, is_open=False)
            late.lose(self._in_doubt_s)

    async def _written(self, exchange: Exchange, body_id: str | None = None) -> Written:
        operation, tags = exchange.operation, self._writes.write_tags
        if operation.action == "batch":
            return await self._batch(exchange, tags)
        written = tags.of(operation, exchange.method, body_id=body_id)
        # of a collection that is not known nothing is stored; if it comes to be known, the version tells
        return NOTHING if written.is_unknown else written

    @staticmethod
    async def _batch(exchange: Exchange, tags: WriteTags) -> Written:
        try:
            return tags.of_batch(await batch_requests(exchange))
        except HaptaError:
            return ALL

    async def _is_refused(self, exchange: Exchange, answer: Answer) -> bool:
        """Whether nothing was committed, for certain."""
        operation, status = exchange.operation, answer.status
        if operation.kind is _K.UNKNOWN:
            is_certain = status in _NO_ROUTE  # any other may be the last word of a route that wrote
        elif operation.kind is _K.RECORD_WRITE:
            is_certain = 400 <= status < 500
        elif operation.kind in (_K.AUTH_ANSWER, _K.AUTH_ACTION):
            # 401 and 403 come after it: a second factor is asked for, an authRule is not met
            is_certain = status in _BEFORE_SIGN_IN
            if is_certain and status == 400 and operation.action in FIRST_LEGS:
                is_certain = not await may_be_second_leg(exchange)
        else:
            is_certain = exchange.is_beyond_rights and status in _BEYOND_RIGHTS
        if status == 400 and not _CERTAIN_QUERY.fullmatch(exchange.target.query):
            is_certain = False
        if not is_certain:
            return False
        # rows of other collections go with a deleted one, and a batch may write to any
        reaches_others = operation.action in ("delete", "batch")
        mode = self._writes.hooks_of(None if reaches_others else operation.collection)
        return mode is HooksMode.NONE


def _file_fields(collection: Collection) -> frozenset[str]:
    return frozenset(str(field["name"]) for field in collection.fields if field.get("type") == "file")
