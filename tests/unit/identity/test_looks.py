"""Looks under way leave nothing behind."""

import asyncio

import pytest

from hapta.identity.looks import Looks
from hapta.identity.memory import Known
from hapta.model.errors import UpstreamLost
from hapta.model.tasks import TaskSet


@pytest.mark.parametrize("fails", [False, True])
async def test_a_look_that_was_disturbed_at_its_end_is_forgotten_with_it(fails: bool) -> None:
    looks = Looks(TaskSet())
    answered = asyncio.Event()

    async def look(session_id: str) -> Known | None:
        looks.begin(session_id)
        await answered.wait()
        if fails:
            raise UpstreamLost
        return None

    asking = asyncio.ensure_future(looks.join("a", look))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    looks.disturb("a")
    assert looks.is_disturbed("a")
    answered.set()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.sleep(0)
    assert not looks.is_disturbed("a")
