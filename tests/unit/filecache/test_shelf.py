"""The shelf of kept files: never heavier than it may be, the oldest go first, each whole or not there."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hapta.filecache.shelf import Shelf
from hapta.filecache.wanted import WantedFile
from hapta.model.exchange import Header

MIB = 1024 * 1024
HEADERS: tuple[Header, ...] = ((b"Last-Modified", b"Thu, 26 Nov 2026 22:46:00 GMT"), (b"X", b"\xe9"))


def wanted(number: int, collection: str = "c") -> WantedFile:
    return WantedFile(collection, f"r{number // 2}", f"f{number}.png")


async def made(folder: Path, max_bytes: int = MIB) -> Shelf:
    shelf = Shelf(folder, max_bytes, max_bytes)
    await shelf.start()
    return shelf


def check_invariants(shelf: Shelf) -> None:
    kept = list(shelf._kept.values())
    assert shelf.weight == sum(one.weight for one in kept) <= shelf._max_bytes
    for one in kept:
        assert one.wanted.name in shelf.names_of(one.wanted.collection, one.wanted.record)
    files = {(one.wanted.collection, one.wanted.record, one.wanted.name) for one in kept}
    assert sum(map(len, shelf._names.values())) == len(files)


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    shelf = await made(tmp_path / "files")
    yield shelf
    check_invariants(shelf)
    await shelf.stop()
    on_disk = sum(one.stat().st_size for one in (tmp_path / "files").iterdir())
    assert on_disk <= shelf.weight


async def test_the_least_recently_used_make_room(shelf: Shelf) -> None:
    for number in range(10):
        await shelf.keep(wanted(number), HEADERS, bytes(100_000))
    assert shelf.get(wanted(0)) is not None
    await shelf.keep(wanted(10), HEADERS, bytes(100_000))
    assert shelf.get(wanted(0)) is not None
    assert shelf.get(wanted(1)) is None
    assert shelf.evicted == 1


async def test_another_of_the_same_takes_its_place(shelf: Shelf) -> None:
    first = await shelf.keep(wanted(1), HEADERS, b"one")
    second = await shelf.keep(wanted(1), HEADERS, b"two")
    shelf.drop(first)
    assert shelf.get(wanted(1)) is second
    assert await shelf.read(second, 0, 3) == b"two"
    assert len(shelf) == 1


async def test_purged_are_those_of_one_collection_or_all(shelf: Shelf) -> None:
    for number in range(4):
        await shelf.keep(wanted(number, "c" if number % 2 else "d"), HEADERS, b"x")
    assert shelf.purge("c") == 2
    assert shelf.purge() == 2
    assert (len(shelf), shelf.weight) == (0, 0)


async def test_what_was_kept_is_found_again_in_the_order_of_its_making(tmp_path: Path) -> None:
    shelf = await made(tmp_path)
    for number in range(3):
        await shelf.keep(wanted(number), HEADERS, b"%d" % number)
    await shelf.stop()
    shelf = await made(tmp_path)
    kept = shelf.get(wanted(1))
    assert kept is not None
    assert (kept.fence, kept.headers, kept.size) == (None, HEADERS, 1)
    assert await shelf.check(kept)
    assert await shelf.read(kept, 0, 1) == b"1"
    check_invariants(shelf)
    await shelf.stop()


async def test_with_less_room_than_before_the_start_throws_away_what_is_too_much(tmp_path: Path) -> None:
    shelf = await made(tmp_path, 4 * MIB)
    for number in range(20):
        await shelf.keep(wanted(number), HEADERS, bytes(100_000))
    await shelf.stop()
    shelf = await made(tmp_path)
    check_invariants(shelf)
    await shelf.stop()
    assert 0 < len(os.listdir(tmp_path)) == len(shelf)


@pytest.mark.parametrize("cut", range(0, 240, 7))
async def test_a_file_cut_short_anywhere_is_not_taken_for_whole(tmp_path: Path, cut: int) -> None:
    shelf = await made(tmp_path)
    await shelf.keep(wanted(1), HEADERS, b"body")
    await shelf.stop()
    (name,) = os.listdir(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    assert len(content) > 240
    path.write_bytes(content[:cut])
    shelf = await made(tmp_path)
    assert len(shelf) == 0
    await shelf.stop()
    assert not path.exists()
