"""Own writes cast doubt on identities before their answer leaves: the very next request proves them again.

The change feed says the same a moment later and covers what happens behind Hapta; this covers the moment
between. Doubt costs a proof (0.7 ms) at the next request of whom it falls on, so it may fall on too many,
never on too few, and it falls whatever PocketBase answered: a write that failed may have been committed.

Where it falls on many it must cost nothing but that: guests can send writes that PocketBase refuses. So event
streams are looked after at once only where one record is meant; for all others the feed's event does it.
"""

from collections.abc import Mapping
from typing import Protocol

from hapta.model.concerns import only_for
from hapta.model.errors import BadRequest, HaptaError
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import Operation, OperationClass, classify
from hapta.model.target import parse_target
from hapta.stages.batch import batch_requests

_K = OperationClass
_READ = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSED = (401, 403, 404, 405)


class Doubts(Protocol):
    """Whom doubt can fall on."""

    def identity_changed(self, collection: str, record: str | None) -> None:
        """One auth record, or with ``None`` all of an auth collection."""

    def everybody_changed(self) -> None:
        """Every auth record."""

    def everything_changed(self) -> None:
        """Everything, sessions' own rows included."""


class Collections(Protocol):
    """What must be known of the schema."""

    def auth_reached_by(self, name_or_id: str) -> tuple[str, ...] | None:
        """Ids of the auth collections a write to a collection can change: itself if it is one, and those of
        which rows go with its rows; ``None`` for an unknown collection."""


def cast_doubt(doubts: Doubts, collections: Collections) -> Stage:
    """After every finished write attempt, whatever its answer; only of what superusers alone may do, and
    somebody else was refused, nothing can have come."""

    def on_record_write(operation: Operation) -> None:
        reached = collections.auth_reached_by(operation.collection or "")
        if reached == ():
            return
        if reached is not None and len(reached) == 1 and operation.action == "update" and operation.record:
            doubts.identity_changed(reached[0], operation.record)
        else:
            doubts.everybody_changed()

    async def on_batch(exchange: Exchange) -> None:
        try:
            for request in await batch_requests(exchange):
                on_record_write(_sub_operation(request))
        except HaptaError:
            doubts.everybody_changed()

    async def after(exchange: Exchange) -> None:
        operation, kind = exchange.operation, exchange.operation.kind
        if operation.action == "batch":
            await on_batch(exchange)
        elif (kind is _K.RECORD_WRITE and operation.action != "create") or (
            kind is _K.AUTH_ACTION and operation.action.startswith("confirm-")
        ):
            on_record_write(operation)
        elif kind is _K.ADMIN and exchange.method not in _READ:
            doubts.everything_changed()
        elif kind is _K.UNKNOWN and exchange.method not in _READ:
            doubts.everybody_changed()

    @only_for(_K.RECORD_WRITE, _K.AUTH_ACTION, _K.ADMIN, _K.UNKNOWN, _K.OWN)
    async def stage(exchange: Exchange, forward: Handler) -> Answer:
        try:
            answer = await forward(exchange)
        except BaseException:
            await after(exchange)
            raise
        if not (exchange.is_beyond_rights and answer.status in _REFUSED):
            await after(exchange)
        return answer

    return stage


def _sub_operation(request: Mapping[str, object]) -> Operation:
    method, url = request.get("method"), request.get("url")
    if not isinstance(method, str) or not isinstance(url, str):
        raise BadRequest
    operation = classify(method.upper(), parse_target("/" + url.lstrip("/"), "").segments)
    if operation.kind is not _K.RECORD_WRITE:
        raise BadRequest
    return operation
