"""The engine against the oracle, and its promises, under a clock that stands still between requests."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hapta.limits.gcra import NS, Quota
from hapta.limits.table import Table
from tests.unit.limits.oracle import Oracle

QUOTAS = st.tuples(
    st.sampled_from([1, 2, 3, 7, 10, 60, 100, 600, 999_983]),
    st.sampled_from([0.001, 0.5, 1.0, 7.0, 60.0, 86_400.0]),
    st.integers(1, 1000),
).map(lambda drawn: (drawn[0], drawn[1], min(drawn[0], drawn[2])))
EXACT = QUOTAS.filter(lambda quota: round(quota[1] * NS) % quota[0] == 0)
COSTS = st.sampled_from([1, 1, 1, 2, 5, 0.5, 0.25, 1000])
WAITS = st.one_of(
    st.integers(0, 10), st.integers(0, NS), st.integers(0, 100 * NS), st.floats(0, 3).map(lambda w: -w)
)
"""Nanoseconds; a negative one counts steps of the quota: exactly at the edge is where mistakes live."""
STEPS = st.lists(st.tuples(WAITS, COSTS, st.booleans()), min_size=1, max_size=60)


def wait_ns(quota: Quota, wait: float) -> int:
    return int(wait) if wait >= 0 else int(-wait * 4) * quota.step_ns // 4


@settings(deadline=None)  # on a busy machine
@given(given_quota=EXACT, steps=STEPS)
def test_every_decision_is_that_of_exact_arithmetic(
    given_quota: tuple[int, float, int], steps: list[tuple[float, float, bool]]
) -> None:
    max_requests, duration_s, burst = given_quota
    quota = Quota.of(max_requests, duration_s, burst)
    oracle = Oracle(max_requests, Fraction(round(duration_s * NS), NS), burst)
    table, now = Table(quota, 10), 0
    for wait, cost, is_charge in steps:
        if not float(cost * quota.step_ns).is_integer():
            cost = 1
        now += wait_ns(quota, wait)
        now_s = Fraction(now, NS)
        if is_charge:
            table.charge_more("key", cost, now)
            oracle.charge_more(Fraction(cost), now_s)
            continue
        decision = table.take("key", cost, now)
        expected_s = oracle.take(Fraction(cost), now_s)
        assert decision.allowed == (expected_s == 0)
        assert decision.retry_after_s == pytest.approx(float(expected_s), abs=1e-12)
        assert decision.remaining == oracle.remaining(now_s)
        assert decision.reset_s == pytest.approx(float(max(Fraction(0), oracle.tat_s - now_s)), abs=1e-12)


@settings(deadline=None)  # on a busy machine
@given(given_quota=QUOTAS, other_quota=QUOTAS, steps=STEPS)
def test_an_offer_is_the_decision_in_one_number(
    given_quota: tuple[int, float, int],
    other_quota: tuple[int, float, int],
    steps: list[tuple[float, float, bool]],
) -> None:
    plain, quick, now = Table(Quota.of(*given_quota), 10), Table(Quota.of(*given_quota), 10), 0
    for number, (wait, cost, is_charge) in enumerate(steps):
        if number == len(steps) // 2:  # what is owed may then be more than the new quota lets anybody owe
            plain.quota = quick.quota = Quota.of(*other_quota)
        now += wait_ns(plain.quota, wait)
        if is_charge:
            plain.charge_more("key", cost, now)
            quick.charge_more("key", cost, now)
        decision, offer = plain.take("key", cost, now), quick.offer("key", cost, now)
        assert offer == (decision.tat if decision.allowed else -1)
        if offer >= 0:
            quick.settle("key", offer, now)
        assert quick.tat("key") == plain.tat("key")


@settings(deadline=None)  # on a busy machine
@given(given_quota=QUOTAS, waits=st.lists(WAITS, min_size=1, max_size=300))
def test_never_more_than_the_burst_at_once_and_the_rate_after_it(
    given_quota: tuple[int, float, int], waits: list[float]
) -> None:
    max_requests, duration_s, burst = given_quota
    quota = Quota.of(max_requests, duration_s, burst)
    duration_ns = round(duration_s * NS)
    table, now, times = Table(quota, 10), 0, []
    for wait in waits:
        now += wait_ns(quota, wait)
        if table.take("key", 1, now).allowed:
            times.append(now)
    for first, start in enumerate(times):
        for count, end in enumerate(times[first:], 1):
            assert count <= burst + Fraction((end - start) * max_requests, duration_ns)
        in_window = sum(start <= at < start + duration_ns for at in times)
        assert in_window < 2 * max_requests or max_requests == in_window == 1


@pytest.mark.parametrize(("max_requests", "burst"), [(600, 200), (7, 7), (1, 1)])
def test_who_asks_all_the_time_gets_exactly_the_rate(max_requests: int, burst: int) -> None:
    quota = Quota.of(max_requests, 60.0, burst)
    table, allowed = Table(quota, 10), 0
    for tick in range(10 * 60 * 50):  # ten minutes, fifty times a second
        allowed += table.take("key", 1, tick * NS // 50).allowed
    assert allowed in (burst + max_requests * 10 - 1, burst + max_requests * 10)


def test_a_wait_as_long_as_it_says_is_long_enough_and_no_shorter() -> None:
    table = Table(Quota.of(7, 60.0, 3), 10)
    for _ in range(3):
        assert table.take("key", 1, 0).allowed
    refused = table.take("key", 1, 0)
    assert not refused.allowed
    wait = round(refused.retry_after_s * NS)
    assert not table.take("key", 1, wait - 1).allowed
    assert table.take("key", 1, wait).allowed


def test_what_costs_more_than_the_burst_is_allowed_when_all_of_it_is_there_and_then_owed() -> None:
    table = Table(Quota.of(10, 10.0, 5), 10)
    assert table.take("key", 8, 0).allowed
    assert table.take("key", 8, 0).retry_after_s == 8
    assert table.take("key", 1, 0).retry_after_s == 4
    assert table.take("key", 8, 8 * NS).allowed


def test_a_debt_never_keeps_anybody_out_for_longer_than_one_duration() -> None:
    table = Table(Quota.of(10, 10.0, 5), 10)
    for _ in range(50):
        table.charge_more("key", 1000, 0)
    assert table.take("key", 1, 0).retry_after_s == 11
    assert table.take("key", 1, 11 * NS).allowed


def test_what_was_owed_stays_owed_under_a_new_quota_within_its_ceiling() -> None:
    table = Table(Quota.of(10, 10.0, 10), 10)
    for _ in range(10):
        assert table.take("key", 1, 0).allowed
    table.quota = Quota.of(100, 10.0, 20)
    assert not table.take("key", 1, 0).allowed
    table.quota = Quota.of(1000, 1.0, 10)
    refused = table.take("key", 1, 0)
    assert refused.retry_after_s == pytest.approx(1.001)
