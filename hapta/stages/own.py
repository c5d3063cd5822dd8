"""Hapta's own routes: ``/api/hapta/…``. ``/_hapta/`` is kept for the dashboard to come."""

from collections.abc import Awaitable, Callable

import orjson

from hapta.model.concerns import only_for
from hapta.model.errors import NotFound
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass, is_own_path

Readiness = Callable[[], Awaitable[str | None]]
"""Why Hapta is not ready to serve, or ``None``."""


def _health(status: int, message: str) -> Answer:
    body = orjson.dumps({"code": status, "data": {}, "message": message})
    return Answer(status, [(b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")], body)


def health_routes(why_not_ready: Readiness) -> Stage:
    """Answers ``/api/hapta/health/live`` and ``/ready`` before anything else is asked, and passes all else
    on.

    Args:
        why_not_ready: asked for ``/ready``.
    """

    @only_for(OperationClass.OWN)
    async def health(exchange: Exchange, forward: Handler) -> Answer:
        operation = exchange.operation
        if operation.kind is not OperationClass.OWN or exchange.method not in {"GET", "HEAD"}:
            return await forward(exchange)
        if operation.action == "health/live":
            return _health(200, "Hapta is running.")
        if operation.action == "health/ready":
            reason = await why_not_ready()
            return _health(200, "Hapta is ready.") if reason is None else _health(503, reason)
        return await forward(exchange)

    return health


@only_for(OperationClass.OWN, OperationClass.PREFLIGHT)
async def no_own_route(exchange: Exchange, forward: Handler) -> Answer:
    """What no stage before it knows under Hapta's own paths does not exist; PocketBase is not asked."""
    if is_own_path(exchange.target.segments):
        raise NotFound
    return await forward(exchange)
