"""What goes through Hapta is known without any event: it measures the change feed, and puts the schema in
doubt before the answer to whatever may have changed it leaves."""

from typing import Protocol

from hapta.model.clock import Clock
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass

_READ = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSED = (401, 403)
_MAY_CHANGE_SCHEMA = frozenset({OperationClass.ADMIN, OperationClass.UNKNOWN})


class OwnWrites(Protocol):
    """Who wants to know."""

    def record_written(self, collection: str, record: str, started_at: float) -> None:
        """An update or delete sent at the monotonic instant ``started_at`` was answered with success."""

    def schema_may_differ(self) -> None:
        """Something was done that may have changed collections or rules."""


def tell_own_writes(own_writes: OwnWrites, clock: Clock) -> Stage:
    """Tells of writes once PocketBase answered them, or was lost over them."""

    async def tell(exchange: Exchange, forward: Handler) -> Answer:
        operation = exchange.operation
        if operation.kind in _MAY_CHANGE_SCHEMA and exchange.method not in _READ:
            try:
                answer = await forward(exchange)
            except BaseException:
                own_writes.schema_may_differ()
                raise
            if not (exchange.is_beyond_rights and answer.status in _REFUSED):
                own_writes.schema_may_differ()
            return answer
        if operation.kind is not OperationClass.RECORD_WRITE or operation.record is None:
            return await forward(exchange)
        started_at = clock.monotonic()
        answer = await forward(exchange)
        if answer.status < 300:
            own_writes.record_written(operation.collection or "", operation.record, started_at)
        return answer

    return tell
