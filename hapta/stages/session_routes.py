"""``/api/hapta/sessions``, ``/logout`` and ``/logout-all``: what PocketBase has no route for.

    GET    /api/hapta/sessions        the caller's living sessions, in PocketBase's list shape
    DELETE /api/hapta/sessions/{id}   end one of them
    POST   /api/hapta/logout          end this one
    POST   /api/hapta/logout-all      end all of the caller's

All act at once: the next request with an ended session's token is answered 401, and its event streams end.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from hapta.identity.keeper import SessionKeeper
from hapta.identity.rows import SessionRows
from hapta.model.clock import Clock
from hapta.model.concerns import only_for
from hapta.model.errors import BadRequest, HaptaError, NotFound
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.identity import Identity
from hapta.model.operation import OperationClass

_SHOWN = ("id", "device", "address", "created", "used", "exp")


class NoIdentity(HaptaError):
    """A guest asks for what only somebody can have; PocketBase's own words (``apis/middlewares.go``)."""

    status, code = 401, "no_identity"
    message = "The request requires valid record authorization token."


def shown(rows: Sequence[Mapping[str, Any]], current: str | None) -> list[dict[str, Any]]:
    """Rows as their owner may see them: nothing sealed, no salt."""
    return [{**{name: row[name] for name in _SHOWN}, "current": row["id"] == current} for row in rows]


def session_routes(keeper: SessionKeeper, rows: SessionRows, clock: Clock) -> Stage:
    """Answers them; stands behind identify and before the routes of Hapta that nobody has."""

    async def living(identity: Identity) -> list[Mapping[str, Any]]:
        return await rows.of_identity(identity.collection, identity.record, clock.now())

    async def listed(identity: Identity) -> Answer:
        items = shown(await living(identity), identity.session)
        page = {"items": items, "page": 1, "perPage": max(30, len(items)), "totalItems": len(items)}
        body = orjson.dumps({**page, "totalPages": 1 if items else 0})
        return Answer(200, [(b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")], body)

    async def end_own(identity: Identity, session_id: str) -> Answer:
        if session_id not in {row["id"] for row in await living(identity)}:
            raise NotFound
        await keeper.end(session_id, "revoked")
        return Answer(204)

    async def logout(identity: Identity) -> Answer:
        if identity.session is None:
            raise BadRequest("This token is PocketBase's own and cannot be ended. Refresh it first.")
        await keeper.end(identity.session, "logout")
        return Answer(204)

    async def logout_all(identity: Identity) -> Answer:
        failure: HaptaError | None = None
        for row in await living(identity):
            try:
                await keeper.end(row["id"], "logout_all")
            except HaptaError as error:  # the others must not live on; the caller may have no token any more
                failure = error
        if failure is not None:
            raise failure
        return Answer(204)

    @only_for(OperationClass.OWN)
    async def stage(exchange: Exchange, forward: Handler) -> Answer:
        operation = exchange.operation
        if operation.kind is not OperationClass.OWN:
            return await forward(exchange)
        route, _, session_id = operation.action.partition("/")
        asked = (exchange.method, route, bool(session_id))
        known = {
            ("GET", "sessions", False),
            ("HEAD", "sessions", False),
            ("DELETE", "sessions", True),
            ("POST", "logout", False),
            ("POST", "logout-all", False),
        }
        if asked not in known:
            return await forward(exchange)
        identity = exchange.identity
        if identity is None:
            raise NoIdentity
        if route == "logout":
            return await logout(identity)
        if route == "logout-all":
            return await logout_all(identity)
        return await end_own(identity, session_id) if session_id else await listed(identity)

    return stage
