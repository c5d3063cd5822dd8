"""What callers with bad intent get of ranked feeds, and what careless operators do to them."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ranking.support import ROUTE, told
from tests.sessions.support import Account, Ground, hash_cheaply
from tests.support.hapta import Hapta
from tests.support.pocketbase import from_template
from tests.support.process import wait_until

MANY = 250
"""Rows of a collection that takes three lists."""
ADA, BEN = (f"user{number:011}" for number in (1, 2))
RULE = "public = true || author = @request.auth.id"
SETTINGS = {
    "feeds.home.collection": "posts",
    "feeds.many.collection": "many",
    "feeds.many.author": "author",
    "feeds.many.preset": "chronological",
    "feeds.moved.collection": "moved",
    "feeds.talk.collection": "comments",
    "feeds.talk.preset": "chronological",
    "limits.few.rate": "3/hour",
    "limits.few.collection": "guarded",
    "feeds.limited.collection": "guarded",
    "ratelimit.max": 50_000,  # in a day: what is spent stays spent
    "ratelimit.burst": 50_000,
    "ratelimit.duration": 86_400,
}
PLUGIN = """
from hapta.plugins import PluginApi, Viewer

def setup(api: PluginApi) -> None:
    @api.can_read("comments", "created", depends_on={"auth.id"})
    async def no_guest(viewer: Viewer, row: dict | None) -> bool:
        return bool(viewer["auth.id"])
"""


@pytest.fixture(scope="module")
def ground(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A PocketBase of this module's own, and a Hapta with feeds in front of it."""
    with ExitStack() as closing:
        pocketbase = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
        closing.callback(pocketbase.close)
        hash_cheaply(pocketbase, "users", "_superusers")
        for name in ("many", "moved"):
            make_collection(pocketbase.admin, name)
        fill(pocketbase.admin)
        home = tmp_path_factory.mktemp("hapta")
        (home / "plugins").mkdir()
        (home / "plugins" / "closed.py").write_text(PLUGIN)
        hapta = Hapta(home, pocketbase.url, SETTINGS)
        closing.callback(hapta.stop)
        hapta.start()
        wait_until(lambda: hapta.log.count("ranked_feed_ready") == 5, "the tables are loaded")
        yield closing.enter_context(Ground(pocketbase, hapta))


def make_collection(admin: httpx.Client, name: str) -> None:
    people = {"type": "relation", "collectionId": "_pb_users_auth_", "maxSelect": 1}
    fields = [
        {"name": "public", "type": "bool"},
        {"name": "author", **people},
        {"name": "created", "type": "autodate", "onCreate": True},
    ]
    body = {"name": name, "type": "base", "listRule": RULE, "viewRule": RULE, "fields": fields}
    admin.post("/api/collections", json=body).raise_for_status()


def fill(admin: httpx.Client) -> None:
    statement = (
        f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {MANY}) "
        "INSERT INTO many (id, public, author, created) SELECT printf('many%011d', x), 1, "
        "printf('user%011d', x % 2 + 1), '2026-01-02 03:04:05.678Z' FROM c"
    )
    admin.post("/api/sql", json={"query": statement}).raise_for_status()


@pytest.fixture(scope="module")
def superuser(ground: Ground) -> str:
    return ground.through.login(ground.admin_account)


def left(answer: httpx.Response) -> int:
    """What may still be asked at once."""
    assert answer.status_code == 200, answer.text
    return int(answer.headers["RateLimit"].partition("r=")[2].partition(";")[0])


def test_a_limit_of_a_collection_holds_on_either_path_to_its_feed(ground: Ground) -> None:
    paths = ("/api/hapta/feeds/limited", "/api/collections/guarded/records?feed=limited")
    assert [ground.through.ask("GET", paths[number % 2]).status_code for number in range(5)] == [
        *(3 * [200]),
        *(2 * [429]),
    ]
    assert ground.through.ask("GET", "/api/collections/guarded/records").status_code == 429


def test_a_page_counts_as_the_lists_that_pocketbase_makes_for_it(ground: Ground) -> None:
    def spent(query: str) -> int:
        before = left(ground.through.ask("GET", "/api/hapta/feeds/home?perPage=1"))
        return before - left(ground.through.ask("GET", f"/api/hapta/feeds/many?{query}"))

    assert spent("perPage=5") == 1
    assert spent("perPage=1000&fields=id,public") == 3
    assert spent("perPage=1000&fields=id,public") == 1, "they are stored by now"


def test_interactions_count_by_the_twenty_that_are_written(ground: Ground) -> None:
    token = ground.through.login(Account(ADA, "ada@example.com", "users"))
    before = left(told(ground.through, token, ("first", "view")))
    assert before - left(told(ground.through, token, *((f"a{n}", "view") for n in range(20)))) == 1
    before -= 1
    hundred = [(f"b{number}", "view") for number in range(100)]
    assert before - left(told(ground.through, token, *hundred)) == 5
    assert before - 5 - left(told(ground.through, token, *hundred)) == 1, "nothing of it is new"


