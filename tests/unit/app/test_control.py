"""hapta.app.control: the socket file, the routes, the client."""

import asyncio
import errno
import fcntl
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from hapta.app.control import NAME, ControlClient, ControlSocket, Desk, desk
from hapta.app.reload import Reloaded
from hapta.config import ConfigErrors
from hapta.feed import Features
from hapta.identity.overview import Overview
from hapta.model.clock import ManualClock
from hapta.model.errors import HaptaError, OperatorError, UpstreamLost
from hapta.model.schema import Collection, Schema

USERS, RECORD = "_pb_users_auth_", "user00000000001"
FIRST, SECOND = "aaaaaaaaaaaaaa1", "aaaaaaaaaaaaaa2"


@pytest.fixture
def claimed(tmp_path: Path) -> Iterator[ControlSocket]:
    control = ControlSocket(tmp_path)
    control.claim()
    yield control
    asyncio.run(control.stop())


def collection(collection_id: str, name: str, kind: str) -> Collection:
    return Collection(collection_id, name, kind, False, {}, (), "", {})


@dataclass
class Rows:
    """PocketBase as far as it is asked here."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    status: int = 200

    async def request(self, method: str, path: str, json: Any = None) -> tuple[int, Any]:
        assert (method, json) == ("GET", None)
        self.asked.append(path)
        query = httpx.URL(path).params
        size, page = int(query["perPage"]), int(query.get("page", "1"))
        return self.status, {
            "items": self.rows[(page - 1) * size : page * size],
            "totalItems": len(self.rows),
        }


@dataclass
class Keeper:
    ended: list[tuple[str, str]] = field(default_factory=list)
    fails_at: str = ""

    def __len__(self) -> int:
        return 7

    async def end(self, session_id: str, reason: str) -> bool:
        if session_id == self.fails_at:
            raise UpstreamLost
        self.ended.append((session_id, reason))
        return True


@dataclass
class Feed:
    """Idle until it is touched; ``then`` is what comes of it."""

    epoch: int = 3
    is_live: bool = False
    is_connected: bool = True
    then: str = "an event"
    touched: int = 0

    def touch(self) -> None:
        self.touched += 1
        self.is_live = self.then == "an event"
        self.is_connected = self.then != "a gap"


@dataclass
class Watch:
    snapshot: Schema = field(
        default_factory=lambda: Schema.of(
            1, [collection(USERS, "users", "auth"), collection("posts0000000000", "posts", "base")]
        )
    )
    features: Features = field(default_factory=lambda: Features(has_sql=True, has_batch=False))


@dataclass
class Cache:
    """Notes what it is asked."""

    asked: list[str] = field(default_factory=list)

    async def explain(self, url: str, caller: str) -> Mapping[str, Any]:
        self.asked.append(f"explain {url} as {caller}")
        return {"target": url}

    def stats(self) -> Mapping[str, Any]:
        return {"totals": {}}

    def purge(self, collection: str) -> int:
        self.asked.append(f"purge {collection}")
        return 3


def row(session_id: str) -> dict[str, Any]:
    dates = dict.fromkeys(("created", "used", "exp"), "2030-01-01 00:00:00.000Z")
    return {"id": session_id, "collection": USERS, "record": RECORD, "device": "d", "address": "a", **dates}


class World:
    """A desk on a socket, and what stands behind it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = ManualClock()
        self.feed = Feed()
        self.rows, self.keeper = Rows([row(FIRST), row(SECOND)]), Keeper()
        self.cache = Cache()
        self.reloaded = Reloaded(("cors.max_age_s: 600 -> 5",), ("server.port",))
        self.refused = ""
        self.socket = ControlSocket(home)
        self.desk = Desk(
            url="http://127.0.0.1:8080",
            keeper=self.keeper,
            overview=Overview(self.rows, self.clock),
            feed=self.feed,
            watch=Watch(),
            cache=self.cache,
            reload=self.reload,
            open_streams=lambda: 2,
            clock=self.clock,
            started_at=self.clock.monotonic(),
        )

    async def reload(self) -> Reloaded:
        if self.refused:
            raise ConfigErrors(self.refused.splitlines())
        return self.reloaded

    async def ask(self, method: str, path: str, **query: str) -> Mapping[str, Any]:
        return await asyncio.to_thread(ControlClient(self.home, 5.0).ask, method, path, **query)

    @property
    def filter(self) -> str:
        return httpx.URL(self.rows.asked[-1]).params["filter"]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    world.socket.claim()
    await world.socket.serve(world.desk.application())
    yield world
    await world.socket.stop()


