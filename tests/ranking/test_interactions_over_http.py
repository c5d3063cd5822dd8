"""``POST /api/hapta/interactions`` through a real Hapta and a real PocketBase."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from hapta.ranking.interactions import interaction_id
from tests.conftest import MakeHapta
from tests.ranking.support import FEED, ROUTE, kept, tell, tell_at_once, told
from tests.sessions.support import Account, Door, Ground, hash_cheaply
from tests.support.hapta import Hapta
from tests.support.pocketbase import from_template
from tests.support.process import free_port, wait_until

POSTS_ID, USERS_ID = "pbc_posts000001", "_pb_users_auth_"
GUEST_WORDS = "The request requires valid record authorization token."

_numbers = itertools.count(1)
Login = Callable[[], tuple[Account, str]]


@pytest.fixture(scope="module")
def ground(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A PocketBase of this module's own, and a Hapta with a feed in front of it."""
    with ExitStack() as closing:
        pocketbase = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
        closing.callback(pocketbase.close)
        hash_cheaply(pocketbase, "users", "staff", "_superusers")
        metrics = {"metrics.enabled": True, "metrics.port": free_port()}
        hapta = Hapta(tmp_path_factory.mktemp("hapta"), pocketbase.url, {**FEED, **metrics})
        hapta.metrics = f"http://127.0.0.1:{metrics['metrics.port']}/metrics"  # type: ignore[attr-defined]
        closing.callback(hapta.stop)
        hapta.start()
        yield closing.enter_context(Ground(pocketbase, hapta))


@pytest.fixture
def login(ground: Ground) -> Login:
    """A new user, and a token of theirs."""

    def make() -> tuple[Account, str]:
        account = ground.make_account(f"looks{next(_numbers)}@example.com")
        return account, ground.through.login(account)

    return make


def count(ground: Ground, name: str) -> float:
    text = httpx.get(ground.hapta.metrics).text  # type: ignore[attr-defined]
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def test_what_is_told_stands_in_pocketbase_when_it_is_answered(ground: Ground, login: Login) -> None:
    account, token = login()
    items = (("post00000000001", "view"), ("post00000000001", "dwell", 4200), ("post00000000002", "click"))
    assert tell(ground.through, token, *items, ("post00000000003", "hide")) == (4, 0)
    rows = kept(ground, account.id)
    one, two, three = (rows[f"post0000000000{n}"] for n in "123")
    assert (one["views"], one["dwell_ms"], one["clicks"], one["hidden"]) == (1, 4200, 0, False)
    assert (two["views"], two["clicks"]) == (0, 1)
    assert three["hidden"] is True
    assert {(row["auth"], row["collection"]) for row in rows.values()} == {(USERS_ID, POSTS_ID)}
    assert one["id"] == interaction_id(USERS_ID, account.id, POSTS_ID, "post00000000001")
    assert all(row["first"] == row["last"] != "" for row in rows.values())


def test_what_is_told_again_is_a_duplicate_and_changes_nothing(ground: Ground, login: Login) -> None:
    account, token = login()
    items = [("a", "view"), ("a", "dwell", 4200), ("b", "click"), ("c", "hide")]
    assert tell(ground.through, token, *items) == (4, 0)
    before = kept(ground, account.id)
    assert tell(ground.through, token, *items, *items) == (0, 8)
    assert kept(ground, account.id) == before
    assert tell(ground.through, token, ("a", "dwell", 5000), ("c", "unhide"), ("c", "unhide")) == (2, 1)
    rows = kept(ground, account.id)
    assert (rows["a"]["views"], rows["a"]["dwell_ms"], rows["c"]["hidden"]) == (1, 5000, False)


def test_a_feed_is_named_as_well_as_its_collection(ground: Ground, login: Login) -> None:
    account, token = login()
    for named in ({"feed": "home"}, {"collection": POSTS_ID}, {"collection": "POSTS"}):
        body = {"interactions": [{"record": f"by{next(_numbers)}", "kind": "view"}], **named}
        assert ground.through.ask("POST", ROUTE, token, json=body).json() == {"accepted": 1, "duplicates": 0}
    assert {row["collection"] for row in kept(ground, account.id).values()} == {POSTS_ID}


@pytest.mark.parametrize("named", [{"feed": "away"}, {"collection": "topics"}, {"collection": "nothing"}])
def test_where_no_feed_is_about_a_collection_there_is_nothing(
    ground: Ground, login: Login, named: dict[str, str]
) -> None:
    _, token = login()
    body = {"interactions": [{"record": "a", "kind": "view"}], **named}
    answer = ground.through.ask("POST", ROUTE, token, json=body)
    assert (answer.status_code, answer.json()["status"], answer.json()["data"]) == (404, 404, {})


