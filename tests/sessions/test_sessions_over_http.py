"""Logging in, refreshing and logging out, as a client sees it."""

import time

import pytest

from tests.sessions.conftest import MakeAccount
from tests.sessions.support import ENDED, GUEST, Account, Ground, claims_of, session_of
from tests.support.pocketbase import PASSWORD
from tests.support.wire import Wire


def test_a_login_answers_as_pocketbase_does_but_for_the_token(ground: Ground, account: Account) -> None:
    through, direct = ground.through.try_login(account), ground.direct.try_login(account)
    ours, theirs = through.json(), direct.json()
    assert ours.pop("token") != theirs.pop("token")
    assert ours == theirs
    assert through.headers["content-type"] == direct.headers["content-type"]
    assert "content-encoding" not in through.headers


def test_a_token_says_what_the_sdks_read_and_expires_with_pocketbases(
    ground: Ground, account: Account
) -> None:
    ours = claims_of(ground.through.login(account))
    theirs = claims_of(ground.direct.login(account))
    assert abs(ours["exp"] - theirs.pop("exp")) <= 2
    assert theirs.items() <= ours.items()
    assert (ours["iss"], ours["gen"]) == ("hapta", 1)


def test_our_token_is_worthless_at_pocketbase(ground: Ground, account: Account) -> None:
    token = ground.through.login(account)
    assert ground.through.who(token) == (200, account.id)
    assert ground.direct.who(token) == GUEST


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}", "BEARER {}"])
def test_a_token_counts_with_and_without_scheme(ground: Ground, account: Account, form: str) -> None:
    assert ground.through.who(form.format(ground.through.login(account))) == (200, account.id)


def test_every_login_is_a_session_of_its_own(ground: Ground, account: Account) -> None:
    tokens = [ground.through.login(account) for _ in range(3)]
    assert len({session_of(token) for token in tokens}) == 3
    ground.through.logout(tokens[0])
    assert [ground.through.who(token)[0] for token in tokens] == [401, 200, 200]


def test_a_wrong_password_ends_no_session(ground: Ground, account: Account) -> None:
    token = ground.through.login(account)
    assert ground.through.try_login(account, token, password="wrong-wrong").status_code == 400
    assert ground.through.who(token) == (200, account.id)


def test_logging_in_again_ends_the_presented_session_only(ground: Ground, account: Account) -> None:
    presented, other = ground.through.login(account), ground.through.login(account)
    new = ground.through.login(account, presented)
    assert session_of(new) != session_of(presented)
    assert [ground.through.who(token) for token in (presented, other, new)] == [
        ENDED,
        (200, account.id),
        (200, account.id),
    ]


def test_logging_in_as_somebody_else_leaves_the_presented_session_alone(
    ground: Ground, make_account: MakeAccount
) -> None:
    ada, ben = make_account(), make_account()
    token = ground.through.login(ada)
    assert ground.through.who(ground.through.login(ben, token)) == (200, ben.id)
    assert ground.through.who(token) == (200, ada.id)


def test_a_planted_token_never_yields_the_victims_session(ground: Ground, make_account: MakeAccount) -> None:
    """Fixation: an attacker plants his token in a victim's browser, who then logs in."""
    attacker, victim = make_account(), make_account()
    planted = ground.through.login(attacker)
    own = ground.through.login(victim, planted)
    assert session_of(own) != session_of(planted)
    assert ground.through.who(planted) == (200, attacker.id)
    refreshed = ground.through.refresh(planted)
    assert ground.through.who(refreshed) == (200, attacker.id)
    shown = {row["id"] for row in _own_sessions(ground, refreshed)}
    assert session_of(own) not in shown


def test_a_planted_token_of_the_victims_own_account_is_dead_after_the_login(
    ground: Ground, account: Account
) -> None:
    planted = ground.through.login(account)
    own = ground.through.login(account, planted)
    assert ground.through.who(planted) == ENDED
    assert ground.through.ask("POST", "/api/collections/users/auth-refresh", planted).status_code == 401
    assert ground.through.who(own) == (200, account.id)


# refreshing


def test_a_refresh_gives_the_next_generation_and_the_old_one_counts_for_a_while(
    ground: Ground, account: Account
) -> None:
    old = ground.through.login(account)
    new = ground.through.refresh(old)
    assert claims_of(new)["gen"] == 2
    assert session_of(new) == session_of(old)
    assert ground.through.refresh(old) == new
    assert [ground.through.who(token) for token in (old, new, old)] == [(200, account.id)] * 3
    assert len(ground.rows("hapta_rotations", filter=f"session='{session_of(old)}'")) == 1