def test_the_file_is_its_owner_s_alone_and_the_umask_stays(tmp_path: Path, claimed: ControlSocket) -> None:
    assert stat.S_IMODE(claimed.path.stat().st_mode) == 0o600
    before = os.umask(0o022)
    os.umask(before)
    assert before != 0o177


def test_a_living_process_keeps_its_place(tmp_path: Path, claimed: ControlSocket) -> None:
    with pytest.raises(OperatorError, match="another Hapta runs with this state directory"):
        ControlSocket(tmp_path).claim()
    assert claimed.path.exists()


def test_a_dead_process_s_place_is_taken(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / NAME))
    control = ControlSocket(tmp_path)
    control.claim()
    asyncio.run(control.stop())
    assert not control.path.exists()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("mine")
    with pytest.raises(OperatorError, match="move it away"):
        ControlSocket(tmp_path).claim()
    assert (tmp_path / NAME).read_text() == "mine"


def test_a_path_that_is_too_long_is_told_with_the_key(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 110)
    folder.mkdir()
    with pytest.raises(OperatorError, match=r"bytes long.*set server\.state_dir"):
        ControlSocket(folder).claim()


def test_a_state_dir_that_is_not_there_is_told_with_the_key(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"server\.state_dir is not a directory"):
        ControlSocket(tmp_path / "none").claim()


