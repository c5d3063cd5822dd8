"""What sessions change, side by side: the rows of ``docs/differences.md`` about them."""

import base64
import json
import time
from typing import Any

import httpx
import pytest

from tests.conftest import MakeHapta
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase
from tests.support.seed import row_id

REFRESH = "/api/collections/users/auth-refresh"
OPEN = "/api/collections/posts/records?perPage=1"
PROOFS = 60


def login(url: str, name: str = "ada", token: str = "", collection: str = "users") -> str:
    """A new token, directly or through Hapta."""
    body = {"identity": f"{name}@example.com", "password": PASSWORD}
    path = f"/api/collections/{collection}/auth-with-password"
    return str(ask(url, "POST", path, token, json=body).raise_for_status().json()["token"])


def ask(url: str, method: str, path: str, token: str = "", **more: Any) -> httpx.Response:
    headers = {"Authorization": token} if token else {}
    return httpx.request(
        method, url + path, headers={**headers, **more.pop("headers", {})}, timeout=30, **more
    )


def claims(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return found


def is_living(url: str, token: str) -> bool:
    """Whether PocketBase, or Hapta before it, takes a token for somebody's."""
    return ask(url, "POST", "/api/files/token", token).status_code == 200


def test_a_token_has_more_claims_and_is_worth_nothing_at_pocketbase(
    hapta: Hapta, pocketbase: PocketBase
) -> None:
    # row ``tokens``
    theirs, ours = login(pocketbase.url), login(hapta.url)
    assert claims(ours).keys() == claims(theirs).keys() | {"sid", "gen", "iss"}
    same = ("id", "collectionId", "type", "refreshable")
    assert [claims(ours)[name] for name in same] == [claims(theirs)[name] for name in same]
    assert is_living(hapta.url, ours)
    assert not is_living(pocketbase.url, ours)


def test_a_file_token_is_sealed_and_opens_files_through_hapta_alone(
    hapta: Hapta, pocketbase: PocketBase
) -> None:
    # row ``file-tokens``
    document = row_id("document", 1)
    record = pocketbase.admin.get(f"/api/collections/documents/records/{document}").json()
    path = f"/api/files/documents/{document}/{record['contract']}"
    sealed, theirs = (
        ask(url, "POST", "/api/files/token", login(url, "ben")).json()["token"]
        for url in (hapta.url, pocketbase.url)
    )
    assert (theirs.count("."), sealed.count(".")) == (2, 1)
    direct = ask(pocketbase.url, "GET", f"{path}?token={theirs}")
    assert direct.status_code == 200
    assert ask(hapta.url, "GET", f"{path}?token={sealed}").content == direct.content
    assert ask(pocketbase.url, "GET", f"{path}?token={sealed}").status_code == 404


def test_two_refreshes_with_one_token_give_one_next_token(hapta: Hapta, pocketbase: PocketBase) -> None:
    # row ``rotation``
    def twice(url: str) -> list[str]:
        token = login(url)
        first = ask(url, "POST", REFRESH, token).json()["token"]
        time.sleep(1.1)  # PocketBase's tokens of one second are the same
        return [token, first, ask(url, "POST", REFRESH, token).json()["token"]]

    old, first, second = twice(pocketbase.url)
    assert first != second
    assert is_living(pocketbase.url, old)
    old, first, second = twice(hapta.url)
    assert old != first == second


def test_two_logins_within_a_second_give_two_tokens(hapta: Hapta, pocketbase: PocketBase) -> None:
    # row ``one-login-one-token``
    def is_same(url: str) -> bool:
        return any(login(url) == login(url) for _ in range(5))  # a second may end in between

    assert is_same(pocketbase.url)
    assert not is_same(hapta.url)


def test_the_token_of_an_ended_session_is_refused_but_where_people_log_in(
    hapta: Hapta, pocketbase: PocketBase
) -> None:
    # row ``ended-sessions``
    token = login(hapta.url)
    assert ask(hapta.url, "POST", "/api/hapta/logout", token).status_code == 204
    refused = ask(hapta.url, "GET", OPEN, token)
    assert refused.status_code == 401
    assert refused.json().keys() == {"data", "message", "status"}
    for path in ("/api/health", "/api/collections/users/auth-methods", "/hello.txt"):
        assert ask(hapta.url, "GET", path, token).status_code == 200
    assert login(hapta.url, token=token)
    dead = login(pocketbase.url)[:-1] + "_"
    assert ask(pocketbase.url, "GET", OPEN, dead).status_code == 200


def test_pocketbase_s_own_token_works_unless_it_is_refused(
    hapta: Hapta, make_hapta: MakeHapta, pocketbase: PocketBase
) -> None:
    # row ``refused-raw-tokens``
    token = login(pocketbase.url)
    assert is_living(hapta.url, token)
    assert not is_living(make_hapta(sessions__raw_tokens="refuse").url, token)


def test_one_address_may_show_so_many_unknown_tokens(make_hapta: MakeHapta, pocketbase: PocketBase) -> None:
    # row ``too-many-proofs``
    hapta, real = make_hapta(), login(pocketbase.url)
    signed, _, signature = real.rpartition(".")
    made_up = [f"{signed}.{number:05}{signature[5:]}" for number in range(PROOFS + 1)]
    answers = [ask(hapta.url, "GET", OPEN, token) for token in made_up]
    assert [answer.status_code for answer in answers] == [200] * PROOFS + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert ask(pocketbase.url, "GET", OPEN, made_up[-1]).status_code == 200


@pytest.mark.parametrize("change", [1, 2, 3])
def test_other_unused_bits_at_the_end_of_a_token_are_no_way_past_hapta(
    make_hapta: MakeHapta, pocketbase: PocketBase, change: int
) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = login(pocketbase.url)
    other = token[:-1] + letters[letters.index(token[-1]) ^ change]
    who = "/api/custom/hello/you"
    refusing = make_hapta(sessions__raw_tokens="refuse")
    assert ask(pocketbase.url, "GET", who, other).json()["who"] == row_id("user", 1)
    assert ask(refusing.url, "GET", who, other).json()["who"] is None


def test_an_answer_with_a_token_is_not_compressed(hapta: Hapta, pocketbase: PocketBase) -> None:
    # row ``auth-plain``: PocketBase's own routes compress nothing, so only Hapta's side can be seen
    answer = ask(hapta.url, "POST", REFRESH, login(hapta.url), headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers


def test_hooks_see_another_authorization_than_the_client_sent(hapta: Hapta, pocketbase: PocketBase) -> None:
    # row ``authorization-in-rules``; what comes back in JSON is one of Hapta's tokens again
    def echoed(url: str, token: str) -> str:
        return str(ask(url, "GET", "/api/custom/echo", token).json()["headers"]["Authorization"][0])

    theirs, ours = login(pocketbase.url), login(hapta.url)
    assert echoed(pocketbase.url, theirs) == theirs
    assert claims(echoed(hapta.url, ours))["sid"] != claims(ours)["sid"]


@pytest.mark.parametrize("is_shown", [False, True])
def test_hapta_s_collections_are_left_out_of_the_list(
    make_hapta: MakeHapta, pocketbase: PocketBase, is_shown: bool
) -> None:
    # row ``own-collections``
    def names(url: str) -> set[str]:
        token = login(url, "admin", collection="_superusers")
        listed = ask(url, "GET", "/api/collections?perPage=500", token).json()["items"]
        assert ask(url, "GET", "/api/collections/hapta_sessions/records", token).status_code == 200
        return {item["name"] for item in listed if item["name"].startswith("hapta_")}

    assert ADMIN_EMAIL == "admin@example.com"
    hapta = make_hapta(admin__show_own_collections=is_shown)
    own = {"hapta_meta", "hapta_sessions", "hapta_rotations", "hapta_audit", "hapta_interactions"}
    assert names(pocketbase.url) == own
    assert names(hapta.url) == (own if is_shown else set())
