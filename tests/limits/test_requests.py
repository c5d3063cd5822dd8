"""Limits on requests, through a real ``hapta serve`` in front of a real PocketBase."""

import asyncio
import json
import threading
import time
from collections.abc import Sequence

import aiohttp
import httpx
import pytest

from tests.conftest import MakeHapta
from tests.limits.proxy import Proxy, get
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase

POSTS = "/api/collections/posts/records"
FEW = {"ratelimit__max": 100, "ratelimit__burst": 5, "ratelimit__duration": 1000}
"""Five at once, and then nothing during a test."""


def statuses(
    hapta: Hapta, count: int, target: str = POSTS, headers: dict[str, str] | None = None
) -> list[int]:
    with httpx.Client(base_url=hapta.url) as client:
        return [client.get(target, headers=headers).status_code for _ in range(count)]


def test_who_asks_too_much_gets_429_in_pocketbase_s_form_and_is_told_when_to_come_back(
    make_hapta: MakeHapta,
) -> None:
    # row ``too-many``
    hapta = make_hapta(**FEW, ratelimit__message="Slow down, please.")
    assert statuses(hapta, 5) == [200] * 5
    answer = httpx.get(hapta.url + POSTS, headers={"Origin": "https://app.example"})
    assert answer.status_code == 429
    assert answer.json() == {"data": {}, "message": "Slow down, please.", "status": 429}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Retry-After"] == "10"
    assert answer.headers["RateLimit-Policy"] == '"default";q=100;w=1000'
    assert answer.headers["RateLimit"] == '"default";r=0;t=10'
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    for name in ("Retry-After", "RateLimit", "RateLimit-Policy"):
        assert name in answer.headers["Access-Control-Expose-Headers"]


def test_answers_say_how_much_is_left_unless_told_not_to(make_hapta: MakeHapta) -> None:
    # row ``rate-limit``
    hapta = make_hapta(**FEW)
    with httpx.Client(base_url=hapta.url) as client:
        for target, left in ((POSTS, 4), ("/api/nowhere", 3), (f"{POSTS}/none", 2), ("/api/settings", 1)):
            answer = client.get(target)
            assert answer.headers["RateLimit-Policy"] == '"default";q=100;w=1000'
            assert answer.headers["RateLimit"] == f'"default";r={left};t={(5 - left) * 10}'
    silent = make_hapta(**FEW, ratelimit__headers=False)
    assert not [name for name in httpx.get(silent.url + POSTS).headers if name.startswith("ratelimit")]


def test_hapta_s_health_is_always_told(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**FEW)
    assert statuses(hapta, 20, "/api/hapta/health/live") == [200] * 20
    assert statuses(hapta, 20, "/api/hapta/health/ready") == [200] * 20
    assert statuses(hapta, 6, "/api/health") == [200] * 5 + [429]


def test_switched_off_nothing_is_limited(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(
        **FEW,
        ratelimit__is_enabled=False,
        login__failures=2,
        limits__few__rate="1/hour",
    )
    assert statuses(hapta, 20) == [200] * 20
    url, body = f"{hapta.url}/api/collections/users/auth-with-password", {"identity": "x", "password": "y"}
    assert {httpx.post(url, json=body).status_code for _ in range(4)} == {400}


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Client-IP",
        "X-Hapta-Client-IP",
    ],
)
def test_a_made_up_address_changes_nothing(header: str, make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**FEW)
    made_up = [f"for=203.0.113.{n}" if header == "Forwarded" else f"203.0.113.{n}" for n in range(8)]
    found = [statuses(hapta, 1, headers={header: value})[0] for value in made_up]
    assert found == [200] * 5 + [429] * 3


