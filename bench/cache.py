"""What the cache costs a request, in microseconds of Python: a hit, its parts, plans, and writes.

One process, no server and no network: the stage of the running gateway with a PocketBase that answers at
once. Each figure is the least of some repetitions in a round.
"""

import asyncio
import timeit
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address
from typing import Any

import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from bench.plan import Plan, Section
from bench.statistics import Spread, table
from hapta.cache.book import Circumstances, PlanBook
from hapta.cache.changes import Journal
from hapta.cache.echoes import Echoes
from hapta.cache.generations import Generations
from hapta.cache.known_rows import KnownRows
from hapta.cache.plan import HooksMode, Views
from hapta.cache.plan import Plan as ReadPlan
from hapta.cache.shelf import Shelf
from hapta.cache.stale import NEVER
from hapta.cache.store import ResponseStore
from hapta.cache.tags import Tag, any_row, anywhere, record
from hapta.cache.variant import compressed
from hapta.config import CorsConfig
from hapta.identity.auth_records import AuthRecords
from hapta.model.clock import SystemClock
from hapta.model.exchange import Answer, Exchange
from hapta.model.operation import classify
from hapta.model.schema import Collection, Schema
from hapta.model.target import parse_target
from hapta.observe.cache_metrics import CacheMetrics
from hapta.stages.cache import ReadCache
from hapta.stages.fill import Filler
from hapta.stages.keeping import Keeping
from hapta.stages.lookup import Look, Lookup
from hapta.stages.origins import OriginMemo
from hapta.stages.own_emails import OwnEmails
from hapta.stages.remake import Remaker
from hapta.stages.row_writes import Outcome, RowWrites
from hapta.stages.stale import StaleAnswers
from hapta.stages.variants import Variants

_REPEAT = 5
_RESPONSES = 100_000
_BUDGET = 1024 * 1024 * 1024
_LIST = "/api/collections/posts/records?page=1&perPage=30&sort=-created&filter=pinned%3Dfalse"
_VIEW = "/api/collections/posts/records/post00000000001"
_EXPANDED = _LIST + "&expand=author"


@dataclass(frozen=True, slots=True)
class Run:
    """One round of one thing.

    Attributes:
        value: microseconds.
    """

    round: int
    what: str
    value: float


def measure(plan: Plan) -> Section:
    """Run everything, and make the table."""
    runs = []
    for number in range(plan.runs):
        for what, value in asyncio.run(_Bench(plan.seconds).round()).items():
            plan.say(f"cache, round {number + 1}: {what}: {value:.2f} µs")
            runs.append(Run(number, what, value))
    names = dict.fromkeys(run.what for run in runs)
    rows = [[name, Spread.of(run.value for run in runs if run.what == name).shown(2)] for name in names]
    return Section("cache", table(["the cache's own share", "µs"], rows), [asdict(run) for run in runs])


class _Coherent:
    """A feed that lives and a PocketBase that stands still."""

    is_live = True

    async def confirm(self) -> None:
        """Nothing is missing."""

    def is_confirmed_since(self, instant: float) -> bool:
        del instant
        return True

    async def confirm_since(self, instant: float) -> None:
        """It is."""

    def touch(self) -> None:
        """Nobody asks."""

    def covers(self, tags: Iterable[Tag]) -> bool:
        del tags
        return True

    async def vouch(self, look: Look) -> bool:
        del look
        return True


class _Nobody:
    """A superuser who is never asked."""

    async def request(self, method: str, path: str) -> tuple[int, Any]:
        raise AssertionError(f"{method} {path}")


