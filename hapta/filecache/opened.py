"""An open file that several read while, perhaps, one still writes it; closed when the last is done.

Reading and writing block, so they run in threads. Who gives up in the middle of a read does not end the
thread's work: every piece of work holds the file by itself, else its descriptor could be closed, given to
another file, and that one read in its place.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from threading import Lock
from typing import ParamSpec, Protocol, TypeVar

from hapta.model.errors import UpstreamLost

CHUNK_BYTES = 256 * 1024

T = TypeVar("T")
P = ParamSpec("P")


class Threads(Protocol):
    """Where work that blocks is done."""

    def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Do it there."""
        ...


class OpenFile:
    """An open file with its users counted; the one who opens it is the first.

    Args:
        descriptor: closed with the last user.
        size: bytes that there are or will be.
        available: bytes that there are.
        on_closed: called once, from any thread.
    """

    def __init__(self, descriptor: int, size: int, *, available: int, on_closed: Callable[[], None]) -> None:
        self.size = size
        self.available = available
        self.is_broken = False
        self._descriptor = descriptor
        self._users = 1
        self._lock = Lock()
        self._on_closed = on_closed
        self._waiting: list[asyncio.Future[None]] = []

    def hold(self) -> bool:
        """One user more; ``False`` if it is closed already."""
        with self._lock:
            if self._users == 0:
                return False
            self._users += 1
            return True

    def let_go(self) -> None:
        """One user less."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            os.close(self._descriptor)
        self._on_closed()

    def read(self, start: int, length: int) -> bytes:
        """In a thread; the caller holds the file for it (:meth:`work`)."""
        return os.pread(self._descriptor, length, start)

    def write(self, data: bytes, start: int) -> None:
        """As :meth:`read`.

        Raises:
            OSError: no room.
        """
        view = memoryview(data)
        while view:
            count = os.pwrite(self._descriptor, view, start)
            view, start = view[count:], start + count

    def shorten(self, size: int) -> None:
        """As :meth:`read`: cut off what lies behind ``size`` bytes."""
        os.ftruncate(self._descriptor, size)

    async def work(self, threads: Threads, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read or write in a thread, holding the file until the thread is done with it."""
        if not self.hold():
            raise UpstreamLost

        def held() -> T:
            try:
                return do(*args, **kwargs)
            finally:
                self.let_go()

        return await threads(held)

    def has_grown(self, available: int) -> None:
        """There are so many bytes now."""
        self.available = available
        self._wake()

    def breaks_off(self) -> None:
        """There will be no more than there are."""
        self.is_broken = True
        self._wake()

    async def until(self, position: int) -> int:
        """Wait for a byte behind ``position``; returns how many there are in all.

        Raises:
            UpstreamLost: it will not come.
        """
        while self.available <= position:
            if self.is_broken:
                raise UpstreamLost
            more = asyncio.get_running_loop().create_future()
            self._waiting.append(more)
            await more
        return self.available

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


class FileStream:
    """A part of a file on its way to one client; an :class:`~hapta.model.exchange.AnswerStream`.

    Args:
        file: held for it already; let go at the end.
    """

    def __init__(self, file: OpenFile, start: int, length: int, threads: Threads) -> None:
        self._file = file
        self._position = start
        self._end = start + length
        self._threads = threads
        self._is_over = False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            while self._position < self._end:
                there = await self._file.until(self._position)
                if self._is_over:
                    raise UpstreamLost  # given up: what was read so far is not the whole
                length = min(CHUNK_BYTES, there - self._position, self._end - self._position)
                piece = await self._file.work(self._threads, self._file.read, self._position, length)
                if not piece:
                    raise UpstreamLost  # somebody cut the file off
                self._position += len(piece)
                yield piece
        except OSError as exc:
            raise UpstreamLost from exc
        finally:
            self.abort()

    def abort(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._file.let_go()
