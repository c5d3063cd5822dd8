"""What was acknowledged of interactions survives; and what is forgotten, and by whom."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from hapta.ranking.interactions import interaction_id
from tests.conftest import MakeHapta, MakePocketBase
from tests.ranking.support import FEED, kept, tell, tell_at_once, told
from tests.reload.conftest import MakeSite, make_site
from tests.sessions.support import Account, Door, Ground, hash_cheaply
from tests.support.hapta import Hapta
from tests.support.pocketbase import PASSWORD
from tests.support.process import wait_until

POSTS_ID, USERS_ID = "pbc_posts000001", "_pb_users_auth_"
SETTINGS = {name.replace(".", "__"): value for name, value in FEED.items()}
_ROWS = "/api/collections/hapta_interactions/records"


__all__ = ["make_site"]


@pytest.fixture
def own(make_pocketbase: MakePocketBase, make_hapta: MakeHapta) -> Iterator[Ground]:
    """A PocketBase and a Hapta with a feed, for one test alone."""
    pocketbase = make_pocketbase()
    hash_cheaply(pocketbase, "users", "_superusers")
    with Ground(pocketbase, make_hapta(upstream=pocketbase.url, **SETTINGS)) as ground:
        yield ground


class Looker:
    """Looks at one row after the other, two at a time, until Hapta is gone."""

    def __init__(self, url: str, name: str, token: str) -> None:
        self.url, self.name, self.token = url, name, token
        self.acknowledged: list[str] = []
        self.sent = 0

    def run(self) -> None:
        with Door(self.url) as door:
            try:
                while True:
                    records = [f"{self.name}x{self.sent}", f"{self.name}y{self.sent}"]
                    self.sent += 1
                    assert tell(door, self.token, *[(record, "view") for record in records]) == (2, 0)
                    self.acknowledged += records
            except httpx.TransportError:
                return


def look_until_killed(hapta: Hapta, lookers: list[Looker], goal: int) -> None:
    threads = [threading.Thread(target=looker.run) for looker in lookers]
    for thread in threads:
        thread.start()
    wait_until(lambda: sum(len(each.acknowledged) for each in lookers) >= goal, "enough was told", 60)
    hapta.kill()
    for thread in threads:
        thread.join(30)


@pytest.mark.timeout(120)
def test_kills_lose_no_interaction_that_was_acknowledged(own: Ground) -> None:
    accounts = [own.make_account(f"kill{n}@example.com") for n in range(6)]
    lookers = [Looker(own.hapta.url, f"k{n}", own.through.login(a)) for n, a in enumerate(accounts)]
    for goal in (60, 120, 180):
        look_until_killed(own.hapta, lookers, goal)
        for account, looker in zip(accounts, lookers, strict=True):
            assert set(looker.acknowledged) <= set(kept(own, account.id))
        own.hapta.start()
    for account, looker in zip(accounts, lookers, strict=True):
        rows = kept(own, account.id)
        with Door(own.hapta.url) as door:
            last = looker.acknowledged[-1]
            assert tell(door, looker.token, (last, "hide"), (last, "hide")) == (1, 1)
        assert all(row["views"] == 1 for row in rows.values())


@pytest.mark.timeout(120)
def test_the_embedded_pocketbase_keeps_interactions_through_a_kill(make_hapta: MakeHapta) -> None:
    """Its death is Hapta's: both are killed at once, right after the answer."""
    hapta = make_hapta(upstream=None, feeds__home__collection="users")
    with Door(hapta.url) as door:
        body = {"email": "eve@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD}
        made = door.ask("POST", "/api/collections/users/records", json=body)
        assert made.status_code == 200, made.text
        token = door.login(Account(made.json()["id"], "eve@example.com", "users"))
        items = [{"record": f"r{n}", "kind": "hide"} for n in range(40)]
        answer = door.ask(
            "POST", "/api/hapta/interactions", token, json={"feed": "home", "interactions": items}
        )
        assert answer.json() == {"accepted": 40, "duplicates": 0}
        hapta.kill()
    hapta.start(30)
    with Door(hapta.url) as door:
        answer = door.ask(
            "POST", "/api/hapta/interactions", token, json={"feed": "home", "interactions": items}
        )
        assert answer.json() == {"accepted": 0, "duplicates": 40}


def test_a_kill_of_pocketbase_loses_none_and_what_it_did_not_take_is_not_acknowledged(own: Ground) -> None:
    account = own.make_account("both@example.com")
    token = own.through.login(account)
    assert tell(own.through, token, ("a", "hide")) == (1, 0)
    own.pocketbase.kill()
    answer = told(own.through, token, ("b", "hide"))
    assert answer.status_code in {502, 503, 504}, answer.text
    assert answer.json()["status"] == answer.status_code
    own.pocketbase.start()
    wait_until(own.hapta.is_ready, "Hapta ready again", 30)
    wait_until(lambda: told(own.through, token, ("c", "view")).status_code == 200, "it is taken again", 30)
    assert set(kept(own, account.id)) - {"b"} == {"a", "c"}
    assert tell(own.through, token, ("a", "hide")) == (0, 1)
    assert sum(tell(own.through, token, ("b", "hide"))) == 1
    assert kept(own, account.id)["b"]["hidden"] is True


def test_without_the_batch_api_they_are_written_one_by_one(own: Ground) -> None:
    accounts = [own.make_account(f"single{n}@example.com") for n in range(3)]
    tokens = [own.through.login(account) for account in accounts]
    batch = {"batch": {"enabled": False, "maxRequests": 50, "timeout": 3}}
    own.pocketbase.admin.patch("/api/settings", json=batch).raise_for_status()
    for _ in range(2):  # it is switched off behind Hapta's back, then found off at the start
        tell_at_once(own.through, tokens, 10, "view")
        for account, token in zip(accounts, tokens, strict=True):
            assert len(kept(own, account.id)) == 10
            items = [(f"row{n}", "hide") for n in range(10)]
            assert tell(own.through, token, *items, *items) == (10, 10)
            rows = kept(own, account.id).values()
            assert [(row["views"], row["hidden"]) for row in rows] == [(1, True)] * 10
        own.hapta.stop()
        for row in own.rows("hapta_interactions"):
            own.pocketbase.admin.delete(f"{_ROWS}/{row['id']}").raise_for_status()
        own.hapta.start()
    assert "Traceback" not in own.hapta.log


def test_a_smaller_batch_than_before_is_written_all_the_same(own: Ground) -> None:
    account = own.make_account("smaller@example.com")
    token = own.through.login(account)
    batch = {"batch": {"enabled": True, "maxRequests": 3, "timeout": 3}}
    own.pocketbase.admin.patch("/api/settings", json=batch).raise_for_status()
    assert tell(own.through, token, *[(f"r{n}", "view") for n in range(20)]) == (20, 0)
    assert len(kept(own, account.id)) == 20


def test_two_haptas_are_one(own: Ground, make_hapta: MakeHapta) -> None:
    second = make_hapta(upstream=own.pocketbase.url, **SETTINGS)
    account = own.make_account("two@example.com")
    token = own.through.login(account)
    with Door(second.url) as other:
        tell(own.through, token, ("a", "view"))
        tell(other, token, ("z", "view"))  # both remember the user from here on
        for number in range(10):
            here, there = (own.through, other) if number % 2 else (other, own.through)
            assert tell(here, token, (f"r{number}", "hide"), ("a", "dwell", 100 * (number + 1))) == (2, 0)
            time.sleep(0.2)  # the feed's delay
            assert tell(there, token, (f"r{number}", "hide")) == (0, 1)
    rows = kept(own, account.id)
    assert rows["a"]["dwell_ms"] == 1000
    assert sum(row["hidden"] for row in rows.values()) == 10


def test_one_hapta_never_undoes_what_another_was_told_of_the_same_row(
    own: Ground, make_hapta: MakeHapta
) -> None:
    """Each writes what it was told and nothing else, however little it knows of the other's."""
    second = make_hapta(upstream=own.pocketbase.url, **SETTINGS)
    account = own.make_account("same@example.com")
    token = own.through.login(account)
    with Door(second.url) as other:
        tell(other, token, ("first", "view"))
        for number in range(20):
            tell(own.through, token, (f"r{number}", "hide"))
            tell(other, token, (f"r{number}", "view"))
    rows = kept(own, account.id)
    assert all(rows[f"r{n}"]["hidden"] and rows[f"r{n}"]["views"] == 1 for n in range(20))


def test_a_row_edited_by_hand_counts_as_it_is(own: Ground) -> None:
    account = own.make_account("edited@example.com")
    token = own.through.login(account)
    tell(own.through, token, ("a", "hide"))
    row = kept(own, account.id)["a"]
    time.sleep(5.2)  # an own write's echo could still be under way
    own.pocketbase.admin.patch(f"{_ROWS}/{row['id']}", json={"hidden": False}).raise_for_status()
    time.sleep(0.3)
    assert tell(own.through, token, ("a", "hide")) == (1, 0)
    own.pocketbase.admin.delete(f"{_ROWS}/{row['id']}").raise_for_status()
    time.sleep(0.3)
    assert tell(own.through, token, ("a", "hide")) == (1, 0)


def _old_row(own: Ground, user: str, record: str, days: float) -> None:
    at = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S.000Z")
    body: dict[str, Any] = {"auth": USERS_ID, "user": user, "collection": POSTS_ID, "record": record}
    body |= {"id": interaction_id(USERS_ID, user, POSTS_ID, record), "views": 1}
    body |= {"viewed": at, "first": at, "last": at}
    own.pocketbase.admin.post(_ROWS, json=body).raise_for_status()


def test_what_is_too_old_is_forgotten(own: Ground, make_hapta: MakeHapta) -> None:
    account = own.make_account("old@example.com")
    for number in range(60):
        _old_row(own, account.id, f"old{number}", 11 + number)
    _old_row(own, account.id, "young", 9)
    make_hapta(upstream=own.pocketbase.url, **SETTINGS, interactions__keep_days=10)
    wait_until(lambda: set(kept(own, account.id)) == {"young"}, "the old ones are gone", 15)


def test_of_one_user_only_so_many_are_kept_and_the_oldest_go(own: Ground, make_hapta: MakeHapta) -> None:
    hapta = make_hapta(upstream=own.pocketbase.url, **SETTINGS, interactions__max_per_user=20)
    account = own.make_account("many@example.com")
    token = own.through.login(account)
    with Door(hapta.url) as door:
        for number in range(20):
            assert tell(door, token, (f"r{number}", "view")) == (1, 0)
        assert len(kept(own, account.id)) == 20
        assert tell(door, token, ("r0", "click"), ("more", "view")) == (2, 0)
        wait_until(lambda: len(kept(own, account.id)) == 18, "the oldest are gone", 10)
        assert not set(kept(own, account.id)) & {"r1", "r2", "r3"}
        assert tell(door, token, ("r0", "view"), ("r1", "view")) == (1, 1), "r0 is remembered, r1 is not"


def test_more_users_than_fit_into_memory_are_remembered_by_pocketbase(
    own: Ground, make_hapta: MakeHapta
) -> None:
    hapta = make_hapta(upstream=own.pocketbase.url, **SETTINGS, interactions__max_users=2)
    tokens = [own.through.login(own.make_account(f"lru{n}@example.com")) for n in range(5)]
    with Door(hapta.url) as door:
        for token in tokens:
            assert tell(door, token, ("a", "hide"), *[(f"r{n}", "view") for n in range(150)]) == (151, 0)
        for token in tokens:
            assert tell(door, token, ("a", "hide")) == (0, 1)


def test_a_reload_brings_the_first_feed_and_other_bounds(own: Ground, make_site: MakeSite) -> None:
    site = make_site(upstream=own.pocketbase.url)
    account = own.make_account("reloaded@example.com")
    token = own.through.login(account)
    with Door(site.url) as door:
        assert told(door, token, ("a", "view")).status_code == 404
        site.reload(feeds__home__collection="posts")
        assert tell(door, token, *[(f"r{n}", "view") for n in range(20)]) == (20, 0)
        site.reload(interactions__max_per_user=10)
        assert tell(door, token, ("more", "view")) == (1, 0)
        wait_until(lambda: len(kept(own, account.id)) == 9, "the oldest are gone", 10)
        site.reload(feeds__home__collection="topics")
        assert told(door, token, ("a", "view")).status_code == 404
