"""Ranked pages when something fails: refused in time and told so, or right all the same."""

import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeHapta, MakePocketBase
from tests.faults.test_embedded import log_in
from tests.ranking.pages import config, ids, signed_in, walk
from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase
from tests.support.process import wait_until

HOME = "/api/hapta/feeds/home"
POSTS = "/api/collections/posts/records"
HOT = {"feeds.home.collection": "posts", "feeds.home.preset": "chronological"}
SCORES = """
    import time
    import numpy as np
    import os
    from pathlib import Path
    from hapta.plugins import PluginApi

    MODE = Path(__file__).parent.parent / "mode"

    def scored(columns):
        mode = MODE.read_text()
        if mode == "slow":
            time.sleep(30)
        if mode == "dies":
            os._exit(9)
        return np.arange(len(columns.created), dtype=np.float64)

    def setup(api: PluginApi) -> None:
        api.feed("home")(scored)
"""


@pytest.fixture
def own(make_pocketbase: MakePocketBase) -> PocketBase:
    return make_pocketbase()


@pytest.fixture
def make(make_hapta: MakeHapta) -> Iterator[Any]:
    """A Hapta with a feed; ``files`` are put into its folder."""
    with ExitStack() as closing:

        def made(upstream: str | None, files: dict[str, str] | None = None, **more: Any) -> Hapta:
            server = make_hapta(upstream=upstream, started=False)
            (server.home / "config.toml").write_text(config({**HOT, **more}))
            for name, text in (files or {}).items():
                (server.home / name).parent.mkdir(exist_ok=True)
                (server.home / name).write_text(textwrap.dedent(text))
            server.command = [*server.command[:4], "--set", f"server.port={server.port}"]
            closing.callback(server.stop)
            server.start()
            return server

        yield made


def test_without_pocketbase_pages_are_refused_at_once_and_are_back_with_it(
    own: PocketBase, make: Any
) -> None:
    hapta: Hapta = make(own.url)
    with signed_in(hapta.url, None) as client:
        before = client.get(HOME, params={"perPage": 1000}).json()
        own.kill()
        for query in ({"perPage": 20}, {"perPage": 20, "page": 2}, {"snapshot": before["snapshot"]}):
            began = time.monotonic()
            answer = client.get(HOME, params=query)
            assert answer.status_code in (502, 503, 504), query
            assert time.monotonic() - began < 10
        own.start()
        gone = "post00000000003"
        own.admin.delete(f"{POSTS}/{gone}").raise_for_status()
        new = own.admin.post(POSTS, json={"title": "while nobody looked"}).json()["id"]
        expected = {*ids(before["items"]), new} - {gone}
        seen: list[str] = []

        def is_back() -> bool:
            answer = client.get(HOME, params={"perPage": 1000})
            if answer.status_code == 200:
                seen[:] = ids(answer.json()["items"])
                assert set(seen) <= expected, "never a row that is gone"
            return answer.status_code == 200 and set(seen) == expected

        wait_until(is_back, "all rows again", 20)


def test_a_row_that_was_hidden_while_changes_were_not_heard_of_is_not_shown_and_not_counted(
    own: PocketBase, make: Any
) -> None:
    rule = 'status != "draft"'
    own.admin.patch("/api/collections/posts", json={"listRule": rule, "viewRule": rule}).raise_for_status()
    hapta: Hapta = make(own.url)
    with signed_in(hapta.url, None) as client:
        assert client.get(HOME).json()["totalItems"] == 20
        own.kill()
        own.start()
        own.admin.patch(f"{POSTS}/post00000000001", json={"status": "draft"}).raise_for_status()
        for _ in range(30):
            answer = client.get(HOME)
            if answer.status_code == 200:
                assert "post00000000001" not in ids(answer.json()["items"])
                assert answer.json()["totalItems"] == 19
            time.sleep(0.02)
        assert answer.status_code == 200


def test_a_scoring_that_takes_too_long_or_loses_its_worker_is_a_503_and_no_more(
    own: PocketBase, make: Any
) -> None:
    files = {"plugins/scores.py": SCORES, "mode": "good"}
    hapta: Hapta = make(own.url, files, **{"feeds.home.deadline_s": 1.0, "workers.count": 1})
    mode = hapta.home / "mode"
    with signed_in(hapta.url, None) as client:
        wait_until(lambda: client.get(HOME).status_code == 200, "the worker is there", 20)
        for name in ("slow", "dies"):
            mode.write_text(name)
            own.admin.post(POSTS, json={"title": name}).raise_for_status()  # no order is made already
            time.sleep(2.1)  # nor one for another guest
            answer = client.get(HOME, headers={"Origin": "https://app.example.com"})
            assert answer.status_code == 503, name
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.headers.get_list("Access-Control-Allow-Origin") == ["*"]
            assert client.get(POSTS).status_code == 200
            mode.write_text("good")
            wait_until(lambda: client.get(HOME).status_code == 200, f"a page after {name}", 20)


