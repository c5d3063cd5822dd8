"""What becomes of hooks that crash, hang, block and return the wrong thing: guards stop what they guard,
watchers stop nothing."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.plugins.workshop import POSTS, Workshop, serving
from tests.support.pocketbase import PASSWORD, PocketBase
from tests.support.process import wait_until

FAILS = """
import asyncio, sys, time


def setup(api):
    @api.transform("posts", on="create")
    async def shape(change):
        match change.fields.get("title"):
            case "returns nothing": return None
            case "returns fields": return dict(change.fields)
            case "sets no field": return change.with_fields(nothing=1)
            case "sets no number": return change.with_fields(views="many")
            case "another id":
                from dataclasses import replace
                return replace(change, collection="topics")
        return change

    @api.validate("posts", on="create", deadline_s=0.3)
    async def guard(change):
        match change.fields.get("title"):
            case "raises": raise ValueError("of the guard")
            case "hangs": await asyncio.sleep(60)
            case "swallows":
                try:
                    await asyncio.sleep(60)
                except BaseException:
                    pass
            case "blocks": time.sleep(0.6)
            case "exits": sys.exit("enough")
            case "refuses oddly": raise Reject("title", code="x", message="X.", status=200)
            case "is cancelled":
                task = asyncio.ensure_future(asyncio.sleep(60))
                task.cancel()
                await task

    @api.on_auth("users")
    async def admit(login):
        if login.device == "crash":
            raise KeyError("of admit")

    @api.after_write("posts", on="create", deadline_s=0.3)
    async def watch(written):
        title = written.change.fields["title"]
        note("watch", title=title)
        match title:
            case "watcher raises": raise ValueError("of the watcher")
            case "watcher hangs": await asyncio.sleep(60)
            case "watcher exits": sys.exit(1)
            case "watcher is cancelled":
                task = asyncio.ensure_future(asyncio.sleep(60))
                task.cancel()
                await task

    @api.after_write("posts", on="create")
    async def other(written):
        note("other", title=written.change.fields["title"])

    @api.after_write("topics")
    async def slow(written):
        await asyncio.sleep(0.02)
        note("slow", name=written.record["name"])
