"""Bodies are held whole before PocketBase sees their first byte.

PocketBase commits a complete JSON value even when the rest of the body is cut off, and a trickled upload must
not keep a write open. Only backups and routes nobody knows stream upwards.
"""

from collections.abc import Awaitable, Callable

from hapta.model.address import holder
from hapta.model.errors import Overloaded
from hapta.model.exchange import Answer, Exchange, Handler, RequestBody, Stage
from hapta.upstream.spool import SpoolBudget, spool


def hold_bodies(
    budget: SpoolBudget, memory_bytes: int, directory: str | None, *, on_trouble: Callable[[OSError], None]
) -> Stage:
    """Replaces a body that is still arriving by the whole one, and frees it when the answer is there.

    Args:
        budget: bytes of all bodies held in the process.
        memory_bytes: one body's share in memory; the rest goes to a temporary file.
        directory: where that file is made.
        on_trouble: told why a file could not be written, which its client only sees as 503.
    """

    def stage(exchange: Exchange, forward: Handler) -> Awaitable[Answer]:
        if exchange.body is None or exchange.operation.streams_body:
            return forward(exchange)
        return hold(exchange, exchange.body, forward)

    async def hold(exchange: Exchange, body: RequestBody, forward: Handler) -> Answer:
        try:
            held = await spool(
                body,
                budget,
                memory_bytes=memory_bytes,
                directory=directory,
                owner=holder(exchange.client),
            )
        except OSError as exc:
            on_trouble(exc)
            raise Overloaded from exc
        exchange.body = held
        try:
            return await forward(exchange)
        finally:
            held.close()

    return stage
