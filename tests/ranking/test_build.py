"""A table on its way: what is told of a row counts more than a page, and others have their turn."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hapta.app.ranked.build import Build
from hapta.app.ranked.rows import MOST_IDS, portions
from hapta.model.clock import ManualClock
from hapta.ranking.table import FeatureTable
from tests.ranking.schema import spec

SPEC = spec({"signals": {"views": {"field": "views"}}})


class Slow(ManualClock):
    """Each look takes a millisecond."""

    def monotonic(self) -> float:
        self.advance(0.001)
        return super().monotonic()


def build(clock: ManualClock | None = None) -> Build:
    clock = clock or ManualClock()
    return Build(SPEC, FeatureTable(SPEC, clock=clock), {}, why="start", clock=clock)


async def begun(made: Build) -> None:
    """Some rows are in, and others have their turn."""
    for _ in range(100):
        if made.rows:
            return
        await asyncio.sleep(0)


def row(record_id: str, views: int) -> dict[str, Any]:
    return {"id": record_id, "views": views, "created": "2026-01-02 03:04:05.678Z"}


def views(made: Build) -> dict[str, float]:
    column = made.table.features().signals["views"]
    ids = {made.table.id_of(slot): float(value) for slot, value in enumerate(column)}
    return {record_id: value for record_id, value in ids.items() if record_id is not None}


async def test_a_page_does_not_undo_what_was_told() -> None:
    made = build()
    made.told("POSTS", "a", row("a", 2))
    made.told("POSTS", "b", None)
    made.told("COMMENTS", "c", None)
    await made.take("POSTS", [row("a", 1), row("b", 1), row("c", 1)])
    assert views(made) == {"a": 2, "c": 1}
    assert made.rows == 1


async def test_what_is_told_in_the_middle_of_a_page_counts_too() -> None:
    made, told = build(Slow()), [f"p{number}" for number in range(200)]
    taking = asyncio.create_task(made.take("POSTS", [row(each, 1) for each in told]))
    await begun(made)
    assert 0 < made.rows < 200
    made.told("POSTS", "p0", row("p0", 2))
    made.told("POSTS", "p199", None)
    await taking
    assert views(made) == {**dict.fromkeys(told[:-1], 1), "p0": 2}


async def test_others_have_their_turn_while_rows_are_put_in() -> None:
    made, turns = build(Slow()), 0
    taking = asyncio.create_task(made.take("POSTS", [row(f"p{number}", 1) for number in range(640)]))
    while not taking.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 640 / 16 / 5


async def test_a_build_that_is_abandoned_takes_nothing_more() -> None:
    made = build(Slow())
    taking = asyncio.create_task(made.take("POSTS", [row(f"p{number}", 1) for number in range(640)]))
    await begun(made)
    made.abandon()
    await taking
    assert 0 < made.rows < 640


@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=100), max_size=400))
def test_ids_of_any_length_go_into_filters_that_pocketbase_takes(ids: list[str]) -> None:
    found = portions(ids)
    assert [each for part in found for each in part] == ids
    for part in found:
        assert 1 <= len(part) <= MOST_IDS
        assert len(" || ".join(f"id = '{each}'" for each in part)) <= 3300
