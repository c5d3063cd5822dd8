"""The stages of the cache with a PocketBase that answers as told, and waits where told."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import orjson

from hapta.cache.book import Circumstances, PlanBook
from hapta.cache.changes import Journal
from hapta.cache.echoes import Echoes, Event
from hapta.cache.generations import Generations
from hapta.cache.known_rows import KnownRows
from hapta.cache.plan import HooksMode
from hapta.cache.shelf import Shelf
from hapta.cache.stale import StaleLimits
from hapta.cache.store import ResponseStore
from hapta.cache.tags import Tag
from hapta.cache.writes import WriteTags
from hapta.config import CorsConfig
from hapta.identity.auth_records import AuthRecords
from hapta.model.clock import ManualClock
from hapta.model.exchange import Answer, AnswerStream, Exchange, Header
from hapta.model.identity import Identity
from hapta.model.schema import Collection, Schema
from hapta.stages.cache import ReadCache
from hapta.stages.fill import Filler
from hapta.stages.invalidate import Invalidation
from hapta.stages.keeping import Keeping
from hapta.stages.lookup import Look, Lookup
from hapta.stages.origins import OriginMemo
from hapta.stages.own_emails import OwnEmails
from hapta.stages.remake import Remaker
from hapta.stages.row_writes import RowWrites
from hapta.stages.stale import StaleAnswers
from hapta.stages.variants import Variants
from tests.support.exchanges import exchange, fields
from tests.unit.cache.plan_world import USERS, VIEWS, schema

JSON: Header = (b"Content-Type", b"application/json")
VARY: Header = (b"Vary", b"Origin")
POSTS_LIST = "/api/collections/posts/records"
USERS_LIST = "/api/collections/users/records"


def caller(record: str, collection: str = USERS) -> Identity:
    return Identity(collection, record, f"token of {record}", None)


def page(*rows: Mapping[str, Any]) -> bytes:
    return orjson.dumps(
        {"items": list(rows), "page": 1, "perPage": 30, "totalItems": len(rows), "totalPages": 1}
    )


def refusal(status: int, message: str = "No.") -> bytes:
    return orjson.dumps({"data": {}, "message": message, "status": status})


class Stream:
    """An answer's body that comes in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.is_aborted = False

    async def chunks(self) -> Any:
        for piece in self._pieces:
            yield piece

    def abort(self) -> None:
        self.is_aborted = True


class PocketBase:
    """The next handler.

    Attributes:
        status, headers, body: what it answers; ``body`` may be made from the request.
        error: raised instead.
        gate: cleared, answers wait.
        then: done when the gate is passed, before the answer.
    """

    def __init__(self) -> None:
        self.status = 200
        self.headers: list[Header] = [JSON, VARY]
        self.body: bytes | AnswerStream | Callable[[Exchange], bytes | AnswerStream] = page()
        self.length: int | None = None
        self.error: Callable[[], BaseException] | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.then: Callable[[], Awaitable[None]] | None = None
        self.asked: list[Exchange] = []

    async def __call__(self, exchange: Exchange) -> Answer:
        self.asked.append(exchange)
        await self.gate.wait()
        if self.then is not None:
            await self.then()
        if self.error is not None:
            raise self.error()
        exchange.is_answered = True
        body = self.body(exchange) if callable(self.body) else self.body
        headers = list(self.headers)
        if (origin := exchange.headers.get("Origin")) is not None and origin != "https://evil.test":
            headers.append((b"Access-Control-Allow-Origin", origin.encode()))
        return Answer(self.status, headers, body, self.length)


class Feed:
    """The change feed and the schema: live, and covering everything, until told otherwise."""

    def __init__(self) -> None:
        self.is_live = True
        self.uncovered: set[str] = set()
        self.touched = 0
        self.comes_back = False
        self.is_sure = True
        self.asked_since: list[float] = []
        self.on_asked: Callable[[], None] = lambda: None

    async def confirm(self) -> None:
        self.is_live = self.is_live or self.comes_back

    def is_confirmed_since(self, instant: float) -> bool:
        return self.is_sure

    async def confirm_since(self, instant: float) -> None:
        self.asked_since.append(instant)
        self.on_asked()

    def touch(self) -> None:
        self.touched += 1

    def covers(self, tags: Iterable[Tag]) -> bool:
        return not any(len(tag) > 1 and tag[1] in self.uncovered for tag in tags)


class Superuser:
    """Auth records as a superuser sees them."""

    def __init__(self) -> None:
        self.roles: dict[str, str] = {}
        self.emails: dict[str, str] = {}
        self.then: Callable[[], None] = lambda: None

    async def request(self, method: str, path: str) -> tuple[int, Any]:
        _, _, _, collection, _, record = path.split("/")
        answer = {"id": record, "collectionId": collection, "role": self.roles.get(record, "none")}
        if record in self.emails:
            answer["email"] = self.emails[record]
        await asyncio.sleep(0)
        self.then()
        return 200, answer


