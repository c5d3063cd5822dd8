"""``hapta feeds`` beside the tables of a real PocketBase, through the control socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hapta.app.control import ControlSocket, Desk
from hapta.app.feeds_office import FeedsOffice
from hapta.app.ranked.callers import Callers
from hapta.cli import main
from hapta.identity.overview import Overview
from hapta.model.clock import SystemClock
from hapta.model.identity import Identity
from hapta.ranking.features import Caller, Ranked, Recipe
from hapta.ranking.interactions import Row, UserInteractions
from hapta.ranking.rank import rank
from hapta.ranking.table import FeatureTable
from tests.feed.conftest import Follow, follow  # noqa: F401
from tests.feed.support import holds
from tests.ranking.tables import HOME, PLAIN, Tables, add_follows
from tests.support.pocketbase import PocketBase, from_template
from tests.unit.app.test_control import Cache, Feed, Keeper, Reloaded, Rows, Watch

Captured = pytest.CaptureFixture[str]
ADA = "users/user00000000001"
FEEDS = {
    "home": {**HOME, "preset": "hot"},
    "own": {**PLAIN, "collection": "diaries", "signals": {}},
    "lost": {**PLAIN, "collection": "nowhere"},
}


class Ranking:
    """Ranks where it is asked, as a plugin would for feeds that have one."""

    def __init__(self) -> None:
        self.plugins: dict[str, str] = {}
        self.asked: list[str] = []

    async def rank(
        self,
        table: FeatureTable,
        caller: Caller,
        recipe: Recipe,
        now: float,
        *,
        deadline_s: float,
        plugin: Any | None = None,
    ) -> Ranked:
        features = table.features()
        scores = None if plugin is None else features.signals["views"]
        return rank(features, caller, recipe, now, scores)

    async def of(self, identity: Identity, collection_id: str) -> UserInteractions | None:
        """Everybody saw one row of posts."""
        self.asked.append(f"{identity.collection}/{identity.record}")
        row = Row(views=1, viewed=1.7e9, first=1.7e9, last=1.7e9)
        return UserInteractions({"post00000000004": row}) if collection_id == "pbc_posts000001" else None


@pytest.fixture(scope="module")
def served(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("feeds"))
    add_follows(instance)
    yield instance
    instance.close()


def desk_with(feeds: FeedsOffice | None) -> Desk:
    """A desk at which only feeds are asked for."""

    async def reload() -> Reloaded:
        return Reloaded((), ())

    return Desk(
        url="http://127.0.0.1:8080",
        keeper=Keeper(),
        overview=Overview(Rows(), SystemClock()),
        feed=Feed(),
        watch=Watch(),
        cache=Cache(),
        reload=reload,
        open_streams=lambda: 0,
        clock=SystemClock(),
        started_at=0.0,
        feeds=lambda: feeds,
    )


class Running:
    """A control socket that knows the feeds."""

    def __init__(self, tables: Tables, ranking: Ranking, captured: Captured) -> None:
        self.tables = tables
        self.ranking = ranking
        self._captured = captured

    async def feeds(self, *arguments: str, code: int = 0) -> str:
        """``hapta feeds …``; what it wrote."""
        self._captured.readouterr()
        assert await asyncio.to_thread(main, ["feeds", *arguments]) == code
        said = self._captured.readouterr()
        return said.out + said.err

    async def explained(self, *arguments: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(await self.feeds("explain", "--json", *arguments))
        return found


@pytest.fixture
async def running(
    served: PocketBase,
    follow: Follow,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> AsyncIterator[Running]:
    monkeypatch.chdir(tmp_path)
    following = await follow(served, is_local=True)
    tables = Tables(following, FEEDS, {"feeds.lost.collection": "config.toml:7"})
    await tables.start()
    await tables.complete("home")
    await tables.complete("own")
    ranking = Ranking()
    office = FeedsOffice(
        tables.tables,
        ranker=ranking,
        overview=Overview(following.superuser, SystemClock()),
        schema=lambda: following.schema.snapshot,
        plugin_of=ranking.plugins.get,
        callers=Callers(ranking),
        clock=SystemClock(),
    )
    control = ControlSocket(tmp_path)
    control.claim()
    await control.serve(desk_with(office).application())
    yield Running(tables, ranking, capsys)
    await control.stop()
    await tables.tables.stop()


async def test_feeds_are_listed_with_what_scores_them_and_what_is_wrong(running: Running) -> None:
    running.ranking.plugins["own"] = "mine"
    shown = await running.feeds("list")
    lines = [line.split() for line in shown.splitlines()]
    rows = running.tables.live().table.rows
    assert lines[0] == ["feed", "collection", "scored", "by", "state", "rows", "bytes", "last", "change"]
    assert lines[1][:5] == ["home", "posts", "hot", "ready", str(rows)]
    assert lines[2][:5] == ["lost", "nowhere", "for_you", "unusable", "0"]
    assert lines[3][:5] == ["own", "diaries", "a", "plugin", "ready"]
    assert "lost: config.toml:7: feeds.lost.collection: there is no collection nowhere" in shown
    listed = json.loads(await running.feeds("list", "--json"))["items"]
    assert [each["name"] for each in listed] == ["home", "lost", "own"]
    assert listed[0]["bytes"] == running.tables.live().table.nbytes


async def test_the_first_rows_are_shown_with_what_their_scores_are_made_of(running: Running) -> None:
    found = await running.explained("home", "--limit", "4")
    features, table = running.tables.live().table.features(), running.tables.live().table
    order = rank(features, Caller(), table.spec.recipe, 2e9)
    assert [item["id"] for item in found["items"]] == [table.id_of(int(slot)) for slot in order.slots[:4]]
    assert (found["as"], found["total"], found["visible"]) == ("guest", order.total, "all")
    assert {"score", "age_s", "votes", "date"} <= found["items"][0]["parts"].keys()
    shown = await running.feeds("explain", "home", "--limit", "4")
    assert shown.startswith(f"home for guest: {order.total} candidates, scored by hot\n   1  ")
    assert "votes" in shown
    assert shown.count(" score ") == 4


async def test_a_caller_is_named_by_id_or_by_address(running: Running) -> None:
    by_id = await running.explained("home", "--as", ADA, "--limit", "1000")
    by_address = await running.explained("home", "--as", "ada@example.com", "--limit", "1000")
    assert by_id["as"] == by_address["as"] == ADA
    assert running.ranking.asked == ["_pb_users_auth_/user00000000001"] * 2
    seen = {item["id"]: item["parts"]["seen"] for item in by_id["items"]}
    assert seen["post00000000004"] == 1
    assert sum(seen.values()) == 1


async def test_only_rows_the_caller_may_see_are_shown(running: Running) -> None:
    for who, owner in ((ADA, "user00000000001"), ("users/user00000000002", "user00000000002")):
        found = await running.explained("own", "--as", who, "--limit", "1000")
        rows = running.tables.following.pocketbase.rows("diaries", filter=f"owner = '{owner}'")
        assert {item["id"] for item in found["items"]} == {row["id"] for row in rows}
        assert found["visible"] == "some"
    assert (await running.explained("own"))["items"] == []
    assert len((await running.explained("own", "--as", "superuser", "--limit", "1000"))["items"]) == len(
        running.tables.following.pocketbase.rows("diaries")
    )


async def test_what_a_plugin_scores_is_not_taken_apart(running: Running) -> None:
    running.ranking.plugins["home"] = "mine"
    found = await running.explained("home")
    assert found["is_plugin"]
    scores = [item["parts"]["score"] for item in found["items"] if not item["parts"]["pinned"]]
    assert scores == sorted(scores, reverse=True)
    assert found["items"][0]["parts"].keys() == {"score", "age_s", "pinned", "seen"}
    assert "scored by a plugin" in await running.feeds("explain", "home")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explain", "away"], "There is no ranked feed away."),
        (["explain", "lost"], "config.toml:7: feeds.lost.collection: there is no collection nowhere"),
        (["explain", "home", "--as", "nobody@example.com"], "Nobody has the e-mail address"),
        (["explain", "home", "--as", "posts/x"], "There is no auth collection posts."),
        (["explain", "home", "--as", "_superusers/x"], "There is no auth collection _superusers."),
        (["explain", "home", "--as", "users/"], "There is no auth collection users."),
        (["explain", "home", "--as", "ada"], "expected guest, superuser, COLLECTION/ID or an e-mail address"),
        (["rebuild", "away"], "There is no ranked feed away."),
    ],
    ids=["feed", "unusable", "address", "no accounts", "superusers", "no id", "who", "rebuild"],
)
async def test_what_cannot_be_answered_is_told(running: Running, arguments: list[str], said: str) -> None:
    assert said in await running.feeds(*arguments, code=2)


async def test_a_table_is_built_anew_on_demand(running: Running) -> None:
    before = running.tables.live().table
    assert await running.feeds("rebuild", "home") == "The table of home is being built anew.\n"
    assert await holds(lambda: running.tables.live().table is not before)
    await running.tables.agrees()


async def test_without_feeds_there_is_nothing_to_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    control = ControlSocket(tmp_path)
    control.claim()
    await control.serve(desk_with(None).application())
    assert await asyncio.to_thread(main, ["feeds", "list"]) == 0
    assert capsys.readouterr().out == "No ranked feed is configured: [feeds.<name>] in config.toml.\n"
    assert await asyncio.to_thread(main, ["feeds", "explain", "home"]) == 2
    assert "There is no ranked feed home." in capsys.readouterr().err
    await control.stop()
