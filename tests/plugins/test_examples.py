"""The bundled examples in a running Hapta, in front of a real PocketBase."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.conftest import MakeHapta, MakePocketBase
from tests.feed.support import holds
from tests.plugins.receivers import SECRET, ReceiverDouble
from tests.support.hapta import Hapta
from tests.support.pocketbase import PASSWORD, PocketBase
from tests.support.process import wait_until
from tests.support.relay import Relay
from tests.unit.examples import EXAMPLES

POSTS = "/api/collections/posts/records"
HASHTAGS = """
[plugins.hashtags]
is_enabled = true
relation_field = "topics"
tags_collection = "topics"
max_tags = 5
"""
AUDIT_LOG = """
[plugins.audit_log]
is_enabled = true
values = ["posts"]
"""

Serve = Callable[..., Hapta]


@pytest.fixture
def database(make_pocketbase: MakePocketBase) -> PocketBase:
    return make_pocketbase()


@pytest.fixture
def serve(make_hapta: MakeHapta, database: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """``serve(tables)``: a Hapta with the examples those tables switch on."""

    def start(tables: str, upstream: str = database.url) -> Hapta:
        config = tmp_path_factory.mktemp("config") / "config.toml"
        config.write_text(f'[hooks]\ndir = "{EXAMPLES.parent}"\n{tables}')
        return make_hapta(upstream=upstream, arguments=("--config", str(config)), env={"HOOK_SECRET": SECRET})

    return start


@pytest.fixture
async def receiver() -> AsyncIterator[ReceiverDouble]:
    one = ReceiverDouble()
    await one.start()
    yield one
    await one.stop()


def batches(database: PocketBase, *, are_on: bool) -> None:
    body = {"batch": {"enabled": are_on, "maxRequests": 50, "timeout": 3}}
    database.admin.patch("/api/settings", json=body).raise_for_status()


def ada(hapta: Hapta) -> httpx.Client:
    """A client signed in through Hapta."""
    body = {"identity": "ada@example.com", "password": PASSWORD}
    answer = httpx.post(f"{hapta.url}/api/collections/users/auth-with-password", json=body)
    answer.raise_for_status()
    return httpx.Client(base_url=hapta.url, headers={"Authorization": answer.json()["token"]}, timeout=30)


def names(database: PocketBase, post: dict[str, Any]) -> list[str]:
    topics = {row["id"]: row["name"] for row in database.rows("topics")}
    return [topics[id] for id in post["topics"]]


def test_link_limit_refuses_in_pocketbases_form(serve: Serve) -> None:
    hapta = serve("[plugins.link_limit]\nis_enabled = true\nmax_links = 1\n")
    answer = httpx.post(hapta.url + POSTS, json={"title": "x", "body": "https://a https://b"})
    assert answer.status_code == 400
    assert answer.json() == {
        "data": {"body": {"code": "too_many_links", "message": "At most 1 links."}},
        "message": "Failed to create record.",
        "status": 400,
    }
    assert httpx.post(hapta.url + POSTS, json={"title": "x", "body": "https://a"}).status_code == 200


def test_examples_are_off_until_they_are_switched_on(serve: Serve) -> None:
    hapta = serve("")
    links = " ".join(["https://a"] * 50)
    answer = httpx.post(hapta.url + POSTS, json={"title": "x", "body": f"#tag {links}"})
    assert answer.status_code == 200
    assert answer.json()["topics"] == []


@pytest.mark.parametrize("are_on", [True, False], ids=["batch API on", "batch API off"])
def test_three_new_tags_are_made_in_one_batch(serve: Serve, database: PocketBase, are_on: bool) -> None:
    batches(database, are_on=are_on)
    with Relay(database.url) as relay, ada(hapta := serve(HASHTAGS, relay.url)) as client:
        body = {"title": "x", "body": "<p>#Ünique #日本語 #three and #three</p>"}
        answer = client.post(POSTS, json=body)
        assert answer.status_code == 200, answer.text
        assert names(database, answer.json()) == ["ünique", "日本語", "three"]
        sent = b"".join(relay.asked)
        assert sent.count(b"POST /api/batch HTTP/1.1") == 1
        assert sent.count(b"POST /api/collections/topics/records ") == (0 if are_on else 3)
        again = client.post(POSTS, json={"title": "y", "body": "#three #日本語"})
        assert names(database, again.json()) == ["three", "日本語"]
        assert b"".join(relay.asked).count(b"POST /api/batch HTTP/1.1") == 1
        shown = httpx.get(f"{hapta.url}/api/collections/topics/records?filter=name='three'").json()
        assert shown["totalItems"] == 1


def test_many_writers_of_the_same_new_tags_make_each_once(serve: Serve, database: PocketBase) -> None:
    batches(database, are_on=True)
    haptas = [serve(HASHTAGS), serve(HASHTAGS)]
    headers = [dict(ada(hapta).headers) for hapta in haptas]

    async def write() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=30) as client:
            body = {"title": "x", "body": "#eins #zwei #drei"}
            return await asyncio.gather(
                *(
                    client.post(hapta.url + POSTS, json=body, headers=each)
                    for hapta, each in zip(haptas, headers, strict=True)
                    for _ in range(10)
                )
            )

    answers = asyncio.run(write())
    assert {answer.status_code for answer in answers} == {200}
    assert len({tuple(answer.json()["topics"]) for answer in answers}) == 1
    made = [row["name"] for row in database.rows("topics") if row["name"] in ("eins", "zwei", "drei")]
    assert sorted(made) == ["drei", "eins", "zwei"]


async def test_the_audit_log_knows_who_wrote_and_sees_what_by_passed_hapta(
    serve: Serve, database: PocketBase
) -> None:
    batches(database, are_on=True)
    hapta = serve(AUDIT_LOG)

    def log(record: str) -> list[dict[str, Any]]:
        return database.rows("hapta_changes", filter=f'record="{record}"', sort="at")

    with ada(hapta) as client:
        made = client.post(POSTS, json={"title": "one"}).json()
        sent = client.patch(f"{POSTS}/{made['id']}", json={"title": "two"}, headers={"X-Request-Id": "mine"})
        assert sent.status_code == 200
    assert await holds(lambda: len(log(made["id"])) == 2, 6)
    behind = database.admin.patch(f"{POSTS}/{made['id']}", json={"title": "three"})
    behind.raise_for_status()
    assert await holds(lambda: len(log(made["id"])) == 3, 6)
    first, second, third = log(made["id"])
    owner = database.rows("users", filter='email="ada@example.com"')[0]["id"]
    assert [row["action"] for row in (first, second, third)] == ["create", "update", "update"]
    assert [row["who"] for row in (first, second, third)] == [f"users/{owner}", f"users/{owner}", ""]
    assert second["request"] == "mine"
    assert second["changed"] == {"title": ["one", "two"]}
    assert third["changed"] == {"title": ["two", "three"]}
    async with httpx.AsyncClient() as guest:
        answer = await guest.get(f"{hapta.url}/api/collections/hapta_changes/records")
    assert answer.status_code == 403


def test_what_waits_when_hapta_ends_is_in_the_audit_log(serve: Serve, database: PocketBase) -> None:
    hapta = serve(AUDIT_LOG)
    with ada(hapta) as client:
        made = client.post(POSTS, json={"title": "one"}).json()
    database.admin.patch(f"{POSTS}/{made['id']}", json={"title": "two"}).raise_for_status()
    time.sleep(0.2)
    hapta.stop()
    rows = database.rows("hapta_changes", filter=f'record="{made["id"]}"')
    assert sorted(row["action"] for row in rows) == ["create", "update"]


async def test_of_a_new_password_the_audit_log_keeps_nothing(serve: Serve, database: PocketBase) -> None:
    hapta = serve(AUDIT_LOG.replace('"posts"', '"users"'))
    new = {"password": "another-horse-7", "passwordConfirm": "another-horse-7", "oldPassword": PASSWORD}
    with ada(hapta) as client:
        owner = database.rows("users", filter='email="ada@example.com"')[0]["id"]
        answer = client.patch(f"/api/collections/users/records/{owner}", json={**new, "name": "Ada L."})
        assert answer.status_code == 200, answer.text
    assert await holds(lambda: len(database.rows("hapta_changes", filter=f'record="{owner}"')) > 0, 6)
    (row,) = database.rows("hapta_changes", filter=f'record="{owner}"')
    assert row["changed"]["name"][1] == "Ada L."
    assert "horse" not in str(row)
    assert not {"password", "passwordConfirm", "oldPassword", "tokenKey"} & row["changed"].keys()


def webhooks(receiver: ReceiverDouble, **settings: Any) -> str:
    lines = [f"{name} = {value}" for name, value in settings.items()]
    return "\n".join(
        [
            "[plugins.webhooks]",
            "is_enabled = true",
            "first_delay_s = 0.1",
            *lines,
            "[plugins.webhooks.receivers.shop]",
            f'url = "{receiver.url}"',
            'secret = "HOOK_SECRET"',
            'collections = ["posts"]',
            'fields = ["title"]',
            "is_private_allowed = true",
        ]
    )


async def test_a_webhook_reaches_a_receiver_that_fails_at_first(
    serve: Serve, database: PocketBase, receiver: ReceiverDouble
) -> None:
    receiver.answers = [(500, {}), (503, {"Retry-After": "1"})]
    hapta = await asyncio.to_thread(serve, webhooks(receiver))
    async with httpx.AsyncClient() as client:
        made = (await client.post(hapta.url + POSTS, json={"title": "told"})).json()
    assert await holds(lambda: len(receiver.got) == 3, 10)
    assert len({delivery.id for delivery in receiver.got}) == 1
    assert all(delivery.is_signed() for delivery in receiver.got)
    data = receiver.got[-1].told["data"]
    assert data == {
        "collection": "posts",
        "action": "create",
        "id": made["id"],
        "record": {"title": "told"},
    }
    assert await holds(lambda: database.rows("hapta_outbox") == [])
    await asyncio.to_thread(database.admin.patch, f"{POSTS}/{made['id']}", json={"title": "behind"})
    assert await holds(lambda: len(receiver.got) == 4)
    assert receiver.got[3].told["data"]["record"] == {"title": "behind"}


async def test_a_webhook_survives_the_death_of_hapta_between_outbox_and_delivery(
    serve: Serve, database: PocketBase, receiver: ReceiverDouble
) -> None:
    receiver.hold.clear()
    hapta = await asyncio.to_thread(serve, webhooks(receiver, deadline_s=1.0))
    async with httpx.AsyncClient() as client:
        for number in range(3):
            await client.post(hapta.url + POSTS, json={"title": f"told {number}"})
    assert await holds(lambda: len(receiver.got) == 3)
    hapta.kill()
    assert len(database.rows("hapta_outbox")) == 3
    receiver.got.clear()
    receiver.hold.set()
    await asyncio.to_thread(hapta.start)
    assert await holds(lambda: len(receiver.got) == 3, 10)
    assert {delivery.told["data"]["record"]["title"] for delivery in receiver.got} == {
        f"told {number}" for number in range(3)
    }
    assert await holds(lambda: database.rows("hapta_outbox") == [])


async def test_a_webhook_nobody_takes_ends_as_a_dead_letter(
    serve: Serve, database: PocketBase, receiver: ReceiverDouble
) -> None:
    receiver.answers = [(500, {})] * 3
    hapta = await asyncio.to_thread(serve, webhooks(receiver, max_tries=3))
    async with httpx.AsyncClient() as client:
        await client.post(hapta.url + POSTS, json={"title": "unwanted"})
    assert await holds(lambda: [row["state"] for row in database.rows("hapta_outbox")] == ["dead"], 10)
    (row,) = database.rows("hapta_outbox")
    assert (row["tries"], row["status"]) == (3, 500)
    assert len(receiver.got) == 3
    again = {"state": "waiting", "tries": 0}
    database.admin.patch(f"/api/collections/hapta_outbox/records/{row['id']}", json=again).raise_for_status()
    assert await holds(lambda: len(receiver.got) == 4 and database.rows("hapta_outbox") == [])
    assert "given up after 3 tries" in hapta.log
    assert SECRET not in hapta.log


def test_rows_nobody_has_read_yet_get_their_first_readers(serve: Serve, database: PocketBase) -> None:
    tables = """
[plugins.first_chance]
is_enabled = true

[feeds.home]
collection = "posts"
filter = 'title ~ "chance"'

[feeds.home.signals]
likes = { collection = "comments", relation = "post" }
views = { field = "views" }
"""
    posts = {
        name: database.admin.post(POSTS, json={"title": f"chance {name}", "views": views}).json()["id"]
        for name, views in (("passed over", 50), ("liked", 2), ("unread", 0))
    }
    for _ in range(2):
        body = {"text": "yes", "post": posts["liked"]}
        database.admin.post("/api/collections/comments/records", json=body).raise_for_status()
    with httpx.Client(base_url=serve(tables).url, timeout=30) as client:

        def titles() -> list[str]:
            answer = client.get("/api/hapta/feeds/home")
            return [row["title"] for row in answer.json()["items"]] if answer.status_code == 200 else []

        wait_until(lambda: len(titles()) == 3, "the feed is scored")
        assert titles() == ["chance unread", "chance liked", "chance passed over"]
        for _ in range(3):  # readers who do not like it
            body = {"views+": 10}
            client.patch(f"{POSTS}/{posts['unread']}", json=body).raise_for_status()
        assert titles() == ["chance liked", "chance unread", "chance passed over"]