def test_a_refresh_answers_as_pocketbase_does_but_for_the_token(ground: Ground, account: Account) -> None:
    path = "/api/collections/users/auth-refresh?expand=x&fields=record.id,token"
    ours = ground.through.ask("POST", path, ground.through.login(account)).json()
    theirs = ground.direct.ask("POST", path, ground.direct.login(account)).json()
    assert ours.keys() == theirs.keys()
    assert ours["record"] == theirs["record"]


def test_a_guest_cannot_refresh_and_nobody_in_another_collection(ground: Ground, account: Account) -> None:
    token = ground.through.login(account)
    asked = [("users", None), ("users", "nonsense"), ("staff", token)]
    for door in (ground.through, ground.direct):
        token = door.login(account)
        asked = [("users", None), ("users", "nonsense"), ("staff", token)]
        statuses = [door.ask("POST", f"/api/collections/{c}/auth-refresh", t).status_code for c, t in asked]
        assert statuses == [401, 401, 403]


def test_an_impersonated_token_is_not_refreshed_but_answered(ground: Ground, account: Account) -> None:
    admin = ground.through.login(ground.admin_account)
    answer = ground.through.ask(
        "POST", f"/api/collections/users/impersonate/{account.id}", admin, json={"duration": 600}
    )
    token = answer.json()["token"]
    assert claims_of(token)["refreshable"] is False
    assert abs(claims_of(token)["exp"] - time.time() - 600) < 5
    assert ground.through.who(token) == (200, account.id)
    assert ground.through.refresh(token) == token
    assert ground.through.who(token) == (200, account.id)
    ground.through.logout(token)
    assert ground.through.who(token) == ENDED
    assert ground.through.who(admin) == (200, claims_of(admin)["id"])


def test_impersonation_for_ages_is_no_crash(ground: Ground, account: Account) -> None:
    admin = ground.through.login(ground.admin_account)
    path = f"/api/collections/users/impersonate/{account.id}"
    answer = ground.through.ask("POST", path, admin, json={"duration": 10**12})
    assert answer.status_code == 200, answer.text
    assert ground.through.who(answer.json()["token"]) == (200, account.id)


def test_a_superuser_has_sessions_like_everybody(ground: Ground) -> None:
    token = ground.through.login(ground.admin_account)
    assert ground.through.ask("GET", "/api/settings", token).status_code == 200
    new = ground.through.refresh(token, "_superusers")
    assert ground.through.ask("GET", "/api/settings", new).status_code == 200
    ground.through.logout(new)
    assert ground.through.ask("GET", "/api/settings", new).status_code == 401


# custom routes


def test_a_custom_login_route_gives_our_token(ground: Ground, account: Account) -> None:
    answer = ground.through.ask("POST", "/api/custom/sign-in", ground.through.login(account))
    assert answer.status_code == 200, answer.text
    token = answer.json()["token"]
    assert claims_of(token)["iss"] == "hapta"
    assert ground.through.who(token) == (200, account.id)
    assert answer.json()["meta"] == {"from": "custom"}


def test_a_token_anywhere_in_the_json_of_a_custom_route_is_ours(ground: Ground, account: Account) -> None:
    answer = ground.through.ask("GET", "/api/custom/wrapped", ground.through.login(account)).json()
    assert answer["said"] == "a.b.c"
    assert ground.through.who(answer["data"]["session"][0]) == (200, account.id)
    assert claims_of(answer["data"]["session"][0])["iss"] == "hapta"


# the own routes


def _own_sessions(ground: Ground, token: str) -> list[dict[str, object]]:
    answer = ground.through.ask("GET", "/api/hapta/sessions", token)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def test_everybody_sees_his_own_sessions_and_nothing_secret(
    ground: Ground, make_account: MakeAccount
) -> None:
    ada, ben = make_account(), make_account()
    tokens = [ground.through.login(ada) for _ in range(2)]
    ground.through.login(ben)
    shown = _own_sessions(ground, tokens[0])
    assert {row["id"]: row["current"] for row in shown} == {
        session_of(tokens[0]): True,
        session_of(tokens[1]): False,
    }
    assert all(set(row) == {"id", "device", "address", "created", "used", "exp", "current"} for row in shown)
    assert {row["address"] for row in shown} == {"127.0.0.0/24"}
    assert all("python-httpx" in str(row["device"]) for row in shown)


