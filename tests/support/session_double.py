"""Sessions without a PocketBase: rows in memory behind PocketBase's own requests, and processes around them.

Several :class:`Process` may share one :class:`Database`, as several Haptas share a PocketBase. Each request
gives way to other tasks before and after it takes effect, can be held, refused or lost, and is counted;
events reach a process when the test delivers them.
"""

import asyncio
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hapta.config import SessionsConfig
from hapta.identity.keeper import SessionKeeper
from hapta.identity.needs import SessionEnded
from hapta.identity.rows import SessionRows, date_value
from hapta.model.clock import ManualClock
from hapta.model.errors import HaptaError, UpstreamLost
from hapta.model.identity import Identity
from hapta.sessions.keys import KeyRing

RING = KeyRing.of("a secret of at least thirty-two bytes", None)
USERS = "_pb_users_auth_"
WEEK_S = 7 * 86400
_RECORD = re.compile(r"/api/collections/(\w+)/records(?:/(\w+))?")
_TERM = re.compile(r"(\w+)([=<>])'((?:[^'\\]|\\.)*)'")
_VIA = "hapta_rotations_via_session"


@dataclass(frozen=True)
class Event:
    """What the change feed tells."""

    collection: str
    record_id: str
    action: str
    record: Mapping[str, Any]


class Database:
    """PocketBase as far as sessions see it.

    Attributes:
        living: auth tokens that PocketBase takes, and whose they are.
        feeds: where events wait, one for each process that listens.
    """

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {
            name: {} for name in ("hapta_sessions", "hapta_rotations", "hapta_audit")
        }
        self.living: dict[str, tuple[str, str]] = {}
        self.feeds: list[deque[Event]] = []
        self._issued = 0

    @property
    def sessions(self) -> dict[str, dict[str, Any]]:
        return self.tables["hapta_sessions"]

    @property
    def rotations(self) -> dict[str, dict[str, Any]]:
        return self.tables["hapta_rotations"]

    @property
    def audit(self) -> list[dict[str, Any]]:
        return list(self.tables["hapta_audit"].values())

    def issue(self, record: str, collection: str = USERS) -> str:
        """A new auth token."""
        self._issued += 1
        token = f"pocketbase-{record}-{self._issued}"
        self.living[token] = (collection, record)
        return token

    def lose_identity(self, record: str, *, tells: bool = True) -> None:
        """A new password: all tokens of the record die."""
        lost = [token for token, whose in self.living.items() if whose[1] == record]
        for token in lost:
            del self.living[token]
        if tells:
            self.tell(Event(USERS, record, "update", {"id": record}))

    def tell(self, event: Event) -> None:
        for feed in self.feeds:
            feed.append(event)

    def carry_out(self, method: str, path: str, json: Any) -> tuple[int, Any]:
        """One request of Hapta's, as PocketBase answers it."""
        parts = urlsplit(path)
        found = _RECORD.fullmatch(parts.path)
        assert found is not None, path
        name, record_id = found[1], found[2]
        table = self.tables[name]
        if method == "POST":
            return self._create(name, table, dict(json))
        if record_id is None:
            return 200, {"items": self._listed(table, parse_qs(parts.query))}
        row = table.get(record_id)
        if row is None:
            return 404, {"data": {}, "message": "The requested resource wasn't found.", "status": 404}
        if method == "GET":
            return 200, self._expanded(row)
        if method == "PATCH":
            row.update(json)
            self.tell(Event(name, record_id, "update", dict(row)))
            return 200, dict(row)
        assert method == "DELETE"
        self.delete(name, record_id)
        return 204, None

    def _create(self, name: str, table: dict[str, Any], row: dict[str, Any]) -> tuple[int, Any]:
        row_id = row.setdefault("id", f"row{len(table):012}")
        clashes = row_id in table or (name == "hapta_rotations" and row["session"] not in self.sessions)
        if clashes:
            return 400, {
                "data": {"id": {"code": "validation_not_unique"}},
                "message": "Failed.",
                "status": 400,
            }
        defaults = {"hapta_sessions": ("ended", "ended_reason"), "hapta_rotations": ("first_used",)}
        table[row_id] = {**dict.fromkeys(defaults.get(name, ()), ""), **row}
        self.tell(Event(name, row_id, "create", dict(table[row_id])))
        return 200, dict(table[row_id])

    def delete(self, name: str, record_id: str) -> None:
        """Delete a row, a session's rotations with it."""
        row = self.tables[name].pop(record_id)
        if name == "hapta_sessions":
            for rotation_id in [r for r, found in self.rotations.items() if found["session"] == record_id]:
                self.delete("hapta_rotations", rotation_id)
        self.tell(Event(name, record_id, "delete", row))

    def _expanded(self, row: dict[str, Any]) -> dict[str, Any]:
        rotations = [dict(r) for r in self.rotations.values() if r.get("session") == row["id"]]
        return {**row, **({"expand": {_VIA: rotations}} if rotations else {})}

    def _holds(self, row: Mapping[str, Any], term: str) -> bool:
        if " || " in term:
            return any(self._holds(row, one) for one in term.strip("()").split(" || "))
        if term.startswith(f"{_VIA}."):
            of_rotation = term.removeprefix(f"{_VIA}.").replace("?", "", 1)
            rotations = [r for r in self.rotations.values() if r.get("session") == row["id"]]
            return any(self._holds(rotation, of_rotation) for rotation in rotations)
        found = _TERM.fullmatch(term)
        assert found is not None, term
        value, operator, wanted = row[found[1]], found[2], found[3].replace("\\'", "'")
        return bool({"=": value == wanted, "<": value < wanted, ">": value > wanted}[operator])

    def _listed(self, table: dict[str, dict[str, Any]], query: Mapping[str, list[str]]) -> list[Any]:
        terms = query["filter"][0].split(" && ")
        rows = [row for row in table.values() if all(self._holds(row, term) for term in terms)]
        for key in reversed(query["sort"][0].split(",")):
            rows.sort(key=lambda row, key=key: row[key.lstrip("-")], reverse=key.startswith("-"))
        size, page = int(query["perPage"][0]), int(query["page"][0])
        return [self._expanded(row) for row in rows[(page - 1) * size : page * size]]


