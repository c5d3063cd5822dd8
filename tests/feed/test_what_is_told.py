"""Which changes PocketBase tells of and which not: the table the coherence of everything stored rests on.

Where PocketBase is silent, Hapta knows otherwise (own writes, the schema watch) or says so in docs/feed.md.
"""

import asyncio
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest

from tests.feed.conftest import Follow
from tests.feed.support import SETTLED_S, Following, holds
from tests.support.pocketbase import PASSWORD, PocketBase, binary

Told = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Counter[tuple[str, str]]]]


@pytest.fixture
async def following(served: PocketBase, follow: Follow) -> Following:
    return await follow(served)


@pytest.fixture
def told(following: Following) -> Told:
    """What is told from the beginning of an action until no more comes."""

    async def run(action: Callable[[], Awaitable[Any]]) -> Counter[tuple[str, str]]:
        await asyncio.sleep(SETTLED_S)
        following.changes.clear()
        await action()
        await asyncio.sleep(SETTLED_S)
        assert following.meter.gaps == []
        return following.told()

    return run


async def test_a_create_is_told_with_its_record(following: Following, told: Told) -> None:
    assert await told(following.write) == {("posts", "create"): 1}


async def test_an_update_is_told_even_when_it_changes_nothing(following: Following, told: Told) -> None:
    record = await following.write()

    async def twice() -> None:
        await following.ask("PATCH", f"/api/collections/posts/records/{record}", {"title": "y"})
        await following.ask("PATCH", f"/api/collections/posts/records/{record}", {})

    assert await told(twice) == {("posts", "update"): 2}
    assert {change.record_id for change in following.changes} == {record}


async def test_a_delete_is_told(following: Following, told: Told) -> None:
    record = await following.write()
    path = f"/api/collections/posts/records/{record}"
    assert await told(lambda: following.ask("DELETE", path)) == {("posts", "delete"): 1}


async def test_a_batch_is_told_row_by_row(following: Following, told: Told) -> None:
    create = {"method": "POST", "url": "/api/collections/posts/records", "body": {"title": "x"}}
    batch = {"requests": [create] * 20}
    assert await told(lambda: following.ask("POST", "/api/batch", batch)) == {("posts", "create"): 20}


async def test_a_batch_that_fails_is_not_told(following: Following, told: Told) -> None:
    create = {"method": "POST", "url": "/api/collections/posts/records", "body": {"title": "x"}}
    batch = {"requests": [create, {**create, "body": {}}]}
    assert await told(lambda: following.ask("POST", "/api/batch", batch, status=400)) == {}


async def test_a_cascading_delete_is_told_for_children_and_parent(following: Following, told: Told) -> None:
    post = await following.write()
    for _ in range(3):
        await following.ask("POST", "/api/collections/comments/records", {"text": "x", "post": post})
    path = f"/api/collections/posts/records/{post}"
    assert await told(lambda: following.ask("DELETE", path)) == {
        ("comments", "delete"): 3,
        ("posts", "delete"): 1,
    }


async def test_a_relation_that_is_unset_is_told_as_an_update(following: Following, told: Told) -> None:
    topic = await following.write("topics", name="x")
    await following.write(topics=[topic])
    path = f"/api/collections/topics/records/{topic}"
    assert await told(lambda: following.ask("DELETE", path)) == {
        ("posts", "update"): 1,
        ("topics", "delete"): 1,
    }


async def test_a_truncation_is_told_row_by_row(following: Following, told: Told) -> None:
    await following.ask("POST", "/api/collections", {"name": "shortlived", "type": "base"})
    await following.schema.confirmed(0.0)
    cid = following.schema.snapshot.by_name["shortlived"].id
    assert await holds(lambda: following.feed.covers(cid))
    for _ in range(4):
        await following.ask("POST", "/api/collections/shortlived/records", {})
    path = "/api/collections/shortlived/truncate"
    assert await told(lambda: following.ask("DELETE", path)) == {("shortlived", "delete"): 4}
    assert await told(lambda: following.ask("DELETE", "/api/collections/shortlived")) == {}


async def test_of_a_login_the_device_is_told_not_the_account(
    following: Following, served: PocketBase, told: Told
) -> None:
    name = "staff-of-the-feed"
    await following.ask(
        "POST",
        "/api/collections/staff/records",
        {"username": name, "password": PASSWORD, "passwordConfirm": PASSWORD, "email": "sf@example.com"},
    )
    login = {"identity": name, "password": PASSWORD}
    path = "/api/collections/staff/auth-with-password"
    assert await told(lambda: following.ask("POST", path, login)) == {("_authOrigins", "create"): 1}


