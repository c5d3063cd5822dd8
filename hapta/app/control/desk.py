"""What the control socket answers.

    GET    /status                            how it is
    GET    /sessions?collection=&record=      living sessions, last refreshed first; &email= instead of
                                              record, &limit= (500)
    GET    /sessions/{id}                     one of them
    DELETE /sessions/{id}                     end it
    DELETE /sessions?collection=&record=      end all of one account; &email= instead of record
    POST   /sessions/end-all?confirm          end all
    GET    /cache/explain?url=&as=            what the cache makes of a read; as=guest, superuser or
                                              COLLECTION/ID
    GET    /cache/stats                       what it did and holds, by collection
    POST   /cache/purge?collection=           drop what depends on a collection; ?all for everything
    GET    /feeds                             the ranked feeds and their tables
    GET    /feeds/explain?feed=&as=&limit=    the first rows for a caller, their scores taken apart; as=guest,
                                              superuser, COLLECTION/ID or an e-mail address
    POST   /feeds/rebuild?feed=               build a table anew
    POST   /reload                            read the configuration again; 422 with why it is refused

A collection is given by name or id. Errors have PocketBase's form. What was ended is ended when the answer
comes: the next request with its token gets 401, its event streams are cut.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from hapta import __version__
from hapta.feed import Features
from hapta.identity.overview import Found, Overview
from hapta.identity.rows import RowsRefused
from hapta.model.clock import Clock
from hapta.model.errors import BadRequest, HaptaError, NotFound, OperatorError
from hapta.model.schema import Schema

ENDED_BY_OPERATOR = "operator"
LIMIT = 500
SHOWN_ROWS = 10
"""Of a ranked feed that is explained, unless another ``limit`` is asked for."""
PROOF_S = 2.5
"""How long an event may take that was asked for."""
_LOOK_S = 0.02
_ID = re.compile(r"[a-z0-9]{15}")


class NotAllEnded(HaptaError):
    """The database failed in the middle; repeating it ends the rest."""

    status, code = 502, "not_all_ended"


class ReloadRefused(HaptaError):
    """The configuration cannot be put to work; the one before it stays."""

    status, code = 422, "reload_refused"


class Keeper(Protocol):
    """Who remembers and ends sessions."""

    def __len__(self) -> int: ...

    async def end(self, session_id: str, reason: str) -> bool:
        """End one; whether there was one."""


class Feed(Protocol):
    """The change feed."""

    @property
    def epoch(self) -> int: ...

    @property
    def is_live(self) -> bool: ...

    @property
    def is_connected(self) -> bool: ...

    def touch(self) -> None:
        """Have it ask for an event, if none came for a while."""


class Watch(Protocol):
    """The schema, and what PocketBase can do."""

    @property
    def snapshot(self) -> Schema: ...

    @property
    def features(self) -> Features: ...


class Cache(Protocol):
    """The cache, as the operator sees it."""

    async def explain(self, url: str, caller: str) -> Mapping[str, Any]:
        """What it makes of a read."""

    def stats(self) -> Mapping[str, Any]:
        """What it did and holds."""

    def purge(self, collection: str) -> int:
        """Drop what depends on a collection, or everything; how many responses."""


class Feeds(Protocol):
    """The ranked feeds, as the operator sees them."""

    def list(self) -> Sequence[Mapping[str, Any]]:
        """All of them, with their tables."""

    async def explain(self, name: str, who: str, limit: int) -> Mapping[str, Any]:
        """The first rows for a caller, their scores taken apart."""

    def rebuild(self, name: str) -> None:
        """Build a table anew."""


class Reloaded(Protocol):
    """What a reload changed, in words."""

    @property
    def changes(self) -> Sequence[str]: ...

    @property
    def needs_restart(self) -> Sequence[str]: ...


def _no_feeds() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything the operator can ask of the running Hapta.

    Attributes:
        url: where clients reach it.
        keeper: ends sessions.
        overview: finds them.
        feed: the change feed.
        watch: the schema.
        cache: explains, counts and empties.
        reload: reads the configuration again.
        open_streams: how many event streams are open.
        clock: the time.
        started_at: monotonic instant.
        feeds: gives the ranked feeds there are now; ``None``: none is configured.
    """

    url: str
    keeper: Keeper
    overview: Overview
    feed: Feed
    watch: Watch
    cache: Cache
    reload: Callable[[], Awaitable[Reloaded]]
    open_streams: Callable[[], int]
    clock: Clock
    started_at: float
    feeds: Callable[[], Feeds | None] = _no_feeds

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application(middlewares=[_errors])
        application.router.add_get("/status", self._status)
        application.router.add_get("/sessions", self._list)
        application.router.add_delete("/sessions", self._end_account)
        application.router.add_post("/sessions/end-all", self._end_all)
        application.router.add_get("/sessions/{id}", self._view)
        application.router.add_delete("/sessions/{id}", self._end_one)
        application.router.add_get("/cache/explain", self._explain)
        application.router.add_get("/cache/stats", self._stats)
        application.router.add_post("/cache/purge", self._purge)
        application.router.add_get("/feeds", self._feeds)
        application.router.add_get("/feeds/explain", self._explain_feed)
        application.router.add_post("/feeds/rebuild", self._rebuild_feed)
        application.router.add_post("/reload", self._reload)
        return application

    async def _status(self, _: web.Request) -> web.Response:
        await self._prove_feed()
        features = self.watch.features
        return web.json_response(
            {
                "version": __version__,
                "url": self.url,
                "uptime_s": round(self.clock.monotonic() - self.started_at, 3),
                "feed": {
                    "connected": self.feed.is_connected,
                    "live": self.feed.is_live,
                    "epoch": self.feed.epoch,
                },
                "features": {"sql": features.has_sql, "batch": features.has_batch},
                "sessions_remembered": len(self.keeper),
                "open_streams": self.open_streams(),
            }
        )

    async def _explain(self, request: web.Request) -> web.Response:
        url = request.query.get("url", "")
        if not url:
            raise BadRequest("Name the URL or path: ?url=.")
        return web.json_response(await self.cache.explain(url, request.query.get("as", "")))

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self.cache.stats())

    async def _purge(self, request: web.Request) -> web.Response:
        collection = request.query.get("collection", "")
        if bool(collection) == ("all" in request.query):
            raise BadRequest("Name a collection, or say ?all.")
        return web.json_response({"dropped": self.cache.purge(collection)})

    async def _feeds(self, _: web.Request) -> web.Response:
        feeds = self.feeds()
        return web.json_response({"items": [] if feeds is None else list(feeds.list())})

    async def _explain_feed(self, request: web.Request) -> web.Response:
        feeds, name = self._feed(request)
        limit = _limit(request.query.get("limit", ""), SHOWN_ROWS)
        return web.json_response(await feeds.explain(name, request.query.get("as", ""), limit))

    async def _rebuild_feed(self, request: web.Request) -> web.Response:
        feeds, name = self._feed(request)
        feeds.rebuild(name)
        return web.json_response({"rebuilding": name})

    def _feed(self, request: web.Request) -> tuple[Feeds, str]:
        name, feeds = request.query.get("feed", ""), self.feeds()
        if not name:
            raise BadRequest("Name the feed: ?feed=.")
        if feeds is None:
            raise NotFound(f"There is no ranked feed {name}.")
        return feeds, name

    async def _reload(self, _: web.Request) -> web.Response:
        try:
            reloaded = await self.reload()
        except OperatorError as exc:
            raise ReloadRefused(str(exc)) from exc
        changes, needs_restart = list(reloaded.changes), list(reloaded.needs_restart)
        return web.json_response({"changes": changes, "needs_restart": needs_restart})

    async def _prove_feed(self) -> None:
        """Until an event was asked for and came, a stream that is idle and one that is deaf look alike."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PROOF_S):
                while self.feed.is_connected and not self.feed.is_live:
                    self.feed.touch()
                    await asyncio.sleep(_LOOK_S)

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        collection, record = await self._account(query)
        found = await self.overview.living(
            collection=collection, record=record, limit=_limit(query.get("limit", ""))
        )
        return web.json_response({"items": self._shown(found), "totalItems": found.total})

    async def _view(self, request: web.Request) -> web.Response:
        return web.json_response(self._shown(await self._one(request))[0])

    async def _end_one(self, request: web.Request) -> web.Response:
        found = await self._one(request)
        return web.json_response(await self._end(found))

    async def _end_account(self, request: web.Request) -> web.Response:
        collection, record = await self._account(request.query)
        if not record:
            raise BadRequest("Name the account: collection and record, or collection and email.")
        return web.json_response(await self._end_all_of(collection, record))

    async def _end_all(self, request: web.Request) -> web.Response:
        if "confirm" not in request.query:
            raise BadRequest("This logs everybody out: repeat it with ?confirm.")
        return web.json_response(await self._end_all_of())

    async def _end_all_of(self, collection: str = "", record: str = "") -> Mapping[str, int]:
        """As many as live now; who logs in meanwhile stays."""
        found = await self.overview.living(collection=collection, record=record)
        if found.total > len(found.rows):
            found = await self.overview.living(collection=collection, record=record, limit=found.total)
        return await self._end(found)

    async def _end(self, found: Found) -> Mapping[str, int]:
        """One after the other, as PocketBase writes them.

        Raises:
            NotAllEnded: PocketBase did not take one of them; the text says how far it came.
        """
        for number, row in enumerate(found.rows):
            try:
                await self.keeper.end(row["id"], ENDED_BY_OPERATOR)
            except HaptaError as exc:
                raise NotAllEnded(f"{number} of {len(found.rows)} sessions ended, then: {_why(exc)}") from exc
        return {"ended": len(found.rows)}

    async def _one(self, request: web.Request) -> Found:
        session_id = request.match_info["id"]
        found = await self.overview.living(session=session_id, limit=1) if _ID.fullmatch(session_id) else None
        if found is None or not found.rows:
            raise NotFound("There is no such living session.")
        return found

    async def _account(self, query: Mapping[str, str]) -> tuple[str, str]:
        """Ids of the collection and the record that are asked for; empty for any."""
        name, record, email = (query.get(key, "") for key in ("collection", "record", "email"))
        if not name:
            if record or email:
                raise BadRequest("Name the collection of the account, too.")
            return "", ""
        collection = self.watch.snapshot.resolve(name)
        if collection is None or collection.type != "auth":
            raise NotFound(f"There is no auth collection {name}.")
        if email:
            record = await self.overview.record_of(collection.id, email) or ""
            if not record:
                raise NotFound(f"Nobody in {collection.name} has that e-mail address.")
        return collection.id, record

    def _shown(self, found: Found) -> list[dict[str, Any]]:
        by_id = self.watch.snapshot.by_id
        return [
            {
                **row,
                "collectionName": by_id[row["collection"]].name if row["collection"] in by_id else "",
            }
            for row in found.rows
        ]


def _limit(text: str, otherwise: int = LIMIT) -> int:
    if not text:
        return otherwise
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise BadRequest("limit: expected a number from 1 to 1000000.")
    return int(text)


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except HaptaError as exc:
        return _error(exc.status, _why(exc))
    except web.HTTPException as exc:
        return _error(exc.status, "There is no such route.")


def _why(exc: HaptaError) -> str:
    """What a client is not told, and the operator is."""
    return exc.detail if isinstance(exc, RowsRefused) else exc.message


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"data": {}, "message": message, "status": status}, status=status)