@dataclass
class Api:
    """Superuser access of one process.

    Attributes:
        asked: how many requests of each method and collection there were.
        refuses: decides what fails before it takes effect.
        loses: decides of what the answer is lost afterwards.
        gate: requests wait here before they take effect, and those that read after it.
    """

    database: Database
    asked: Counter[str] = field(default_factory=Counter)
    refuses: Callable[[str, str], BaseException | None] = lambda method, path: None
    loses: Callable[[str, str], bool] = lambda method, path: False
    gate: asyncio.Event | None = None

    async def request(self, method: str, path: str, json: Any = None) -> tuple[int, Any]:
        found = _RECORD.match(path)
        assert found is not None
        self.asked[f"{method} {found[1]}"] += 1
        await asyncio.sleep(0)
        if (error := self.refuses(method, path)) is not None:
            raise error
        answer = self.database.carry_out(method, path, json)
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        if self.loses(method, path):
            raise UpstreamLost
        return answer


@dataclass
class ProverDouble:
    """Asks the database instead of PocketBase; ``gate`` holds the answer back."""

    database: Database
    asked: int = 0
    gate: asyncio.Event | None = None
    error: HaptaError | None = None

    async def lives(self, token: str, collection: str, record: str) -> bool:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        found = self.database.living.get(token) == (collection, record)
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        return found


@dataclass
class FeedDouble:
    """The change feed: live until told otherwise."""

    epoch: int = 1
    is_live: bool = True
    touched: int = 0
    confirmed: int = 0

    async def confirm(self) -> None:
        self.confirmed += 1

    def touch(self) -> None:
        self.touched += 1


