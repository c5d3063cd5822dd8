"""PocketBase's own tokens from clients: adopted until their next refresh, or refused."""

import pytest

from tests.conftest import MakeHapta
from tests.sessions.conftest import MakeAccount
from tests.sessions.support import ENDED, GUEST, Account, Door, Ground, claims_of


def test_a_browser_that_was_logged_in_before_hapta_came_stays_logged_in(
    ground: Ground, account: Account
) -> None:
    token = ground.direct.login(account)
    assert ground.through.who(token) == (200, account.id)
    assert ground.through.who(f"Bearer {token}") == (200, account.id)
    new = ground.through.refresh(token)
    assert (claims_of(new)["iss"], claims_of(new)["gen"]) == ("hapta", 1)
    assert ground.through.who(new) == (200, account.id)
    ground.through.logout(new)
    assert ground.through.who(new) == ENDED
    assert ground.through.who(token) == (200, account.id)


def test_an_adopted_token_cannot_be_ended_and_says_why(ground: Ground, account: Account) -> None:
    token = ground.direct.login(account)
    answer = ground.through.ask("POST", "/api/hapta/logout", token)
    assert answer.status_code == 400
    assert "PocketBase" in answer.json()["message"]
    assert ground.through.who(token) == (200, account.id)


def test_an_adopted_superuser_works_as_one(ground: Ground) -> None:
    token = ground.direct.login(ground.admin_account)
    assert ground.through.ask("GET", "/api/settings", token).status_code == 200


def test_refused_tokens_are_guests(ground: Ground, make_account: MakeAccount, make_hapta: MakeHapta) -> None:
    account = make_account()
    token = ground.direct.login(account)
    file_token = ground.direct.ask("POST", "/api/files/token", token).json()["token"]
    row = ground.rows("documents", filter="id='document0000001'")[0]
    own = ground.direct.ask("POST", "/api/files/token", ground.direct.login(_owner())).json()["token"]
    with Door(make_hapta(upstream=ground.pocketbase.url, sessions__raw_tokens="refuse").url) as door:
        assert door.who(token) == GUEST
        assert door.who(f"Bearer {token}") == GUEST
        assert door.ask("POST", "/api/collections/users/auth-refresh", token).status_code == 401
        assert door.ask("POST", "/api/files/token", token).status_code == 401
        assert door.who(file_token) == GUEST
        path = f"/api/files/documents/{row['id']}/{row['contract']}"
        assert door.ask("GET", path, params={"token": own}).status_code == 404
        session = door.login(account)
        assert door.who(session) == (200, account.id)
        assert door.who(door.refresh(session)) == (200, account.id)
        sealed = door.ask("POST", "/api/files/token", door.login(_owner())).json()["token"]
        assert door.ask("GET", path, params={"token": sealed}).status_code == 200


def test_one_address_cannot_make_hapta_prove_tokens_without_end(
    ground: Ground, account: Account, make_hapta: MakeHapta
) -> None:
    with Door(make_hapta(upstream=ground.pocketbase.url).url) as door:
        token = ground.direct.login(account)
        assert door.who(token) == (200, account.id)
        forged = [f"{token[:-5]}A{n:03}A" for n in range(70)]
        answers = [door.ask("GET", "/api/custom/hello/you", text) for text in forged]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert 0 < len(refused) <= 15
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        assert {answer.json()["who"] for answer in answers if answer.status_code == 200} == {None}
        assert door.who(token) == (200, account.id)
        assert door.who(door.login(account)) == (200, account.id)


@pytest.mark.parametrize("times", [1, 3])
def test_an_adopted_token_shown_to_a_login_starts_a_session(
    ground: Ground, account: Account, times: int
) -> None:
    token = ground.direct.login(account)
    for _ in range(times):
        assert ground.through.who(ground.through.login(account, token)) == (200, account.id)


def _owner() -> Account:
    return Account("user00000000002", "ben@example.com", "users")
