"""Small whole numbers in place of ids: slots of rows, codes of people and topics.

A code, once given, stays for the life of the table. A slot is given back when its row is gone and nothing
points at it; it then rests for :data:`REST_S`, for an order that is being worked out elsewhere names slots,
and none of them may come to mean another row meanwhile.
"""

from array import array
from collections import deque
from collections.abc import Callable
from sys import getsizeof
from typing import Final, Protocol

from hapta.model.clock import Clock
from hapta.ranking.features import NONE

REST_S: Final = 60.0
"""Seconds from a row's end to another one in its slot; no job takes as long."""
TEXT_BYTES: Final = 64
"""What an id of fifteen characters takes in memory."""


class Places(Protocol):
    """What ids stand for."""

    def find(self, record_id: str) -> int:
        """The place of an id; a new one if it has none."""
        ...

    def hold(self, place: int) -> None:
        """One more points at it."""
        ...

    def let_go(self, place: int) -> None:
        """One less does."""
        ...


class Codes:
    """Ids by numbers that are never given again."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def find(self, record_id: str) -> int:
        code = self._codes.get(record_id)
        if code is None:
            code = self._codes[record_id] = len(self._codes)
        return code

    def get(self, record_id: str) -> int:
        """Its code, ``NONE`` if it has none."""
        return self._codes.get(record_id, NONE)

    def hold(self, place: int) -> None:
        """It stays anyway."""

    def let_go(self, place: int) -> None:
        """It stays anyway."""

    @property
    def nbytes(self) -> int:
        """By estimate."""
        return getsizeof(self._codes) + len(self) * (TEXT_BYTES + 32)


class Slots:
    """The places of rows; a row that is pointed at has one before it comes and after it is gone.

    Args:
        grow: told of each new length, before there is such a slot.
        clear: told of a slot that is given back.
    """

    def __init__(self, clock: Clock, grow: Callable[[int], None], clear: Callable[[int], None]) -> None:
        self._clock = clock
        self._grow = grow
        self._clear = clear
        self._slots: dict[str, int] = {}
        self._ids: list[str | None] = []
        self._held = array("i")
        self._is_there = bytearray()
        self._resting: deque[tuple[float, int]] = deque()
        self.rows = 0

    def __len__(self) -> int:
        """How many slots there are, empty ones included."""
        return len(self._ids)

    def find(self, record_id: str) -> int:
        slot = self._slots.get(record_id)
        if slot is None:
            slot = self._slots[record_id] = self._take(record_id)
        return slot

    def _take(self, record_id: str) -> int:
        if self._resting and self._resting[0][0] + REST_S <= self._clock.monotonic():
            slot = self._resting.popleft()[1]
            self._ids[slot] = record_id
            return slot
        slot = len(self._ids)
        self._grow(slot + 1)
        self._ids.append(record_id)
        self._held.append(0)
        self._is_there.append(0)
        return slot

    def enter(self, record_id: str) -> int:
        """A row is there; its slot."""
        slot = self.find(record_id)
        if not self._is_there[slot]:
            self._is_there[slot] = 1
            self.rows += 1
        return slot

    def leave(self, record_id: str) -> int | None:
        """A row is gone; the slot it had. If nothing points there, it is given back by :meth:`settle`."""
        slot = self.row(record_id)
        if slot is not None:
            self._is_there[slot] = 0
            self.rows -= 1
        return slot

    def hold(self, place: int) -> None:
        self._held[place] += 1

    def let_go(self, place: int) -> None:
        self._held[place] -= 1
        self.settle(place)

    def settle(self, slot: int) -> None:
        """Give it back if there is no row and nothing points at it."""
        record_id = self._ids[slot]
        if self._held[slot] or self._is_there[slot] or record_id is None:
            return
        del self._slots[record_id]
        self._ids[slot] = None
        self._clear(slot)
        self._resting.append((self._clock.monotonic(), slot))

    def row(self, record_id: str) -> int | None:
        """Where a row is that is there."""
        slot = self._slots.get(record_id)
        return slot if slot is not None and self._is_there[slot] else None

    def id_of(self, slot: int) -> str | None:
        """Which row is there, if one is."""
        return self._ids[slot] if 0 <= slot < len(self._ids) and self._is_there[slot] else None

    @property
    def nbytes(self) -> int:
        """By estimate."""
        own = getsizeof(self._slots) + getsizeof(self._ids) + getsizeof(self._held)
        return own + len(self._slots) * (TEXT_BYTES + 32) + getsizeof(self._is_there)