def test_one_session_ends_another_of_the_same_account_only(ground: Ground, make_account: MakeAccount) -> None:
    ada, ben = make_account(), make_account()
    own, other, foreign = (ground.through.login(who) for who in (ada, ada, ben))
    path = "/api/hapta/sessions/{}"
    assert ground.through.ask("DELETE", path.format(session_of(foreign)), own).status_code == 404
    assert ground.through.ask("DELETE", path.format(session_of(other)), own).status_code == 204
    assert ground.through.ask("DELETE", path.format(session_of(other)), own).status_code == 404
    assert [ground.through.who(token)[0] for token in (own, other, foreign)] == [200, 401, 200]


def test_logging_out_everywhere_ends_all_and_nobody_elses(ground: Ground, make_account: MakeAccount) -> None:
    ada, ben = make_account(), make_account()
    tokens, foreign = [ground.through.login(ada) for _ in range(4)], ground.through.login(ben)
    tokens.append(ground.through.refresh(tokens[0]))
    assert ground.through.ask("POST", "/api/hapta/logout-all", tokens[0]).status_code == 204
    assert [ground.through.who(token) for token in tokens] == [ENDED] * 5
    assert ground.through.who(foreign) == (200, ben.id)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/hapta/sessions"),
        ("DELETE", "/api/hapta/sessions/abcdefghijklmno"),
        ("POST", "/api/hapta/logout"),
        ("POST", "/api/hapta/logout-all"),
    ],
)
def test_guests_have_no_sessions(ground: Ground, method: str, path: str) -> None:
    answer = ground.through.ask(method, path)
    assert answer.status_code == 401
    assert answer.json()["status"] == 401


def test_no_more_sessions_than_allowed(ground: Ground, account: Account) -> None:
    first = ground.through.login(account)
    time.sleep(0.01)
    for _ in range(50):
        last = ground.through.login(account)
    deadline = time.monotonic() + 5
    while ground.through.who(first) != ENDED:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ground.through.who(last) == (200, account.id)
    assert len(_own_sessions(ground, last)) == 50


# what an ended token gets


ORDINARY = [
    ("GET", "/api/collections/posts/records"),
    ("GET", "/api/collections/posts/records/post00000000001"),
    ("POST", "/api/collections/posts/records"),
    ("POST", "/api/batch"),
    ("POST", "/api/collections/users/auth-refresh"),
    ("POST", "/api/files/token"),
    ("POST", "/api/realtime"),
    ("GET", "/api/settings"),
    ("GET", "/api/custom/hello/you"),
    ("GET", "/api/hapta/sessions"),
    ("POST", "/api/hapta/logout"),
]


@pytest.mark.parametrize(("method", "path"), ORDINARY)
def test_an_ended_token_gets_401_in_pocketbases_form(
    ground: Ground, account: Account, method: str, path: str
) -> None:
    token = ground.through.login(account)
    ground.through.logout(token)
    answer = ground.through.ask(method, path, token, json={})
    assert answer.status_code == 401
    assert answer.json() == {
        "data": {},
        "message": "The request requires valid record authorization token.",
        "status": 401,
    }


DROPPED = [
    ("POST", "/api/collections/users/auth-with-password"),
    ("POST", "/api/collections/users/auth-with-oauth2"),
    ("POST", "/api/collections/users/auth-with-otp"),
    ("POST", "/api/collections/users/request-otp"),
    ("POST", "/api/collections/users/request-password-reset"),
    ("POST", "/api/collections/users/confirm-password-reset"),
    ("POST", "/api/collections/users/confirm-verification"),
    ("GET", "/api/collections/users/auth-methods"),
    ("GET", "/api/health"),
    ("GET", "/api/oauth2-redirect"),
    ("GET", "/api/files/documents/document0000001/nothing.png"),
    ("GET", "/_/"),
    ("GET", "/hello.txt"),
    ("GET", "/api/hapta/health/live"),
    ("GET", "/api/hapta/health/ready"),
]


@pytest.mark.parametrize(("method", "path"), DROPPED)
def test_where_people_log_in_again_an_ended_token_is_dropped(
    ground: Ground, account: Account, method: str, path: str
) -> None:
    token = ground.through.login(account)
    ground.through.logout(token)
    shown, none = (ground.through.ask(method, path, t, json={}) for t in (token, None))
    assert shown.status_code == none.status_code != 401
    if path != "/api/health":
        assert shown.content == none.content


def test_an_ended_token_does_not_stand_in_the_way_of_the_next_login(ground: Ground, account: Account) -> None:
    token = ground.through.login(account)
    ground.through.logout(token)
    assert ground.through.who(ground.through.login(account, token)) == (200, account.id)


# answers of hooks


