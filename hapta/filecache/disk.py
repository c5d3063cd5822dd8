"""Files in one directory of ours: made, looked at, read, thrown away. All of it blocks.

Links are never followed, and what is there already is never written to.
"""

import os
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from hapta.filecache.opened import CHUNK_BYTES
from hapta.filecache.part import http_date
from hapta.filecache.record import (
    FOOTER_BYTES,
    Description,
    description_bytes,
    new_digest,
    read_description,
)
from hapta.model.exchange import Header

if TYPE_CHECKING:
    from hapta.cache.stored import Fence

BLOCK: Final = 4096
"""What a file takes on disk is a multiple of it."""


class Kept:
    """One kept file.

    Attributes:
        wanted: which it is.
        path: where its bytes are.
        size: bytes of its body.
        weight: bytes it takes on disk.
        headers: lines of PocketBase's 200, in order.
        modified_at: Unix seconds of its ``Last-Modified``.
        fence: what it depends on; ``None`` until it was confirmed once.
        confirmed_at: monotonic seconds at which PocketBase last had it.
        is_checked: its bytes are known to be those that were written.
    """

    __slots__ = (
        "confirmed_at",
        "digest",
        "fence",
        "headers",
        "is_checked",
        "modified_at",
        "path",
        "size",
        "wanted",
        "weight",
    )

    def __init__(self, description: Description, path: str, file_bytes: int, *, is_checked: bool) -> None:
        self.wanted = description.wanted
        self.path = path
        self.size = description.size
        self.digest = description.digest
        self.weight = -(-file_bytes // BLOCK) * BLOCK
        self.headers = tuple(map(_shared, description.header_lines()))
        self.modified_at = modified_at(self.headers) or 0.0
        self.fence: Fence | None = None
        self.confirmed_at = float("-inf")
        self.is_checked = is_checked


@lru_cache(1024)
def _shared(line: Header) -> Header:
    """Most lines are the same for all files: they are held once."""
    return line


def modified_at(headers: tuple[Header, ...]) -> float | None:
    """Unix seconds of ``Last-Modified``; ``None`` without one."""
    for name, value in headers:
        if name.lower() == b"last-modified":
            return http_date(value.decode("latin-1"))
    return None


def open_new(path: str, flags: int) -> int:
    """Open a file that is new, as an opener of :func:`open`."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def create(path: str, size: int) -> int:
    """Make a file with room for ``size`` bytes and their description; returns its descriptor.

    Raises:
        OSError: no room.
    """
    descriptor = open_new(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size + BLOCK)
    except OSError:
        os.close(descriptor)
        unlink(path)
        raise
    return descriptor


def unlink(path: str) -> None:
    """Throw a file away, if it is there."""
    with suppress(OSError):
        os.unlink(path)


def read(path: str, start: int, length: int) -> bytes | None:
    """So many bytes of a file; ``None`` if they are not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.pread(descriptor, length, start)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return found if len(found) == length else None


def look_at(path: str, slot: str) -> tuple[float, Kept] | None:
    """A file found at the start, with the instant of its last change; ``None`` for one that is torn."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        facts = os.fstat(descriptor)
        footer = os.pread(descriptor, FOOTER_BYTES, max(0, facts.st_size - FOOTER_BYTES))
        length = description_bytes(footer, facts.st_size)
        if not length:
            return None
        text = os.pread(descriptor, length, facts.st_size - FOOTER_BYTES - length)
        description = read_description(text, footer, facts.st_size)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if description is None or description.wanted.slot != slot:
        return None
    return facts.st_mtime, Kept(description, path, facts.st_size, is_checked=False)


def is_whole(path: str, size: int, digest: str) -> bool:
    """Whether the first ``size`` bytes of a file are those that were written."""
    found, position = new_digest(), 0
    while position < size:
        piece = read(path, position, min(CHUNK_BYTES, size - position))
        if not piece:
            return False
        found.update(piece)
        position += len(piece)
    return found.hexdigest() == digest
