"""Hapta's own routes: ``/api/hapta/…``. ``/_hapta/`` is kept for the dashboard to come."""

from collections.abc import Awaitable, Callable

import orjson

from hapta.model.errors import NotFound
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass

Readiness = Callable[[], Awaitable[str | None]]
"""Why Hapta is not ready to serve, or ``None``."""


def _health(status: int, message: str) -> Answer:
    body = orjson.dumps({"code": status, "data": {}, "message": message})
    return Answer(status, [(b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")], body)


def own_routes(why_not_ready: Readiness) -> Stage:
    """Answers Hapta's own routes and passes everything else on.

    Args:
        why_not_ready: asked for ``/ready``.
    """

    async def own(exchange: Exchange, forward: Handler) -> Answer:
        operation = exchange.operation
        if operation.kind is not OperationClass.OWN:
            return await forward(exchange)
        if exchange.method not in {"GET", "HEAD"}:
            raise NotFound
        if operation.action == "health/live":
            answer = _health(200, "Hapta is running.")
        elif operation.action == "health/ready":
            reason = await why_not_ready()
            answer = _health(200, "Hapta is ready.") if reason is None else _health(503, reason)
        else:
            raise NotFound
        return answer

    return own
