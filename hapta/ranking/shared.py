"""Columns in memory that workers look into: the gateway writes them, a worker maps them read-only.

On Linux a block is a memfd_create(2) file, which has no name anywhere: it is gone with the last process that
has it open or mapped, kill -9 included. A worker opens it by way of the gateway's own descriptor
(``/proc/<pid>/fd/<n>``), which the system grants to the same user alone. Elsewhere it is a file of mode 0600
in the folder for temporary files, removed when the block is released; what a killed gateway left there is
removed when the next one makes an arena. Either way it cannot grow or shrink, and a worker makes sure that
what it has opened is that block and nothing that has its number by now.

There is one writer, and no lock: a worker may see a row a moment before or after a change, and of a row that
is being changed one column before and another after it. What makes this harmless:

* Whatever an index or a comparison depends on (dates, codes, flags) the job copies before it begins
  (:mod:`hapta.ranking.job`); of a signal it reads each value once, and any value of a signal is a number.
* How many slots there are, what the caller may see and what they never get stands in the job itself.
* A slot is not given to another row for :data:`hapta.ranking.places.REST_S`, longer than a job may take.
* When the order comes back, the gateway looks at its rows once more (:mod:`hapta.app.ranker`).

A block that a table has outgrown is released, and goes when no job uses it any more; workers let go of it
with their next job.
"""

import contextlib
import mmap
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.arena import Column

_ALIGNED: Final = 64
_PREFIX: Final = "hapta-columns-"
_HAS_MEMFD: Final = sys.platform.startswith("linux") and hasattr(os, "memfd_create")


class BlockGone(Exception):
    """What a worker was told to open is not that block any more."""


@dataclass(frozen=True, slots=True)
class BlockRef:
    """What a worker is told of a block.

    Attributes:
        name: unlike that of any other block of the gateway.
        path: where to open it.
        identity: device and number of the file.
        columns, capacity: what is in it.
    """

    name: str
    path: str
    identity: tuple[int, int]
    columns: tuple[Column, ...]
    capacity: int


def layout(columns: Sequence[Column], capacity: int) -> tuple[list[tuple[Column, int]], int]:
    """Where each column begins, and the bytes of them all."""
    places, end = [], 0
    for column in columns:
        places.append((column, end))
        length = capacity * column.width * np.dtype(column.dtype).itemsize
        end += -(-length // _ALIGNED) * _ALIGNED
    return places, max(end, _ALIGNED)


def _arrays(memory: mmap.mmap, columns: Sequence[Column], capacity: int) -> dict[str, NDArray[Any]]:
    arrays = {}
    for column, start in layout(columns, capacity)[0]:
        array = np.frombuffer(memory, column.dtype, capacity * column.width, start)
        arrays[column.name] = array if column.width == 1 else array.reshape(capacity, column.width)
    return arrays


class SharedBlock:
    """One block, as its writer has it; made by :class:`SharedArena`.

    Attributes:
        capacity: slots.
        arrays: by name of the column.
        ref: for workers.
    """

    def __init__(self, arena: "SharedArena", descriptor: int, file: str, ref: BlockRef, nbytes: int) -> None:
        self._arena = arena
        self._descriptor = descriptor
        self._file = file
        self._jobs = 0
        self._is_released = False
        self.ref = ref
        self.capacity = ref.capacity
        # the arrays hold the memory: it is given back with the last of them
        self.arrays: Mapping[str, NDArray[Any]] = _arrays(
            mmap.mmap(descriptor, nbytes), ref.columns, ref.capacity
        )

    @property
    def living(self) -> tuple[str, ...]:
        """Names of all blocks of its arena that are not released; workers keep no others."""
        return self._arena.living

    @contextlib.contextmanager
    def in_use(self) -> Iterator[BlockRef]:
        """Workers can open it within, released or not."""
        self._jobs += 1
        try:
            yield self.ref
        finally:
            self._jobs -= 1
            self._close_if_done()

    def release(self) -> None:
        """The table has another one; may be called again."""
        self._is_released = True
        self._arena.forget(self)
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._is_released and not self._jobs and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            if self._file:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._file)


