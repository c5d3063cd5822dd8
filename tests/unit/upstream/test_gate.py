"""So many at once, so many in line, so long."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.model.errors import Overloaded
from hapta.model.tasks import TaskSet
from hapta.upstream.gate import FairGate, Gate


@pytest.fixture
async def tasks() -> AsyncIterator[TaskSet]:
    owned = TaskSet()
    yield owned
    await owned.cancel()


async def spin() -> None:
    """Let everybody run until they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


async def free_slots(gate: Gate, at_most: int = 20) -> int:
    """How many can enter without waiting; gives them back."""
    taken = 0
    while taken < at_most:
        try:
            async with asyncio.timeout(0.005):
                await gate.enter()
        except (TimeoutError, Overloaded):
            break
        taken += 1
    for _ in range(taken):
        gate.leave()
    return taken


async def test_slots_are_given_out_and_come_back() -> None:
    gate = Gate(3, 5, 1.0)
    assert await free_slots(gate) == 3
    assert await free_slots(gate) == 3


async def test_one_more_than_the_line_holds_is_refused_at_once(tasks: TaskSet) -> None:
    gate = Gate(1, 2, 10.0)
    await gate.enter()
    waiting = [tasks.spawn(gate.enter(), name="waits") for _ in range(2)]
    await spin()
    with pytest.raises(Overloaded):
        await gate.enter()
    assert not any(task.done() for task in waiting)


async def test_who_waits_too_long_is_refused_and_its_place_free(tasks: TaskSet) -> None:
    gate = Gate(1, 1, 0.01)
    await gate.enter()
    for _ in range(3):
        with pytest.raises(Overloaded):
            await gate.enter()
    gate.leave()
    assert await free_slots(gate) == 1


async def test_first_come_first_served_and_nobody_overtakes_the_line(tasks: TaskSet) -> None:
    gate = Gate(1, 5, 10.0)
    order: list[int] = []

    async def visit(number: int) -> None:
        await gate.enter()
        order.append(number)

    await gate.enter()
    for number in range(3):
        tasks.spawn(visit(number), name=f"visit {number}")
        await spin()
    gate.leave()
    late = tasks.spawn(visit(9), name="late")  # comes while the slot is on its way to the first in line
    await spin()
    assert order == [0]
    for _ in range(3):
        gate.leave()
        await spin()
    assert order == [0, 1, 2, 9]
    await late


async def test_a_slot_that_arrives_together_with_the_cancellation_is_passed_on(tasks: TaskSet) -> None:
    gate = Gate(1, 5, 10.0)
    await gate.enter()
    first = tasks.spawn(gate.enter(), name="first")
    second = tasks.spawn(gate.enter(), name="second")
    await spin()
    gate.leave()
    first.cancel()
    await spin()
    assert first.cancelled()
    assert second.done()
    gate.leave()
    assert await free_slots(gate) == 1


async def test_who_is_cancelled_in_line_takes_no_slot(tasks: TaskSet) -> None:
    gate = Gate(1, 5, 10.0)
    await gate.enter()
    waiting = tasks.spawn(gate.enter(), name="waits")
    await spin()
    waiting.cancel()
    gate.leave()
    await spin()
    assert await free_slots(gate) == 1


@given(st.lists(st.sampled_from(["enter", "leave", "cancel first", "cancel last"]), max_size=40))
def test_whatever_happens_no_slot_is_lost_or_invented(steps: list[str]) -> None:
    async def play() -> None:
        gate, tasks, inside = Gate(2, 4, 10.0), TaskSet(), 0
        visits: list[asyncio.Task[None]] = []
        entered: list[asyncio.Task[None]] = []
        for step in steps:
            pending = [task for task in visits if not task.done()]
            if step == "enter":
                visits.append(tasks.spawn(gate.enter(), name="enter"))
            elif step == "leave" and inside:
                gate.leave()
                entered.pop()
            elif step.startswith("cancel") and pending:
                pending[0 if step.endswith("first") else -1].cancel()
            await spin()
            done = [task for task in visits if task.done()]
            visits = [task for task in visits if not task.done()]
            entered += [task for task in done if not task.cancelled() and task.exception() is None]
            inside = len(entered)
            assert inside <= 2
            assert len(visits) <= 4
            assert not visits or inside == 2, "somebody waits although there is room"
        await tasks.cancel()
        for _ in range(inside):
            gate.leave()
        assert await free_slots(gate) == 2

    asyncio.run(play())


async def test_one_client_takes_three_quarters_at_most_and_the_rest_is_for_others(tasks: TaskSet) -> None:
    gate = FairGate(8, 20, 10.0)
    greedy = [tasks.spawn(gate.enter(1), name="greedy") for _ in range(10)]
    await spin()
    assert sum(task.done() for task in greedy) == 6
    await gate.enter(2)
    await gate.enter(None)
    gate.leave(2)
    gate.leave(1)
    await spin()
    assert sum(task.done() for task in greedy) == 7


@pytest.mark.parametrize("slots", [1, 2, 3])
async def test_of_a_few_slots_one_client_may_have_all(slots: int) -> None:
    gate = FairGate(slots, 0, 10.0)
    for _ in range(slots):
        await gate.enter(1)
    with pytest.raises(Overloaded):
        await gate.enter(1)


async def test_who_is_refused_or_leaves_the_line_is_forgotten(tasks: TaskSet) -> None:
    gate = FairGate(4, 1, 10.0)
    for _ in range(3):
        await gate.enter(1)
    await gate.enter(None)
    waiting = [tasks.spawn(gate.enter(owner), name="waits") for owner in (1, 2)]
    await spin()
    with pytest.raises(Overloaded):
        await gate.enter(3)
    for task in waiting:
        task.cancel()
    await spin()
    for owner in (1, 1, 1, None):
        gate.leave(owner)
    for owner in range(4):
        await gate.enter(owner)
    for owner in range(4):
        gate.leave(owner)
    assert not gate._own
