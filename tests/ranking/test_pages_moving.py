"""Ranked pages while rows come, go and change sides: no gap, no repeat, no row of somebody else's, and what a
caller has written is there."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fastlane.site import Site
from tests.ranking.pages import config, feeds, furnished, ids, signed_in, walk, write
from tests.sdk.runner import HERE, Side, run
from tests.support.pocketbase import PocketBase, from_template
from tests.support.process import wait_until

ADA, BEN = ("users", "ada@example.com"), ("users", "ben@example.com")
LIVELY = {
    "collection": "posts",
    "preset": "for_you",
    "signals.comments.collection": "comments",
    "signals.comments.relation": "post",
}
HOME = "/api/hapta/feeds/lively"
POSTS = "/api/collections/posts/records"
OWN, OWN_ROWS = "/api/hapta/feeds/own", "/api/collections/r_own/records"


@pytest.fixture(scope="module")
def served(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("feeds"))
    try:
        yield furnished(instance)
    finally:
        instance.close()


@pytest.fixture(scope="module")
def site(served: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    (home / "config.toml").write_text(config({**feeds(lively=LIVELY)}))
    with Site(home, served.url) as running:
        yield running


@pytest.fixture
def ada(site: Site) -> Iterator[httpx.Client]:
    with signed_in(site.url, ADA) as client:
        yield client


@pytest.fixture
def posts(served: PocketBase) -> Iterator[list[str]]:
    """Two hundred more of them, gone after the test."""
    made = [f"more{n:011}" for n in range(200)]
    write(served.admin, [("posts", {"id": each, "title": each}) for each in made])
    yield made
    there = {each["id"] for each in served.rows("posts", fields="id")}
    with ThreadPoolExecutor(4) as several:
        list(several.map(lambda each: served.admin.delete(f"{POSTS}/{each}"), there - _seeded()))


def _seeded() -> set[str]:
    return {f"post{n:011}" for n in range(1, 31)}


def test_who_pages_through_while_posts_and_likes_pour_in_gets_each_row_once(
    site: Site, ada: httpx.Client, served: PocketBase, posts: list[str]
) -> None:
    wait_for(ada, HOME, {*posts, *_seeded()})
    ends = threading.Event()

    def pour() -> None:
        with signed_in(site.url, ADA) as client:
            for n in range(100):
                client.post(POSTS, json={"title": f"new {n}"}).raise_for_status()
                body = {"text": "x", "post": posts[n % 50], "author": "user00000000001"}
                client.post("/api/collections/comments/records", json=body).raise_for_status()
        ends.set()

    pouring = threading.Thread(target=pour)
    pouring.start()
    rounds = 0
    while not ends.is_set() or rounds < 3:
        seen = ids(walk(ada, HOME, {"perPage": 20}))
        assert len(seen) == len(set(seen))
        assert {*posts, *_seeded()} <= set(seen)
        rounds += 1
    pouring.join()


def test_rows_that_go_leave_no_gap_on_pages_to_come(
    ada: httpx.Client, served: PocketBase, posts: list[str]
) -> None:
    wait_for(ada, HOME, {*posts, *_seeded()})
    for of_each in (3, 60):  # now and then one, and more at once than a page has
        first = ada.get(HOME, params={"perPage": 20}).json()
        order = ids(ada.get(HOME, params={"perPage": 1000, "snapshot": first["snapshot"]}).json()["items"])
        fresh = ada.get(HOME, params={"perPage": 20}).json()  # nobody was given its later places
        seen, page, gone = ids(fresh["items"]), 2, set[str]()
        while True:
            now = [each for each in order[page * 20 :] if each in {*posts} - gone][:of_each]
            gone |= set(now)
            for each in now:
                served.admin.delete(f"{POSTS}/{each}").raise_for_status()
            asked = {"perPage": 20, "page": page, "snapshot": fresh["snapshot"]}
            items = ids(ada.get(HOME, params=asked).json()["items"])
            seen += items
            page += 1
            if len(items) < 20:
                break
        assert len(seen) == len(set(seen))
        assert set(order) - gone <= set(seen)
        posts[:] = [each for each in posts if each not in gone]


def test_pages_asked_for_at_once_have_no_row_in_common(site: Site, posts: list[str]) -> None:
    with ExitStack() as closing:
        clients = [closing.enter_context(signed_in(site.url, ADA)) for _ in range(4)]
        wait_for(clients[0], HOME, {*posts, *_seeded()})
        for _ in range(5):
            snapshot = clients[0].get(HOME, params={"perPage": 10}).json()["snapshot"]

            def page(at: int, snapshot: str = snapshot) -> list[str]:
                asked = {"perPage": 10, "page": at, "snapshot": snapshot}
                return ids(clients[at % 4].get(HOME, params=asked).json()["items"])

            with ThreadPoolExecutor(4) as several:
                shown = [each for items in several.map(page, range(1, 24)) for each in items]
            assert len(shown) == len(set(shown)) == 230


def test_no_row_that_is_private_is_ever_shown_to_others_while_rows_change_sides(
    site: Site, served: PocketBase
) -> None:
    mine = [each["id"] for each in served.rows("r_own") if each["author"] == "user00000000002"]
    assert len(mine) > 4
    ends = threading.Event()
    leaked: list[Any] = []
    walked = [0]

    def flip(client: httpx.Client) -> None:
        for n in range(60):
            path = f"{OWN_ROWS}/{mine[n % len(mine)]}"
            for public, title in ((True, "open"), (False, "secret")):
                client.patch(path, json={"public": public, "title": f"{title} {n}"}).raise_for_status()

    def come_and_go(client: httpx.Client) -> None:
        for n in range(40):
            body = {"title": f"secret {n}", "public": False, "author": "user00000000002"}
            made = client.post(OWN_ROWS, json=body).json()["id"]
            client.delete(f"{OWN_ROWS}/{made}").raise_for_status()

    def look(account: tuple[str, str] | None) -> None:
        with signed_in(site.url, account) as client:
            while not ends.is_set():
                for query in ({"perPage": 5}, {"perPage": 30, "expand": "author"}):
                    found = [each for each in walk(client, OWN, query) if each["author"] == "user00000000002"]
                    leaked.extend(each for each in found if not each["public"] or "secret" in each["title"])
                walked[0] += 1

    with ExitStack() as closing:
        through = closing.enter_context(site.client())
        several = closing.enter_context(ThreadPoolExecutor(6))
        looking = [several.submit(look, each) for each in (None, ADA, ADA)]
        writing = [
            several.submit(flip, through),
            several.submit(flip, served.admin),
            several.submit(come_and_go, through),
        ]
        for each in writing:
            each.result()
        ends.set()
        for each in looking:
            each.result()
    assert walked[0] > 5
    assert not leaked
    with signed_in(site.url, BEN) as ben:
        assert {*mine} <= set(ids(walk(ben, OWN, {"perPage": 30})))


def test_what_was_written_through_hapta_is_in_the_order_at_once(site: Site, ada: httpx.Client) -> None:
    comments = "/api/collections/comments/records"
    for n in range(200):
        made = ada.post(POSTS, json={"title": f"mine {n}"}).json()["id"]
        first = ada.get(HOME, params={"perPage": 1000}).json()
        assert made in ids(first["items"]), n
        if n % 4 == 0:
            body = {"text": "x", "post": made, "author": "user00000000001"}
            ada.post(comments, json=body).raise_for_status()
            table = site.gateway._ranking._tables.get("lively").table  # type: ignore[union-attr]
            assert ada.get(HOME, params={"perPage": 1}).status_code == 200
            slot = table.slot_of(made)
            assert site.call(lambda: table.features().signals["comments"][slot]) == 1  # noqa: B023
        if n % 2:
            ada.delete(f"{POSTS}/{made}").raise_for_status()
        else:
            requests = [{"method": "DELETE", "url": f"{POSTS}/{made}"}]
            ada.post("/api/batch", json={"requests": requests}).raise_for_status()
        after = ada.get(HOME, params={"perPage": 1}).json()
        assert after["totalItems"] == first["totalItems"] - 1, n


def test_the_stock_sdk_pages_through_a_feed(
    node: str, site: Site, served: PocketBase, posts: list[str]
) -> None:
    with signed_in(site.url, ADA) as ada:
        wait_for(ada, HOME, {*posts, *_seeded()})
    side = Side("through Hapta", site.url, served.mail.directory, (), {})
    steps = {each["name"]: each for each in run(node, HERE / "ranked_feed.mjs", side, 45.0)}
    assert {name: each["ok"] for name, each in steps.items()} == {
        "first page": True,
        "second page": True,
        "full list": True,
        "first item": True,
        "by its own address": True,
        "a feed that is not there": False,
    }
    one, two = steps["first page"]["value"], steps["second page"]["value"]
    assert (one["page"], one["perPage"], one["totalItems"], two["page"]) == (1, 30, 230, 2)
    assert len(one["items"]) == len(two["items"]) == 30
    assert not set(ids(one["items"])) & set(ids(two["items"]))
    assert set(ids(steps["full list"]["value"])) == {*posts, *_seeded()}
    assert len(steps["full list"]["value"]) == 230
    assert steps["a feed that is not there"]["error"]["status"] == 404


def wait_for(client: httpx.Client, path: str, wanted: set[str]) -> None:
    """Until the change feed has told of rows that were written directly."""
    wait_until(lambda: set(ids(walk(client, path, {"perPage": 500}))) == wanted, "rows are told of")
