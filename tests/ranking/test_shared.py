"""Columns are seen by other processes, cannot be written there, and leave nothing behind."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hapta.ranking.arena import Column
from hapta.ranking.shared import BlockGone, BlockRef, Mapped, SharedArena

COLUMNS = [Column("a", "float64"), Column("flags", "bool"), Column("codes", "int32", 3)]


@pytest.fixture(params=[pytest.param(True, id="memfd"), pytest.param(False, id="file")])
def arena(request: pytest.FixtureRequest, tmp_path: Path) -> SharedArena:
    return SharedArena(str(tmp_path), has_memfd=request.param)


def descriptors() -> set[str]:
    gc.collect()
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:  # the one that lists them
            continue
    return {each for each in found if "hapta-columns" in each}


def test_what_the_writer_writes_is_seen_without_a_copy(arena: SharedArena) -> None:
    block = arena.allocate(COLUMNS, 1000)
    seen = Mapped().arrays(block.ref, block.living)
    assert {name: array.shape for name, array in seen.items()} == {
        "a": (1000,),
        "flags": (1000,),
        "codes": (1000, 3),
    }
    assert not any(array.any() for array in seen.values())
    block.arrays["a"][7], block.arrays["codes"][999] = 2.5, [1, 2, 3]
    assert seen["a"][7] == 2.5
    assert seen["codes"][999].tolist() == [1, 2, 3]
    assert np.count_nonzero(seen["a"]) == 1
    block.release()


def test_a_worker_cannot_write(arena: SharedArena) -> None:
    block = arena.allocate(COLUMNS, 10)
    seen = Mapped().arrays(block.ref, block.living)["a"]
    with pytest.raises(ValueError, match="read-only"):
        seen[0] = 1
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        seen.flags.writeable = True
    block.release()


def test_a_block_is_mapped_once_and_let_go_when_it_is_released(arena: SharedArena) -> None:
    first, second, mapped = arena.allocate(COLUMNS, 10), arena.allocate(COLUMNS, 10), Mapped()
    assert mapped.arrays(first.ref, first.living) is mapped.arrays(first.ref, first.living)
    assert mapped.arrays(second.ref, first.living) is not mapped.arrays(first.ref, first.living)
    assert len(mapped) == 2
    first.release()
    mapped.arrays(second.ref, second.living)
    assert len(mapped) == 1
    second.release()


def test_a_released_block_can_be_opened_while_a_job_uses_it_and_not_after(arena: SharedArena) -> None:
    block = arena.allocate(COLUMNS, 10)
    with block.in_use() as ref:
        with block.in_use():
            block.release()
        assert "a" in Mapped().arrays(ref, ())
    with pytest.raises(BlockGone):
        Mapped().arrays(ref, ())


def test_what_has_the_number_of_a_block_by_now_is_not_taken_for_it() -> None:
    arena = SharedArena()
    gone = arena.allocate(COLUMNS, 10)
    gone.release()
    again = arena.allocate(COLUMNS, 10)
    assert again.ref.path == gone.ref.path
    with pytest.raises(BlockGone):
        Mapped().arrays(gone.ref, ())
    again.release()


def test_a_block_of_another_size_is_not_mapped(arena: SharedArena) -> None:
    block = arena.allocate(COLUMNS, 10)
    ref = block.ref
    larger = BlockRef(ref.name, ref.path, ref.identity, ref.columns, 1_000_000)
    with pytest.raises(BlockGone):
        Mapped().arrays(larger, ())
    block.release()


def test_nothing_is_left_of_released_blocks(arena: SharedArena, tmp_path: Path) -> None:
    before = descriptors()
    blocks = [arena.allocate(COLUMNS, 100) for _ in range(20)]
    assert len(descriptors() - before) >= 20
    arena.close()
    arena.close()
    del blocks
    assert descriptors() == before
    assert list(tmp_path.iterdir()) == []
    assert arena.living == ()


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    block = SharedArena(str(tmp_path), has_memfd=False).allocate(COLUMNS, 10)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    block.release()


KILLED = """
import os, signal, sys
from hapta.ranking.arena import Column
from hapta.ranking.shared import SharedArena
block = SharedArena(sys.argv[1], has_memfd=sys.argv[2] == "1").allocate([Column("a", "float64")], 1000)
print(block.ref.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path, *, has_memfd: bool) -> str:
    """Have a process make a block and be killed; where it was."""
    command = [sys.executable, "-c", KILLED, str(folder), str(int(has_memfd))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return ended.stdout.strip()


def test_nothing_is_left_after_kill_9(tmp_path: Path) -> None:
    before = set(os.listdir("/dev/shm"))
    assert not Path(killed(tmp_path, has_memfd=True)).exists()
    assert set(os.listdir("/dev/shm")) <= before
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_killed_gateway_go_with_the_next_arena_and_those_of_a_living_one_stay(
    tmp_path: Path,
) -> None:
    left = Path(killed(tmp_path, has_memfd=False))
    block = SharedArena(str(tmp_path), has_memfd=False).allocate(COLUMNS, 10)
    (tmp_path / "hapta-columns-of-somebody").touch()
    SharedArena(str(tmp_path), has_memfd=False)
    assert not left.exists()
    assert Path(block.ref.path).exists()
    assert (tmp_path / "hapta-columns-of-somebody").exists()
    block.release()