def test_behind_a_proxy_that_is_trusted_each_client_has_its_own_count(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**FEW, server__trusted_proxies="127.0.0.1")
    with Proxy(hapta.port) as proxy:
        for source in ("127.0.0.2", "127.0.0.3"):
            assert [get(proxy.port, POSTS, source) for _ in range(6)] == [200] * 5 + [429]
        made_up = [get(proxy.port, POSTS, "127.0.0.4", f"X-Forwarded-For: 203.0.113.{n}") for n in range(6)]
        assert made_up == [200] * 5 + [429], "the proxy appends what it saw, and that is what counts"


def test_behind_a_proxy_that_is_not_trusted_all_of_its_clients_share_one_count(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**FEW)
    with Proxy(hapta.port) as proxy:
        found = [get(proxy.port, POSTS, f"127.0.0.{n}") for n in range(2, 9)]
    assert found == [200] * 5 + [429] * 2


def test_superusers_on_this_machine_are_limited_too(make_hapta: MakeHapta, pocketbase: PocketBase) -> None:
    hapta = make_hapta(**FEW)
    token = pocketbase.token("_superusers", ADMIN_EMAIL)
    assert statuses(hapta, 6, "/api/settings", {"Authorization": token}) == [200] * 5 + [429]


def test_a_thousand_requests_at_once_get_exactly_what_is_allowed(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(ratelimit__max=1000, ratelimit__burst=137, ratelimit__duration=86_400)

    async def ask(client: aiohttp.ClientSession) -> int:
        async with client.get("/api/health") as answer:
            return answer.status

    async def ask_all() -> Sequence[int]:
        async with aiohttp.ClientSession(hapta.url) as client:
            return await asyncio.gather(*(ask(client) for _ in range(1000)))

    found = asyncio.run(ask_all())
    assert (found.count(200), found.count(429)) == (137, 863)


def test_named_limits_are_about_what_they_say(make_hapta: MakeHapta, pocketbase: PocketBase) -> None:
    collection = pocketbase.admin.get("/api/collections/posts").json()["id"]
    hapta = make_hapta(
        limits__posts__rate="4/hour",
        limits__posts__collection="posts",
        limits__posts__message="Enough posts.",
        limits__writes__rate="2/hour",
        limits__writes__class="record_write",
    )
    with httpx.Client(base_url=hapta.url) as client:
        assert client.post(POSTS, json={"title": "one"}).status_code == 200
        assert client.get(f"/api/collections/{collection}/records").status_code == 200
        answer = client.get("/api/collections/POSTS/records")
        policies = ['"default";q=1000000;w=1', '"posts";q=4;w=3600']
        assert answer.headers["RateLimit-Policy"] == ", ".join(policies)
        assert '"posts";r=1;t=2700' in answer.headers["RateLimit"]
        assert client.get("/api/collections/topics/records").status_code == 200
        assert client.post(POSTS, json={"title": "two"}).status_code == 200
        refused = client.get(POSTS)
        assert (refused.status_code, refused.json()["message"]) == (429, "Enough posts.")
        assert refused.headers["RateLimit"].startswith('"posts";r=0;t=')
        assert client.get("/api/collections/topics/records").status_code == 200
        deleted = client.delete("/api/collections/topics/records/none")
        assert (deleted.status_code, deleted.json()["message"]) == (429, "Too many requests.")


def test_a_limit_about_a_collection_that_is_not_there_is_told_of(make_hapta: MakeHapta) -> None:
    limits = {"limits__signup__rate": "5/hour", "limits__signup__collection": "usrs"}
    misspelt = make_hapta(**limits).log
    assert misspelt.count('"event":"limits"') == 1
    assert "[limits.signup] is about the collection usrs" in misspelt
    assert '"event":"limits"' not in make_hapta(**{**limits, "limits__signup__collection": "USERS"}).log


def test_a_batch_costs_as_much_as_its_requests(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**FEW, limits__posts__rate="3/hour", limits__posts__collection="posts")

    def batch(count: int, collection: str) -> httpx.Response:
        url = f"/api/collections/{collection}/records"
        requests = [{"method": "POST", "url": url, "body": {"title": "x", "name": "x"}}] * count
        return httpx.post(f"{hapta.url}/api/batch", json={"requests": requests})

    answer = batch(2, "posts")
    assert answer.status_code == 200, answer.text
    assert answer.headers["RateLimit"].startswith('"default";r=3;t=20, "posts";r=1;')
    refused = batch(2, "posts")
    assert refused.status_code == 429
    assert refused.headers["RateLimit"].startswith('"posts";r=0;')
    assert batch(3, "documents").status_code == 429, "one was taken for the request that was refused"


def test_a_batch_with_something_behind_its_json_costs_as_much_as_a_large_one(make_hapta: MakeHapta) -> None:
    """PocketBase passes over what follows and carries it out."""
    hapta = make_hapta(**{**FEW, "ratelimit__burst": 60})
    one = {"method": "POST", "url": POSTS, "body": {"title": "one of many"}}
    content = json.dumps({"requests": [one] * 10}) + " and more"
    answer = httpx.post(
        f"{hapta.url}/api/batch", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200
    assert answer.headers["RateLimit"].startswith('"default";r=10;')


def test_a_write_that_pocketbase_refuses_costs_extra(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(ratelimit__max=100, ratelimit__burst=20, ratelimit__duration=1000)
    with httpx.Client(base_url=hapta.url) as client:
        refused = client.post("/api/collections/closed/records", json={"name": "x"})
        assert refused.status_code == 403
        assert refused.headers["RateLimit"].startswith('"default";r=15;')
        taken = client.post(POSTS, json={"title": "x"})
        assert taken.headers["RateLimit"].startswith('"default";r=14;')
        assert client.get("/api/collections/none/records").headers["RateLimit"].startswith('"default";r=13;')


def test_an_identity_is_counted_wherever_it_comes_from(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(limits__each__rate="3/hour", limits__each__who="identity", login__failures=1000)

    def login(email: str) -> dict[str, str]:
        url = f"{hapta.url}/api/collections/users/auth-with-password"
        return {
            "Authorization": httpx.post(url, json={"identity": email, "password": PASSWORD}).json()["token"]
        }

    ada, again, ben = login("ada@example.com"), login("ada@example.com"), login("ben@example.com")
    assert statuses(hapta, 2, headers=ada) == [200, 200]
    assert statuses(hapta, 2, headers=again) == [200, 429]
    assert statuses(hapta, 3, headers=ben) == [200] * 3
    assert statuses(hapta, 5) == [200] * 5, "guests are not counted by it"


def test_metrics_count_refusals_by_limit(make_hapta: MakeHapta, unused_tcp_port: int) -> None:
    hapta = make_hapta(
        **FEW,
        metrics__enabled=True,
        metrics__port=unused_tcp_port,
        limits__posts__rate="2/hour",
        limits__posts__collection="posts",
    )
    assert statuses(hapta, 4) == [200, 200, 429, 429]
    assert statuses(hapta, 4, "/api/health") == [200, 200, 200, 429]
    text = httpx.get(f"http://127.0.0.1:{unused_tcp_port}/metrics").text
    assert 'hapta_limited_total{rule="posts"} 2.0' in text
    assert 'hapta_limited_total{rule="default"} 1.0' in text
    assert "hapta_limit_table_keys 2.0" in text


def test_streams_already_open_go_on_while_their_client_is_limited(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**FEW)
    opened, ended = threading.Event(), threading.Event()

    def listen() -> None:
        with httpx.stream("GET", f"{hapta.url}/api/realtime", timeout=30) as stream:
            for line in stream.iter_lines():
                if line.startswith("event:PB_CONNECT"):
                    opened.set()
                    break
            ended.wait(10)

    listener = threading.Thread(target=listen)
    listener.start()
    assert opened.wait(10)
    assert statuses(hapta, 6) == [200] * 4 + [429] * 2
    time.sleep(0.2)
    assert listener.is_alive()
    ended.set()
    listener.join()
