"""Stale answers with a real PocketBase that hangs or is gone: marked, bounded in time, only where allowed."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase, from_template
from tests.support.process import wait_until
from tests.support.relay import Relay

OPEN, RULED = "/api/collections/edge/records", "/api/collections/ruled/records"
FIELDS = [{"name": "name", "type": "text"}]
IF_ERROR_S = 8
SETTINGS = {
    "cache.pb_hooks": "none",
    "cache.patch": False,
    "cache.refill": False,
    "upstream.response_timeout_s": 0.7,
    "upstream.connect_timeout_s": 0.5,
    "feed.schema_max_age_s": 60,
    "feed.max_silence_s": 60,
}
CONFIG = f"""
[cache.collections.edge]
stale_if_error_s = {IF_ERROR_S}
[cache.collections.ruled]
stale_if_error_s = {IF_ERROR_S}
[cache.collections.fresh]
stale_while_revalidate_s = 30
"""


class Site:
    """A PocketBase with a row in each collection, and a Hapta that allows stale answers of them."""

    def __init__(self, pocketbase: PocketBase, hapta: Hapta, relay: Relay) -> None:
        self.pocketbase, self.hapta, self.relay = pocketbase, hapta, relay
        self.rows: dict[str, str] = {}

    def read(self, path: str) -> httpx.Response:
        return httpx.get(self.hapta.url + path, timeout=10)

    def stored(self, path: str) -> bytes:
        """What is stored there, once the feed covers it."""
        wait_until(lambda: "hit" in self.read(path).headers["Cache-Status"], "a hit", 10)
        return self.read(path).content

    def change(self, path: str) -> None:
        """Behind Hapta; until it has heard."""
        name = path.split("/")[3]
        self.pocketbase.admin.patch(f"{path}/{self.rows[name]}", json={"name": "new"}).raise_for_status()
        time.sleep(0.5)

    def figure(self, path: str) -> int:
        return sum(f" {path}" in line for line in self.relay.requests)


@pytest.fixture
def site(pocketbase_template: Path, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as closing:
        instance = from_template(pocketbase_template, tmp_path / "pocketbase")
        closing.callback(instance.close)
        relay = closing.enter_context(Relay(instance.url))
        home = tmp_path / "hapta"
        home.mkdir()
        (home / "config.toml").write_text(CONFIG)
        hapta = Hapta(home, relay.url, SETTINGS)
        found = Site(instance, hapta, relay)
        for name, rule in (("edge", ""), ("ruled", "name != 'hidden'"), ("fresh", "")):
            setup = {"name": name, "type": "base", "fields": FIELDS, "listRule": rule, "viewRule": rule}
            instance.admin.post("/api/collections", json=setup).raise_for_status()
            row = instance.admin.post(f"/api/collections/{name}/records", json={"name": "old"})
            found.rows[name] = str(row.raise_for_status().json()["id"])
        closing.callback(hapta.stop)
        hapta.start()
        yield found


def test_a_pocketbase_that_hangs_stale_answers_are_given_marked_and_for_so_long(site: Site) -> None:
    before = site.stored(OPEN)
    site.stored(RULED)
    began = time.monotonic()
    site.change(OPEN)
    site.change(RULED)
    pid = site.pocketbase.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = site.read(OPEN)
        assert answer.headers["Cache-Status"].endswith("; detail=stale-if-error")
        assert answer.headers["Cache-Status"].startswith("hapta; hit; ttl=-")
        assert answer.content == before
        assert json.loads(before)["items"][0]["name"] == "old"
        assert 0 <= int(answer.headers["Age"]) <= time.monotonic() - began + 5
        assert site.read(RULED).status_code in (502, 503, 504), "a row may have been made private"
        wait_until(lambda: site.read(OPEN).status_code in (502, 503, 504), "the end of it", IF_ERROR_S + 5)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: site.read(OPEN).status_code == 200, "back again", 20)
    assert site.read(OPEN).json()["items"][0]["name"] == "new"


def test_a_pocketbase_that_is_gone_takes_the_feed_along_and_nothing_stale_is_given(site: Site) -> None:
    site.stored(OPEN)
    site.change(OPEN)
    site.pocketbase.kill()
    time.sleep(0.5)
    answer = site.read(OPEN)
    assert answer.status_code in (502, 503, 504)
    assert "stale" not in answer.headers.get("Cache-Status", "")


def test_a_change_is_fetched_once_while_everybody_gets_the_stale_answer(site: Site) -> None:
    path = "/api/collections/fresh/records"
    before = site.stored(path)
    asked = site.figure(path)
    site.change(path)
    answer = site.read(path)
    assert answer.headers["Cache-Status"].endswith("; detail=stale-while-revalidate")
    assert answer.content == before
    wait_until(lambda: site.read(path).json()["items"][0]["name"] == "new", "the refresh", 5)
    assert site.read(path).headers["Cache-Status"].startswith("hapta; hit; ttl=2")
    assert site.figure(path) == asked + 1
