"""Request bodies held whole: in memory up to a bound, then in an unnamed temporary file, all within one
budget.

PocketBase commits a complete JSON value even when the body around it is cut short, so a write is read whole
before PocketBase sees its first byte. What that may cost is bounded for the process: bytes in files count
against ``spool_bytes`` as they arrive, and a body that would break the budget is refused, not the server
filled up.
"""

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from typing import IO

from hapta.model.errors import BodyTooLarge, Overloaded
from hapta.model.exchange import RequestBody

CHUNK_BYTES = 256 * 1024


class SpoolBudget:
    """How many bytes of request bodies are held at once, in memory and in files.

    A client gets three quarters at most: else one that sends nearly all of it and then a byte now and then
    would keep everybody else from writing, for as long as it likes. Where ``owner`` is ``None`` there is no
    such share.
    """

    def __init__(self, total_bytes: int, on_change: Callable[[int], None] | None = None) -> None:
        self.total_bytes = total_bytes
        self.used_bytes = 0
        self._on_change = on_change
        self._by_owner: dict[int, int] = {}

    def configure(self, total_bytes: int) -> None:
        """Another budget from now on; what is held stays held."""
        self.total_bytes = total_bytes

    def largest(self, owner: int | None) -> int:
        """What ``owner`` may hold when nobody else holds anything."""
        return self.total_bytes if owner is None else self.total_bytes - self.total_bytes // 4

    def has_room(self, count: int, owner: int | None = None) -> bool:
        """Whether ``count`` bytes more could be taken now."""
        if self.used_bytes + count > self.total_bytes:
            return False
        return owner is None or self._by_owner.get(owner, 0) + count <= self.largest(owner)

    def take(self, count: int, owner: int | None = None) -> bool:
        """Reserve ``count`` bytes; ``False`` if they are not there, and nothing is reserved."""
        if not self.has_room(count, owner):
            return False
        self._move(count, owner)
        return True

    def give_back(self, count: int, owner: int | None = None) -> None:
        """Return bytes taken before."""
        self._move(-count, owner)

    def _move(self, count: int, owner: int | None) -> None:
        self.used_bytes += count
        if owner is not None:
            held = self._by_owner.get(owner, 0) + count
            if held:
                self._by_owner[owner] = held
            else:
                self._by_owner.pop(owner, None)
        if self._on_change is not None:
            self._on_change(self.used_bytes)


class BodyReleased(Exception):
    """A body, or a file in it, is read when its request is over: it is held no longer."""

    def __init__(self) -> None:
        super().__init__("the body is held no longer: its request is over")


class SpooledBody:
    """A request body, whole. Close it when it was sent, or the budget leaks."""

    def __init__(
        self, budget: SpoolBudget, memory_bytes: int, directory: str | None, owner: int | None = None
    ) -> None:
        self._budget = budget
        self._owner = owner
        self._memory_bytes = memory_bytes
        self._directory = directory
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._length = 0
        self._reading = threading.Lock()
        self._is_closed = False

    @property
    def length(self) -> int:
        return self._length

    @property
    def in_memory(self) -> bytes | None:
        """The whole body if it was small enough to stay in memory."""
        if self._file is not None:
            return None
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""

    async def add(self, piece: bytes) -> None:
        """Append a piece.

        Raises:
            BodyTooLarge: this body alone exceeds what one client may hold.
            Overloaded: other bodies hold the budget just now.
        """
        if not self._budget.take(len(piece), self._owner):
            raise too_much(self._length + len(piece), self._budget, self._owner)
        self._length += len(piece)
        self._pieces.append(piece)
        if self._file is None and self._length <= self._memory_bytes:
            return
        if self._file is not None and sum(map(len, self._pieces)) < CHUNK_BYTES:
            return
        await asyncio.to_thread(self._flush)

    async def finish(self) -> None:
        """All pieces are in."""
        if self._file is not None and self._pieces:
            await asyncio.to_thread(self._flush)

    def _flush(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._directory, prefix="hapta-")  # noqa: SIM115 - close() does
        self._file.write(b"".join(self._pieces))
        self._pieces.clear()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body from its beginning; may be read again."""
        async for piece in self.slice(0, self._length):
            yield piece

    async def slice(self, start: int, length: int) -> AsyncIterator[bytes]:
        """``length`` bytes from ``start`` on, fewer where it ends before; several may be read at once.

        Raises:
            BodyReleased: it was closed.
        """
        if self._is_closed:
            raise BodyReleased
        if self._file is None:
            piece = (self.in_memory or b"")[start : start + length]
            if piece:
                yield piece
            return
        end = start + length
        while start < end:
            piece = await asyncio.to_thread(self._read_at, start, min(CHUNK_BYTES, end - start))
            if not piece:
                return
            start += len(piece)
            yield piece

    def _read_at(self, start: int, length: int) -> bytes:
        file = self._file
        if file is None:
            raise BodyReleased
        with self._reading:  # a file has one position
            file.seek(start)
            return file.read(length)

    def close(self) -> None:
        """Free the memory or the file and the budget. Idempotent."""
        self._budget.give_back(self._length, self._owner)
        self._length, self._is_closed = 0, True
        self._pieces.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


def too_much(wanted_bytes: int, budget: SpoolBudget, owner: int | None) -> BodyTooLarge | Overloaded:
    """Why a body of ``wanted_bytes`` is not taken: never, or not now."""
    return BodyTooLarge() if wanted_bytes > budget.largest(owner) else Overloaded()


async def spool(
    body: RequestBody,
    budget: SpoolBudget,
    *,
    memory_bytes: int,
    directory: str | None,
    owner: int | None = None,
) -> SpooledBody:
    """Read ``body`` to its end.

    Args:
        body: what arrives from the client.
        budget: of the whole process.
        memory_bytes: up to here in memory, beyond in a temporary file.
        directory: where temporary files are made; ``None`` for the system's place.
        owner: whose share of the budget it takes (:func:`hapta.model.address.holder`).

    Raises:
        BodyTooLarge, Overloaded: by announced length before a byte is read, or as the bytes arrive.
        OSError: the file cannot be written.
        ClientGone, BodyTooSlow, BadFraming: as ``body`` raises them.
    """
    if body.length is not None and not budget.has_room(body.length, owner):
        raise too_much(body.length, budget, owner)
    spooled = SpooledBody(budget, memory_bytes, directory, owner)
    try:
        async for piece in body.chunks():
            await spooled.add(piece)
        await spooled.finish()
    except BaseException:
        spooled.close()
        raise
    return spooled
