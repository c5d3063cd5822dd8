"""What a session costs: checking its token, logging in, and memory for 10,000 of them.

The sessions are written into PocketBase's database as Hapta itself would have left them, because so many
logins would take a quarter of an hour of bcrypt; their PocketBase tokens are real ones. Then each is used
three times: at first sight Hapta reads its rows and proves its token, from then on it remembers.
"""

import asyncio
import http.client
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import jwt

from bench import proc
from bench.errors import BenchError
from bench.hapta import SECRET, WITHOUT_CACHE, Hapta, hapta
from bench.plan import Plan, Section
from bench.pocketbase import USER_PASSWORD, PocketBase, impersonated, pocketbase
from bench.statistics import Spread, differences, table
from hapta.config import SessionsConfig
from hapta.identity.keeper import SessionKeeper
from hapta.identity.proof import Prover
from hapta.identity.rows import SessionRows, date_text
from hapta.model.clock import SystemClock
from hapta.sessions.keys import KeyRing
from hapta.sessions.rotation import Generation, Session
from hapta.sessions.seal import seal_token
from hapta.sessions.token import Claims, ForgedToken, mint, new_salt, new_session_id, parse

_USERS_ID = "_pb_users_auth_"
_LOGINS, _OTHERS = 25, 200
_LOOPS = 20_000
_FIRST_SIGHTS = 500
_VIEWS = 2000
_SETTLE_S = 1.0
_COLUMNS = (
    *("id", "collection", "record", "salt", "sealed", "refreshable", "device", "address"),
    *("created", "issued", "used", "exp", "ended", "ended_reason"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One round; views in µs and logins in ms, each the p50.

    Attributes:
        direct_guest: a view by a guest, at PocketBase.
        direct_user: by a user with PocketBase's own token, there.
        guest: by a guest through Hapta.
        first: by a session Hapta sees for the first time.
        again: by one it remembers.
        direct_login: by password at PocketBase.
        login: through Hapta.
        direct_open: a superuser impersonates a user, at PocketBase: a login without a password to check.
        opened: through Hapta.
        direct_refresh: at PocketBase.
        refresh: through Hapta.
        session_bytes: resident memory of Hapta for each session more.
    """

    round: int
    sessions: int
    direct_guest: float
    direct_user: float
    guest: float
    first: float
    again: float
    direct_login: float
    login: float
    direct_open: float
    opened: float
    direct_refresh: float
    refresh: float
    session_bytes: float


def measure(plan: Plan) -> Section:
    """Run everything, and make the tables."""
    runs = []
    for number in range(plan.runs):
        run = _round(plan, number)
        at_first, then = run.first - run.direct_user, run.again - run.direct_user
        plan.say(
            f"sessions, round {number + 1}: Hapta adds {at_first:.0f} µs to a view at first sight, "
            f"{then:.0f} µs then, {run.opened - run.direct_open:.2f} ms to a login; "
            f"{run.session_bytes / 1024:.2f} KiB a session"
        )
        runs.append(run)
    steps = asyncio.run(in_process())
    return Section("sessions", render(runs, steps), [*(asdict(run) for run in runs), steps])


def _round(plan: Plan, number: int) -> Run:
    count = plan.streams * 5  # 10,000; fewer with --quick
    with ExitStack() as stack:
        home = plan.folder(f"sessions-{number}")
        upstream = stack.enter_context(pocketbase(home))
        with hapta(home, upstream, WITHOUT_CACHE):
            pass  # makes its collections
        tokens, theirs = _write_sessions(home / "pb_data" / "data.db", upstream, count)
        # more of one user than any user has
        ours = stack.enter_context(
            hapta(home, upstream, {"sessions.max_per_identity": 10_000, **WITHOUT_CACHE})
        )
        path = f"/api/collections/posts/records/{upstream.ids[0]}"
        some = min(count, _VIEWS)
        with _connection(upstream.port) as there, _connection(ours.port) as here:
            direct_guest = [_get(there, path, None) for _ in range(some)]
            direct_user = [_get(there, path, theirs[turn % len(theirs)]) for turn in range(some)]
            guest = [_get(here, path, None) for _ in range(some)]
            time.sleep(_SETTLE_S)
            before = proc.rss_bytes([ours.pid])
            first = [_get(here, path, token) for token in tokens]
            again = [_get(here, path, token) for token in tokens]
            time.sleep(_SETTLE_S)
            grown = proc.rss_bytes([ours.pid]) - before
        pairs = _Pairs(upstream, ours)
        direct_login, login = pairs.logins()
        direct_open, opened = pairs.impersonations(tokens)
        direct_refresh, refresh = pairs.refreshes()
        return Run(
            round=number,
            sessions=count,
            direct_guest=median(direct_guest) * 1e6,
            direct_user=median(direct_user) * 1e6,
            guest=median(guest) * 1e6,
            first=median(first) * 1e6,
            again=median(again) * 1e6,
            direct_login=median(direct_login) * 1e3,
            login=median(login) * 1e3,
            direct_open=median(direct_open) * 1e3,
            opened=median(opened) * 1e3,
            direct_refresh=median(direct_refresh) * 1e3,
            refresh=median(refresh) * 1e3,
            session_bytes=grown / count,
        )


def _write_sessions(database: Path, upstream: PocketBase, count: int) -> tuple[list[str], list[str]]:
    """Rows of ``count`` sessions, evenly of all users.

    Returns:
        The tokens their clients hold, and PocketBase's own, one of each user.
    """
    ring, now = KeyRing.of(SECRET, None), time.time()
    owners = [(user, *impersonated(upstream, user)) for user in _user_ids(database)]
    tokens, rows = [], []
    for number in range(count):
        user, token, exp = owners[number % len(owners)]
        session, salt = new_session_id(), new_salt()
        sealed = seal_token(ring, token, f"{session}.1")
        at, until = date_text(now), date_text(exp)
        rows.append((session, _USERS_ID, user, salt, sealed, True, "bench", "", at, at, at, until, "", ""))
        tokens.append(mint(ring.current, Claims(session, 1, _USERS_ID, user, exp, True), salt))
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        places = ",".join("?" * len(_COLUMNS))
        connection.executemany(f"insert into hapta_sessions ({','.join(_COLUMNS)}) values ({places})", rows)
    return tokens, [token for _, token, _ in owners]


def _user_ids(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute("select id from users order by email")]


class _Pairs:
    """The same request directly and through Hapta, in turns; seconds of each."""

    def __init__(self, upstream: PocketBase, ours: Hapta) -> None:
        self._upstream, self._ours = upstream, ours

    def logins(self) -> tuple[list[float], list[float]]:
        users = [f"u{number % 50}@example.com" for number in range(_LOGINS)]
        bodies = [json.dumps({"identity": user, "password": USER_PASSWORD}) for user in users]
        path = "/api/collections/users/auth-with-password"
        return self._in_turns((path, body, None) for body in bodies)

    def impersonations(self, tokens: Sequence[str]) -> tuple[list[float], list[float]]:
        token, body = self._upstream.token, json.dumps({"duration": 3600})
        paths = [f"/api/collections/users/impersonate/{_user_of(each)}" for each in tokens[:_OTHERS]]
        return self._in_turns((path, body, token) for path in paths)

    def refreshes(self) -> tuple[list[float], list[float]]:
        """Of one login each, always with the newest token."""
        path = "/api/collections/users/auth-refresh"
        took: tuple[list[float], list[float]] = ([], [])
        for seconds, port in zip(took, (self._upstream.port, self._ours.port), strict=True):
            with _connection(port) as connection:
                body = json.dumps({"identity": "u0@example.com", "password": USER_PASSWORD})
                login = "/api/collections/users/auth-with-password"
                _, answer = _timed(connection, "POST", login, body, _headers(None))
                for _ in range(_OTHERS):
                    once, answer = _timed(
                        connection, "POST", path, None, _headers(json.loads(answer)["token"])
                    )
                    seconds.append(once)
        return took

    def _in_turns(self, requests: Iterable[tuple[str, str, str | None]]) -> tuple[list[float], list[float]]:
        direct, through = [], []
        with _connection(self._upstream.port) as there, _connection(self._ours.port) as here:
            for path, body, token in requests:
                direct.append(_timed(there, "POST", path, body, _headers(token))[0])
                through.append(_timed(here, "POST", path, body, _headers(token))[0])
        return direct, through


def _user_of(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["id"])


def _headers(token: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "bench"}
    return headers if token is None else {**headers, "Authorization": token}


@contextmanager
def _connection(port: int) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        yield connection


def _get(connection: http.client.HTTPConnection, path: str, token: str | None) -> float:
    return _timed(connection, "GET", path, None, {"Authorization": token} if token else {})[0]


def _timed(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any, headers: dict[str, str]
) -> tuple[float, bytes]:
    began = time.perf_counter()
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    took = time.perf_counter() - began
    if answer.status != 200:
        raise BenchError(f"{method} {path}: status {answer.status}: {text[:200].decode(errors='replace')}")
    return took, text


class _Rows(SessionRows):
    """One session, read at once."""

    def __init__(self, session: Session) -> None:
        self._one = session

    async def load(self, session_id: str) -> Session:
        return self._one


class _Prover(Prover):
    """Every token lives."""

    def __init__(self) -> None: ...

    async def lives(self, token: str, collection: str, record: str) -> bool:
        return True


class _Around:
    """The change feed, the open streams and the log around a keeper of sessions: nothing ever happens."""

    @property
    def epoch(self) -> int:
        return 1

    @property
    def is_live(self) -> bool:
        return True

    async def confirm(self) -> None: ...

    def touch(self) -> None: ...

    def has(self, owner: str) -> bool:
        return False

    def end(self, owner: str) -> None: ...

    def move(self, owner: str, new_owner: str) -> None: ...

    def warning(self, event: str, **fields: object) -> None: ...


async def in_process() -> dict[str, float]:
    """Processor time of the single steps, without any network, in µs."""
    ring, salt, clock = KeyRing.of(SECRET, None), new_salt(), SystemClock()
    session_id, exp = new_session_id(), int(clock.now()) + 1000
    claims = Claims(session_id, 1, _USERS_ID, "user00000000000", exp, True)
    token = mint(ring.current, claims, salt)
    foreign = mint(KeyRing.of(SECRET[::-1], None).current, claims, salt)
    first = Generation(1, "x", clock.now(), exp, clock.now())
    rows = _Rows(Session(session_id, _USERS_ID, "user00000000000", salt, True, {1: first}))
    around = _Around()

    def keeper() -> SessionKeeper:
        return SessionKeeper(rows, _Prover(), ring, around, SessionsConfig(), clock, around, around)

    async def first_sight() -> float:
        keepers = [keeper() for _ in range(_FIRST_SIGHTS)]
        began = time.perf_counter()
        for each in keepers:
            await each.resolve(token, "")
        return (time.perf_counter() - began) / _FIRST_SIGHTS * 1e6

    def refuse() -> None:
        with suppress(ForgedToken):
            parse(ring, foreign)

    remembering = keeper()
    await remembering.resolve(token, "")
    return {
        "remembered": _each_us(lambda: remembering.recall(token)),
        "first sight": await first_sight(),
        "made up": _each_us(refuse),
        "minted": _each_us(lambda: mint(ring.current, claims, salt)),
    }


def _each_us(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(_LOOPS):
        step()
    return (time.perf_counter() - began) / _LOOPS * 1e6


def render(runs: Sequence[Run], steps: Mapping[str, float]) -> str:
    """The tables."""
    count = runs[0].sessions
    views = [
        _row("by a guest", runs, "direct_guest", "guest"),
        _row("by a session at first sight: rows read, token proved", runs, "direct_user", "first"),
        _row("by a session Hapta remembers", runs, "direct_user", "again"),
    ]
    logins = [
        _row("login by password", runs, "direct_login", "login", digits=1),
        _row("impersonation: a login without a password to check", runs, "direct_open", "opened", digits=2),
        _row("refresh", runs, "direct_refresh", "refresh", digits=2),
    ]
    inside = [
        ["know a remembered token", f"{steps['remembered']:.2f}"],
        ["know one at first sight, without waiting for PocketBase", f"{steps['first sight']:.0f}"],
        ["refuse a made-up one", f"{steps['made up']:.1f}"],
        ["make one", f"{steps['minted']:.1f}"],
    ]
    memory = Spread.of(run.session_bytes / 1024 for run in runs).shown(2)
    return "\n\n".join(
        (
            f"**A view of one record, one connection, {count:,} sessions in turn**",
            table(["the view is", "directly, p50 µs", "through Hapta", "added"], views),
            "**A new token**",
            table(["by", "directly, p50 ms", "through Hapta", "added"], logins),
            "**Inside Hapta, processor time**",
            table(["to", "µs"], inside),
            f"Resident memory for each of {count:,} remembered sessions: {memory} KiB.",
        )
    )


def _row(name: str, runs: Sequence[Run], directly: str, through: str, digits: int = 0) -> list[str]:
    there, here = ([getattr(run, field) for run in runs] for field in (directly, through))
    spreads = (Spread.of(there), Spread.of(here), differences(here, there))
    return [name, *(spread.shown(digits) for spread in spreads)]