@dataclass
class StreamsDouble:
    """Open event streams, by their owner."""

    owners: set[str] = field(default_factory=set)
    ended: list[str] = field(default_factory=list)

    def has(self, owner: str) -> bool:
        return owner in self.owners

    def end(self, owner: str) -> None:
        self.ended.append(owner)
        self.owners.discard(owner)

    def move(self, owner: str, new_owner: str) -> None:
        if owner in self.owners:
            self.owners.discard(owner)
            self.owners.add(new_owner)


@dataclass
class LogDouble:
    """Warnings."""

    warnings: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def warning(self, event: str, **fields: object) -> None:
        self.warnings.append((event, fields))


class Process:
    """One Hapta: a keeper with its memory, on rows it may share with others."""

    def __init__(
        self,
        database: Database,
        clock: ManualClock,
        *,
        ring: KeyRing = RING,
        config: SessionsConfig | None = None,
    ) -> None:
        self.database = database
        self.clock = clock
        self.api = Api(database)
        self.prover = ProverDouble(database)
        self.feed = FeedDouble()
        self.streams = StreamsDouble()
        self.log = LogDouble()
        self.events: deque[Event] = deque()
        database.feeds.append(self.events)
        self.rows = SessionRows(self.api, ring)
        self.keeper = SessionKeeper(
            self.rows,
            self.prover,  # type: ignore[arg-type]
            ring,
            self.feed,
            config or SessionsConfig(),
            clock,
            self.log,
            self.streams,
        )

    async def login(self, record: str = "ada", *, replaces: str | None = None, life_s: float = WEEK_S) -> str:
        """A session, made as a login makes it."""
        return await self.keeper.open(
            collection=USERS,
            record=record,
            upstream_token=self.database.issue(record),
            exp=int(self.clock.now() + life_s),
            refreshable=True,
            device="test",
            address="127.0.0.0/24",
            replaces=replaces,
        )

    async def who(self, token: str) -> Identity | None:
        """Whose a token is."""
        return await self.keeper.resolve(token, "127.0.0.1")

    async def refresh(self, token: str) -> str:
        """The token's next generation, as auth-refresh makes it."""
        identity = await self.who(token)
        assert identity is not None
        if identity.upstream_token not in self.database.living:
            raise SessionEnded  # PocketBase takes it for a guest's
        await asyncio.sleep(0)
        upstream_token = self.database.issue(identity.record)
        exp = int(self.clock.now()) + WEEK_S + len(self.database.living)  # no two alike, as if later
        return await self.keeper.refresh(identity, upstream_token, exp)

    def deliver(self, count: int | None = None) -> None:
        """Hand the oldest waiting events to the keeper, as :mod:`hapta.app.sessions` does."""
        for _ in range(len(self.events) if count is None else min(count, len(self.events))):
            event = self.events.popleft()
            record = event.record
            if event.collection == "hapta_sessions":
                is_gone = event.action == "delete" or bool(record.get("ended"))
                if event.action != "create" or is_gone:
                    self.keeper.session_row_changed(event.record_id, is_gone=is_gone)
            elif event.collection == "hapta_rotations" and event.action != "delete":
                self.keeper.rotation_row_changed(
                    record["session"], record["generation"], date_value(record.get("first_used"))
                )
            elif event.collection == USERS:
                self.keeper.identity_changed(USERS, event.record_id)

    def lose_feed(self) -> None:
        """The change feed breaks: events that wait are never told."""
        self.events.clear()
        self.feed.epoch += 1
        self.feed.is_live = False
        self.keeper.everything_changed()

    def regain_feed(self) -> None:
        """It is connected again, from now on."""
        self.events.clear()
        self.feed.epoch += 1
        self.feed.is_live = True
        self.keeper.everything_changed()

    async def settle(self) -> None:
        """Wait until what is written in the background is written."""
        await self.keeper._tasks.finish(5.0)

    async def stop(self) -> None:
        """End it as a kill does: what is not written yet stays unwritten."""
        feeds = self.database.feeds
        feeds[:] = [feed for feed in feeds if feed is not self.events]
        await self.keeper._tasks.cancel()

    @property
    def reads(self) -> int:
        """Requests to PocketBase so far, proofs included."""
        return sum(self.api.asked.values()) + self.prover.asked
