"""Ways around a guard that somebody might try: PocketBase stores nothing a guard was there to refuse."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hapta.model.errors import AdminOnly
from hapta.stages.bind import _client_ids
from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase, from_template
from tests.support.process import wait_until

GUARD = '''
"""Nothing called spam, and no changes of what is sealed."""
from hapta.plugins import Change, PluginApi, Reject


def setup(api: PluginApi) -> None:
    @api.validate("posts", on={"create", "update"})
    async def no_spam(change: Change) -> None:
        if "spam" in str(change.fields.get("title", "")):
            raise Reject("title", code="spam", message="No spam.")

    @api.validate("posts", on={"update"})
    async def sealed(change: Change) -> None:
        old = await change.old()
        if old is not None and old["slug"] == "sealed":
            raise Reject("title", code="sealed", message="It is sealed.")
'''
POSTS = "/api/collections/posts/records"


@pytest.fixture(scope="module")
def pocketbase(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    """One whose batch API is on."""
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
    batch = {"enabled": True, "maxRequests": 50, "timeout": 3}
    instance.admin.patch("/api/settings", json={"batch": batch}).raise_for_status()
    yield instance
    instance.close()


@pytest.fixture(scope="module")
def guarded(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapta]:
    server = Hapta(tmp_path_factory.mktemp("hapta"), pocketbase.url)
    (server.home / "plugins").mkdir()
    (server.home / "plugins" / "guard.py").write_text(GUARD)
    server.start()
    yield server
    server.stop()


def _spam(pocketbase: PocketBase) -> int:
    return len(pocketbase.rows("posts", filter="title ~ 'spam'", fields="id"))


@pytest.mark.parametrize(
    "document",
    [
        {"requests": [{"method": "POST", "url": POSTS, "body": {"title": "spam"}}]},
        {"re_quests": [{"method": "POST", "url": POSTS, "body": {"title": "spam"}}]},
        {"Re-Quests": [{"method": "POST", "url": POSTS, "body": {"title": "spam"}}]},
        {"requests": [{"me_thod": "POST", "url": POSTS, "body": {"title": "spam"}}]},
        {"requests": [{"method": "POST", "u-r-l": POSTS, "body": {"title": "spam"}}]},
        {"requests": [{"method": "POST", "url": POSTS, "_body": {"title": "spam"}}]},
    ],
)
def test_no_name_hides_a_request_of_a_batch(guarded: Hapta, pocketbase: PocketBase, document: Any) -> None:
    answer = httpx.post(guarded.url + "/api/batch", json=document)
    assert answer.status_code == 400, answer.text
    assert _spam(pocketbase) == 0


def test_no_name_hides_superusers_in_a_batch(pocketbase: PocketBase, tmp_path: Path) -> None:
    """The lock on superusers reads batches too."""
    server = Hapta(tmp_path, pocketbase.url, {"admin.networks": "10.9.8.7/32"})
    server.start()
    try:
        url = "/api/collections/_superusers/records/abc"
        for name in ("requests", "re-quests"):
            answer = httpx.post(server.url + "/api/batch", json={name: [{"method": "DELETE", "url": url}]})
            assert answer.status_code == 403, answer.text
            assert answer.json()["message"] == AdminOnly().message
    finally:
        server.stop()


def _upsert(server: Hapta, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(
        server.url + "/api/batch", json={"requests": [{"method": "PUT", "url": POSTS, "body": body}]}
    )


def test_an_upsert_by_a_number_is_the_update_pocketbase_makes_of_it(
    guarded: Hapta, pocketbase: PocketBase
) -> None:
    row = {"id": "123456789012345", "title": "old", "slug": "sealed"}
    pocketbase.admin.post(POSTS, json=row).raise_for_status()
    answer = _upsert(guarded, {"id": 123456789012345, "title": "new"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["data"]["requests"]["0"]["response"]["data"]["title"]["code"] == "sealed"
    assert pocketbase.rows("posts", filter="id='123456789012345'")[0]["title"] == "old"


def test_an_upsert_is_sent_as_what_it_was_looked_at_as(pocketbase: PocketBase, tmp_path: Path) -> None:
    """A row that comes or goes while hooks look makes no other kind of write of it."""
    server = Hapta(tmp_path, pocketbase.url)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "slow.py").write_text(
        '"""Behind the back of an upsert the row comes, or goes."""\n'
        "import asyncio, urllib.request\n"
        f"URL, TOKEN = {pocketbase.url + POSTS!r}, {pocketbase.admin.headers['Authorization']!r}\n"
        "def call(method, url, body):\n"
        "    headers = {'Authorization': TOKEN, 'Content-Type': 'application/json'}\n"
        "    urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method))\n"
        "def setup(api):\n"
        "    @api.validate('posts', on={'create', 'update'})\n"
        "    async def look(change):\n"
        "        if change.action == 'create':\n"
        '            body = b\'{"id":"%s","title":"first"}\' % change.id.encode()\n'
        "            await asyncio.to_thread(call, 'POST', URL, body)\n"
        "        else:\n"
        "            await asyncio.to_thread(call, 'DELETE', URL + '/' + change.id, None)\n"
    )
    server.start()
    try:
        came = _upsert(server, {"id": "racecreateracex", "title": "second"})
        assert came.status_code == 400, came.text
        assert pocketbase.rows("posts", filter="id='racecreateracex'")[0]["title"] == "first"
        went = _upsert(server, {"id": "racecreateracex", "title": "third"})
        assert went.status_code == 400, went.text
        assert pocketbase.rows("posts", filter="id='racecreateracex'") == []
    finally:
        server.stop()


def test_an_upsert_does_what_pocketbase_does(guarded: Hapta, pocketbase: PocketBase) -> None:
    for title in ("made", "changed"):
        answer = httpx.post(
            guarded.url + "/api/batch",
            json={"requests": [{"method": "PUT", "url": f"{POSTS}?fields=id,title",
                                "body": {"id": "upsertupsertups", "title": title}}]},
        )  # fmt: skip
        assert answer.json() == [{"status": 200, "body": {"id": "upsertupsertups", "title": title}}]
    assert [row["title"] for row in pocketbase.rows("posts", filter="id='upsertupsertups'")] == ["changed"]


ENDS = '''
"""Hooks that end otherwise than by returning."""
import asyncio


def setup(api):
    @api.validate("posts", on={"create"})
    async def ends(change):
        if change.fields["title"] == "exit":
            raise SystemExit(3)
        if change.fields["title"] == "cancelled":
            other = asyncio.ensure_future(asyncio.sleep(60))
            other.cancel()
            await other
        if change.fields["title"] == "deaf":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return

    @api.after_write("posts")
    async def watcher(written):
        if written.change.fields["title"] == "watched":
            raise asyncio.CancelledError
        api.log.warning(f"seen {written.change.fields['title']}")
'''


def test_a_hook_that_ends_oddly_stops_its_write_and_nothing_else(
    pocketbase: PocketBase, tmp_path: Path
) -> None:
    server = Hapta(tmp_path, pocketbase.url, {"hooks.guard_deadline_s": 0.5})
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "ends.py").write_text(ENDS)
    server.start()
    try:
        for title in ("exit", "cancelled", "deaf"):
            answer = httpx.post(server.url + POSTS, json={"title": title})
            assert answer.status_code == 500, answer.text
            assert pocketbase.rows("posts", filter=f"title='{title}'") == []
        for title in ("watched", "another"):
            httpx.post(server.url + POSTS, json={"title": title}).raise_for_status()
        wait_until(lambda: "seen another" in server.log, "the watcher works on")
    finally:
        server.stop()


def test_a_guess_of_a_hidden_email_is_refused_like_any_other(pocketbase: PocketBase, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[validate.users]\nupdate_fields = { email = "nobody" }\n')
    server = Hapta(tmp_path, pocketbase.url)
    server.start()
    try:
        row = next(row for row in pocketbase.rows("users") if not row["emailVisibility"])
        url = f"{server.url}/api/collections/users/records/{row['id']}"
        right, wrong = (httpx.patch(url, json={"email": email}) for email in (row["email"], "no@example.com"))
        assert (right.status_code, right.text) == (wrong.status_code, wrong.text)
    finally:
        server.stop()


CREDENTIALS = """
from hapta.plugins import Change, PluginApi, Reject