def test_a_feed_by_a_date_that_a_plugin_closes_is_there_for_those_it_is_closed_to(ground: Ground) -> None:
    ada = ground.through.login(Account(ADA, "ada@example.com", "users"))
    path = "/api/collections/comments/records"
    assert ground.through.ask("GET", f"{path}?sort=created").status_code == 400
    rows = {row["id"]: row for row in ground.rows("comments")}
    for token, is_dated in ((None, False), (ada, True), (None, False)):
        for query in ("?feed=talk&perPage=100", "?feed=talk&perPage=100&fields=*"):
            items = ground.through.ask("GET", path + query, token).json()["items"]
            assert {row["id"] for row in items} == rows.keys()
            assert {"created" in row for row in items} == {is_dated}


def test_a_feed_whose_collection_is_back_serves_again_though_nobody_asks_for_anything_else(
    ground: Ground,
) -> None:
    def status() -> int:
        return ground.through.ask("GET", "/api/hapta/feeds/moved").status_code

    assert status() == 200
    for name, other, expected in (("moved", "elsewhere", 503), ("elsewhere", "moved", 200)):
        ground.pocketbase.admin.patch(f"/api/collections/{name}", json={"name": other}).raise_for_status()
        wait_until(lambda expected=expected: status() == expected, f"the feed answers {expected}")  # type: ignore[misc]


def test_nobody_is_shown_a_row_that_turned_private_before_they_asked(ground: Ground, superuser: str) -> None:
    """Two who write, four who read, all of them at once, for two seconds."""
    hidden: dict[str, int] = {}
    turns, stop, found, pages = [0], threading.Event(), list[Any](), [0]

    def write(remainder: int) -> None:
        choose = random.Random(remainder)
        while not stop.is_set():
            number = choose.randrange(1, MANY + 1)
            if number % 2 != remainder:
                continue
            record, is_public = f"many{number:011}", choose.random() < 0.5
            if is_public:
                hidden.pop(record, None)
            path = f"/api/collections/many/records/{record}"
            answer = ground.through.ask("PATCH", path, superuser, json={"public": is_public})
            assert answer.status_code == 200, answer.text
            if not is_public:
                turns[0] += 1
                hidden[record] = turns[0]

    def read(token: str | None, user: str, path: str) -> None:
        while not stop.is_set():
            before = dict(hidden)
            answer = ground.through.ask("GET", path, token)
            assert answer.status_code == 200, answer.text
            items = answer.json()["items"]
            pages[0] += 1
            for row in items:
                is_theirs = row["author"] == user
                turned = before.get(row["id"])
                if not is_theirs and (
                    not row["public"] or (turned is not None and turned == hidden.get(row["id"]))
                ):
                    found.append((path, user, row))
            if len({row["id"] for row in items}) != len(items):
                found.append((path, user, "a row twice"))

    ada, ben = (
        ground.through.login(Account(record, f"{name}@example.com", "users"))
        for record, name in ((ADA, "ada"), (BEN, "ben"))
    )
    readers = [
        (None, "", "/api/hapta/feeds/many?perPage=50"),
        (ada, ADA, "/api/hapta/feeds/many?perPage=200"),
        (ben, BEN, "/api/collections/many/records?feed=many&perPage=50"),
        (ben, BEN, "/api/hapta/feeds/many?perPage=20&page=2"),
    ]
    with ThreadPoolExecutor(6) as threads:
        started = [threads.submit(write, remainder) for remainder in (0, 1)]
        started += [threads.submit(read, *reader) for reader in readers]
        stop.wait(2)
        stop.set()
        for each in started:
            each.result()
    assert not found
    assert pages[0] > 20
    assert turns[0] > 20


def test_what_is_told_in_ways_that_could_be_read_otherwise_is_refused(ground: Ground) -> None:
    token = ground.through.login(Account(ADA, "ada@example.com", "users"))
    item = '{"record": "odd", "kind": "dwell", "ms": %s}'
    whole = '{"collection": "posts", "interactions": [%s]}'
    bodies = [
        whole % (item % "NaN"),
        whole % (item % ("9" * 5000)),
        whole % (item % "true"),
        whole % (item % "1e3"),
        whole % '{"record": "odd", "record": "even", "kind": "view"}',
        whole % '{"record": "\\ud800", "kind": "view"}',
        whole % '{"record": "a\\u0000b", "kind": "view"}',
        whole % ("[" * 30_000 + "]" * 30_000),
        whole % (item % "1") + "x",
        "\ufeff" + whole % (item % "1"),
        '{"collection": "posts", "collection": "diaries", "interactions": [%s]}' % (item % "1"),
    ]
    for body in bodies:
        headers = {"Content-Type": "application/json"}
        answer = ground.through.ask("POST", ROUTE, token, content=body.encode(), headers=headers)
        assert answer.status_code == 400, body[:80]
    assert not ground.rows("hapta_interactions", filter="record = 'odd' || record = 'even'")
