"""What can be worked out from a collection alone, worked out once."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from hapta.model.schema import Collection

T = TypeVar("T")
_MOST_REMEMBERED: Final = 1024


class ByCollection(Generic[T]):
    """Remembers by which object a collection is: a saved collection is another one, and asked about anew.

    Args:
        make: what to work out; always the same for the same collection.
    """

    def __init__(self, make: Callable[[Collection], T]) -> None:
        self._make = make
        # each value holds its collection, or another one might get the same number
        self._known: dict[int, tuple[Collection, T]] = {}

    def __call__(self, collection: Collection) -> T:
        """What ``make`` says of ``collection``."""
        found = self._known.get(id(collection))
        if found is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            found = self._known[id(collection)] = (collection, self._make(collection))
        return found[1]
