"""Fetches that several reads wait for."""

import asyncio

import pytest

from hapta.cache.flights import Flights
from hapta.cache.generations import Fence, Generations
from hapta.cache.tags import any_row
from hapta.model.clock import ManualClock

LIST = any_row("posts")


class Fetch:
    """Ends when told."""

    def __init__(self) -> None:
        self.generations = Generations(ManualClock())
        self.flights: Flights[str] = Flights()
        self.gate = asyncio.Event()
        self.error: Exception | None = None
        self.begun = 0

    def fence(self) -> Fence:
        taken = self.generations.fence([LIST])
        assert taken is not None
        return taken

    async def __call__(self) -> str:
        self.begun += 1
        number = self.begun
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return f"answer {number}"

    def lead(self) -> "asyncio.Task[str]":
        return asyncio.ensure_future(self.flights.lead("key", self.fence(), self))  # type: ignore[return-value]

    def join(self) -> "asyncio.Task[str]":
        return asyncio.ensure_future(self.flights.join("key"))  # type: ignore[return-value]


async def test_who_comes_meanwhile_gets_the_same_answer_and_who_comes_later_none() -> None:
    fetch = Fetch()
    leader = fetch.lead()
    await asyncio.sleep(0)
    assert fetch.flights.is_joinable("key")
    assert not fetch.flights.is_joinable("other")
    joiner = fetch.join()
    fetch.gate.set()
    assert await asyncio.gather(leader, joiner) == ["answer 1", "answer 1"]
    assert not fetch.flights.is_joinable("key")
    assert len(fetch.flights) == 0


async def test_a_fetch_behind_a_broken_fence_is_not_joined_and_a_later_one_takes_its_place() -> None:
    fetch = Fetch()
    old = fetch.lead()
    await asyncio.sleep(0)
    fetch.generations.move([LIST])
    assert not fetch.flights.is_joinable("key")
    new = fetch.lead()
    await asyncio.sleep(0)
    assert fetch.flights.is_joinable("key")
    joiner = fetch.join()
    fetch.gate.set()
    assert await asyncio.gather(old, new, joiner) == ["answer 1", "answer 2", "answer 2"]
    assert len(fetch.flights) == 0


async def test_whoever_leaves_does_not_end_it_for_the_rest() -> None:
    fetch = Fetch()
    leader = fetch.lead()
    await asyncio.sleep(0)
    joiner, other = fetch.join(), fetch.join()
    await asyncio.sleep(0)
    leader.cancel()
    other.cancel()
    fetch.gate.set()
    assert await joiner == "answer 1"


async def test_an_error_reaches_all_and_is_nobodys_secret_when_all_have_left() -> None:
    fetch = Fetch()
    fetch.error = ValueError("no")
    leader = fetch.lead()
    await asyncio.sleep(0)
    joiner = fetch.join()
    fetch.gate.set()
    assert [type(found) for found in await asyncio.gather(leader, joiner, return_exceptions=True)] == [
        ValueError,
        ValueError,
    ]
    fetch.gate.clear()
    leader = fetch.lead()
    await asyncio.sleep(0)
    leader.cancel()
    fetch.gate.set()
    await asyncio.sleep(0.01)
    assert len(fetch.flights) == 0


@pytest.mark.parametrize("how", ["answer", "error", "close"])
async def test_the_fence_hears_of_every_end(how: str) -> None:
    fetch = Fetch()
    fetch.error = ValueError("no") if how == "error" else None
    leader = fetch.lead()
    await asyncio.sleep(0.01)
    assert fetch.generations._fetching == 1
    if how == "close":
        await fetch.flights.close()
    fetch.gate.set()
    await asyncio.gather(leader, return_exceptions=True)
    assert fetch.generations._fetching == 0
