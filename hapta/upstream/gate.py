"""So many requests at once, so many waiting, so long: the bound that keeps a slow PocketBase from filling
memory."""

import asyncio
from collections import deque

from hapta.model.errors import Overloaded


class Gate:
    """A semaphore whose waiting line is bounded in length and time; first come, first served.

    Args:
        slots: requests under way at once.
        max_waiting: requests in line; one more is refused at once.
        max_wait_s: seconds in line before a request is refused.
    """

    def __init__(self, slots: int, max_waiting: int, max_wait_s: float) -> None:
        self._free = slots
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._line: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Take a slot; give it back with :meth:`leave`.

        Raises:
            Overloaded: the line is full, or its wait took too long.
        """
        if self._free > 0 and not self._line:
            self._free -= 1
            return
        if len(self._line) >= self._max_waiting:
            raise Overloaded
        ticket = asyncio.get_running_loop().create_future()
        self._line.append(ticket)
        try:
            async with asyncio.timeout(self._max_wait_s):
                await ticket
        except BaseException as exc:
            if ticket.done() and not ticket.cancelled():
                self.leave()  # the slot arrived together with the cancellation
            elif ticket in self._line:
                self._line.remove(ticket)
            if isinstance(exc, TimeoutError):
                raise Overloaded from exc
            raise

    def leave(self) -> None:
        """Give the slot back; the first in line gets it."""
        while self._line:
            ticket = self._line.popleft()
            if not ticket.done():
                ticket.set_result(None)
                return
        self._free += 1
