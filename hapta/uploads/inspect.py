"""One pass over a file's content: its hash, its size as an image, what hides in it. Memory stays flat."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from hapta.uploads.hidden import HiddenScan
from hapta.uploads.measure import MEASURED, Measure, Size

_BATCH_BYTES = 1024 * 1024
_INLINE_BYTES = 64 * 1024
"""Up to here the work costs less than handing it to a thread."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the content told.

    Attributes:
        sha256: in hexadecimal.
        length: bytes that went by.
        size: of an image of a type that can be measured.
        hidden: what hides in an image, in words.
    """

    sha256: str
    length: int
    size: Size | None = None
    hidden: str | None = None


class Inspection:
    """The pass.

    Args:
        measures: the type of image to measure it as; nothing happens with one that cannot be measured.
        scans: look for what hides in it.
    """

    def __init__(self, measures: str | None = None, *, scans: bool = False) -> None:
        self._hash = hashlib.sha256()
        self._length = 0
        self._measure = Measure(measures) if measures in MEASURED else None
        self._scan = HiddenScan() if scans else None

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        self._hash.update(piece)
        self._length += len(piece)
        if self._measure is not None:
            self._measure.feed(piece)
        if self._scan is not None:
            self._scan.feed(piece)

    def finish(self) -> Findings:
        """What was found, at the end of the file."""
        return Findings(
            self._hash.hexdigest(),
            self._length,
            self._measure.finish() if self._measure is not None else None,
            self._scan.found if self._scan is not None else None,
        )


async def inspect(chunks: AsyncIterator[bytes], inspection: Inspection) -> Findings:
    """Let a file go by; what is large is looked at in a thread, piece by piece."""
    held: list[bytes] = []
    held_bytes = 0
    async for piece in chunks:
        held.append(piece)
        held_bytes += len(piece)
        if held_bytes >= _BATCH_BYTES:
            await asyncio.to_thread(inspection.feed, b"".join(held))
            held, held_bytes = [], 0
    if held_bytes > _INLINE_BYTES:
        await asyncio.to_thread(inspection.feed, b"".join(held))
    else:
        inspection.feed(b"".join(held))
    return inspection.finish()
