"""What is known of rows is bounded, and a write to a known row costs what its values cost."""

import time

import pytest

from hapta.cache.generations import Generations
from hapta.cache.known_rows import MAX_VALUES, KnownRows
from hapta.cache.restrictions import Restriction
from hapta.cache.tags import any_row, anywhere, record, restricted
from hapta.model.clock import ManualClock
from tests.unit.cache.plan_world import COMMENTS, POSTS, schema

BY_POST = Restriction("post", "relation", "x")


def known(**more: int) -> KnownRows:
    clock = ManualClock()
    rows = KnownRows(Generations(clock), clock, **more)
    rows.watch(COMMENTS, BY_POST)
    return rows


def test_it_weighs_no_more_than_it_may() -> None:
    rows = known(max_bytes=50_000)
    rows.learn(COMMENTS, ({"id": f"c{number}", "post": "p" * 200} for number in range(500)))
    assert 10 < len(rows) < 50
    assert rows.weight <= 50_000
    assert rows.get(COMMENTS, "c499") is not None
    assert rows.get(COMMENTS, "c0") is None


def test_of_collections_nobody_restricts_nothing_is_kept() -> None:
    rows = known()
    rows.learn(POSTS, [{"id": "p1", "author": "u1"}])
    assert len(rows) == 0


def test_a_row_that_wanders_is_forgotten() -> None:
    rows = known()
    for number in range(MAX_VALUES):
        rows.learn(COMMENTS, [{"id": "c1", "post": f"p{number}"}])
    assert rows.get(COMMENTS, "c1") is not None
    rows.learn(COMMENTS, [{"id": "c1", "post": "one more"}])
    assert rows.get(COMMENTS, "c1") is None


@pytest.mark.parametrize("row", [{"id": "c1", "post": "p2"}, None])
def test_an_event_that_waits_for_a_write_moves_the_lists_it_may_have_brought_the_row_to(
    row: dict[str, str] | None,
) -> None:
    clock = ManualClock()
    generations = Generations(clock)
    rows = KnownRows(generations, clock)
    rows.watch(COMMENTS, BY_POST)
    rows.learn(COMMENTS, [{"id": "c1", "post": "p1"}])
    write = rows.begin(frozenset({record(COMMENTS, "c1"), anywhere(COMMENTS)}), COMMENTS, "c1", "update")
    fence = generations.fence({restricted(COMMENTS, "post", "p2"), anywhere(COMMENTS)})
    assert fence is not None
    rows.held(COMMENTS, "c1", "update", {"id": "c1", "post": "p1"})
    assert fence.holds()
    rows.held(COMMENTS, "c1", "update", row)
    assert not fence.holds()
    write.close(has_changed=True, row={"id": "c1", "post": "p1"}, is_sole=False)


def test_whoever_wants_full_events_is_told_once_for_each_collection() -> None:
    told = []
    clock = ManualClock()
    rows = KnownRows(Generations(clock), clock, on_watched=lambda: told.append(rows.collections))
    for _ in range(2):
        rows.watch(COMMENTS, BY_POST)
        rows.watch(COMMENTS, Restriction("by", "relation", None))
    assert told == [{COMMENTS}]


def test_a_field_that_is_gone_or_of_another_kind_is_watched_no_more() -> None:
    rows = known()
    rows.watch(COMMENTS, Restriction("by", "text", "x"))
    rows.watch("pbc_gone", BY_POST)
    rows.keep_up(schema())
    assert rows.collections == {COMMENTS}
    assert rows.values_of(COMMENTS, {"post": "p1", "by": "u1"}) == {"post": "p1"}


def test_a_write_costs_the_same_however_many_rows_are_known() -> None:
    def cost_us(count: int) -> float:
        rows = known()
        rows.learn(COMMENTS, ({"id": f"c{number}", "post": f"p{number % 50}"} for number in range(count)))
        tags = frozenset({any_row(COMMENTS), anywhere(COMMENTS), record(COMMENTS, "c1")})
        row = {"id": "c1", "post": "p1"}
        best = float("inf")
        for _ in range(5):
            started = time.process_time()
            for _ in range(200):
                rows.begin(tags, COMMENTS, "c1", "update").close(has_changed=True, row=row)
            best = min(best, (time.process_time() - started) / 200 * 1e6)
        return best

    few, many = cost_us(10), cost_us(10_000)
    print(f"a write to a known row: {few:.1f} µs with 10 known, {many:.1f} µs with 10,000")
    assert many < 5 * few + 20
