"""Bytes of files: slices of a body that is held, or what was put in their place. Never in memory as a
whole."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Final, Protocol, runtime_checkable

from hapta.model.exchange import RequestBody

CHUNK_BYTES: Final = 256 * 1024


class Content(Protocol):
    """Bytes that may be read again and again."""

    @property
    def length(self) -> int:
        """How many."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """All of them, in pieces."""
        ...


@runtime_checkable
class SliceableBody(RequestBody, Protocol):
    """A body that is held and can be read from anywhere."""

    def slice(self, start: int, length: int) -> AsyncIterator[bytes]:
        """``length`` bytes from ``start`` on, in pieces."""
        ...


@dataclass(frozen=True, slots=True)
class BodySlice:
    """A stretch of a body. Good for as long as the body is held."""

    body: RequestBody
    start: int
    length: int

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces."""
        if isinstance(self.body, SliceableBody):
            async for piece in self.body.slice(self.start, self.length):
                yield piece
            return
        at, end = 0, self.start + self.length
        async for piece in self.body.chunks():
            wanted = piece[max(self.start - at, 0) : max(end - at, 0)]
            at += len(piece)
            if wanted:
                yield wanted
            if at >= end:
                return


@dataclass(frozen=True, slots=True)
class BytesContent:
    """Bytes in memory."""

    content: bytes

    @property
    def length(self) -> int:
        return len(self.content)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes in one piece."""
        if self.content:
            yield self.content


@dataclass(frozen=True, slots=True)
class FileContent:
    """An open file from its beginning, read by nobody else meanwhile; who made it closes it."""

    file: IO[bytes]
    length: int

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces."""
        at = 0
        while at < self.length:
            piece = await asyncio.to_thread(self._read_at, at, min(CHUNK_BYTES, self.length - at))
            if not piece:
                raise EOFError("the file became shorter")
            at += len(piece)
            yield piece

    def _read_at(self, start: int, length: int) -> bytes:
        self.file.seek(start)
        return self.file.read(length)


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a write. Another name or content: :func:`dataclasses.replace`.

    Attributes:
        key: what it was sent as: a field's name, maybe with a modifier (``documents+``).
        name: as Go has it: what stands behind the last slash. PocketBase makes the stored name of it.
        content_type: declared by the client, empty if it declared none; PocketBase looks at the bytes.
        content: its bytes.
    """

    key: str
    name: str
    content_type: str
    content: Content

    @property
    def length(self) -> int:
        """Bytes."""
        return self.content.length

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces; may be read again."""
        return self.content.chunks()

    async def head(self, count: int) -> bytes:
        """The first ``count`` bytes, or all of a shorter file."""
        found = bytearray()
        if count > 0:
            async for piece in self.chunks():
                found += piece
                if len(found) >= count:
                    break
        return bytes(found[:count])


def base_name(name: str) -> str:
    """What stands behind the last slash (Go ``filepath.Base`` on Unix), of a name that is not empty."""
    return name.rstrip("/").rpartition("/")[2] or "/"