def test_a_registration_that_logs_in_gives_a_session(ground: Ground) -> None:
    body = {"email": "new@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD}
    for fields in ("", "?fields=token"):
        answer = ground.through.ask(
            "POST",
            f"/api/collections/users/records{fields}",
            headers={"X-Sign-In": "yes"},
            json={**body, "email": f"new{len(fields)}@example.com"},
        )
        assert "token" in answer.json(), answer.text
        token = answer.json()["token"]
        assert claims_of(token)["iss"] == "hapta"
        assert ground.through.who(token) == (200, claims_of(token)["id"])
        assert ground.direct.who(token) == GUEST


@pytest.mark.parametrize("status", [201, 202, 401])
def test_a_login_answered_with_another_status_gives_a_session(
    ground: Ground, account: Account, status: int
) -> None:
    body = {"identity": account.email, "password": PASSWORD}
    path = "/api/collections/users/auth-with-password"
    answer = ground.through.ask("POST", path, headers={"X-Status": str(status)}, json=body)
    assert answer.status_code == status
    assert claims_of(answer.json()["token"])["iss"] == "hapta"
    assert ground.through.who(answer.json()["token"]) == (200, account.id)


def test_a_refresh_of_which_the_sessions_row_never_heard_can_be_listed_and_ended(
    ground: Ground, account: Account
) -> None:
    """Hapta is killed between the new generation and the note about it; the first one expires."""
    token = ground.through.refresh(ground.through.login(account))
    other = ground.through.login(account)
    row = f"/api/collections/hapta_sessions/records/{session_of(token)}"
    time.sleep(0.3)  # the note
    ground.pocketbase.admin.patch(row, json={"exp": "2020-01-01 00:00:00.000Z"}).raise_for_status()
    assert ground.through.who(token) == (200, account.id)
    assert {item["id"] for item in _own_sessions(ground, other)} == {session_of(token), session_of(other)}
    assert ground.through.ask("POST", "/api/hapta/logout-all", other).status_code == 204
    assert ground.through.who(token) == ENDED


# file tokens


def test_file_tokens_are_sealed_and_opened(ground: Ground) -> None:
    ada = Account("user00000000002", "ben@example.com", "users")  # owns document 1
    token = ground.through.login(ada, password=PASSWORD)
    sealed = ground.through.ask("POST", "/api/files/token", token).json()["token"]
    assert sealed.startswith("hf1.")
    row = ground.rows("documents", filter="id='document0000001'")[0]
    path = f"/api/files/documents/{row['id']}/{row['contract']}"
    raw = ground.direct.ask("POST", "/api/files/token", ground.direct.login(ada)).json()["token"]
    asked = {
        "sealed": (ground.through, sealed),
        "raw, directly": (ground.direct, raw),
        "raw, adopted": (ground.through, raw),
        "nothing": (ground.through, ""),
        "tampered": (ground.through, sealed[:-4] + "AAAA"),
        "sealed, directly": (ground.direct, sealed),
        "session token": (ground.through, token),
    }
    statuses = {
        name: door.ask("GET", path, params={"token": t}).status_code for name, (door, t) in asked.items()
    }
    assert statuses == {
        "sealed": 200,
        "raw, directly": 200,
        "raw, adopted": 200,
        "nothing": 404,
        "tampered": 404,
        "sealed, directly": 404,
        "session token": 404,
    }
    escaped = f"{path}?a=1&%74oken={sealed}&b=2"
    assert ground.through.ask("GET", escaped).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["//api/files/documents/x/y", "/api/files/../files/documents/x/y", "/./page/you", "/api/custom/echo"],
)
def test_what_repeats_a_requests_query_repeats_the_sealed_file_token(
    ground: Ground, account: Account, path: str
) -> None:
    """PocketBase redirects such paths, query and all; an app's own route may answer with its URL."""
    token = ground.through.login(account)
    sealed = ground.through.ask("POST", "/api/files/token", token).json()["token"]
    with Wire(ground.hapta.url) as wire:  # other clients would tidy up the path themselves
        wire.send(f"GET {path}?token={sealed} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = wire.rest()
    assert answer.startswith((b"HTTP/1.1 307", b"HTTP/1.1 200"))
    assert sealed.encode() in answer
    assert b"eyJ" not in answer


def test_a_sealed_file_token_cannot_smuggle_a_header_field(ground: Ground, account: Account) -> None:
    token = ground.through.login(account)
    sealed = ground.through.ask("POST", "/api/files/token", token).json()["token"]
    with Wire(ground.hapta.url) as wire:
        target = f"//api/files/x?token={sealed}%0D%0ASmuggled:%20yes"
        wire.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head = wire.rest().partition(b"\r\n\r\n")[0]
    assert b"\nSmuggled" not in head
