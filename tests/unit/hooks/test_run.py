"""What a run of a hook comes to."""

import asyncio
from typing import Any

import pytest

from hapta.hooks.registry import Hook
from hapta.hooks.reject import HookFailed, Reject
from hapta.model.clock import ManualClock
from hapta.model.errors import UpstreamLost
from tests.unit.hooks.support import Doors, never, plugin_api, runner


def hook_of(function: Any, **more: Any) -> Hook:
    api = plugin_api()
    api.validate("posts", **more)(function)
    return api.hooks[0]


async def test_refusals_and_what_pocketbase_does_not_answer_go_on_as_they_are() -> None:
    doors = Doors()
    for error in (Reject("title", code="x", message="X."), UpstreamLost()):

        async def look(change: Any, error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            await runner(doors).guard(hook_of(look), None)
        assert caught.value is error
    assert doors.runs == [("one", "validate", "rejected"), ("one", "validate", "failed")]
    assert doors.lines == []


async def test_a_deadline_of_its_own_goes_before_that_of_the_configuration() -> None:
    doors = Doors()

    async def slow(change: Any) -> str:
        await asyncio.sleep(0.08)
        return "done"

    assert await runner(doors).guard(hook_of(slow, deadline_s=1), None) == "done"
    with pytest.raises(HookFailed):
        await runner(doors).guard(hook_of(slow), None, request_id="r1")
    assert [outcome for _, _, outcome in doors.runs] == ["passed", "timed_out"]
    ((event, fields),) = doors.lines
    assert (event, fields["hook"], fields["request_id"]) == ("hook_failed", "one.slow", "r1")
    assert fields["where"].endswith(f"test_run.py:{slow.__code__.co_firstlineno}")
    assert "trace" not in fields


async def test_one_that_keeps_the_loop_to_itself_is_found_out_afterwards() -> None:
    doors, clock = Doors(), ManualClock()

    async def blocks(change: Any) -> None:
        clock.advance(3)

    with pytest.raises(HookFailed):
        await runner(doors, clock).guard(hook_of(blocks), None)
    assert "took 3.0 s without awaiting" in doors.lines[0][1]["message"]


async def test_who_is_cancelled_from_outside_is_cancelled() -> None:
    doors = Doors()
    task = asyncio.ensure_future(runner(doors).guard(hook_of(never, deadline_s=5), None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert doors.lines == []


async def test_one_that_will_not_be_cancelled_does_not_pass_however_the_clock_rounds() -> None:
    """Timers of some event loops ring a little early."""

    async def deaf(change: Any) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "passed"
        return "never"

    doors = Doors()
    with pytest.raises(HookFailed):
        await runner(doors, ManualClock()).guard(hook_of(deaf, deadline_s=0.01), None)
    assert [outcome for _, _, outcome in doors.runs] == ["timed_out"]
