"""Hooks run within their deadline, whether they wait or compute, and what they did is counted."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hapta.hooks.registry import Hook
from hapta.hooks.reject import HookFailed, Reject
from hapta.hooks.run import HookRunner
from hapta.hooks.spec import KINDS
from hapta.model.clock import SystemClock


class _Outputs:
    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.messages: list[str] = []

    def hook_done(self, plugin: str, kind: str, outcome: str, seconds: float) -> None:
        self.outcomes.append(outcome)

    def error(self, event: str, **fields: object) -> None:
        self.messages.append(f"{event}: {fields['message']}")


@pytest.fixture
def outputs() -> _Outputs:
    return _Outputs()


def _run(outputs: _Outputs, function: Callable[..., Any], deadline_s: float = 5.0) -> Awaitable[Any]:
    hook = Hook(KINDS["validate"], "mine", function, deadline_s=deadline_s)
    runner = HookRunner(
        guard_deadline_s=5.0, watcher_deadline_s=5.0, meter=outputs, log=outputs, clock=SystemClock()
    )
    return runner.guard(hook)


async def test_a_result_comes_back_with_and_without_waiting(outputs: _Outputs) -> None:
    async def at_once() -> int:
        return 1

    async def later() -> int:
        await asyncio.sleep(0.001)
        return 2

    assert [await _run(outputs, at_once), await _run(outputs, later)] == [1, 2]
    assert outputs.outcomes == ["passed", "passed"]


async def test_a_hook_that_waits_too_long_is_stopped_where_it_waits(outputs: _Outputs) -> None:
    stopped: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            stopped.append("yes")

    with pytest.raises(HookFailed):
        await _run(outputs, slow, 0.01)
    assert stopped == ["yes"]
    assert outputs.outcomes == ["timed_out"]
    assert outputs.messages == ["hook_failed: mine.slow: took longer than 0.01 s"]


@pytest.mark.parametrize("waits", [False, True], ids=["and never waits", "and then waits"])
async def test_a_hook_that_computes_too_long_is_found_out(outputs: _Outputs, waits: bool) -> None:
    async def busy() -> None:
        time.sleep(0.02)  # noqa: ASYNC251 - it does what a hook must not do
        if waits:
            await asyncio.sleep(10)

    with pytest.raises(HookFailed):
        await asyncio.wait_for(_run(outputs, busy, 0.01), 5)
    assert outputs.outcomes == ["timed_out"]


async def test_a_time_out_of_its_own_is_no_deadline(outputs: _Outputs) -> None:
    async def impatient() -> None:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(10)

    with pytest.raises(HookFailed):
        await _run(outputs, impatient)
    assert outputs.outcomes == ["failed"]
    assert outputs.messages == ["hook_failed: mine.impatient: TimeoutError: "]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after it waited"])
async def test_a_refusal_passes_as_it_is(outputs: _Outputs, waits: bool) -> None:
    async def refuses() -> None:
        if waits:
            await asyncio.sleep(0)
        raise Reject("title", code="no", message="No.")

    with pytest.raises(Reject):
        await _run(outputs, refuses)
    assert outputs.outcomes == ["rejected"]
    assert outputs.messages == []


async def test_who_leaves_takes_the_hook_with_him(outputs: _Outputs) -> None:
    async def waiting() -> None:
        await asyncio.sleep(10)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.wait_for(_run(outputs, waiting), 5))
        await asyncio.sleep(0.01)
        task.cancel()
    assert task.cancelled()
    assert outputs.outcomes == ["failed"]
