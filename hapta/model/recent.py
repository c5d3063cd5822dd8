"""What was used lately, bounded: the least recently used is forgotten."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Values by key. Asked several times for every request: a third of what an ``LRUCache`` costs.

    Args:
        most: what all values weigh together at most.
        weigh: the weight of one, the same each time it is asked; each weighs 1 where it is not given.
    """

    __slots__ = ("_entries", "_most", "_weigh", "_weight")

    def __init__(self, most: int, weigh: Callable[[V], int] | None = None) -> None:
        self._most = most
        self._weigh = weigh
        self._weight = 0
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def weight(self) -> int:
        """Of all values together."""
        return self._weight

    def get(self, key: K) -> V | None:
        """The value of a key, which now is the most recently used."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep a value, and make room for it; one that is too heavy by itself is not kept."""
        self.drop(key)
        self._entries[key] = value
        self._weight += self._of(value)
        while self._weight > self._most:
            _, oldest = self._entries.popitem(last=False)
            self._weight -= self._of(oldest)

    def drop(self, key: K) -> None:
        """Forget a key, if it is there."""
        value = self._entries.pop(key, None)
        if value is not None:
            self._weight -= self._of(value)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._weight = 0

    def _of(self, value: V) -> int:
        return 1 if self._weigh is None else self._weigh(value)
