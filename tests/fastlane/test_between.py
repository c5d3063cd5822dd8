"""Between two requests on one connection something changes: the very next answer is right.

What is changed through Hapta is right at once; what is changed around it, as soon as its event is there.
"""

import asyncio
import gzip
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from hapta.model.schema import Schema
from tests.control.command import run_command
from tests.fastlane.site import LIST, POSTS, VIEW, Caller, Line, Site, body, field, status
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase, from_template
from tests.support.process import wait_until

GUARDED = "/api/collections/guarded/records"
DIARIES = "/api/collections/diaries/records"
USERS = "/api/collections/users/records"
SESSIONS = "/api/hapta/sessions"


@pytest.fixture(scope="module")
def database(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    """One whose rows and schema these tests change."""
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
    yield instance
    instance.close()


@pytest.fixture(scope="module")
def site(database: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(
        tmp_path_factory.mktemp("hapta"), database.url, sessions__overlap_s=0.5, feed__max_silence_s=2
    ) as opened:
        yield opened


@pytest.fixture
def own_database(pocketbase_template: Path, tmp_path: Path) -> Iterator[PocketBase]:
    """One that a test stops."""
    (tmp_path / "pocketbase").mkdir()
    instance = from_template(pocketbase_template, tmp_path / "pocketbase")
    yield instance
    instance.close()


@pytest.fixture(scope="module")
def root(site: Site) -> Iterator[httpx.Client]:
    """The superuser, through Hapta."""
    with site.client(site.token("_superusers", ADMIN_EMAIL)) as client:
        yield client


_numbers = iter(range(1, 1000))


def new_user(database: PocketBase, **fields: Any) -> dict[str, Any]:
    """An account of its own for a test."""
    account = {"email": f"new{next(_numbers)}@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD}
    answer = database.admin.post(USERS, json={**account, "verified": True, **fields})
    return dict(answer.raise_for_status().json(), email=account["email"])


def authorized(token: str) -> str:
    return f"Authorization: {token}"


def done(answer: httpx.Response) -> Any:
    """What a change was answered with, which was accepted."""
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def becomes(caller: Caller, target: str, wanted: int) -> None:
    """Soon it is answered with this status."""
    wait_until(lambda: status(caller.ask(target)) == wanted, f"{wanted} of {target}", 5)


# rows


def test_what_was_answered_before_is_answered_by_the_lane(site: Site) -> None:
    with Caller(site) as guest:
        first = guest.warm(LIST)
        again, is_told = guest.told(LIST)
    assert is_told
    assert status(again) == 200
    assert body(again) == body(first)


def test_an_own_write_is_seen_by_the_next_answer(site: Site) -> None:
    with Caller(site) as guest, site.client() as writer:
        for number in range(20):
            guest.warm(VIEW)
            guest.warm(LIST)
            title = f"A written {number}"
            done(writer.patch(VIEW, json={"title": title}))
            assert json.loads(body(guest.ask(VIEW)))["title"] == title
            assert title in body(guest.ask(LIST)).decode()


def test_a_write_on_the_same_connection_is_seen_by_the_next_answer(site: Site) -> None:
    with Caller(site) as guest:
        guest.warm(VIEW)
        content = json.dumps({"title": "A written here"})
        lines = ("Host: a", "Content-Type: application/json", f"Content-Length: {len(content)}")
        guest.line.send("\r\n".join([f"PATCH {VIEW} HTTP/1.1", *lines, "", content]).encode())
        assert status(guest.line.raw()) == 200
        assert json.loads(body(guest.ask(VIEW)))["title"] == "A written here"


def test_a_batch_is_seen_by_the_next_answer(site: Site) -> None:
    with Caller(site) as guest, site.client() as writer:
        for number in range(5):
            guest.warm(VIEW)
            part = {"method": "PATCH", "url": VIEW, "body": {"title": f"A batched {number}"}}
            done(writer.post("/api/batch", json={"requests": [part]}))
            assert json.loads(body(guest.ask(VIEW)))["title"] == f"A batched {number}"


def test_a_write_around_hapta_is_seen_once_its_event_is_there(site: Site, database: PocketBase) -> None:
    with Caller(site) as guest:
        for number in range(5):
            guest.warm(VIEW)
            title = f"A direct {number}"
            done(database.admin.patch(VIEW, json={"title": title}))
            wait_until(lambda title=title: title in body(guest.ask(VIEW)).decode(), title, 5)  # type: ignore[misc]


def test_a_row_that_is_deleted_is_gone_and_one_that_comes_is_there(site: Site) -> None:
    with Caller(site) as guest, site.client() as writer:
        target = f"{POSTS}/comes0000000001"
        assert status(guest.warm(target)) == 404
        done(writer.post(POSTS, json={"id": "comes0000000001", "title": "It comes"}))
        assert status(guest.ask(target)) == 200
        guest.warm(target)
        done(writer.delete(target))
        assert status(guest.ask(target)) == 404
        assert status(guest.warm(target)) == 404


def test_a_304_is_told_by_the_lane_and_not_after_a_change(site: Site) -> None:
    with Caller(site) as guest, site.client() as writer:
        tag = field(guest.warm(VIEW), "ETag")
        asking = Caller(site, f"If-None-Match: {tag}", line=guest.line)
        assert status(asking.warm(VIEW)) == 304
        done(writer.patch(VIEW, json={"title": "A new one"}))
        answer = asking.ask(VIEW)
        assert status(answer) == 200
        assert json.loads(body(answer))["title"] == "A new one"
        assert status(guest.ask(VIEW)) == 200
        newer = Caller(site, f"If-None-Match: {field(answer, 'ETag')}", line=guest.line)
        assert status(newer.warm(VIEW)) == 304
        assert status(asking.warm(VIEW)) == 200


def test_a_gzip_variant_that_appears_is_told_from_then_on(site: Site) -> None:
    target = f"{POSTS}?perPage=29&sort=-title"
    with Caller(site, "Accept-Encoding: gzip") as coded:
        plain = Caller(site, line=coded.line)
        expected = body(plain.ask(target))
        seen = set()
        for _ in range(12):
            answer, is_told = coded.told(target)
            content = body(answer)
            is_coded = field(answer, "Content-Encoding") == "gzip"
            assert (gzip.decompress(content) if is_coded else content) == expected
            seen.add((is_coded, is_told))
            site.settle()
        assert (True, True) in seen
        assert (False, True) not in seen, "told plain, although a variant was on its way"
        assert field(plain.warm(target), "Content-Encoding") is None


def test_a_304_names_the_form_that_the_client_holds(site: Site) -> None:
    target = f"{POSTS}?perPage=20"
    with Caller(site) as plain, Caller(site, "Accept-Encoding: gzip") as zipped:
        held = field(plain.warm(target), "ETag")
        for _ in range(5):
            zipped.ask(target)
        site.settle()
        coded = field(zipped.warm(target), "ETag")
        assert coded != held
        for etag in (held, coded):
            with Caller(site, "Accept-Encoding: gzip", f"If-None-Match: {etag}") as again:
                for answer in (again.ask(target), again.warm(target)):
                    assert (status(answer), field(answer, "ETag")) == (304, etag)


def test_a_purge_makes_the_next_answer_a_fetch(site: Site) -> None:
    with Caller(site) as guest:
        guest.warm(VIEW)
        run_command(SimpleNamespace(home=site.home), "cache", "purge", "posts")  # type: ignore[arg-type]
        answer, is_told = guest.told(VIEW)
        assert not is_told
        assert "fwd=" in (field(answer, "Cache-Status") or "")


# who asks


def test_a_logout_elsewhere_is_401_at_once(site: Site, database: PocketBase) -> None:
    token = site.token("users", new_user(database)["email"])
    with Caller(site, authorized(token)) as caller, site.client(token) as elsewhere:
        caller.warm(VIEW)
        assert elsewhere.post("/api/hapta/logout").is_success
        answer, is_told = caller.told(VIEW)
        assert status(answer) == 401
        assert not is_told


def test_a_session_ended_by_the_operator_is_401_at_once(site: Site, database: PocketBase) -> None:
    token = site.token("users", new_user(database)["email"])
    with Caller(site, authorized(token)) as caller:
        caller.warm(VIEW)
        listed = json.loads(body(caller.ask(SESSIONS)))["items"]
        mine = next(item["id"] for item in listed if item["current"])
        caller.warm(VIEW)
        caller.warm(VIEW)
        run_command(SimpleNamespace(home=site.home), "sessions", "revoke", mine)  # type: ignore[arg-type]
        assert status(caller.ask(VIEW)) == 401


@pytest.mark.parametrize("is_own", [True, False], ids=["through Hapta", "around it"])
def test_a_new_password_ends_the_session(
    site: Site, database: PocketBase, root: httpx.Client, is_own: bool
) -> None:
    user = new_user(database)
    token = site.token("users", user["email"])
    with Caller(site, authorized(token)) as caller:
        caller.warm(VIEW)
        change = {"password": "another-horse-2", "passwordConfirm": "another-horse-2"}
        done((root if is_own else database.admin).patch(f"{USERS}/{user['id']}", json=change))
        if is_own:
            assert status(caller.ask(VIEW)) == 401
        becomes(caller, VIEW, 401)


@pytest.mark.parametrize("is_own", [True, False], ids=["through Hapta", "around it"])
def test_who_is_deleted_is_nobody_at_once(
    site: Site, database: PocketBase, root: httpx.Client, is_own: bool
) -> None:
    user = new_user(database)
    token = site.token("users", user["email"])
    with Caller(site, authorized(token)) as caller:
        caller.warm(VIEW)
        done((root if is_own else database.admin).delete(f"{USERS}/{user['id']}"))
        if is_own:
            assert status(caller.ask(VIEW)) == 401
        becomes(caller, VIEW, 401)


def test_a_token_that_was_renewed_counts_for_its_overlap_and_no_longer(
    site: Site, database: PocketBase
) -> None:
    old = site.token("users", new_user(database)["email"])
    with Caller(site, authorized(old)) as before, site.client(old) as client:
        before.warm(VIEW)
        new = done(client.post("/api/collections/users/auth-refresh"))["token"]
        after = Caller(site, authorized(new), line=before.line)
        assert status(before.ask(VIEW)) == 200
        assert status(after.warm(VIEW)) == 200
        for _ in range(3):
            assert status(before.ask(VIEW)) == 200
        time.sleep(0.7)
        answer, is_told = before.told(VIEW)
        assert (status(answer), is_told) == (401, False)
        assert status(after.ask(VIEW)) == 401, "a replay ends the session"


def test_a_token_that_expires_is_a_guest_s_from_that_second(
    site: Site, database: PocketBase, root: httpx.Client
) -> None:
    target = f"{GUARDED}/guarded00000001"
    user = new_user(database)
    with Caller(site, authorized(site.token("users", "ada@example.com"))) as ada:
        ada.warm(target)  # with a token that ends so soon nothing is fetched for others
    for client in (root, database.admin):  # a session's, and an adopted one
        made = done(client.post(f"/api/collections/users/impersonate/{user['id']}", json={"duration": 3}))
        began = time.time()
        with Caller(site, authorized(made["token"])) as caller:
            assert status(caller.warm(target)) == 200
            while time.time() < began + 4.2:
                seen_at = time.time()
                answer = caller.ask(target)
                if status(answer) == 404:
                    break
                assert seen_at < began + 3.1
                time.sleep(0.02)
            assert time.time() > began + 1.5
            assert status(caller.ask(target)) == 404


def test_an_adopted_token_that_dies_is_a_guest_s(site: Site, database: PocketBase) -> None:
    target = f"{GUARDED}/guarded00000001"
    user = new_user(database)
    with Caller(site, authorized(database.token("users", user["email"]))) as caller:
        assert status(caller.warm(target)) == 200
        done(
            database.admin.patch(
                f"{USERS}/{user['id']}", json={"password": "b" * 12, "passwordConfirm": "b" * 12}
            )
        )
        becomes(caller, target, 404)
        assert status(caller.ask(target)) == 404


def test_owners_alternating_on_one_connection_each_get_their_own(site: Site) -> None:
    tokens = [site.token("users", f"{name}@example.com") for name in ("ada", "ben", "cleo")]
    with Line(site.url) as line:
        callers = [Caller(site, authorized(token), line=line) for token in tokens]
        guest = Caller(site, line=line)
        expected = [sorted(row["id"] for row in json.loads(body(c.ask(DIARIES)))["items"]) for c in callers]
        assert len({tuple(rows) for rows in expected}) == 3
        for caller in callers:
            caller.warm(DIARIES)
        told = site.told
        for _ in range(10):
            for caller, rows in zip(callers, expected, strict=True):
                assert sorted(row["id"] for row in json.loads(body(caller.told(DIARIES)[0]))["items"]) == rows
            assert json.loads(body(guest.told(DIARIES)[0]))["items"] == []
        assert site.told - told > 30


def test_guest_and_user_alternating_on_one_connection_each_get_their_own(site: Site) -> None:
    target = f"{GUARDED}?sort=name"
    token = site.token("users", "ada@example.com")
    with Line(site.url) as line:
        guest, user = Caller(site, line=line), Caller(site, authorized(f"Bearer {token}"), line=line)
        user.warm(target)
        for _ in range(10):
            assert json.loads(body(guest.ask(target)))["totalItems"] == 0
            assert json.loads(body(user.ask(target)))["totalItems"] == 6
            assert status(guest.ask(f"{GUARDED}/guarded00000001")) == 404
            assert status(user.ask(f"{GUARDED}/guarded00000001")) == 200
        assert user.told(target)[1]


def test_only_the_owner_finds_a_hidden_e_mail_in_a_list_that_all_share(site: Site) -> None:
    target = f"{USERS}?sort=id&filter=(id~'user0000')"
    tokens = [site.token("users", f"{name}@example.com") for name in ("ada", "ben", "cleo")]
    with Line(site.url) as line:
        ada, ben, cleo = (Caller(site, authorized(token), line=line) for token in tokens)
        guest = Caller(site, line=line)
        guest.warm(target)
        outsider = Caller(site, authorized(site.token("staff", "sam")), line=line)
        outsider.warm(target)
        for _ in range(6):
            for caller, finds in (
                (ada, (0, 0)),
                (ben, (1, 0)),
                (cleo, (0, 1)),
                (guest, (0, 0)),
                (outsider, (0, 0)),
            ):
                answer = body(caller.ask(target)).decode()
                assert (answer.count("ben@example.com"), answer.count("cleo@example.com")) == finds


def test_another_role_is_another_answer_where_the_rule_asks_for_it(
    site: Site, database: PocketBase, root: httpx.Client
) -> None:
    name, rule = "by_role", '@request.auth.role = "editor"'
    fields = [{"name": "name", "type": "text"}]
    schema = {"name": name, "type": "base", "listRule": rule, "viewRule": rule, "fields": fields}
    done(database.admin.post("/api/collections", json=schema))
    done(database.admin.post(f"/api/collections/{name}/records", json={"name": "x"}))
    user = new_user(database, role="reader")
    target = f"/api/collections/{name}/records"
    with Caller(site, authorized(site.token("users", user["email"]))) as caller:
        becomes(caller, target, 200)
        caller.warm(target)
        for role, count in (("editor", 1), ("reader", 0), ("editor", 1)):
            done(root.patch(f"{USERS}/{user['id']}", json={"role": role}))
            assert json.loads(body(caller.ask(target)))["totalItems"] == count
            caller.warm(target)
        done(database.admin.patch(f"{USERS}/{user['id']}", json={"role": "reader"}))
        wait_until(lambda: json.loads(body(caller.ask(target)))["totalItems"] == 0, "a reader again", 5)


# rules


@pytest.mark.parametrize("is_own", [True, False], ids=["through Hapta", "around it"])
def test_a_rule_that_is_changed_holds_for_the_next_answer(
    site: Site, database: PocketBase, root: httpx.Client, is_own: bool
) -> None:
    admin = root if is_own else database.admin
    name = f"ruled{is_own:d}"
    schema = {"name": name, "type": "base", "listRule": "", "viewRule": "", "fields": []}
    done(admin.post("/api/collections", json=schema))
    row = done(admin.post(f"/api/collections/{name}/records", json={}))["id"]
    target = f"/api/collections/{name}/records"
    with Caller(site) as guest:
        becomes(guest, target, 200)
        for _ in range(2):
            guest.warm(target)
            guest.warm(f"{target}/{row}")
            done(
                admin.patch(
                    f"/api/collections/{name}", json={"listRule": None, "viewRule": '@request.auth.id != ""'}
                )
            )
            if is_own:
                assert status(guest.ask(target)) == 403
                assert status(guest.ask(f"{target}/{row}")) == 404
            becomes(guest, target, 403)
            becomes(guest, f"{target}/{row}", 404)
            done(admin.patch(f"/api/collections/{name}", json={"listRule": "", "viewRule": ""}))
            becomes(guest, target, 200)
        guest.warm(target)
        done(admin.delete(f"/api/collections/{name}"))
        becomes(guest, target, 404)


def test_other_cors_lines_are_told_from_then_on(site: Site) -> None:
    caching = site.gateway._caching
    assert caching is not None
    with Caller(site, "Origin: https://b.example") as page:
        for allowed in (b"https://b.example", b"null", b"https://b.example"):
            page.warm(VIEW)
            lines = [(b"Access-Control-Allow-Origin", allowed)]
            site.call(lambda lines=lines: caching.origins._memo.clear())  # type: ignore[misc]
            site.call(lambda lines=lines: caching.origins.learn("https://b.example", lines))  # type: ignore[misc]
            assert field(page.ask(VIEW), "Access-Control-Allow-Origin") == allowed.decode()
        site.call(caching.origins._memo.clear)
        caching.origins.version += 1


# limits


def test_who_is_over_the_limit_gets_429_and_when_to_come_again(
    pocketbase: PocketBase, tmp_path: Path
) -> None:
    limits = {"ratelimit__max": 10, "ratelimit__duration": 10, "ratelimit__burst": 8}
    with Site(tmp_path, pocketbase.url, **limits) as few, Caller(few) as guest:
        answers = [guest.told(VIEW) for _ in range(12)]
        assert [status(answer) for answer, _ in answers[:8]] == [200] * 8
        assert sum(is_told for _, is_told in answers[:8]) >= 5
        refused, is_told = answers[-1]
        assert (status(refused), is_told) == (429, False)
        assert json.loads(body(refused))["status"] == 429
        wait = field(refused, "Retry-After")
        assert wait == "1"
        time.sleep(float(wait) + 0.05)
        assert status(guest.ask(VIEW)) == 200


# PocketBase


def test_without_a_feed_the_lane_is_silent_and_with_it_it_tells_what_is_now(
    own_database: PocketBase, tmp_path: Path
) -> None:
    (tmp_path / "hapta").mkdir()
    with Site(tmp_path / "hapta", own_database.url) as gateway, Caller(gateway) as guest:
        guest.warm(VIEW)
        own_database.stop()
        wait_until(lambda: not gateway.gateway._watch.feed.is_live, "the feed lost", 5)  # type: ignore[union-attr]
        told = gateway.told
        for _ in range(3):
            assert status(guest.ask(VIEW)) >= 500
        assert gateway.told == told
        own_database.start()
        own_database.admin.patch(VIEW, json={"title": "While nobody listened"}).raise_for_status()
        for _ in range(200):
            answer = guest.ask(VIEW)
            if status(answer) == 200:
                assert json.loads(body(answer))["title"] == "While nobody listened"
        wait_until(lambda: guest.told(VIEW)[1], "told again", 10)
        assert json.loads(body(guest.ask(VIEW)))["title"] == "While nobody listened"


def test_a_pocketbase_that_stands_still_is_noticed_in_time(own_database: PocketBase, tmp_path: Path) -> None:
    (tmp_path / "hapta").mkdir()
    with (
        Site(tmp_path / "hapta", own_database.url, feed__max_silence_s=1) as gateway,
        Caller(gateway) as guest,
    ):
        guest.warm(VIEW)
        os.kill(own_database.pid, signal.SIGSTOP)
        try:
            time.sleep(1.2)
            before = gateway.told
            guest.line.send(b"GET " + VIEW.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.3)
            assert gateway.told == before
        finally:
            os.kill(own_database.pid, signal.SIGCONT)
        assert status(guest.line.raw()) in {200, 502, 503, 504}
        wait_until(lambda: guest.told(VIEW)[1], "told again", 15)


# Hapta


PLUGIN = """
from hapta.plugins import PluginApi


def setup(api: PluginApi) -> None:
    @api.can_read("posts", "title"{depends})
    async def hidden(viewer, row) -> bool:
        return {answer}
"""


def test_a_plugin_that_comes_changes_or_goes_is_in_the_next_answer(
    pocketbase: PocketBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hapta.app.plugins.LOOK_EVERY_S", 0.2)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "config.toml").write_text("")
    with Site(tmp_path, pocketbase.url) as gateway, Caller(gateway) as guest:
        plugins = gateway.gateway._plugins
        guest.warm(VIEW)
        assert b'"title"' in body(guest.ask(VIEW))
        file = tmp_path / "plugins" / "hiding.py"
        for source, shows in (
            (PLUGIN.format(depends="", answer="False"), False),
            (PLUGIN.format(depends="", answer="True"), True),
            (None, True),
        ):
            registry = plugins.registry
            guest.warm(VIEW)
            if source is None:
                file.unlink()
            else:
                file.write_text(source)
            for _ in range(1000):
                changed = gateway.call(lambda registry=registry: plugins.registry is not registry)  # type: ignore[misc]
                answer = guest.ask(VIEW)
                if changed:
                    assert (b'"title"' in body(answer)) is shows
                    break
                time.sleep(0.01)
            else:
                raise AssertionError("the plugin was never taken")
            assert (b'"title"' in body(guest.warm(VIEW))) is shows


def test_what_passed_in_front_of_the_cache_before_a_plugin_came_is_not_told_after_it(
    pocketbase: PocketBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "config.toml").write_text("")
    by_title = f"{POSTS}?filter=title~'a'"
    with Site(tmp_path, pocketbase.url) as gateway, Caller(gateway) as guest:
        plugins, watch = gateway.gateway._plugins, gateway.gateway._watch
        assert watch is not None
        guest.warm(VIEW)
        confirmed, registry = watch.schema.confirmed, plugins.registry

        async def while_a_plugin_comes(max_age_s: float | None = None) -> Schema:
            schema = await confirmed(max_age_s)
            if plugins.registry is registry:
                (tmp_path / "plugins" / "hiding.py").write_text(PLUGIN.format(depends="", answer="False"))
                await plugins._reload(plugins._look())
            return schema

        monkeypatch.setattr(watch.schema, "confirmed", while_a_plugin_comes)
        gateway.call(watch.schema.invalidate)
        assert status(guest.ask(by_title)) == 200, "it had passed"
        assert gateway.call(lambda: plugins.registry is not registry)
        for _ in range(3):
            assert status(guest.ask(by_title)) == 400


def test_while_hapta_drains_an_open_connection_gets_nothing_from_the_lane(
    pocketbase: PocketBase, tmp_path: Path
) -> None:
    with Site(tmp_path, pocketbase.url) as gateway, Caller(gateway) as guest, Caller(gateway) as busy:
        guest.warm(VIEW)
        busy.warm(VIEW)
        told = gateway.told
        busy.line.send(b"GET /api/custom/slow?ms=700 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.1)
        busy.line.send(b"GET " + VIEW.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        drained = asyncio.run_coroutine_threadsafe(gateway.gateway.drain(), gateway._loop)
        assert guest.line.is_closed_within(2)
        answer = busy.line.raw()
        assert b"slept" in body(answer)
        assert field(answer, "Connection") == "close"
        assert drained.result(20) == 0
        assert gateway.told == told
