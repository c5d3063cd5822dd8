"""Two Haptas on one PocketBase are one to their clients."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.sessions.conftest import MakeAccount
from tests.sessions.support import ENDED, Account, Door, Ground, claims_of, eventually, session_of
from tests.support.hapta import Hapta


@pytest.fixture(scope="module")
def second(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The way through another Hapta on the same PocketBase."""
    hapta = Hapta(tmp_path_factory.mktemp("second"), ground.pocketbase.url)
    try:
        hapta.start()
        with Door(hapta.url) as door:
            yield door
    finally:
        hapta.stop()


def test_fifty_refreshes_at_once_make_one_generation(ground: Ground, second: Door, account: Account) -> None:
    for round_number in range(3):
        old = ground.through.login(account)

        def refresh(number: int, token: str = old) -> str:
            url = (ground.through, second)[number % 2].url
            path = f"{url}/api/collections/users/auth-refresh"
            answer = httpx.post(path, headers={"Authorization": token}, timeout=30)
            assert answer.status_code == 200, answer.text
            return str(answer.json()["token"])

        with ThreadPoolExecutor(25) as threads:
            tokens = Counter(threads.map(refresh, range(50)))
        assert len(tokens) == 1, round_number
        (new,) = tokens
        assert claims_of(new)["gen"] == 2
        rows = ground.rows("hapta_rotations", filter=f"session='{session_of(old)}'")
        assert [row["generation"] for row in rows] == [2]
        for door in (ground.through, second):
            assert [door.who(token) for token in (old, new)] == [(200, account.id)] * 2


def test_a_session_made_by_one_is_known_to_the_other_at_once(
    ground: Ground, second: Door, account: Account
) -> None:
    token = ground.through.login(account)
    assert second.who(token) == (200, account.id)
    refreshed = second.refresh(token)
    assert ground.through.who(refreshed) == (200, account.id)
    assert ground.through.refresh(token) == refreshed


def test_a_logout_at_one_shows_at_the_other_within_the_feeds_delay(
    ground: Ground, second: Door, make_account: MakeAccount
) -> None:
    account = make_account()
    tokens = [ground.through.login(account) for _ in range(5)]
    for token in tokens:
        assert second.who(token) == (200, account.id)
        ground.through.logout(token)
        assert eventually(second, token, ENDED) < 1.0


def test_a_replay_at_one_ends_the_session_at_the_other(
    ground: Ground, account: Account, tmp_path_factory: pytest.TempPathFactory
) -> None:
    haptas = [
        Hapta(tmp_path_factory.mktemp("short"), ground.pocketbase.url, {"sessions.overlap_s": 0})
        for _ in range(2)
    ]
    try:
        for hapta in haptas:
            hapta.start()
        with Door(haptas[0].url) as one, Door(haptas[1].url) as other:
            old = one.login(account)
            new = one.refresh(old)
            assert other.who(new) == (200, account.id)
            assert eventually(one, old, ENDED) < 2.0
            assert eventually(other, new, ENDED) < 2.0
        (audit,) = ground.rows("hapta_audit", filter=f"session='{session_of(old)}'")
        assert (audit["kind"], audit["record"], audit["detail"]) == ("replay", account.id, {"generation": 1})
        assert "replay" in haptas[0].log
        assert old not in haptas[0].log
    finally:
        for hapta in haptas:
            hapta.stop()


def test_the_second_one_leaves_no_trace_of_a_crash(ground: Ground, second: Door, tmp_path: Path) -> None:
    assert second.who(None) == (200, None)
    assert "crash" not in ground.hapta.log
