"""CORS lines of stored answers: those PocketBase gave to that very origin a moment ago."""

import pytest

from hapta.config import CorsConfig
from hapta.model.clock import ManualClock
from hapta.stages.origins import OriginMemo

A, B = "https://a.test", "https://b.test"
ANY = (b"Access-Control-Allow-Origin", b"*")
FOR_A = (b"access-control-allow-origin", A.encode())
CREDENTIALS = (b"Access-Control-Allow-Credentials", b"true")
OTHER = (b"Content-Type", b"application/json")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def memo(clock: ManualClock) -> OriginMemo:
    return OriginMemo(CorsConfig(memo_s=60.0, memo_origins=3), clock)


@pytest.mark.parametrize("origin", [None, ""])
def test_a_request_without_an_origin_gets_no_line(memo: OriginMemo, origin: str | None) -> None:
    memo.learn(A, [ANY])
    assert memo.lines(origin) == ()


def test_each_origin_gets_its_own_lines_and_no_others(memo: OriginMemo) -> None:
    memo.learn(A, [OTHER, FOR_A, CREDENTIALS])
    assert memo.lines(A) == (FOR_A, CREDENTIALS)
    assert memo.lines(B) is None
    memo.learn(B, [OTHER])
    assert memo.lines(B) == ()


def test_a_star_is_said_to_everybody_for_a_while(memo: OriginMemo, clock: ManualClock) -> None:
    memo.learn(A, [ANY])
    assert memo.lines(B) == (ANY,)
    clock.advance(60.1)
    assert memo.lines(B) is None


def test_a_star_with_more_beside_it_is_its_origins_alone(memo: OriginMemo) -> None:
    memo.learn(A, [ANY, CREDENTIALS])
    assert memo.lines(A) == (ANY, CREDENTIALS)
    assert memo.lines(B) is None


def test_an_origin_called_star_or_without_end_is_not_learned(memo: OriginMemo) -> None:
    for origin in ("*", "https://" + "a" * 600):
        memo.learn(origin, [FOR_A])
        assert memo.lines(origin) is None
    assert memo.lines(B) is None


def test_so_many_origins_are_kept_and_no_more(memo: OriginMemo) -> None:
    for number in range(10):
        memo.learn(f"https://{number}.test", [FOR_A])
    assert sum(memo.lines(f"https://{number}.test") is not None for number in range(10)) == 3