class _Bench:
    """The cache as the gateway puts it together, before a PocketBase of three collections."""

    def __init__(self, seconds: float) -> None:
        self._count = max(50, int(seconds * 500))
        clock, coherent = SystemClock(), _Coherent()
        schema = Schema.of(1, map(Collection.parse, _COLLECTIONS))
        views: Views = {}
        self._book = PlanBook(
            lambda: Circumstances(schema, views, 0),
            hooks=lambda _: HooksMode.NONE,
            is_enabled=lambda _: True,
            custom_routes_write=(),
            on_warning=_must_not_happen,
        )
        self._generations = Generations(clock)
        self._store = ResponseStore(_BUDGET, clock)
        rows = KnownRows(self._generations, clock)
        keeping = Keeping(rows, lifetime_s=lambda _: 3600.0, has_overlay=True)
        shelf = Shelf(self._store, self._generations, clock)
        journal = Journal(clock)
        remaker = Remaker(
            self._store,
            self._generations,
            keeping,
            shelf,
            journal,
            coherent,
            patches=True,
            refills=True,
            clock=clock,
        )
        self._writes = RowWrites(rows, Echoes(clock), journal, shelf, _must_not_happen)
        self._posts = schema.by_id["posts"]
        filler = Filler(
            self._store,
            self._generations,
            keeping,
            remaker,
            coherent,
            coherent,
            token_end=lambda _: None,
            host="pocketbase",
            max_body_bytes=4 * 1024 * 1024,
            clock=clock,
        )
        auth_records = AuthRecords(_Nobody())
        lookup = Lookup(self._book, coherent, auth_records)
        self._variants = Variants(self._store, is_enabled=True, meter=CacheMetrics())
        self._stage = ReadCache(
            lookup,
            filler,
            remaker,
            self._store,
            OriginMemo(CorsConfig(), clock),
            OwnEmails(auth_records, self._generations),
            StaleAnswers(
                lookup, self._store, limits_of=lambda _: NEVER, collection_of=schema.by_id.get, clock=clock
            ),
            self._variants,
            id_of=self._book.id_of,
            meter=CacheMetrics(),
            clock=clock,
        )

    async def round(self) -> Mapping[str, float]:
        found = {
            "a hit: a view of 0.5 KB": await self._each(lambda: self._stage(_read(_VIEW), _view)),
            "a hit: a list of 15 KB": await self._each(lambda: self._stage(_read(_LIST), _list)),
            "a 304 for the same list": await self._each(lambda: self._stage(self._conditional(), _list)),
            "a hit: the same list in gzip": await self._coded_hit(),
            "putting that list into gzip, once, in a thread": self._least(lambda: compressed(_LIST_BODY)),
            "a hit after a write elsewhere": await self._each(self._hit_after_a_write),
            "a fetch and its storing, 30 expanded rows": await self._each(self._miss),
            "the same list, patched with a write to one of them": await self._each(self._patch),
        }
        found |= {
            "a plan: a view, first asked for": self._plan(_VIEW),
            "a plan: a list with filter and sort": self._plan(_LIST),
            "a plan: the same with an expand": self._plan(_EXPANDED),
        }
        for number in range(_RESPONSES):
            await self._stage(_read(f"/api/collections/posts/records/p{number:014}"), _view)
        assert len(self._store) > _RESPONSES * 0.9, "the store was to hold them all"
        found[f"a write with {_RESPONSES:,} responses stored"] = self._least(self._write)
        found["the same, its row taken from the answer"] = self._least(self._like)
        found["the first hit after it"] = await self._each(self._hit_after_a_write)
        return found

    async def _each(self, call: Callable[[], Coroutine[Any, Any, object]]) -> float:
        await call()
        clock, least = timeit.default_timer, float("inf")
        for _ in range(_REPEAT):
            began = clock()
            for _ in range(self._count):
                await call()
            least = min(least, (clock() - began) / self._count)
        return least * 1e6

    def _least(self, call: Callable[[], object]) -> float:
        return min(timeit.repeat(call, number=self._count, repeat=_REPEAT)) / self._count * 1e6

    def _plan(self, target: str) -> float:
        parsed = parse_target(target, "")
        operation, numbers = classify("GET", parsed.segments), iter(range(10**9))

        def plan() -> None:
            fresh = replace(parsed, raw=f"{parsed.raw}#{next(numbers)}")  # a key no memo has
            assert isinstance(self._book.plan(fresh, operation, "users"), ReadPlan)

        return self._least(plan)

    def _conditional(self) -> Exchange:
        return _read(_LIST, "If-None-Match", "*")

    async def _coded_hit(self) -> float:
        async def hit() -> Answer:
            return await self._stage(_read(_LIST, "Accept-Encoding", "gzip, deflate, br"), _list)

        for _ in range(3):
            await hit()
        await self._variants.settled()
        answer = await hit()
        assert (b"Content-Encoding", b"gzip") in answer.headers, "the list was to have a variant"
        return await self._each(hit)

    async def _hit_after_a_write(self) -> None:
        self._write()
        await self._stage(_read(_VIEW), _view)

    async def _miss(self) -> None:
        self._generations.move((any_row("posts"),))
        await self._stage(_read(_EXPANDED), _list)

    async def _patch(self) -> None:
        self._like()
        answer = await self._stage(_read(_EXPANDED), _list)
        assert dict(answer.headers)[b"Cache-Status"].endswith(b"detail=patched")

    def _like(self) -> None:
        tags = frozenset({record("posts", _LIKED["id"]), any_row("posts"), anywhere("posts")})
        write = self._writes.begin(
            tags, self._posts, _LIKED["id"], "update", members={"content": ""}, is_followed=True
        )
        write.close(has_changed=True, outcome=Outcome(_LIKED, orjson.dumps(_LIKED)))

    def _write(self) -> None:
        self._generations.begin((record("posts", "elsewhere000001"), any_row("posts"))).close()


