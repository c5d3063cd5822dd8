"""A coroutine stepped first and awaited then is as good as one that is awaited."""

import asyncio

import pytest

from hapta.hooks.begun import Done, Waits, begin, rest


async def _whole(coroutine: object) -> object:
    begun = begin(coroutine)  # type: ignore[arg-type]
    return begun.result if isinstance(begun, Done) else await rest(begun)


async def test_what_never_waits_is_done_at_once() -> None:
    async def hook() -> int:
        return 7

    assert begin(hook()) == Done(7)


async def test_what_waits_goes_on_to_its_result_through_every_wait() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def hook() -> list[int]:
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(future.set_result, 3)
        found = await future
        await asyncio.sleep(0.001)
        async with asyncio.TaskGroup() as group:
            other = group.create_task(asyncio.sleep(0.001, 4))
        return [found, other.result()]

    begun = begin(hook())
    assert isinstance(begun, Waits)
    assert await rest(begun) == [3, 4]


@pytest.mark.parametrize("waits", [False, True], ids=["before it waits", "after it waited"])
async def test_what_it_raises_is_raised(waits: bool) -> None:
    async def hook() -> None:
        if waits:
            await asyncio.sleep(0)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await _whole(hook())


async def test_a_failure_of_what_it_waits_for_reaches_it() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("theirs")

    async def hook() -> str:
        try:
            await asyncio.gather(fails())
        except LookupError as exc:
            return str(exc)
        return "nothing"

    assert await _whole(hook()) == "theirs"


async def test_being_cancelled_reaches_it_and_it_may_clean_up_by_waiting() -> None:
    seen: list[str] = []

    async def hook() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append("cleaned up")
            raise

    async with asyncio.TaskGroup() as group:
        task = group.create_task(_whole(hook()))
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()
    assert seen == ["cleaned up"]


@pytest.mark.parametrize(
    ("inner_s", "outer_s", "told"),
    [(0.01, 5.0, "inner"), (5.0, 0.01, "outer"), (0.0, 0.0, "outer")],
    ids=["its own first", "the one around first", "both at once"],
)
async def test_a_deadline_of_its_own_and_one_around_the_rest_keep_apart(
    inner_s: float, outer_s: float, told: str
) -> None:
    async def hook() -> str:
        try:
            async with asyncio.timeout(inner_s):
                await asyncio.sleep(10)
        except TimeoutError:
            return "inner"
        return "none"

    begun = begin(hook())
    assert isinstance(begun, Waits)
    try:
        async with asyncio.timeout(outer_s):
            found = await rest(begun)
    except TimeoutError:
        found = "outer"
    assert found == told


async def test_one_that_is_given_up_is_closed() -> None:
    seen: list[str] = []

    async def hook() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            seen.append("closed")

    begun = begin(hook())
    assert isinstance(begun, Waits)
    going = rest(begun)
    going.send(None)
    going.close()
    assert seen == ["closed"]
