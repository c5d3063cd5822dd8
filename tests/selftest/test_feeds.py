"""``hapta test`` and ranked feeds: before a real Hapta, whole and with one fault at a time."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from hapta.selftest import Credentials, Result, Setup, Status, feeds, run_suite
from tests.selftest.tampering import Fault, Tampering, no_fault
from tests.selftest.test_command import hapta_test, report
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase
from tests.support.process import wait_until

FEEDS = {"home": "posts", "own": "diaries", "shut": "closed", "inner": "guarded"}
CONFIG = "".join(f'[feeds.{name}]\ncollection = "{each}"\n' for name, each in FEEDS.items())
NAMES = ["ranked feeds", "ranked feed pages", "ranked feed rows"]


@pytest.fixture(scope="module")
def hapta(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapta]:
    """One with a feed for each kind of rule: open, each their own, superusers only, those signed in."""
    home = tmp_path_factory.mktemp("hapta")
    (home / "config.toml").write_text(CONFIG)
    server = Hapta(home, pocketbase.url)
    server.start()
    wait_until(lambda: server.log.count("ranked_feed_ready") == len(FEEDS), "all tables are loaded")
    yield server
    server.stop()


def run(hapta: Hapta, fault: Fault = no_fault, *, read_only: bool = True) -> dict[str, Result]:
    results = asyncio.run(
        run_suite(
            hapta.url,
            Credentials(ADMIN_EMAIL, PASSWORD),
            lambda _: None,
            read_only=read_only,
            transport=Tampering(fault),
            setup=Setup(feeds=FEEDS),
        )
    )
    return {result.name: result for result in results if result.name.startswith("ranked")}


def in_feed(change: Callable[[httpx.Request, Any], Any]) -> Fault:
    """A fault in what feeds answer."""

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if "/api/hapta/feeds/home" not in request.url.path or answer.status_code != 200:
            return answer
        return httpx.Response(200, json=change(request, json.loads(answer.content)))

    return fault


def refused(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    if "/feeds/own" not in request.url.path:
        return answer
    return httpx.Response(503, json={"data": {}, "message": "This feed is being prepared.", "status": 503})


def unknown_in_lists(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
    if "feed" not in request.url.params:
        return answer
    body = json.loads(answer.content)
    body.pop("snapshot", None)
    return httpx.Response(answer.status_code, json=body)


def the_first_page_again() -> Fault:
    """What a proxy does that takes no notice of the query."""
    first: list[Any] = []

    def change(request: httpx.Request, body: Any) -> Any:
        if "page" in request.url.params:
            first[:] = first or body["items"]
            return {**body, "items": first}
        return body

    return in_feed(change)


@pytest.mark.parametrize("read_only", [True, False])
def test_feeds_that_are_well_pass_and_closed_ones_are_no_fault(hapta: Hapta, read_only: bool) -> None:
    results = run(hapta, read_only=read_only)
    assert list(results) == NAMES
    assert {result.name: result.reason for result in results.values()} == dict.fromkeys(NAMES, "")


@pytest.mark.parametrize(
    ("fault", "name", "reason"),
    [
        pytest.param(
            refused, NAMES[0], "own for a guest: expected 200, got 503 This feed is being", id="no answer"
        ),
        pytest.param(unknown_in_lists, NAMES[0], "is no ranked feed: was Hapta reloaded", id="a plain list"),
        pytest.param(
            the_first_page_again(), NAMES[1], "a row of page 2 was there already", id="a page again"
        ),
        pytest.param(
            in_feed(lambda _, body: {**body, "items": [*body["items"], *body["items"]]}),
            NAMES[1],
            "a row of page 1 was there already",
            id="a row twice",
        ),
        pytest.param(
            in_feed(lambda request, body: {**body, "snapshot": request.url.params.get("page", "1")}),
            NAMES[1],
            "page 2 is of another snapshot",
            id="another snapshot",
        ),
        pytest.param(
            in_feed(lambda _, body: {**body, "items": [{"id": "it's-not-there"}, *body["items"]]}),
            NAMES[2],
            "home shows a guest it's-not-there, which a list of posts does not",
            id="a row too many",
        ),
    ],
)
def test_a_fault_is_noticed(
    hapta: Hapta, fault: Fault, name: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "PER_PAGE", 2)
    results = run(hapta, fault)
    assert results[name].status is Status.FAIL
    assert reason in results[name].reason


def test_the_command_takes_the_feeds_from_the_configuration(hapta: Hapta) -> None:
    done = hapta_test(hapta.home, "--read-only", "--json", "--set", f"server.port={hapta.port}")
    checks = report(done)
    assert [name for name in checks if name.startswith("ranked")] == NAMES
    assert all(checks[name]["status"] == "ok" for name in NAMES)
    elsewhere = hapta_test(hapta.home, "--read-only", "--json", "--url", hapta.url)
    assert NAMES[0] not in report(elsewhere)  # whose feeds are not known
