"""What was acknowledged survives: kills, restarts, restored backups, other secrets, lost rights."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from hapta.app.control import ControlClient
from tests.conftest import MakeHapta, MakePocketBase
from tests.sessions.support import ENDED, Account, Door, Ground, eventually, hash_cheaply, session_of
from tests.support.hapta import SECRET, Hapta
from tests.support.pocketbase import ADMIN_EMAIL, GATEWAY_EMAIL, PASSWORD
from tests.support.process import wait_until

OTHER_SECRET = "another-secret-Zk3vQ9xW7uT1bN5mR8c"


@pytest.fixture
def own(make_pocketbase: MakePocketBase, make_hapta: MakeHapta) -> Iterator[Ground]:
    """A PocketBase and a Hapta for one test alone."""
    pocketbase = make_pocketbase()
    hash_cheaply(pocketbase, "users", "_superusers")
    with Ground(pocketbase, make_hapta(upstream=pocketbase.url)) as ground:
        yield ground


def again(own: Ground, **env: str) -> None:
    """Stop Hapta, change its environment, start it again."""
    own.hapta.stop()
    own.hapta.environment |= env
    own.hapta.environment = {name: value for name, value in own.hapta.environment.items() if value}
    own.hapta.start()


# kills


@dataclass
class Client:
    """Does one thing after the other, and remembers what was acknowledged.

    Attributes:
        living: the newest acknowledged token of each session.
        ended: tokens of sessions whose end was acknowledged.
        unsure: sessions that were to end when Hapta was killed: nobody was promised either.
        made: logins and refreshes acknowledged so far.
    """

    url: str
    account: Account
    living: dict[str, str] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)
    made: int = 0
    count: int = 0

    def run(self) -> None:
        with Door(self.url) as door:
            try:
                while True:
                    self.step(door)
                    self.count += 1
            except httpx.TransportError:
                return

    def step(self, door: Door) -> None:
        what = ("login", "refresh", "login", "refresh", "end")[self.count % 5]
        if what == "login":
            token = door.login(self.account)
            self.living[session_of(token)] = token
            self.made += 1
            return
        session, token = list(self.living.items())[self.count * 7 % len(self.living)]
        if what == "refresh":
            self.living[session] = door.refresh(token)
            self.made += 1
            return
        del self.living[session]
        self.unsure.add(session)
        self.end(door, session, token)
        self.unsure.remove(session)
        self.ended.append(token)

    def end(self, door: Door, session: str, token: str) -> None:
        """By its own logout, or revoked from another session of the account."""
        if not self.living or self.count % 2:
            return door.logout(token)
        other = next(iter(self.living.values()))
        assert door.ask("DELETE", f"/api/hapta/sessions/{session}", other).status_code == 204

    def check(self, door: Door) -> None:
        """All that was promised holds, and the oldest session can be refreshed."""
        for token in self.living.values():
            assert door.who(token) == (200, self.account.id)
        for token in self.ended:
            assert door.who(token) == ENDED
        for session, token in list(self.living.items())[:1]:
            self.living[session] = door.refresh(token)
            assert door.who(self.living[session]) == (200, self.account.id)


@pytest.mark.timeout(300)
def test_kills_lose_nothing_that_was_acknowledged(own: Ground) -> None:
    clients = [Client(own.hapta.url, own.make_account(f"kill{n}@example.com")) for n in range(8)]
    for goal in (50, 100, 150, 200):
        threads = [threading.Thread(target=client.run) for client in clients]
        for thread in threads:
            thread.start()
        wait_until(
            lambda goal=goal: sum(client.made for client in clients) >= goal,  # type: ignore[misc]
            f"{goal} logins and refreshes",
            60,
        )
        own.hapta.kill()
        for thread in threads:
            thread.join(30)
        own.hapta.start()
        with Door(own.hapta.url) as door:
            for client in clients:
                client.check(door)
    assert sum(len(client.ended) for client in clients) > 20
    assert "Traceback" not in own.hapta.log


def test_a_restart_of_either_loses_no_session(own: Ground) -> None:
    account = own.make_account("stays@example.com")
    token = own.through.login(account)
    again(own)
    assert own.through.who(token) == (200, account.id)
    token = own.through.refresh(token)
    own.pocketbase.kill()
    own.pocketbase.start()
    wait_until(own.hapta.is_ready, "Hapta ready again")
    assert own.through.who(token) == (200, account.id)


def test_what_ends_while_hapta_is_away_has_ended_when_it_is_back(own: Ground) -> None:
    deleted, changed, stays = (own.make_account(f"away{n}@example.com") for n in range(3))
    tokens = [own.through.login(account) for account in (deleted, changed, stays)]
    for token in tokens:
        assert own.through.who(token)[0] == 200
    own.hapta.stop()
    path = f"/api/collections/hapta_sessions/records/{session_of(tokens[0])}"
    own.pocketbase.admin.delete(path).raise_for_status()
    new = {"password": "new-horse-11", "passwordConfirm": "new-horse-11"}
    own.pocketbase.admin.patch(f"/api/collections/users/records/{changed.id}", json=new).raise_for_status()
    own.hapta.start()
    assert [own.through.who(token) for token in tokens] == [ENDED, ENDED, (200, stays.id)]


def test_the_embedded_pocketbase_keeps_sessions_through_a_kill(make_hapta: MakeHapta) -> None:
    hapta: Hapta = make_hapta(upstream=None)
    with Door(hapta.url) as door:
        body = {"email": "eve@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD}
        made = door.ask("POST", "/api/collections/users/records", json=body)
        assert made.status_code == 200, made.text
        eve = Account(made.json()["id"], "eve@example.com", "users")
        tokens = [door.login(eve) for _ in range(2)]
        door.logout(tokens[1])
        tokens[0] = door.refresh(tokens[0])
    hapta.kill()
    hapta.start(30)
    with Door(hapta.url) as door:
        statuses = [door.ask("POST", "/api/files/token", token).status_code for token in tokens]
        assert statuses == [200, 401]


# backups


def test_a_restored_backup_revives_no_ended_session(own: Ground) -> None:
    names = ("ends", "leaves", "elsewhere", "stays")
    accounts = [own.make_account(f"{name}@example.com") for name in names]
    ends, leaves, elsewhere, stays = tokens = [own.through.login(account) for account in accounts]
    for token in tokens:
        assert own.through.who(token)[0] == 200
    admin = own.through.login(own.admin_account)
    assert own.through.ask("POST", "/api/backups", admin, json={"name": "one.zip"}).status_code == 204
    own.through.logout(ends)
    assert own.through.ask("POST", "/api/hapta/logout-all", leaves).status_code == 204
    path = f"/api/collections/hapta_sessions/records/{session_of(elsewhere)}"
    own.pocketbase.admin.delete(path).raise_for_status()
    assert eventually(own.through, elsewhere, ENDED) < 1.0
    assert own.through.ask("POST", "/api/backups/one.zip/restore", admin).status_code == 204
    deadline = time.monotonic() + 20
    while not _has_restarted(own) or own.through.who(stays)[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    expected = [ENDED, ENDED, ENDED, (200, accounts[3].id)]
    assert [own.through.who(token) for token in tokens] == expected
    later = own.through.login(accounts[0])
    assert own.through.who(later) == (200, accounts[0].id)
    wait_until(lambda: _all_ended(own, ends, leaves, elsewhere), "the restored rows are ended, too", 20)
    again(own)
    assert [own.through.who(token) for token in tokens] == expected
    assert own.through.who(later) == (200, accounts[0].id)


def _has_restarted(own: Ground) -> bool:
    """PocketBase executes itself anew about a second after its answer."""
    try:
        status = own.pocketbase.admin.get("/api/health").status_code
        return status == 200 and bool(own.rows("hapta_sessions", filter="ended=''")) and _is_restored(own)
    except httpx.HTTPError:
        return False


def _is_restored(own: Ground) -> bool:
    return "feed_up" in own.hapta.log


def _all_ended(own: Ground, *tokens: str) -> bool:
    rows = {row["id"]: row for row in own.rows("hapta_sessions")}
    found = [rows.get(session_of(token)) for token in tokens]
    return all(row is None or row["ended"] for row in found)


# Secret


def test_another_secret_ends_sessions_and_warns_once(own: Ground) -> None:
    account = own.make_account("secret@example.com")
    token = own.through.login(account)
    again(own, Secret=OTHER_SECRET)
    for _ in range(5):
        assert own.through.who(token) == ENDED
    assert own.through.try_login(account, token).status_code == 200
    assert own.hapta.log.count("secret_changed") == 1
    again(own)
    assert own.hapta.log.count("secret_changed") == 1
    assert SECRET not in own.hapta.log
    assert OTHER_SECRET not in own.hapta.log


def test_the_previous_secret_carries_sessions_over(own: Ground) -> None:
    account = own.make_account("carried@example.com")
    refreshed, idle = own.through.login(account), own.through.login(account)
    again(own, Secret=OTHER_SECRET, SecretPrevious=SECRET)
    assert [own.through.who(token) for token in (refreshed, idle)] == [(200, account.id)] * 2
    refreshed = own.through.refresh(refreshed)
    new = own.through.login(account)
    again(own, SecretPrevious="")
    assert own.through.who(refreshed) == (200, account.id)
    assert own.through.who(new) == (200, account.id)
    assert own.through.who(idle) == ENDED
    assert "secret_changed" not in own.hapta.log


# rights


def test_without_rights_sessions_go_on_and_logins_wait(own: Ground) -> None:
    account = own.make_account("rights@example.com")
    token, unseen = own.through.login(account), own.through.login(account)
    again(own)
    assert own.through.who(token) == (200, account.id)
    _set_gateway_password(own, "changed-horse-3")
    ready = Door(own.hapta.url)
    with ready:
        _until(lambda: ready.ask("GET", "/api/hapta/health/ready").status_code == 503)
        for _ in range(3):
            assert ready.who(token) == (200, account.id)
            time.sleep(0.6)
        assert ready.who(unseen)[0] == 503
        refused = ready.try_login(account)
        assert refused.status_code == 503
        assert refused.json()["status"] == 503
        assert ready.ask("GET", "/api/collections/posts/records").status_code == 200
        assert ready.ask("GET", "/api/hapta/health/live").status_code == 200
        changed = {"password": "new-horse-11", "passwordConfirm": "new-horse-11"}
        own.pocketbase.admin.patch(
            f"/api/collections/users/records/{account.id}", json=changed
        ).raise_for_status()
        _until(lambda: ready.who(token) == ENDED)
    assert "Traceback" not in own.hapta.log
    assert '"crash"' not in own.hapta.log
    _set_gateway_password(own, PASSWORD)
    wait_until(own.hapta.is_ready, "rights are back", 30)
    assert own.through.who(own.through.login(account, password="new-horse-11")) == (200, account.id)


def _set_gateway_password(own: Ground, password: str) -> None:
    (gateway,) = own.rows("_superusers", filter=f"email='{GATEWAY_EMAIL}'")
    body = {"password": password, "passwordConfirm": password}
    own.pocketbase.admin.patch(
        f"/api/collections/_superusers/records/{gateway['id']}", json=body
    ).raise_for_status()


def _until(holds: Any) -> None:
    wait_until(holds, "it holds", 30, every_s=0.1)


def test_with_two_factors_for_superusers_a_token_does(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta, tmp_path: Path
) -> None:
    pocketbase = make_pocketbase()
    (gateway,) = pocketbase.rows("_superusers", filter=f"email='{GATEWAY_EMAIL}'")
    path = f"/api/collections/_superusers/impersonate/{gateway['id']}"
    admin_token = pocketbase.admin.post(path, json={"duration": 3600}).json()["token"]
    factors = {
        "mfa": {"enabled": True, "duration": 600},
        "otp": {"enabled": True, "duration": 300, "length": 8},
    }
    pocketbase.admin.patch("/api/collections/_superusers", json=factors).raise_for_status()
    refused = Hapta(tmp_path, pocketbase.url)
    refused.launch()
    assert refused.process is not None
    assert refused.process.wait(20) == 2
    assert "AdminToken" in refused.log
    env = {"AdminToken": admin_token, "AdminEmail": "", "AdminPassword": ""}
    with ExitStack() as closing:
        ground = closing.enter_context(Ground(pocketbase, make_hapta(upstream=pocketbase.url, env=env)))
        account = ground.make_account("factors@example.com")
        token = ground.through.login(account)
        token = ground.through.refresh(token)
        assert ground.through.who(token) == (200, account.id)
        feed = ControlClient(ground.hapta.home).ask("GET", "/status")["feed"]
        assert (feed["connected"], feed["live"]) == (True, True)
        path = f"/api/collections/hapta_sessions/records/{session_of(token)}"
        pocketbase.admin.delete(path).raise_for_status()
        assert eventually(ground.through, token, ENDED) < 2.0, "changes behind it are heard of"
        first_leg = ground.through.try_login(Account("", ADMIN_EMAIL, "_superusers"))
        assert first_leg.status_code == 401
        assert set(first_leg.json()) == {"mfaId"}
        assert admin_token not in ground.hapta.log
