"""Writes whose client leaves, at a real PocketBase: committed once if sent whole, else never."""

import json
import time

import pytest

from tests.faults.clients import connection, request, upload
from tests.faults.test_clients_that_leave import leave
from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase
from tests.support.process import wait_until

JSON = "Content-Type: application/json"
POSTS = "/api/collections/posts/records"
HOW = ["close", "reset", "half-close"]


def titled(pocketbase: PocketBase, title: str) -> int:
    return len(pocketbase.rows("posts", filter=f'title="{title}"'))


@pytest.mark.parametrize("how", HOW)
def test_a_create_sent_whole_is_committed_exactly_once(
    pocketbase: PocketBase, hapta: Hapta, how: str
) -> None:
    title = f"sent whole, then {how}"
    with connection(hapta.url) as raw:
        raw.sendall(request("POST", POSTS, JSON, body=json.dumps({"title": title}).encode()))
        leave(raw, how)
        wait_until(lambda: titled(pocketbase, title) == 1, "it is committed")
    time.sleep(0.1)
    assert titled(pocketbase, title) == 1


@pytest.mark.parametrize("how", HOW)
def test_an_unknown_route_that_writes_runs_exactly_once(
    pocketbase: PocketBase, hapta: Hapta, how: str
) -> None:
    name = f"left-{how}"
    with connection(hapta.url) as raw:
        raw.sendall(request("POST", f"/api/custom/count/{name}?ms=200", JSON, body=b"{}"))
        wait_until(lambda: bool(pocketbase.rows("counters", filter=f'name="{name}"')), "it runs")
        leave(raw, how)
    time.sleep(0.3)
    assert [row["count"] for row in pocketbase.rows("counters", filter=f'name="{name}"')] == [1]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("framing", ["announced length", "chunked"])
def test_a_create_cut_after_complete_json_is_never_committed(
    pocketbase: PocketBase, hapta: Hapta, how: str, framing: str
) -> None:
    title = f"cut, {framing}, {how}"
    body = json.dumps({"title": title}).encode()
    with connection(hapta.url) as raw:
        if framing == "chunked":
            head = request("POST", POSTS, JSON, "Transfer-Encoding: chunked")
            raw.sendall(head + b"%x\r\n%s\r\n" % (len(body), body))
        else:
            raw.sendall(upload("POST", POSTS, len(body) + 1) + body)
        time.sleep(0.1)
        leave(raw, how)
    time.sleep(0.2)
    assert titled(pocketbase, title) == 0
