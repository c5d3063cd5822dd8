"""Whatever ends an identity at PocketBase ends its sessions on the very next request."""

import itertools
import re
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from tests.sessions.conftest import MakeAccount
from tests.sessions.support import ENDED, GUEST, Account, Door, Ground, eventually, session_of
from tests.support.pocketbase import PASSWORD

NEW_PASSWORD = "another-horse-2"
_names = (f"clients{n}" for n in itertools.count(1))


@pytest.fixture
def admin(ground: Ground) -> str:
    """A superuser's token, of Hapta's."""
    return ground.through.login(ground.admin_account)


def done(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code < 300, answer.text
    return answer


def passwords(new: str = NEW_PASSWORD, **more: str) -> dict[str, str]:
    return {"password": new, "passwordConfirm": new, **more}


def record(account: Account) -> str:
    return f"/api/collections/{account.collection}/records/{account.id}"


def batch(ground: Ground, token: str | None, *requests: dict[str, Any]) -> httpx.Response:
    return done(ground.through.ask("POST", "/api/batch", token, json={"requests": list(requests)}))


# what happens to the account, all of it through Hapta; gets the way, the account's and a superuser's token


def own_password(ground: Ground, account: Account, own: str, admin: str) -> None:
    done(ground.through.ask("PATCH", record(account), own, json=passwords(oldPassword=PASSWORD)))


def superuser_sets_password(ground: Ground, account: Account, own: str, admin: str) -> None:
    done(ground.through.ask("PATCH", record(account), admin, json=passwords()))


def superuser_sets_password_by_collection_id(ground: Ground, account: Account, own: str, admin: str) -> None:
    path = record(account).replace("/users/", "/_pb_users_auth_/")
    done(ground.through.ask("PATCH", path, admin, json=passwords()))


def superuser_sets_password_by_a_name_in_capitals(
    ground: Ground, account: Account, own: str, admin: str
) -> None:
    done(
        ground.through.ask("PATCH", record(account).replace("/users/", "/U%73ERS/"), admin, json=passwords())
    )


def superuser_sets_email(ground: Ground, account: Account, own: str, admin: str) -> None:
    done(ground.through.ask("PATCH", record(account), admin, json={"email": f"new-{account.email}"}))


def superuser_sets_token_key(ground: Ground, account: Account, own: str, admin: str) -> None:
    done(ground.through.ask("PATCH", record(account), admin, json={"tokenKey": account.id.ljust(40, "k")}))


def own_deletion(ground: Ground, account: Account, own: str, admin: str) -> None:
    done(ground.through.ask("DELETE", record(account), own))


def superuser_deletes(ground: Ground, account: Account, own: str, admin: str) -> None:
    done(ground.through.ask("DELETE", record(account), admin))


def password_in_a_batch(ground: Ground, account: Account, own: str, admin: str) -> None:
    batch(ground, own, {"method": "PATCH", "url": record(account), "body": passwords(oldPassword=PASSWORD)})


def password_in_a_batch_form(ground: Ground, account: Account, own: str, admin: str) -> None:
    payload = (
        f'{{"requests":[{{"method":"PATCH","url":"{record(account)}","body":{{"tokenKey":"{"b" * 40}"}}}}]}}'
    )
    done(ground.through.ask("POST", "/api/batch", admin, files={"@jsonPayload": (None, payload)}))


def deletion_in_a_batch(ground: Ground, account: Account, own: str, admin: str) -> None:
    create = {"method": "POST", "url": "/api/collections/posts/records", "body": {"title": "with it"}}
    batch(ground, own, create, {"method": "DELETE", "url": record(account)})


def upsert_in_a_batch(ground: Ground, account: Account, own: str, admin: str) -> None:
    body = {"id": account.id, **passwords()}
    batch(ground, admin, {"method": "PUT", "url": "/api/collections/users/records", "body": body})


def custom_route(ground: Ground, account: Account, own: str, admin: str) -> None:
    done(ground.through.ask("POST", f"/api/custom/lock-out/{account.id}"))


def sql(ground: Ground, account: Account, own: str, admin: str) -> None:
    query = f"UPDATE users SET tokenKey='{'s' * 40}-{account.id}' WHERE id='{account.id}'"
    done(ground.through.ask("POST", "/api/sql", admin, json={"query": query}))


def confirmed_reset(ground: Ground, account: Account, own: str, admin: str) -> None:
    path = "/api/collections/users/{}-password-reset"
    done(ground.through.ask("POST", path.format("request"), json={"email": account.email}))
    body = {"token": mailed_token(ground, account.email), **passwords()}
    done(ground.through.ask("POST", path.format("confirm"), json=body))


def confirmed_email(ground: Ground, account: Account, own: str, admin: str) -> None:
    path, email = "/api/collections/users/{}-email-change", f"changed-{account.email}"
    done(ground.through.ask("POST", path.format("request"), own, json={"newEmail": email}))
    body = {"token": mailed_token(ground, email), "password": PASSWORD}
    done(ground.through.ask("POST", path.format("confirm"), json=body))


def mailed_token(ground: Ground, email: str) -> str:
    deadline = time.monotonic() + 10
    while not (mails := ground.pocketbase.mail.mails(email)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    found = re.search(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", mails[-1]["html"])
    assert found is not None, "mailed tokens are PocketBase's own"
    return found[0]


Happening = Callable[[Ground, Account, str, str], None]
HAPPENINGS: list[Happening] = [
    own_password,
    superuser_sets_password,
    superuser_sets_password_by_collection_id,
    superuser_sets_password_by_a_name_in_capitals,
    superuser_sets_email,
    superuser_sets_token_key,
    own_deletion,
    superuser_deletes,
    password_in_a_batch,
    password_in_a_batch_form,
    deletion_in_a_batch,
    upsert_in_a_batch,
    custom_route,
    sql,
    confirmed_reset,
    confirmed_email,
]


@pytest.mark.parametrize("happens", HAPPENINGS, ids=lambda happening: happening.__name__)
def test_an_identity_lost_through_hapta_is_lost_on_the_next_request(
    ground: Ground, make_account: MakeAccount, admin: str, happens: Happening
) -> None:
    account, other = make_account(), make_account()
    acting, watching, foreign = (ground.through.login(who) for who in (account, account, other))
    adopted = ground.direct.login(account)
    for token in (acting, watching, adopted):
        assert ground.through.who(token) == (200, account.id)
    assert ground.through.who(foreign) == (200, other.id)
    happens(ground, account, acting, admin)
    assert [ground.through.who(token) for token in (watching, acting, adopted)] == [ENDED, ENDED, GUEST]
    assert ground.through.who(foreign) == (200, other.id)
    assert ground.through.ask("POST", "/api/collections/users/auth-refresh", watching).status_code == 401


@pytest.mark.parametrize(
    "happens",
    [
        superuser_sets_password,
        superuser_sets_email,
        superuser_sets_token_key,
        own_deletion,
        password_in_a_batch,
        custom_route,
    ],
    ids=lambda happening: happening.__name__,
)
def test_an_identity_lost_behind_hapta_is_lost_within_the_feeds_delay(
    ground: Ground, account: Account, happens: Happening
) -> None:
    token = ground.through.login(account)
    assert ground.through.who(token) == (200, account.id)
    around = cast("Ground", SimpleNamespace(through=ground.direct))
    happens(around, account, ground.direct.login(account), ground.direct.login(ground.admin_account))
    assert eventually(ground.through, token, ENDED) < 1.0


def test_a_password_another_record_got_ends_nobody_elses_sessions(
    ground: Ground, make_account: MakeAccount, admin: str
) -> None:
    ada, ben = make_account(), make_account()
    token = ground.through.login(ada)
    superuser_sets_password(ground, ben, "", admin)
    assert ground.through.who(token) == (200, ada.id)


def test_a_change_that_leaves_the_identity_alone_ends_nothing(
    ground: Ground, account: Account, admin: str
) -> None:
    token = ground.through.login(account)
    done(ground.through.ask("PATCH", record(account), token, json={"name": "Another"}))
    done(ground.through.ask("PATCH", record(account), admin, json={"verified": False}))
    assert ground.through.who(token) == (200, account.id)


def test_a_refused_change_ends_nothing(ground: Ground, account: Account) -> None:
    token = ground.through.login(account)
    answer = ground.through.ask(
        "PATCH", record(account), token, json=passwords(oldPassword="not-the-old-one")
    )
    assert answer.status_code == 400
    assert ground.through.who(token) == (200, account.id)


# whole collections


def auth_collection(ground: Ground, *fields: dict[str, Any], **settings: Any) -> str:
    name = next(_names)
    ground.make_auth_collection(name, *fields, **settings)
    return name


def change_auth_rule(ground: Ground, name: str, admin: str, door: Door) -> None:
    done(door.ask("PATCH", f"/api/collections/{name}", admin, json={"authRule": "verified = true"}))


def change_secret(ground: Ground, name: str, admin: str, door: Door) -> None:
    token = {"authToken": {"secret": "s" * 50, "duration": 1000}}
    done(door.ask("PATCH", f"/api/collections/{name}", admin, json=token))


def import_with_another_secret(ground: Ground, name: str, admin: str, door: Door) -> None:
    collection = door.ask("GET", f"/api/collections/{name}", admin).json()
    collection["authToken"] = {"secret": "i" * 50, "duration": 1000}
    done(door.ask("PUT", "/api/collections/import", admin, json={"collections": [collection]}))


def truncate(ground: Ground, name: str, admin: str, door: Door) -> None:
    done(door.ask("DELETE", f"/api/collections/{name}/truncate", admin))


def drop(ground: Ground, name: str, admin: str, door: Door) -> None:
    done(door.ask("DELETE", f"/api/collections/{name}", admin))


WHOLE = [change_auth_rule, change_secret, import_with_another_secret, truncate, drop]


@pytest.mark.parametrize("happens", WHOLE, ids=lambda happening: happening.__name__)
def test_what_ends_a_collections_tokens_ends_them_on_the_next_request(
    ground: Ground, make_account: MakeAccount, admin: str, happens: Callable[..., None]
) -> None:
    name = auth_collection(ground)
    account, other = make_account(name), make_account()
    token, foreign = ground.through.login(account), ground.through.login(other)
    assert ground.through.who(token) == (200, account.id)
    happens(ground, name, admin, ground.through)
    assert ground.through.who(token) == ENDED
    assert ground.through.who(foreign) == (200, other.id)


@pytest.mark.parametrize("happens", WHOLE, ids=lambda happening: happening.__name__)
def test_what_ends_a_collections_tokens_behind_hapta_shows_soon(
    ground: Ground, make_account: MakeAccount, happens: Callable[..., None]
) -> None:
    name = auth_collection(ground)
    account = make_account(name)
    token = ground.through.login(account)
    assert ground.through.who(token) == (200, account.id)
    happens(ground, name, ground.direct.login(ground.admin_account), ground.direct)
    assert eventually(ground.through, token, ENDED) < 2.0


def test_whom_an_auth_rule_does_not_let_in_any_more_stays_as_long_as_pocketbase_lets_him(
    ground: Ground, make_account: MakeAccount, admin: str
) -> None:
    name = auth_collection(ground, authRule="verified = true")
    account = make_account(name)
    through, direct = ground.through.login(account), ground.direct.login(account)
    done(ground.through.ask("PATCH", record(account), admin, json={"verified": False}))
    for door, token in ((ground.direct, direct), (ground.through, through)):
        assert door.who(token) == (200, account.id)
        assert door.ask("POST", f"/api/collections/{name}/auth-refresh", token).status_code == 403
        assert door.try_login(account).status_code == 403
        assert door.who(token) == (200, account.id)


@pytest.mark.parametrize("depth", [1, 2])
def test_whom_a_cascade_deletes_is_logged_out_on_the_next_request(
    ground: Ground, make_account: MakeAccount, admin: str, depth: int
) -> None:
    """A company goes, and with it its teams, and with them the people in them."""
    post = done(ground.pocketbase.admin.post("/api/collections/posts/records", json={"title": "x"})).json()[
        "id"
    ]
    parent_collection, parent = "pbc_posts000001", post
    for level in range(1, depth):
        body = {
            "name": f"{next(_names)}_level{level}",
            "type": "base",
            "fields": [relation_to(parent_collection)],
        }
        made = done(ground.pocketbase.admin.post("/api/collections", json=body)).json()
        row = {"parent": parent}
        path = f"/api/collections/{made['id']}/records"
        parent_collection, parent = (
            made["id"],
            done(ground.pocketbase.admin.post(path, json=row)).json()["id"],
        )
    name = auth_collection(ground, relation_to(parent_collection))
    account, stays = make_account(name, parent=parent), make_account(name)
    token, other = ground.through.login(account), ground.through.login(stays)
    assert ground.through.who(token) == (200, account.id)
    done(ground.through.ask("DELETE", f"/api/collections/posts/records/{post}"))
    assert ground.through.who(token) == ENDED
    assert ground.through.who(other) == (200, stays.id)


def relation_to(collection: str) -> dict[str, Any]:
    return {
        "name": "parent",
        "type": "relation",
        "collectionId": collection,
        "maxSelect": 1,
        "cascadeDelete": True,
    }


# the rows


def test_deleting_the_row_in_the_dashboard_ends_the_session(ground: Ground, account: Account) -> None:
    token, other = ground.through.login(account), ground.through.login(account)
    assert ground.through.who(token) == (200, account.id)
    done(ground.pocketbase.admin.delete(f"/api/collections/hapta_sessions/records/{session_of(token)}"))
    assert eventually(ground.through, token, ENDED) < 1.0
    assert ground.through.who(other) == (200, account.id)


def test_deleting_the_row_through_hapta_ends_it_at_once(ground: Ground, account: Account, admin: str) -> None:
    token = ground.through.login(account)
    assert ground.through.who(token) == (200, account.id)
    done(ground.through.ask("DELETE", f"/api/collections/hapta_sessions/records/{session_of(token)}", admin))
    assert ground.through.who(token) == ENDED


def test_what_ended_stays_ended_whatever_somebody_writes_into_its_row(
    ground: Ground, account: Account
) -> None:
    token = ground.through.login(account)
    ground.through.logout(token)
    path = f"/api/collections/hapta_sessions/records/{session_of(token)}"
    done(ground.pocketbase.admin.patch(path, json={"ended": "", "ended_reason": ""}))
    time.sleep(0.2)
    assert ground.through.who(token) == ENDED


@pytest.mark.parametrize("who", ["guest", "user"])
def test_nobody_but_superusers_sees_or_changes_rows(ground: Ground, account: Account, who: str) -> None:
    token = ground.through.login(account)
    shown = None if who == "guest" else token
    path = "/api/collections/hapta_sessions/records"
    row = f"{path}/{session_of(token)}"
    body = {"collection": "_pb_users_auth_", "record": account.id}
    asked = [
        ("GET", path, {}),
        ("GET", row, {}),
        ("POST", path, body),
        ("PATCH", row, body),
        ("DELETE", row, {}),
    ]
    statuses = [ground.through.ask(m, p, shown, json=b or None).status_code for m, p, b in asked]
    assert statuses == [403] * 5
    assert ground.through.who(token) == (200, account.id)
