"""The store: its budget, who is admitted, what is counted."""

import pytest

from hapta.cache.generations import Standing
from hapta.model.clock import ManualClock
from tests.unit.cache.support import Fence, ask, store, stored

MIB = 2**20


def test_what_is_put_is_got_until_it_is_discarded() -> None:
    held = store(MIB)
    made = stored("a")
    assert held.put("a", made)
    assert held.get("a") is held.peek("a") is made
    assert "a" in held
    assert held.discard("a") is made
    assert held.get("a") is held.peek("a") is held.discard("a") is None
    assert len(held) == 0
    held.check_invariants()


def test_a_newer_response_takes_the_place_of_the_older() -> None:
    held = store(MIB)
    held.put("a", stored("a", bytes(100)))
    newer = stored("a", bytes(50_000))
    assert held.put("a", newer)
    assert held.get("a") is newer
    assert held.tallies["posts"].responses == 1
    assert held.tallies["posts"].weight == newer.weight
    held.check_invariants()


@pytest.mark.parametrize("uses", [0, 1, 3], ids=["in the window", "protected", "protected for long"])
def test_one_that_is_too_large_is_refused_and_drops_the_older(uses: int) -> None:
    held = store(MIB)
    for number in range(uses * 20):
        ask(held, f"other{number}", 2000)
    held.put("a", stored("a"))
    for _ in range(uses):
        held.get("a")
    assert not held.put("a", stored("a", bytes(MIB // 8)))
    assert "a" not in held
    assert held.tallies["posts"].not_admitted == 1
    held.check_invariants()


def test_the_largest_allowed_is_admitted_where_there_is_room() -> None:
    held = store(MIB)
    largest = stored("a", bytes(held.max_response_bytes - 1000))
    assert held.put("a", largest)
    held.check_invariants()


def test_the_budget_is_kept_whatever_is_put() -> None:
    held = store(MIB)
    for number in range(3000):
        ask(held, f"k{number * number % 701}", number * 7919 % 60_000)
        assert held.weight <= MIB
        if number % 100 == 0:
            held.check_invariants()
    assert held.weight > 0.9 * MIB


def test_replacing_protected_responses_by_larger_ones_keeps_the_budget() -> None:
    held = store(MIB)
    keys = [f"k{number}" for number in range(80)]
    for body_bytes in (1000, 8000, 20_000, 100_000):
        for key in keys * 3:
            held.get(key)
            held.put(key, stored(key, bytes(body_bytes)))
            held.check_invariants()
    assert held.tallies["posts"].evicted > 0


@pytest.mark.parametrize("uses", [2, 5])
def test_a_scan_of_100_000_keys_does_not_evict_what_was_used_twice(uses: int) -> None:
    held = store(8 * MIB)
    hot = [f"hot{number}" for number in range(400)]
    for key in hot * uses:
        ask(held, key, 5000)
    scanned = [stored("once12345", bytes(number * 1000)) for number in range(10)]
    for number in range(100_000):
        if held.get(f"once{number}") is None:
            held.put(f"once{number}", scanned[number % 10])
    assert sum(key in held for key in hot) >= 0.95 * len(hot)
    held.check_invariants()


def test_what_becomes_popular_gets_in_and_what_no_longer_is_gets_out() -> None:
    held = store(MIB)
    old, new = ([f"{name}{number}" for number in range(150)] for name in ("old", "new"))
    for key in old * 10:
        ask(held, key, 5000)
    for key in new * 30:
        ask(held, key, 5000)
    assert sum(key in held for key in new) > 0.8 * len(new)


def test_a_large_response_must_be_worth_the_small_ones_it_displaces() -> None:
    held = store(MIB)
    small = [f"s{number}" for number in range(200)]
    for key in small * 4:
        ask(held, key, 4500)
    for _ in range(10):  # more often than any of them, less often than twenty together
        ask(held, "large", 100_000)
    assert "large" not in held
    assert sum(key in held for key in small) > 190


def test_a_large_one_in_demand_displaces_what_nobody_asks_for_again() -> None:
    held = store(MIB)
    for number in range(400):
        ask(held, f"once{number}", 4500)
    for _ in range(3):
        ask(held, "large", 100_000)
    assert "large" in held
    held.check_invariants()


@pytest.mark.parametrize("how", ["written", "too old"])
def test_what_may_not_be_served_any_more_makes_room_first(how: str) -> None:
    clock, fence = ManualClock(), Fence()
    held = store(MIB, clock)
    for _ in range(5):
        for number in range(300):
            key = f"k{number}"
            if held.get(key) is None:
                held.put(key, stored(key, bytes(4500), fence=fence))
    if how == "written":
        fence.now = Standing.BROKEN
    else:
        clock.advance(301)
    late = [f"new{number}" for number in range(100)]
    for key in late:
        if held.get(key) is None:
            held.put(key, stored(key, bytes(4500), stored_at=clock.monotonic()))
    assert all(key in held for key in late)
    held.check_invariants()


def test_what_an_open_write_keeps_from_being_served_stays() -> None:
    held, fence = store(MIB), Fence()
    hot = [f"k{number}" for number in range(150)]
    for _ in range(3):
        for key in hot:
            if held.get(key) is None:
                held.put(key, stored(key, bytes(4500), fence=fence))
    fence.now = Standing.UNSETTLED
    for number in range(200):
        ask(held, f"once{number}", 4500)
    assert all(key in held for key in hot)


def test_each_collection_has_its_counts() -> None:
    held = store(MIB)
    for number in range(400):
        held.put(f"p{number}", stored("p", bytes(4500)))
    held.put("u", stored("u", collection="users"))
    posts, users = held.tallies["posts"], held.tallies["users"]
    assert posts.responses + posts.evicted + posts.not_admitted == 400
    assert posts.not_admitted > 0
    assert (users.responses, users.evicted, users.not_admitted) == (1, 0, 0)
    assert posts.weight + users.weight < held.weight <= MIB
    held.check_invariants()


def test_purging_drops_one_collection_and_clearing_all() -> None:
    held = store(MIB)
    for number in range(20):
        held.put(f"p{number}", stored("p"))
        held.put(f"u{number}", stored("u", collection="users"))
        held.get(f"p{number % 7}")
    assert held.purge("posts") == 20
    assert held.purge("posts") == held.purge("unknown") == 0
    assert len(held) == 20
    assert held.tallies["posts"].weight == 0
    held.check_invariants()
    assert held.clear() == 20
    assert len(held) == 0
    held.check_invariants()


def test_peeking_and_looking_change_nothing() -> None:
    held = store(MIB)
    for number in range(20):
        held.put(f"k{number}", stored("k", bytes(4500)))
    before = list(held.responses())
    assert held.peek("k0") is not None
    assert "k0" in held
    assert list(held.responses()) == before


def test_the_same_calls_have_the_same_outcome() -> None:
    outcomes = []
    for _ in range(2):
        held = store(MIB)
        for number in range(2000):
            ask(held, f"k{number * number % 997}", number * 7919 % 20_000)
        outcomes.append([key for key, _ in held.responses()])
    assert outcomes[0] == outcomes[1]