async def test_the_clean_up_of_one_time_passwords_is_told(following: Following, told: Told) -> None:
    users = await following.ask("GET", "/api/collections/users/records?perPage=1&fields=id,collectionId")
    user = users["items"][0]
    otp = await following.ask(
        "POST",
        "/api/collections/_otps/records",
        {"collectionRef": user["collectionId"], "recordRef": user["id"], "password": "12345678"},
    )
    age = f"UPDATE _otps SET created = '2020-01-01 00:00:00.000Z' WHERE id = '{otp['id']}'"
    await following.ask("POST", "/api/sql", {"query": age})
    assert await told(lambda: following.ask("POST", "/api/crons/__pbOTPCleanup__")) == {
        ("_otps", "delete"): 1
    }


async def test_what_hooks_save_is_told(following: Following, told: Told) -> None:
    assert await told(lambda: following.ask("POST", "/api/custom/count/feed")) == {("counters", "create"): 1}
    assert await told(lambda: following.ask("POST", "/api/custom/count/feed")) == {("counters", "update"): 1}


async def test_a_write_after_which_a_hook_throws_is_stored_and_not_told(
    following: Following, told: Told
) -> None:
    path = "/api/collections/hooked/records"
    assert await told(lambda: following.ask("POST", path, {"name": "stored anyway"}, status=400)) == {}
    rows = await following.ask("GET", f"{path}?filter=name='stored anyway'")
    assert rows["totalItems"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("PATCH", "/api/collections/closed", {"listRule": "id != ''"}, id="a rule"),
        pytest.param("PATCH", "/api/collections/keyed", {"name": "keyed_anew"}, id="a name"),
        pytest.param("PATCH", "/api/settings", {"batch": {"maxRequests": 99}}, id="settings"),
        pytest.param("POST", "/api/sql", {"query": "UPDATE topics SET name = name"}, id="SQL"),
        pytest.param(
            "PUT",
            "/api/collections/import",
            {"collections": [{"name": "imported", "type": "base", "fields": []}], "deleteMissing": False},
            id="an import",
        ),
    ],
)
async def test_what_is_no_record_write_is_not_told(
    following: Following, told: Told, method: str, path: str, body: dict[str, Any]
) -> None:
    assert await told(lambda: following.ask(method, path, body)) == {}


async def test_what_another_process_writes_is_not_told(
    following: Following, served: PocketBase, told: Told
) -> None:
    async def write() -> None:
        with closing(sqlite3.connect(served.data_dir / "data.db")) as database, database:
            database.execute("UPDATE topics SET name = name || '!'")

    assert await told(write) == {}


async def test_what_the_command_line_writes_is_not_told(
    following: Following, served: PocketBase, told: Told
) -> None:
    command = [binary(), "superuser", "upsert", "cli@example.com", PASSWORD, "--dir", str(served.data_dir)]

    async def upsert() -> None:
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, cwd=served.home)

    assert await told(upsert) == {}


async def test_a_view_is_not_followed(following: Following) -> None:
    view = following.schema.snapshot.by_name["post_stats"]
    assert view.is_view
    assert not following.feed.covers(view.id)


async def test_system_collections_are_followed(following: Following) -> None:
    for name in ("_superusers", "_otps", "_mfas", "_authorigins", "_externalauths", "hapta_sessions"):
        assert following.feed.covers(following.schema.snapshot.by_name[name].id), name


async def test_full_payloads_come_for_those_collections_that_are_asked_for(following: Following) -> None:
    posts, topics = (following.schema.snapshot.by_name[name].id for name in ("posts", "topics"))
    following.feed.wants_full([posts])
    assert await holds(lambda: following.covered()[posts])
    await asyncio.sleep(2.2)  # the stream before it lingers
    following.changes.clear()
    post, topic = (
        await following.write(title="whole", internal="hidden"),
        await following.write("topics", name="x"),
    )
    assert await following.is_told(post)
    assert await following.is_told(topic)
    records = {change.collection_id: change.record for change in following.changes}
    whole = records[posts]
    assert whole is not None
    assert (whole["title"], whole["internal"]) == ("whole", "hidden")
    assert records[topics] is None
    assert following.meter.gaps == []