class SharedArena:
    """Gives out blocks that workers can map (:class:`hapta.ranking.arena.Arena`).

    Args:
        folder: for files, where the system has nothing better; empty: its folder for temporary ones.
        has_memfd: whether there is something better.
    """

    def __init__(self, folder: str = "", *, has_memfd: bool = _HAS_MEMFD) -> None:
        self._folder = folder or tempfile.gettempdir()
        self._has_memfd = has_memfd
        self._numbers = count(1)
        self._blocks: dict[str, SharedBlock] = {}
        if not has_memfd:
            _sweep(self._folder)

    @property
    def living(self) -> tuple[str, ...]:
        """Names of the blocks that are not released."""
        return tuple(self._blocks)

    def allocate(self, columns: Sequence[Column], capacity: int) -> SharedBlock:
        """A block of zeros.

        Raises:
            OSError: no more open files, or no room.
        """
        nbytes = layout(columns, capacity)[1]
        name = f"{os.getpid()}-{next(self._numbers)}"
        descriptor, file = self._open(name)
        try:
            os.truncate(descriptor, nbytes)
            if self._has_memfd:
                _seal(descriptor)
            stat = os.fstat(descriptor)
            path = file or f"/proc/{os.getpid()}/fd/{descriptor}"
            ref = BlockRef(name, path, (stat.st_dev, stat.st_ino), tuple(columns), capacity)
            block = SharedBlock(self, descriptor, file, ref, nbytes)
        except BaseException:
            os.close(descriptor)
            if file:
                os.unlink(file)
            raise
        self._blocks[name] = block
        return block

    def _open(self, name: str) -> tuple[int, str]:
        if self._has_memfd:
            return os.memfd_create(_PREFIX + name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), ""
        return tempfile.mkstemp(prefix=f"{_PREFIX}{name}-", dir=self._folder)

    def forget(self, block: SharedBlock) -> None:
        """It is released."""
        self._blocks.pop(block.ref.name, None)

    def close(self) -> None:
        """Release all there are."""
        for block in tuple(self._blocks.values()):
            block.release()


def _seal(descriptor: int) -> None:
    import fcntl

    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)


def _sweep(folder: str) -> None:
    """Remove what gateways that are gone have left."""
    with os.scandir(folder) as entries:
        for entry in entries:
            pid = entry.name.removeprefix(_PREFIX).partition("-")[0]
            if not entry.name.startswith(_PREFIX) or not pid.isdigit() or _is_running(int(pid)):
                continue
            with contextlib.suppress(OSError):  # another one removes it just now
                if entry.stat(follow_symlinks=False).st_uid == os.getuid():
                    os.unlink(entry.path)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


class Mapped:
    """The blocks a worker has mapped."""

    def __init__(self) -> None:
        self._blocks: dict[str, Mapping[str, NDArray[Any]]] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def arrays(self, ref: BlockRef, living: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        """A block's columns; they cannot be written to.

        Args:
            living: blocks that will be asked for again; others are let go.

        Raises:
            BlockGone: it is not there any more, and whoever wanted its rows has left.
            OSError: it cannot be opened.
        """
        for name in [name for name in self._blocks if name not in living]:
            del self._blocks[name]
        found = self._blocks.get(ref.name)
        if found is None:
            found = _mapped(ref)
            if ref.name in living:
                self._blocks[ref.name] = found
        return found


def _mapped(ref: BlockRef) -> Mapping[str, NDArray[Any]]:
    try:
        descriptor = os.open(ref.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise BlockGone(ref.name) from exc
    try:
        stat = os.fstat(descriptor)
        nbytes = layout(ref.columns, ref.capacity)[1]
        if (stat.st_dev, stat.st_ino) != ref.identity or stat.st_size != nbytes:
            raise BlockGone(ref.name)
        return _arrays(
            mmap.mmap(descriptor, nbytes, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ),
            ref.columns,
            ref.capacity,
        )
    finally:
        os.close(descriptor)
