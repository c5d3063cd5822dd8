"""``hapta feeds`` with a real Hapta and a real PocketBase."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.control.command import run_command
from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase
from tests.support.process import free_port, wait_until

CONFIG = """
[feeds.home]
collection = "posts"
author = "author"
signals.comments = { collection = "comments", relation = "post" }

[feeds.lost]
collection = "nowhere"
"""


@pytest.fixture(scope="module")
def served(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapta]:
    home = tmp_path_factory.mktemp("hapta")
    (home / "config.toml").write_text(CONFIG)
    settings = {"metrics.enabled": True, "metrics.port": free_port(), "log.format": "json"}
    server = Hapta(home, pocketbase.url, settings)
    server.start()
    wait_until(lambda: listed(server)["home"]["state"] == "ready", "the feed's table")
    yield server
    server.stop()


def listed(hapta: Hapta) -> Mapping[str, Mapping[str, Any]]:
    return {item["name"]: item for item in json.loads(run_command(hapta, "feeds", "list", "--json"))["items"]}


def figures(hapta: Hapta) -> str:
    (port,) = [each.partition("=")[2] for each in hapta.command if each.startswith("metrics.port=")]
    return httpx.get(f"http://127.0.0.1:{port}/metrics").raise_for_status().text


def test_the_tables_of_a_running_hapta_are_shown(served: Hapta, pocketbase: PocketBase) -> None:
    rows = len(pocketbase.rows("posts"))
    found = listed(served)
    assert found["home"]["rows"] == rows
    assert found["lost"]["state"] == "unusable"
    (problem,) = found["lost"]["problems"]
    assert problem.startswith("config.toml:8: feeds.lost.collection: there is no collection nowhere")
    shown = figures(served)
    assert f'hapta_ranked_feed_rows{{feed="home"}} {float(rows)}' in shown
    assert 'hapta_ranked_feed_builds_total{feed="home",why="start"} 1.0' in shown
    assert 'hapta_ranked_feed_ready{feed="lost"} 0.0' in shown


def test_the_log_tells_what_was_loaded_and_what_does_not_fit(served: Hapta) -> None:
    events = [json.loads(line) for line in served.log.splitlines() if line.startswith("{")]
    (ready,) = [each for each in events if each.get("event") == "ranked_feed_ready"]
    assert (ready["feed"], ready["why"]) == ("home", "start")
    (unusable,) = [each for each in events if each.get("event") == "ranked_feed_unusable"]
    assert unusable["level"] == "warning"


def test_a_change_shows_and_a_score_is_taken_apart(served: Hapta, pocketbase: PocketBase) -> None:
    before = listed(served)["home"]["changes"]
    made = pocketbase.admin.post("/api/collections/posts/records", json={"title": "new"}).json()["id"]
    wait_until(lambda: listed(served)["home"]["changes"] > before, "the change")
    ada = ("--as", "ada@example.com", "--limit", "1000")
    found = json.loads(run_command(served, "feeds", "explain", "home", *ada, "--json"))
    assert found["as"] == "users/user00000000001"
    assert made in {item["id"] for item in found["items"]}
    pocketbase.admin.delete(f"/api/collections/posts/records/{made}").raise_for_status()
    assert "home for guest" in run_command(served, "feeds", "explain", "home", "--limit", "1")
    assert "does not fit the schema" in run_command(served, "feeds", "explain", "lost", code=2)
    assert "being built anew" in run_command(served, "feeds", "rebuild", "home")
    wait_until(lambda: 'why="operator"} 1.0' in figures(served), "the new table")
