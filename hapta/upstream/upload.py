"""A request body on its way to PocketBase, which must go on taking it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

SMALL_BYTES = 64 * 1024
"""A body up to this size always fits into what asyncio and the kernel buffer: sending it cannot stall."""


class Upload:
    """Sends a body piece by piece and gives up when PocketBase takes none for too long.

    aiohttp's deadline for the answer starts when the body is sent; without this, a PocketBase that stops
    reading would hold the request for ever. Time spent waiting for the client does not count.

    Args:
        body: the body.
        seconds: how long one piece may take; ``None`` for no deadline.
    """

    def __init__(self, body: bytes | AsyncIterator[bytes], seconds: float | None) -> None:
        self._body = body
        self._seconds = seconds
        self._deadline: asyncio.Timeout | None = None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body for the HTTP library, which asks for a piece when the one before is with the kernel."""
        if isinstance(self._body, bytes):
            for start in range(0, len(self._body), SMALL_BYTES):
                self._allow(self._seconds)
                yield self._body[start : start + SMALL_BYTES]
        else:
            async for piece in self._body:
                self._allow(self._seconds)
                yield piece
                self._allow(None)
        self._allow(None)

    def _allow(self, seconds: float | None) -> None:
        if self._deadline is not None:
            when = None if seconds is None else asyncio.get_running_loop().time() + seconds
            self._deadline.reschedule(when)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Within this block a stall ends the block with :class:`TimeoutError`."""
        async with asyncio.timeout(None) as self._deadline:
            try:
                yield
            finally:
                self._deadline = None