class Meter:
    """What was counted."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.variants = self.saved_bytes = 0

    def cache_hit(self, collection: str, how: str) -> None:
        self.seen.append("hit" if how == "shared" else f"hit {how}")

    def cache_miss(self, collection: str, reason: str) -> None:
        self.seen.append(str(reason))

    def cache_bypass(self, collection: str, reason: str) -> None:
        self.seen.append(f"bypass {reason}")

    def variant_made(self, collection: str) -> None:
        self.variants += 1

    def variant_served(self, collection: str, saved_bytes: int) -> None:
        self.saved_bytes += saved_bytes


class World:
    """Everything in one process; ``world.read()`` is one request through both stages."""

    def __init__(
        self,
        max_body_bytes: int = 10_000,
        *,
        has_overlay: bool = False,
        is_remade: bool = False,
        **rules: Mapping[str, str | None],
    ) -> None:
        self.clock = ManualClock(1_700_000_000.0)  # 22:13 UTC
        self.schema: Schema = schema(**rules)
        self.hooks = HooksMode.NONE
        self.feed, self.pocketbase, self.superuser, self.meter = Feed(), PocketBase(), Superuser(), Meter()
        self.generations = Generations(self.clock)
        self.rows = KnownRows(self.generations, self.clock)
        self.store = ResponseStore(4 * 1024 * 1024, self.clock)
        self.auth_records = AuthRecords(self.superuser)
        self.book = PlanBook(
            lambda: Circumstances(self.schema, VIEWS, 0),
            hooks=lambda _: self.hooks,
            is_enabled=lambda _: True,
            custom_routes_write=("*",),
            on_warning=lambda _: None,
            rows=self.rows,
        )
        self.echoes, self.journal = Echoes(self.clock), Journal(self.clock)
        self.shelf = Shelf(self.store, self.generations, self.clock)
        keeping = Keeping(self.rows, lifetime_s=lambda _: 300.0, has_overlay=has_overlay)
        self.remaker = Remaker(
            self.store,
            self.generations,
            keeping,
            self.shelf,
            self.journal,
            self.feed,
            patches=is_remade,
            refills=is_remade,
            clock=self.clock,
        )
        self.vouches = True
        self.token_end: float | None = 4e9
        self.filler = Filler(
            self.store,
            self.generations,
            keeping,
            self.remaker,
            self.feed,
            self,
            token_end=lambda _: self.token_end,
            host="pocketbase.test",
            max_body_bytes=max_body_bytes,
            clock=self.clock,
        )
        self.origins = OriginMemo(CorsConfig(), self.clock)
        lookup = Lookup(self.book, self.feed, self.auth_records)
        self.stale_limits = StaleLimits()
        self.stale = StaleAnswers(
            lookup,
            self.store,
            limits_of=lambda _: self.stale_limits,
            collection_of=self.collection_of,
            clock=self.clock,
        )
        self.variants = Variants(self.store, is_enabled=True, meter=self.meter)
        self.reads = ReadCache(
            lookup,
            self.filler,
            self.remaker,
            self.store,
            self.origins,
            OwnEmails(self.auth_records, self.generations),
            self.stale,
            self.variants,
            id_of=self.book.id_of,
            meter=self.meter,
            clock=self.clock,
        )
        self.row_writes = RowWrites(self.rows, self.echoes, self.journal, self.shelf, self.news)
        self.writes = Invalidation(self, self.row_writes, self.generations, in_doubt_s=300.0)

    @property
    def version(self) -> int:
        return self.book.version

    @property
    def write_tags(self) -> WriteTags:
        return self.book.write_tags

    def collection_of(self, collection_id: str) -> Collection | None:
        return self.schema.by_id.get(collection_id)

    def news(self, event: Event) -> None:
        """It is no echo."""
        tags = self.write_tags.changed(event.collection_id, event.record_id, event.action)
        change = self.echoes.news_of(event)
        self.rows.told(tags, event.collection_id, event.record_id, event.action, event.record, change=change)

    def hooks_of(self, name_or_id: str | None) -> HooksMode:
        return self.hooks

    async def vouch(self, look: Look) -> bool:
        return self.vouches

    def change_schema(self, **rules: Mapping[str, str | None]) -> None:
        self.schema = Schema.of(self.schema.version + 1, schema(**rules).by_id.values())
        self.generations.move_everything()
        self.shelf.clear()

    async def ask(self, one: Exchange) -> Answer:
        async def inner(exchange: Exchange) -> Answer:
            return await self.writes(exchange, self.pocketbase)

        return await self.reads(one, inner)

    async def read(
        self,
        target: str = POSTS_LIST,
        identity: Identity | None = None,
        method: str = "GET",
        **headers: str,
    ) -> Answer:
        one = exchange(method, target, {name.replace("_", "-"): value for name, value in headers.items()})
        one.identity = identity
        one.authorization = None if identity is None else identity.upstream_token
        return await self.ask(one)

    async def write(
        self, method: str = "POST", target: str = POSTS_LIST, body: bytes = b"{}", **headers: str
    ) -> Answer:
        return await self.ask(exchange(method, target, headers, body))


def status_of(answer: Answer) -> str:
    """Its ``Cache-Status``, without our name."""
    (value,) = fields(answer, b"cache-status")
    return value.decode().removeprefix("hapta; ")


async def turns(count: int = 20) -> None:
    """Let everybody get as far as they can."""
    for _ in range(count):
        await asyncio.sleep(0)
