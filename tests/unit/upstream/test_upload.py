"""A body on its way up: all of it, in order, and not for ever."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hapta.upstream.upload import SMALL_BYTES, Upload


async def body(*pieces: bytes, wait_s: float = 0.0) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(wait_s)
        yield piece


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES, SMALL_BYTES + 1, 5 * SMALL_BYTES - 1])
async def test_a_body_in_memory_is_sent_whole_and_in_pieces(size: int) -> None:
    content = bytes(n % 251 for n in range(size))
    upload = Upload(content, 1.0)
    async with upload.watched():
        pieces = [piece async for piece in upload.pieces()]
    assert b"".join(pieces) == content
    assert all(0 < len(piece) <= SMALL_BYTES for piece in pieces)


async def test_a_receiver_that_takes_no_piece_for_too_long_ends_it() -> None:
    upload = Upload(body(b"a", b"b"), 0.02)

    async def send() -> None:
        async with upload.watched():
            async for _ in upload.pieces():
                await asyncio.sleep(5)

    with pytest.raises(TimeoutError):
        await send()


async def test_each_piece_has_the_time_anew() -> None:
    upload = Upload(body(*[b"x"] * 4), 0.2)
    async with upload.watched():
        async for _ in upload.pieces():
            await asyncio.sleep(0.08)


async def test_waiting_for_the_client_does_not_count() -> None:
    upload = Upload(body(b"a", b"b", wait_s=0.05), 0.02)
    async with upload.watched():
        assert [piece async for piece in upload.pieces()] == [b"a", b"b"]


async def test_when_all_is_sent_the_answer_may_take_its_time() -> None:
    upload = Upload(b"x" * 2 * SMALL_BYTES, 0.02)
    async with upload.watched():
        assert len([piece async for piece in upload.pieces()]) == 2
        await asyncio.sleep(0.05)


async def test_what_is_still_sent_after_an_early_answer_is_not_watched() -> None:
    upload = Upload(body(b"a", b"b"), 0.01)
    pieces = upload.pieces()
    async with upload.watched():
        assert await anext(pieces) == b"a"
    await asyncio.sleep(0.03)
    assert await anext(pieces) == b"b"
    await pieces.aclose()
