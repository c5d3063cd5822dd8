"""One pass over a file."""

import asyncio
import hashlib
import os
import threading
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from hapta.uploads.inspect import Inspection, inspect
from tests.uploads.corpus import POLYGLOTS, image
from tests.uploads.support import PlainFile

MIB = 1024 * 1024


@pytest.mark.parametrize("length", [0, 1, 64 * 1024, 64 * 1024 + 1, MIB, 3 * MIB + 17])
async def test_the_hash_is_that_of_the_content(length: int) -> None:
    data = os.urandom(length)
    found = await inspect(PlainFile("x", data, 10_007).chunks(), Inspection())
    assert (found.sha256, found.length) == (hashlib.sha256(data).hexdigest(), length)
    assert (found.size, found.hidden) == (None, None)


async def test_an_image_is_measured_and_searched_on_the_way() -> None:
    data = POLYGLOTS["jpeg with a zip behind it"]
    found = await inspect(PlainFile("x", data, 11).chunks(), Inspection("image/jpeg", scans=True))
    assert found.size is not None
    assert (found.size.width, found.size.height) == (40, 30)
    assert found.hidden == "an archive"


async def test_a_type_that_cannot_be_measured_is_not() -> None:
    found = await inspect(PlainFile("x", image("TIFF")).chunks(), Inspection("image/tiff"))
    assert found.size is None


async def test_a_large_file_leaves_the_loop_free_and_memory_flat() -> None:
    threads: set[int] = set()

    class Watched(Inspection):
        def feed(self, piece: bytes) -> None:
            threads.add(threading.get_ident())
            super().feed(piece)

    async def large() -> AsyncIterator[bytes]:
        for _ in range(64 * 16):
            yield bytes(64 * 1024)

    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(other())
    tracemalloc.start()
    try:
        found = await inspect(large(), Watched("image/png", scans=True))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        beside.cancel()
    assert found.length == 64 * MIB
    assert threading.get_ident() in threads  # the empty rest
    assert len(threads) > 1
    assert turns > 64
    assert peak < 8 * MIB
