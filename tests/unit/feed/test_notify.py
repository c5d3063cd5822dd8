"""hapta.feed.notify, on a real directory."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hapta.feed.notify import NotifyWatch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


class Told:
    def __init__(self, directory: Path) -> None:
        self.collections = self.settings = 0
        self.watch = NotifyWatch(directory, self._on_collections, self._on_settings)

    def _on_collections(self) -> None:
        self.collections += 1

    def _on_settings(self) -> None:
        self.settings += 1


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / ".notify"
    path.mkdir()
    return path


@pytest.fixture
async def told(directory: Path) -> AsyncIterator[Told]:
    told = Told(directory)
    assert told.watch.start()
    yield told
    told.watch.stop()


@pytest.fixture
def queue_length() -> int:
    return int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())


async def turn() -> None:
    """Let the loop look at its descriptors."""
    await asyncio.sleep(0.01)


def touch(path: Path) -> None:
    """As PocketBase does: written and removed at once."""
    path.write_bytes(b"")
    path.unlink()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("collections@abc", (1, 0)), ("settings@abc", (0, 1)), ("other@abc", (0, 0)), ("collections", (0, 0))],
)
async def test_only_files_of_its_own_kind_tell_of_a_change(
    told: Told, directory: Path, name: str, expected: tuple[int, int]
) -> None:
    touch(directory / name)
    await turn()
    assert (told.collections, told.settings) == expected


async def test_changes_close_together_are_told_once_at_least(told: Told, directory: Path) -> None:
    for number in range(50):
        touch(directory / f"collections@{number}")
    await turn()
    assert told.collections >= 1
    before = told.collections
    touch(directory / "collections@later")
    await turn()
    assert told.collections > before


async def test_a_directory_that_goes_puts_everything_in_doubt_and_is_found_again(
    told: Told, directory: Path
) -> None:
    shutil.rmtree(directory)
    await turn()
    assert (told.collections, told.settings) == (1, 1)
    assert not told.watch.is_watching
    assert not told.watch.start()
    os.mkdir(directory)
    assert told.watch.start()
    touch(directory / "collections@abc")
    await turn()
    assert told.collections == 2


async def test_a_directory_that_is_moved_away_is_not_followed(told: Told, directory: Path) -> None:
    os.rename(directory, directory.with_name("old"))
    await turn()
    assert not told.watch.is_watching
    assert told.collections == 1


async def test_without_a_directory_nothing_is_watched(tmp_path: Path) -> None:
    told = Told(tmp_path / "none")
    assert not told.watch.start()
    assert not told.watch.is_watching
    told.watch.stop()


async def test_a_file_in_its_place_is_not_watched(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert not Told(tmp_path / "file").watch.start()


async def test_stopped_it_tells_nothing(told: Told, directory: Path) -> None:
    told.watch.stop()
    touch(directory / "collections@abc")
    await turn()
    assert told.collections == 0


async def test_more_changes_than_the_queue_holds_are_a_doubt_not_a_silence(
    directory: Path, queue_length: int
) -> None:
    if queue_length > 20_000:
        pytest.skip(f"the queue holds {queue_length} events")
    told = Told(directory)
    assert told.watch.start()
    for number in range(queue_length):
        touch(directory / f"other@{number % 10}")
    for _ in range(200):
        await asyncio.sleep(0)
    told.watch.stop()
    assert told.collections >= 1
