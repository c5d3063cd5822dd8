"""Queues of watchers: order, bounds, and an end to each."""

import asyncio
from typing import Any

from hapta.hooks.registry import Hook
from hapta.hooks.watchers import Watchers
from tests.unit.hooks.support import Doors, never, plugin_api, runner


def hook_of(function: Any) -> Hook:
    api = plugin_api()
    api.on_change("posts")(function)
    return api.hooks[0]


async def test_each_gets_everything_in_order_whatever_the_others_do() -> None:
    doors, got = Doors(), []
    watchers = Watchers(runner(doors), doors, doors)

    async def quick(number: int) -> None:
        got.append(number)
        if number % 3 == 0:
            raise ValueError
        if number % 3 == 1:
            raise asyncio.CancelledError  # as of something it awaited

    async def stuck(number: int) -> None:
        await never()

    hooks = [hook_of(stuck), hook_of(quick)]
    for number in range(10):
        watchers.tell(hooks, number)
    await asyncio.sleep(0.02)
    assert got == list(range(10))
    await watchers.stop()


async def test_what_comes_while_too_much_waits_is_dropped_counted_and_told_once() -> None:
    doors, got = Doors(), []
    watchers = Watchers(runner(doors), doors, doors, most_waiting=3)

    async def slow(number: int) -> None:
        await asyncio.sleep(0.001)
        got.append(number)

    hook = hook_of(slow)
    for number in range(8):
        watchers.tell([hook], number)
    assert doors.dropped == [("one", "on_change")] * 5
    assert [event for event, _ in doors.lines] == ["watcher_behind"]
    assert await watchers.drain(1) == 0
    watchers.tell([hook], 8)
    assert await watchers.drain(1) == 0
    assert got == [0, 1, 2, 8]
    await asyncio.sleep(0)
    for number in range(8):
        watchers.tell([hook], number)
    assert len(doors.lines) == 2, "it had caught up: told again"
    await watchers.stop()


async def test_nothing_runs_while_they_are_held() -> None:
    doors, got = Doors(), []
    watchers = Watchers(runner(doors), doors, doors)

    async def watch(number: int) -> None:
        got.append(number)

    watchers.hold()
    watchers.tell([hook_of(watch)], 1)
    assert await watchers.drain(1) == 1
    assert got == []
    watchers.release()
    assert await watchers.drain(1) == 0
    assert got == [1]
    await watchers.stop()


async def test_one_that_retires_does_what_waits_and_leaves_nothing() -> None:
    doors, got = Doors(), []
    watchers = Watchers(runner(doors), doors, doors)

    async def watch(number: int) -> None:
        got.append(number)

    async def stuck(number: int) -> None:
        await never()

    tasks = asyncio.all_tasks()
    done, left = hook_of(watch), hook_of(stuck)
    watchers.tell([done, left], 1)
    watchers.tell([done, left], 2)
    assert await watchers.retire([done], 1) == 0
    assert await watchers.retire([left], 0.01) == 2
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert got == [1, 2]
    assert asyncio.all_tasks() == tasks