def test_two_that_start_at_once_do_not_take_each_other_s_place(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(OperatorError, match="another Hapta just starts here"):
            ControlSocket(tmp_path).claim()
    finally:
        os.close(folder)
    assert not (tmp_path / NAME).exists()


async def test_a_successor_s_file_is_not_removed(tmp_path: Path) -> None:
    control = ControlSocket(tmp_path)
    control.claim()
    control.path.unlink()
    control.path.write_text("the successor's")
    await control.stop()
    assert control.path.read_text() == "the successor's"


async def test_stopping_what_never_started_does_nothing(tmp_path: Path) -> None:
    await ControlSocket(tmp_path).stop()


async def test_whoever_connects_before_it_serves_waits_for_the_answer(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.socket.claim()
    asking = asyncio.ensure_future(world.ask("GET", "/status"))
    await asyncio.sleep(0.05)
    assert not asking.done()
    await world.socket.serve(world.desk.application())
    assert (await asking)["url"] == "http://127.0.0.1:8080"
    await world.socket.stop()


async def test_the_status_says_how_it_is(world: World) -> None:
    world.clock.advance(60.5)
    status = dict(await world.ask("GET", "/status"))
    assert status.pop("version")
    assert status == {
        "url": "http://127.0.0.1:8080",
        "uptime_s": 60.5,
        "feed": {"connected": True, "live": True, "epoch": 3},
        "features": {"sql": True, "batch": False},
        "sessions_remembered": 7,
        "open_streams": 2,
    }


@pytest.mark.parametrize(
    ("then", "connected", "live"),
    [("an event", True, True), ("silence", True, False), ("a gap", False, False)],
)
async def test_an_idle_feed_is_asked_to_prove_itself(
    world: World, monkeypatch: pytest.MonkeyPatch, then: str, connected: bool, live: bool
) -> None:
    monkeypatch.setattr(desk, "PROOF_S", 0.1)
    world.feed.then = then
    status = await world.ask("GET", "/status")
    assert status["feed"] == {"connected": connected, "live": live, "epoch": 3}
    assert world.feed.touched > 1 if then == "silence" else world.feed.touched == 1


@pytest.mark.parametrize(("is_connected", "is_live"), [(False, False), (True, True)])
async def test_a_feed_that_is_live_or_lost_is_asked_for_nothing(
    world: World, is_connected: bool, is_live: bool
) -> None:
    world.feed.is_connected, world.feed.is_live = is_connected, is_live
    await world.ask("GET", "/status")
    assert world.feed.touched == 0


async def test_a_list_shows_living_sessions_with_the_collection_s_name(world: World) -> None:
    found = await world.ask("GET", "/sessions")
    assert [item["id"] for item in found["items"]] == [FIRST, SECOND]
    assert {item["collectionName"] for item in found["items"]} == {"users"}
    assert found["totalItems"] == 2
    at = "'2023-11-14 22:13:20.000Z'"
    assert world.filter == f"ended='' && (exp>{at} || hapta_rotations_via_session.exp?>{at})"


async def test_a_list_of_one_account_asks_for_that_account_by_ids(world: World) -> None:
    await world.ask("GET", "/sessions", collection="USERS", record=RECORD)
    assert world.filter.endswith(f" && collection='{USERS}' && record='{RECORD}'")


async def test_an_account_is_found_by_its_address(world: World) -> None:
    await world.ask("GET", "/sessions", collection="users", email="o'neil@example.com")
    assert httpx.URL(world.rows.asked[-2]).params["filter"] == r"email='o\'neil@example.com'"
    assert world.filter.endswith(f"record='{FIRST}'")


async def test_a_list_reads_as_many_pages_as_were_asked_for(world: World) -> None:
    world.rows.rows = [row(f"{number:015}") for number in range(1200)]
    found = await world.ask("GET", "/sessions", limit="1100")
    assert len({item["id"] for item in found["items"]}) == 1100
    assert found["totalItems"] == 1200
    assert len(world.rows.asked) == 3


async def test_one_session_is_ended_by_its_id(world: World) -> None:
    world.rows.rows = [row(FIRST)]
    assert await world.ask("DELETE", f"/sessions/{FIRST}") == {"ended": 1}
    assert world.keeper.ended == [(FIRST, "operator")]


async def test_all_sessions_of_an_account_are_ended(world: World) -> None:
    assert await world.ask("DELETE", "/sessions", collection="users", record=RECORD) == {"ended": 2}


async def test_all_sessions_are_ended_however_many(world: World) -> None:
    world.rows.rows = [row(f"{number:015}") for number in range(501)]
    assert await world.ask("POST", "/sessions/end-all", confirm="yes") == {"ended": 501}
    assert len(set(world.keeper.ended)) == 501


async def test_how_far_it_came_is_told_when_the_database_fails_in_the_middle(world: World) -> None:
    world.keeper.fails_at = SECOND
    with pytest.raises(OperatorError, match="1 of 2 sessions ended, then: The database did not answer"):
        await world.ask("POST", "/sessions/end-all", confirm="yes")


@pytest.mark.parametrize(
    ("method", "path", "query", "message"),
    [
        pytest.param("POST", "/sessions/end-all", {}, "repeat it with", id="all without confirmation"),
        pytest.param("DELETE", "/sessions", {}, "Name the account", id="everybody by omission"),
        pytest.param("DELETE", "/sessions", {"collection": "users"}, "Name the account", id="a collection"),
        pytest.param("GET", "/sessions", {"record": RECORD}, "Name the collection", id="no collection"),
        pytest.param("GET", "/sessions", {"email": "a@b.org"}, "Name the collection", id="address alone"),
        pytest.param("GET", "/sessions", {"collection": "none"}, "no auth collection none", id="unknown"),
        pytest.param("GET", "/sessions", {"collection": "posts"}, "no auth collection posts", id="not auth"),
        pytest.param("GET", "/sessions", {"limit": "many"}, "expected a number", id="limit"),
        pytest.param("GET", "/sessions", {"limit": "0"}, "expected a number", id="limit 0"),
        pytest.param("DELETE", "/sessions/..%2F..%2Fusers", {}, "no such living session", id="no id"),
        pytest.param("GET", "/nothing", {}, "no such route", id="no route"),
        pytest.param("PUT", "/status", {}, "no such route", id="no method"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words(
    world: World, method: str, path: str, query: dict[str, str], message: str
) -> None:
    with pytest.raises(OperatorError, match=message):
        await world.ask(method, path, **query)
    assert world.keeper.ended == []


async def test_a_session_that_lives_no_more_cannot_be_ended(world: World) -> None:
    world.rows.rows = []
    with pytest.raises(OperatorError, match="no such living session"):
        await world.ask("DELETE", f"/sessions/{FIRST}")
    with pytest.raises(OperatorError, match="Nobody in users"):
        await world.ask("DELETE", "/sessions", collection="users", email="a@b.org")


async def test_a_database_that_does_not_answer_as_it_should_is_told(world: World) -> None:
    world.rows.status = 500
    for query in ({}, {"collection": "users", "email": "a@b.org"}):
        with pytest.raises(OperatorError, match=r"could not be .* \(status 500\)"):
            await world.ask("GET", "/sessions", **query)


async def test_a_backslash_cannot_carry_a_quote_out_of_the_filter(world: World) -> None:
    world.rows.status = 400
    with pytest.raises(HaptaError):
        await Overview(world.rows, world.clock).record_of(USERS, "x\\' || id!='")
    assert world.filter == r"email='x\' || id!=\''"


async def test_the_cache_is_asked_what_the_operator_asks(world: World) -> None:
    assert await world.ask("GET", "/cache/explain", **{"url": "/a?b=c&d", "as": "users/x"}) == {
        "target": "/a?b=c&d"
    }
    assert await world.ask("GET", "/cache/stats") == {"totals": {}}
    assert await world.ask("POST", "/cache/purge", collection="posts") == {"dropped": 3}
    assert await world.ask("POST", "/cache/purge", all="yes") == {"dropped": 3}
    assert world.cache.asked == ["explain /a?b=c&d as users/x", "purge posts", "purge "]


@pytest.mark.parametrize("query", [{}, {"collection": "posts", "all": "yes"}])
async def test_a_purge_of_nothing_in_particular_is_refused(world: World, query: dict[str, str]) -> None:
    with pytest.raises(OperatorError, match=r"Name a collection, or say \?all"):
        await world.ask("POST", "/cache/purge", **query)
    assert world.cache.asked == []


async def test_an_explanation_needs_a_url(world: World) -> None:
    with pytest.raises(OperatorError, match="Name the URL or path"):
        await world.ask("GET", "/cache/explain")


def test_nobody_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no Hapta runs with this state directory"):
        ControlClient(tmp_path).ask("GET", "/status")


async def test_a_hapta_that_hangs_is_told(tmp_path: Path) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    application = web.Application()
    application.router.add_get("/status", never)
    control = ControlSocket(tmp_path)
    control.claim()
    await control.serve(application)

    with pytest.raises(OperatorError, match="Hapta does not answer"):
        await asyncio.to_thread(ControlClient(tmp_path, 0.1).ask, "GET", "/status")
    await control.stop()


def test_another_user_is_told_whose_command_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("hapta.app.control.client._Connection.connect", refused)  # root may open every file
    with pytest.raises(OperatorError, match="as the user that runs Hapta"):
        ControlClient(tmp_path).ask("GET", "/status")


async def test_a_reload_tells_what_changed_and_what_waits(world: World) -> None:
    assert await world.ask("POST", "/reload") == {
        "changes": ["cors.max_age_s: 600 -> 5"],
        "needs_restart": ["server.port"],
    }


async def test_a_reload_that_is_refused_tells_every_problem(world: World) -> None:
    world.refused = "config.toml:1: one\nconfig.toml:2: other"
    with pytest.raises(OperatorError, match=r"^config.toml:1: one\nconfig.toml:2: other$"):
        await world.ask("POST", "/reload")
