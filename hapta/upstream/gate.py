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


class _Own:
    """What one client has in a :class:`FairGate`.

    Attributes:
        users: slots it has, and requests of its in line.
        gate: before it a line forms; there is one once its share is taken.
    """

    __slots__ = ("gate", "users")

    def __init__(self) -> None:
        self.users = 0
        self.gate: Gate | None = None


class FairGate:
    """A gate of which no client takes more than three quarters.

    A slot is held as long as a client takes to read an answer too large to be held here: without a share, one
    that opens as many downloads as there are slots, and hardly reads, would shut everybody else out.

    Args: as for :class:`Gate`.
    """

    def __init__(self, slots: int, max_waiting: int, max_wait_s: float) -> None:
        self._all = Gate(slots, max_waiting, max_wait_s)
        self._share = slots - slots // 4
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._own: dict[int, _Own] = {}

    async def enter(self, owner: int | None) -> None:
        """Take a slot; give it back with :meth:`leave` and the same ``owner`` (``None``: Hapta itself).

        Raises:
            Overloaded: a line is full, or its wait took too long.
        """
        if owner is None:
            return await self._all.enter()
        own = self._own.get(owner)
        if own is None:
            own = self._own[owner] = _Own()
        own.users += 1
        if own.gate is None and own.users > self._share:
            own.gate = Gate(0, self._max_waiting, self._max_wait_s)
        try:
            if own.gate is not None:
                await own.gate.enter()
            try:
                await self._all.enter()
            except BaseException:
                if own.gate is not None:
                    own.gate.leave()
                raise
        except BaseException:
            self._used(owner, own)
            raise
        return None

    def leave(self, owner: int | None) -> None:
        """Give the slot back."""
        self._all.leave()
        if owner is not None:
            own = self._own[owner]
            if own.gate is not None:
                own.gate.leave()
            self._used(owner, own)

    def _used(self, owner: int, own: _Own) -> None:
        own.users -= 1
        if not own.users:
            del self._own[owner]