def _read(target: str, *header: str) -> Exchange:
    parsed, address = parse_target(target, ""), ip_address("203.0.113.9")
    headers: CIMultiDict[str] = CIMultiDict({"Host": "api.example.org"})
    if header:
        headers[header[0]] = header[1]
    return Exchange(
        method="GET",
        target=parsed,
        operation=classify("GET", parsed.segments),
        headers=CIMultiDictProxy(headers),
        body=None,
        scheme="http",
        peer=address,
        client=address,
        is_peer_trusted=False,
        is_admin_client=False,
        request_id="bench",
        on_client_gone=lambda _: _nothing,
    )


def _nothing() -> None:
    """Nobody leaves."""


def _must_not_happen(what: object) -> None:
    raise AssertionError(what)


_HEADERS = [
    (b"Content-Type", b"application/json"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Vary", b"Origin"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"SAMEORIGIN"),
    (b"X-Xss-Protection", b"1; mode=block"),
]


def _row(number: int) -> dict[str, object]:
    author = f"user{number:011}"
    user = {"collectionId": "users", "collectionName": "users", "id": author, "name": "x" * 40}
    post = {"author": author, "collectionId": "posts", "collectionName": "posts", "content": "y" * 250}
    created = f"2026-01-01 00:00:{number:02}.000Z"
    expand = {"author": user}
    return {**post, "created": created, "expand": expand, "id": f"post{number:011}", "pinned": False}


_LIKED: dict[str, Any] = {name: value for name, value in _row(7).items() if name != "expand"}
_VIEW_BODY = orjson.dumps(_row(1))
_LIST_BODY = orjson.dumps(
    {"items": [_row(n) for n in range(30)], "page": 1, "perPage": 30, "totalItems": 30, "totalPages": 1}
)


async def _view(exchange: Exchange) -> Answer:
    del exchange
    return Answer(200, list(_HEADERS), _VIEW_BODY)


async def _list(exchange: Exchange) -> Answer:
    del exchange
    return Answer(200, list(_HEADERS), _LIST_BODY)


def _field(name: str, kind: str, **more: object) -> dict[str, object]:
    return {"id": name, "name": name, "type": kind, "hidden": False, "system": False, **more}


def _collection(name: str, kind: str, *fields: dict[str, object]) -> dict[str, Any]:
    rules = {f"{rule}Rule": "" for rule in ("list", "view", "create", "update", "delete")}
    return {"id": name, "name": name, "type": kind, "system": False, "updated": "", "fields": fields, **rules}


_COLLECTIONS = (
    _collection("users", "auth", _field("id", "text"), _field("email", "email"), _field("name", "text")),
    _collection(
        "posts",
        "base",
        _field("id", "text"),
        _field("content", "text"),
        _field("pinned", "bool"),
        _field("created", "autodate", onUpdate=False),
        _field("author", "relation", collectionId="users", maxSelect=1, cascadeDelete=False),
    ),
)