def test_everybody_tells_of_themselves_alone(ground: Ground, login: Login) -> None:
    victim, _ = login()
    account, token = login()
    item = {"record": "a", "kind": "hide"}
    forged: list[dict[str, Any]] = [
        {"user": victim.id, "interactions": [item]},
        {"interactions": [item, {**item, "user": victim.id}]},
        {"user": None, "interactions": [item]},
        {"user": [account.id], "interactions": [item]},
    ]
    for body in forged:
        answer = ground.through.ask("POST", ROUTE, token, json={"collection": "posts", **body})
        assert (answer.status_code, answer.json()["data"]) == (403, {}), body
    for name in ("auth", "collectionId", "id", "expand"):
        answer = told(ground.through, token, ("a", "hide"), **{name: victim.id})
        assert answer.status_code == 400
        assert list(answer.json()["data"]) == [name]
    assert kept(ground, victim.id) == kept(ground, account.id) == {}
    assert told(ground.through, token, ("a", "hide"), user=account.id).status_code == 200


def test_guests_and_superusers_have_none(ground: Ground) -> None:
    answer = told(ground.through, None, ("a", "view"))
    expected: dict[str, Any] = {"data": {}, "message": GUEST_WORDS, "status": 401}
    assert (answer.status_code, answer.json()) == (401, expected)
    forged = told(ground.through, "eyJhbGciOiJIUzI1NiJ9.e30.x", ("a", "view"))
    assert forged.status_code == 401
    answer = told(ground.through, ground.through.login(ground.admin_account), ("a", "view"))
    assert answer.status_code == 403
    assert "Superusers" in answer.json()["message"]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"kind": "view"}, "record"),
        ({"record": "", "kind": "view"}, "record"),
        ({"record": 7, "kind": "view"}, "record"),
        ({"record": "a' || id!='", "kind": "view"}, "record"),
        ({"record": "../posts", "kind": "view"}, "record"),
        ({"record": "a" * 101, "kind": "view"}, "record"),
        ({"record": "a"}, "kind"),
        ({"record": "a", "kind": "like"}, "kind"),
        ({"record": "a", "kind": ["view"]}, "kind"),
        ({"record": "a", "kind": "dwell"}, "ms"),
        ({"record": "a", "kind": "dwell", "ms": -1}, "ms"),
        ({"record": "a", "kind": "dwell", "ms": 1.5}, "ms"),
        ({"record": "a", "kind": "dwell", "ms": True}, "ms"),
        ({"record": "a", "kind": "dwell", "ms": 1e300}, "ms"),
        ({"record": "a", "kind": "dwell", "ms": "9"}, "ms"),
        ({"record": "a", "kind": "view", "ms": 9}, "ms"),
        ({"record": "a", "kind": "view", "at": 9}, "at"),
    ],
)
def test_what_is_wrong_is_said_field_by_field(
    ground: Ground, login: Login, item: dict[str, Any], field: str
) -> None:
    account, token = login()
    body = {"collection": "posts", "interactions": [{"record": "fine", "kind": "view"}, item]}
    answer = ground.through.ask("POST", ROUTE, token, json=body)
    assert answer.status_code == 400
    assert answer.json()["status"] == 400
    (wrong,) = answer.json()["data"]["interactions"].items()
    assert (wrong[0], list(wrong[1])) == ("1", [field])
    assert {"code", "message"} == set(wrong[1][field])
    assert kept(ground, account.id) == {}, "all or nothing"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "collection interactions"),
        (b"[]", 400, None),
        (b"{", 400, None),
        (b'{"collection":"posts","collection":"posts","interactions":[{}]}', 400, None),
        (b'{"collection":"posts"}', 400, "interactions"),
        (b'{"collection":"posts","interactions":[]}', 400, "interactions"),
        (b'{"collection":"posts","interactions":{"a":1}}', 400, "interactions"),
        (b'{"collection":"posts","interactions":[7]}', 400, "interactions"),
        (b'{"interactions":[{"record":"a","kind":"view"}]}', 400, "collection"),
        (b'{"collection":"posts","feed":"home","interactions":[{"record":"a","kind":"view"}]}', 400, "feed"),
        (b'{"feed":7,"interactions":[{"record":"a","kind":"view"}]}', 400, "feed"),
        (b'{"collection":"posts","interactions":' + b"[" * 200 + b"]" * 200 + b"}", 400, None),
        (b'{"collection":"' + b"a" * 70_000 + b'"}', 413, None),
    ],
)
def test_a_body_that_is_none_is_refused(
    ground: Ground, login: Login, body: bytes, status: int, field: str | None
) -> None:
    _, token = login()
    headers = {"Content-Type": "application/json"}
    answer = ground.through.ask("POST", ROUTE, token, content=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert list(answer.json()["data"]) == (field or "").split()


def test_a_body_that_comes_in_pieces_is_bounded_too(ground: Ground, login: Login) -> None:
    _, token = login()
    headers = {"Content-Type": "application/json"}
    pieces = (b'{"collection":"' if n == 0 else b"a" * 10_000 for n in range(10))
    answer = ground.through.ask("POST", ROUTE, token, content=pieces, headers=headers)
    assert answer.status_code == 413


def test_a_body_of_another_type_and_too_many_at_once_are_refused(ground: Ground, login: Login) -> None:
    account, token = login()
    body = b'{"collection":"posts","interactions":[{"record":"a","kind":"view"}]}'
    headers = {"Content-Type": "text/plain"}
    assert ground.through.ask("POST", ROUTE, token, content=body, headers=headers).status_code == 400
    answer = told(ground.through, token, *[(f"r{n}", "view") for n in range(201)])
    assert (answer.status_code, list(answer.json()["data"])) == (400, ["interactions"])
    assert kept(ground, account.id) == {}
    assert tell(ground.through, token, *[(f"r{n}", "view") for n in range(200)]) == (200, 0)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_there_is_no_other_method_and_no_path_below(ground: Ground, login: Login, method: str) -> None:
    _, token = login()
    assert ground.through.ask(method, ROUTE, token).status_code == 404
    assert ground.through.ask("POST", f"{ROUTE}/a", token).status_code == 404


def test_a_page_of_any_origin_may_ask(ground: Ground) -> None:
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    answer = ground.through.ask("OPTIONS", ROUTE, headers=asked)
    assert answer.status_code == 204
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


def test_nobody_learns_whether_there_is_such_a_row(ground: Ground, login: Login) -> None:
    _, token = login()
    for record in ("post00000000001", "nosuchrow000000"):
        assert tell(ground.through, token, (record, "view"), (record, "view")) == (1, 1)
        assert tell(ground.through, token, (record, "view"), (record, "hide")) == (1, 1)


def test_nobody_but_superusers_reads_what_is_kept(ground: Ground, login: Login) -> None:
    account, token = login()
    tell(ground.through, token, ("a", "view"))
    for door, who in ((ground.direct, ground.direct.login(account)), (ground.through, token)):
        path = "/api/collections/hapta_interactions/records"
        assert door.ask("GET", path, who).status_code == 403
        assert door.ask("GET", path).status_code == 403
        assert door.ask("POST", path, who, json={"auth": "a"}).status_code == 403


def test_what_many_tell_at_once_is_written_together(ground: Ground, login: Login) -> None:
    """100 requests of 20 users, whose states are read already."""
    tokens = [login()[1] for _ in range(20)]
    for token in tokens:
        tell(ground.through, token, ("first", "view"))
    names = ("hapta_interaction_writes_total", "hapta_interaction_rows_written_total")
    before = [count(ground, name) for name in names]
    tell_at_once(ground.through, tokens, 5, "click")
    writes, rows = (count(ground, name) - was for name, was in zip(names, before, strict=True))
    assert rows == 100
    assert writes <= 20
    assert count(ground, "hapta_interaction_users_remembered") >= 20


def test_what_is_told_is_counted(ground: Ground, login: Login) -> None:
    _, token = login()
    names = [
        'hapta_interactions_total{outcome="accepted"}',
        'hapta_interactions_total{outcome="duplicate"}',
        "hapta_interaction_requests_refused_total",
    ]
    before = [count(ground, name) for name in names]
    tell(ground.through, token, ("a", "view"), ("a", "view"), ("b", "view"))
    told(ground.through, token, ("a", "like"))
    assert [count(ground, name) - was for name, was in zip(names, before, strict=True)] == [2, 1, 1]


def test_what_was_hidden_is_not_in_the_feed_from_the_answer_on(ground: Ground, login: Login) -> None:
    def feed(token: str) -> list[str]:
        answer = ground.through.ask("GET", "/api/hapta/feeds/home?perPage=200", token)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    (_, token), (_, other) = login(), login()
    for post_id in feed(token)[:5]:
        tell(ground.through, token, (post_id, "hide"))
        assert post_id not in feed(token)
        assert post_id in feed(other)
        tell(ground.through, token, (post_id, "unhide"))
        assert post_id in feed(token)


def test_what_a_deleted_user_did_is_forgotten(ground: Ground, login: Login) -> None:
    account, token = login()
    tell(ground.through, token, *[(f"r{n}", "view") for n in range(150)])
    answer = ground.pocketbase.admin.delete(f"/api/collections/users/records/{account.id}")
    assert answer.status_code == 204
    wait_until(lambda: not kept(ground, account.id), "what the user did is gone", 15)


def test_what_was_done_with_a_deleted_row_is_forgotten(ground: Ground, login: Login) -> None:
    people = [login() for _ in range(3)]
    post = ground.pocketbase.admin.post("/api/collections/posts/records", json={"title": "short-lived"})
    post_id = post.json()["id"]
    for _, token in people:
        tell(ground.through, token, (post_id, "view"), ("other", "view"))
    ground.pocketbase.admin.delete(f"/api/collections/posts/records/{post_id}").raise_for_status()
    wait_until(lambda: all(set(kept(ground, a.id)) == {"other"} for a, _ in people), "it is forgotten", 15)


def test_where_they_are_off_or_there_is_no_feed_there_is_no_such_route(
    ground: Ground, login: Login, make_hapta: MakeHapta
) -> None:
    _, token = login()
    off = make_hapta(
        upstream=ground.pocketbase.url, feeds__home__collection="posts", interactions__is_enabled=False
    )
    for hapta in (off, make_hapta(upstream=ground.pocketbase.url)):
        with Door(hapta.url) as door:
            assert told(door, token, ("a", "view")).status_code == 404
