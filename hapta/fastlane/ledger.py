"""What the lane keeps, bounded in bytes: the oldest goes first.

It goes by age and not by use, because nothing is lost with it but the little that learning it again costs.
"""

from collections import deque
from collections.abc import MutableMapping
from typing import Any


class Ledger:
    """Notes what stands in tables, and takes it out of them again.

    Args:
        max_bytes: of all of it.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._noted: deque[tuple[MutableMapping[bytes, Any], bytes, object, int]] = deque()
        self.weight = 0

    def __len__(self) -> int:
        return len(self._noted)

    def add(self, table: MutableMapping[bytes, Any], key: bytes, item: object, weight: int) -> None:
        """Put ``item`` into a table; it leaves once too much came after it, if it is still there."""
        table[key] = item
        self._noted.append((table, key, item, weight))
        self.weight += weight
        while self.weight > self._max_bytes:
            self._give_up(*self._noted.popleft())

    def _give_up(self, table: MutableMapping[bytes, Any], key: bytes, item: object, weight: int) -> None:
        self.weight -= weight
        if table.get(key) is item:
            del table[key]