def setup(api: PluginApi) -> None:
    @api.validate("users", on={"update"})
    async def strong(change: Change) -> None:
        if len(str(change.fields.get("password", "long enough for it"))) < 12:
            raise Reject("password", code="weak", message="Too short.")
        if str(change.fields.get("email", "")).endswith("@elsewhere.example"):
            raise Reject("email", code="domain", message="Not from there.")
"""


def test_passwords_and_e_mails_set_by_mailed_links_are_looked_at_too(
    pocketbase: PocketBase, tmp_path: Path
) -> None:
    email, users = "credentials@example.com", "/api/collections/users"
    password = {"password": "a first password", "passwordConfirm": "a first password"}
    made = pocketbase.admin.post(f"{users}/records", json={"email": email, "verified": True, **password})
    made.raise_for_status()
    server = Hapta(tmp_path, pocketbase.url)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "strong.py").write_text(CREDENTIALS)
    server.start()
    try:
        asked = httpx.post(f"{server.url}{users}/request-password-reset", json={"email": email})
        assert asked.status_code == 204, asked.text
        wait_until(lambda: bool(pocketbase.mail.mails(email)), "the mail came")
        token = re.search(r"/confirm-password-reset/([\w.-]+)", pocketbase.mail.mails(email)[-1]["html"])
        assert token is not None

        def confirm(**members: str) -> httpx.Response:
            return httpx.post(f"{server.url}{users}/confirm-password-reset", json=members)

        weak = confirm(token=token[1], password="too short", passwordConfirm="too short")
        assert (weak.status_code, weak.json()["data"]["password"]["code"]) == (400, "weak")
        odd = confirm(token=token[1], pass_word="too short", passwordConfirm="too short")
        assert odd.status_code == 400
        good = confirm(token=token[1], password="long enough for it", passwordConfirm="long enough for it")
        assert good.status_code == 204, good.text

        login = {"identity": email, "password": "long enough for it"}
        session = httpx.post(f"{server.url}{users}/auth-with-password", json=login).json()["token"]

        def change(to: str) -> httpx.Response:
            return httpx.post(
                f"{server.url}{users}/request-email-change",
                json={"newEmail": to},
                headers={"Authorization": session},
            )

        refused = change("me@elsewhere.example")
        assert (refused.status_code, refused.json()["data"]["newEmail"]["code"]) == (400, "domain")
        assert change("me@example.com").status_code == 204
    finally:
        server.stop()


def test_no_name_hides_whose_stream_it_is() -> None:
    for name in ("clientId", "client_id", "CLIENT-ID", "_clientId"):
        assert _client_ids(json.dumps({name: "abc"}).encode(), "application/json", "") == ["abc"]
        assert _client_ids(f"{name}=abc".encode(), "application/x-www-form-urlencoded", "") == ["abc"]