def test_a_queue_that_is_full_refuses_and_nobody_waits_for_long(own: PocketBase, make: Any) -> None:
    files = {"plugins/scores.py": SCORES, "mode": "good"}
    settings = {"feeds.home.deadline_s": 2.0, "workers.count": 1, "workers.max_queue": 1}
    hapta: Hapta = make(own.url, files, **settings)
    users = [("users", f"{name}@example.com") for name in ("ada", "ben", "cleo", "dan")]
    with ExitStack() as closing:
        clients = [closing.enter_context(signed_in(hapta.url, each)) for each in (*users, None)]
        wait_until(lambda: clients[0].get(HOME).status_code == 200, "the worker is there", 20)
        (hapta.home / "mode").write_text("slow")
        with ThreadPoolExecutor(5) as several:
            answers = list(several.map(lambda each: each.get(HOME), clients))
        assert {each.status_code for each in answers} == {503}
        assert all(int(each.headers["Retry-After"]) >= 1 for each in answers)
        (hapta.home / "mode").write_text("good")
        wait_until(lambda: clients[0].get(HOME).status_code == 200, "a page again", 20)


def test_plugins_shape_ranked_pages_as_they_shape_lists(own: PocketBase, make: Any) -> None:
    source = (Path(__file__).parents[1] / "shaping" / "plugin.py").read_text()
    hapta: Hapta = make(own.url, {"plugins/shapes.py": source})
    people = [None, ("users", "ada@example.com"), ("users", "ben@example.com"), ("staff", "sam@example.com")]
    forms = set()
    for account in people:
        with signed_in(hapta.url, account) as client:
            for query in ({}, {"expand": "author,topics"}, {"fields": "title,views,contact"}):
                plain = client.get(POSTS, params={**query, "perPage": 100}).json()["items"]
                for _ in range(2):
                    items = walk(client, HOME, {**query, "perPage": 7})
                    assert sorted(map(_told, items)) == sorted(map(_told, plain)), (account, query)
            forms.add(tuple(sorted(map(_told, plain))))
    assert len(forms) > 1


def _told(row: dict[str, Any]) -> str:
    return repr(sorted((name, repr(value)) for name, value in row.items()))


def test_a_feed_of_the_embedded_pocketbase_shows_what_its_lists_show(make: Any) -> None:
    hapta: Hapta = make(None, **{"feeds.home.collection": "notes"})
    rule = "public = true || owner = @request.auth.id"
    fields = [
        {"name": "public", "type": "bool"},
        {"name": "owner", "type": "relation", "collectionId": "_pb_users_auth_", "maxSelect": 1},
        {"name": "created", "type": "autodate", "onCreate": True},
    ]
    notes = {
        "name": "notes",
        "type": "base",
        "fields": fields,
        **dict.fromkeys(("listRule", "viewRule"), rule),
    }
    password = {"password": "correct-horse-1", "passwordConfirm": "correct-horse-1"}
    with ExitStack() as closing:
        operator = closing.enter_context(httpx.Client(base_url=hapta.url, timeout=30))
        operator.headers["Authorization"] = log_in(hapta, operator)
        assert operator.get(HOME).status_code == 503, "there is no such collection yet"
        operator.post("/api/collections", json=notes).raise_for_status()
        body = {"email": "ada@example.com", **password}
        ada = operator.post("/api/collections/users/records", json=body).json()["id"]
        for n in range(12):
            row = {"public": n % 3 == 0, "owner": ada if n % 3 == 1 else ""}
            operator.post("/api/collections/notes/records", json=row).raise_for_status()
        wait_until(lambda: operator.get(HOME).status_code == 200, "the feed fits", 20)
        seen = set()
        for account in (None, ("users", "ada@example.com")):
            client = closing.enter_context(signed_in(hapta.url, account))
            plain = client.get("/api/collections/notes/records").json()["items"]
            answer = client.get(HOME).json()
            assert sorted(ids(answer["items"])) == sorted(ids(plain))
            assert answer["totalItems"] == len(plain) == 8
            seen.add(frozenset(ids(plain)))
        assert len(seen) == 2
