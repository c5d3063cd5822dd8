"""A dead PocketBase is left alone for a while, then tried by one request at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.model.clock import ManualClock
from hapta.upstream.breaker import CircuitBreaker


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> CircuitBreaker:
    """Opens after three failures, for half a second."""
    return CircuitBreaker(3, 0.5, clock)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        assert breaker.allows()
        breaker.failed()


def test_it_opens_after_so_many_failures_in_a_row(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert not breaker.is_open
    fail(breaker, 1)
    assert breaker.is_open
    assert not breaker.allows()


def test_failures_of_requests_that_began_before_it_opened_do_no_harm(breaker: CircuitBreaker) -> None:
    assert all(breaker.allows() for _ in range(10))
    for _ in range(10):
        breaker.failed()
    assert breaker.is_open
    assert breaker.retry_after_s() == pytest.approx(0.5)


def test_after_its_pause_one_request_at_a_time_tries(breaker: CircuitBreaker, clock: ManualClock) -> None:
    fail(breaker, 3)
    clock.advance(0.49)
    assert not breaker.allows()
    clock.advance(0.02)
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert not breaker.is_open
    assert [breaker.allows() for _ in range(3)] == [True, True, True]


def test_a_try_that_fails_opens_it_anew_for_the_whole_pause(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    clock.advance(0.6)
    fail(breaker, 1)
    assert breaker.retry_after_s() == pytest.approx(0.5)
    assert not breaker.allows()


def test_a_try_that_came_to_nothing_lets_the_next_one_try(
    breaker: CircuitBreaker, clock: ManualClock
) -> None:
    fail(breaker, 3)
    clock.advance(0.6)
    assert breaker.allows()
    breaker.abandoned()
    assert breaker.is_open
    assert breaker.allows()


def test_it_tells_when_it_opens_and_when_it_closes(breaker: CircuitBreaker, clock: ManualClock) -> None:
    told: list[bool] = []
    breaker.on_changed = told.append
    fail(breaker, 3)
    clock.advance(0.6)
    assert breaker.allows()
    breaker.succeeded()
    breaker.succeeded()
    assert told == [True, False]


@given(st.lists(st.sampled_from(["ask", "works", "fails", "neither", "wait"]), max_size=60))
def test_it_never_stays_shut_for_longer_than_its_pause(steps: list[str]) -> None:
    clock = ManualClock()
    breaker = CircuitBreaker(3, 0.5, clock)
    under_way = 0
    for step in steps:
        if step == "ask":
            under_way += breaker.allows()
        elif step == "wait":
            clock.advance(0.2)
        elif under_way:
            under_way -= 1
            {"works": breaker.succeeded, "fails": breaker.failed, "neither": breaker.abandoned}[step]()
    if under_way:
        breaker.abandoned()  # whoever tries reports back
    clock.advance(0.5)
    assert breaker.allows()
