"""hapta.app.ranked.settle: who waits for which event."""

import asyncio

import pytest

from hapta.app.ranked import settle
from hapta.app.ranked.settle import EXPECTED_S, OwnWrites
from hapta.model.clock import ManualClock

POSTS = {"posts"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def writes(clock: ManualClock) -> OwnWrites:
    return OwnWrites(clock)


async def waits(writes: OwnWrites) -> asyncio.Task[None]:
    waiting = asyncio.create_task(writes.settle(POSTS))
    await asyncio.sleep(0)
    return waiting


async def test_who_asks_after_a_write_waits_for_its_event(writes: OwnWrites) -> None:
    writes.wrote("posts", "a")
    writes.wrote("posts", "b")
    waiting = await waits(writes)
    writes.applied("posts", "b")
    await asyncio.sleep(0)
    assert not waiting.done()
    writes.applied("posts", "a")
    await waiting
    assert len(writes) == 0


async def test_nobody_waits_for_other_collections_or_without_a_write(writes: OwnWrites) -> None:
    assert (await waits(writes)).done()
    writes.wrote("comments", "a")
    assert (await waits(writes)).done()


async def test_nobody_waits_for_writes_answered_while_they_wait(writes: OwnWrites) -> None:
    writes.wrote("posts", "a")
    waiting = await waits(writes)
    writes.wrote("posts", "b")
    writes.applied("posts", "a")
    await waiting
    assert len(writes) == 1


async def test_an_event_that_came_before_the_answer_is_not_waited_for(
    writes: OwnWrites, clock: ManualClock
) -> None:
    writes.applied("posts", "a")
    clock.advance(0.001)
    writes.wrote("posts", "a")
    assert len(writes) == 0
    writes.wrote("posts", "a", started_at=clock.monotonic())  # it is that of a write before
    assert len(writes) == 1


async def test_an_event_is_not_waited_for_long_after_the_write(writes: OwnWrites, clock: ManualClock) -> None:
    writes.wrote("posts", "a")
    clock.advance(EXPECTED_S)
    assert (await waits(writes)).done()
    assert len(writes) == 0


async def test_an_event_that_does_not_come_is_waited_for_once(
    writes: OwnWrites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "WAITED_S", 0.001)
    writes.wrote("posts", "a")
    await writes.settle(POSTS)
    assert len(writes) == 0


async def test_a_gap_ends_the_waiting(writes: OwnWrites) -> None:
    writes.wrote("posts", "a")
    waiting = await waits(writes)
    writes.forget()
    await waiting


async def test_what_is_remembered_is_bounded(writes: OwnWrites, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "_MOST", 3)
    for number in range(9):
        writes.wrote("posts", f"w{number}")
        writes.applied("posts", f"e{number}")
    assert len(writes) == len(writes._applied) == 3