"""


@pytest.fixture(scope="module")
def shop(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with serving(tmp_path_factory.mktemp("hapta"), pocketbase.url, {"fails.py": FAILS}) as workshop:
        yield workshop


def failures(shop: Workshop, request_id: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in shop.logged("hook_failed") if line.startswith("{")]
    return [line for line in lines if line.get("request_id") == request_id]


def line_of(shop: Workshop, text: str) -> str:
    file = shop.folder / "fails.py"
    lines = file.read_text().splitlines()
    at = next(number for number, line in enumerate(lines, 1) if text in line)
    return f"{file}:{at - 1}"  # its decorator


@pytest.mark.parametrize(
    ("title", "hook", "why"),
    [
        ("raises", "guard", "ValueError: of the guard"),
        ("hangs", "guard", "took longer than 0.3 s"),
        ("swallows", "guard", "0.3 s"),
        ("blocks", "guard", "without awaiting, more than 0.3 s"),
        ("exits", "guard", "SystemExit('enough')"),
        ("refuses oddly", "guard", "status 200 is not one of a client's error"),
        ("is cancelled", "guard", "awaited something that was cancelled"),
        ("returns nothing", "shape", "returned NoneType, not the change"),
        ("returns fields", "shape", "returned dict, not the change"),
        ("sets no field", "shape", "posts has no field nothing"),
        ("sets no number", "shape", "set what PocketBase would not store"),
        ("another id", "shape", "changed more than fields"),
    ],
)
def test_a_guard_that_fails_stops_the_write(
    shop: Workshop, pocketbase: PocketBase, title: str, hook: str, why: str
) -> None:
    began = time.monotonic()
    answer = shop.client.post(POSTS, json={"title": title})
    assert time.monotonic() - began < 5
    assert answer.status_code == 500
    body = answer.json()
    assert (body.keys(), body["data"], body["status"]) == ({"data", "message", "status"}, {}, 500)
    assert why not in answer.text, "why it failed is for the log"
    assert pocketbase.rows("posts", filter=f'title="{title}"') == []
    request_id = answer.headers["X-Request-Id"]
    wait_until(lambda: bool(failures(shop, request_id)), "the failure in the log")
    (event,) = failures(shop, request_id)
    assert why in event["message"]
    assert (event["plugin"], event["hook"]) == ("fails", f"fails.{hook}")
    assert event["where"] == line_of(shop, f"async def {hook}(")
    assert shop.client.post(POSTS, json={"title": "after it"}).status_code == 200


def test_one_that_hangs_holds_up_nobody_else(shop: Workshop) -> None:
    with ThreadPoolExecutor(8) as threads:
        hanging = [
            threads.submit(httpx.post, shop.hapta.url + POSTS, json={"title": "hangs"}) for _ in "abcd"
        ]
        began = time.monotonic()
        answers = [shop.client.post(POSTS, json={"title": "beside it"}) for _ in range(3)]
        took = time.monotonic() - began
        assert {answer.status_code for answer in answers} == {200}
        assert not all(one.done() for one in hanging) or took < 0.3
        assert {one.result().status_code for one in hanging} == {500}


def test_nobody_is_let_in_by_a_crash(shop: Workshop) -> None:
    body = {"identity": "ada@example.com", "password": PASSWORD}
    url = "/api/collections/users/auth-with-password"
    answer = shop.client.post(url, json=body, headers={"User-Agent": "crash"})
    assert (answer.status_code, answer.json()["data"]) == (500, {})
    assert "token" not in answer.json()
    assert shop.client.post(url, json=body).status_code == 200


@pytest.mark.parametrize(
    ("title", "why"),
    [
        ("watcher raises", "ValueError: of the watcher"),
        ("watcher hangs", "took longer than 0.3 s"),
        ("watcher exits", "SystemExit(1)"),
        ("watcher is cancelled", "awaited something that was cancelled"),
    ],
)
def test_a_watcher_that_fails_stops_nothing_and_goes_on(shop: Workshop, title: str, why: str) -> None:
    began = time.monotonic()
    answer = shop.client.post(POSTS, json={"title": title})
    if title == "watcher hangs":
        assert time.monotonic() - began < 0.3, "answers wait for no watcher"
    assert answer.status_code == 200
    after = f"after {title}"
    assert shop.client.post(POSTS, json={"title": after}).status_code == 200
    shop.wait_for("watch", title=after)
    shop.wait_for("other", title=after)
    (event,) = failures(shop, answer.headers["X-Request-Id"])
    assert why in event["message"]
    assert (event["hook"], event["where"]) == ("fails.watch", line_of(shop, "async def watch("))


def test_a_slow_watcher_gets_everything_in_order_and_delays_no_answer(shop: Workshop) -> None:
    names = [f"topic {number}" for number in range(40)]
    with shop.superuser() as admin:
        for name in names:
            began = time.monotonic()
            answer = admin.post(POSTS.replace("posts", "topics"), json={"name": name})
            assert answer.status_code == 200, answer.text
            assert time.monotonic() - began < 5
    assert [line["name"] for line in shop.wait_for("slow", 40)] == names


def test_runs_are_counted(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> None:
    settings: dict[str, Any] = {"metrics__enabled": True, "metrics__port": 0}
    home = tmp_path_factory.mktemp("hapta")
    with serving(home, pocketbase.url, {"fails.py": FAILS}, **settings) as shop:
        for title in ("raises", "hangs", "fine", "watcher raises"):
            shop.client.post(POSTS, json={"title": title})
        shop.wait_for("other", title="watcher raises")
        (started,) = shop.logged('"event":"started"')
        text = httpx.get(json.loads(started)["metrics"]).text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    counted = {name: float(value) for name, _, value in lines}

    def runs(kind: str, outcome: str) -> float:
        labels = f'kind="{kind}",outcome="{outcome}",plugin="fails"'
        return counted.get(f"hapta_hook_runs_total{{{labels}}}", 0)

    assert runs("validate", "failed") == runs("validate", "timed_out") == 1
    assert runs("validate", "passed") == 2
    assert (runs("after_write", "failed"), runs("after_write", "passed")) == (1, 3)
    assert counted["hapta_plugins_loaded"] == 1
