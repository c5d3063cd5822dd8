"""Who is tied to whom: from callers to authors, or to rows.

Of each row of the collection its pairs are remembered, so that a change and a deletion take away what it
brought. Two rows may bring the same pair; it holds as long as one of them does.
"""

from array import array
from collections.abc import Iterable, Mapping
from sys import getsizeof
from typing import Any, Final

import numpy as np

from hapta.ranking.features import Codes as CodeArray
from hapta.ranking.places import TEXT_BYTES, Codes, Places
from hapta.ranking.signals import ids_in

_ID: Final = "id"
_LOW: Final = 0xFFFF_FFFF


class Ties:
    """What each caller is tied to, all edges of one kind together; each as often as rows say so."""

    def __init__(self) -> None:
        self._of: dict[int, array[int]] = {}

    def add(self, caller: int, place: int) -> None:
        """One more row says so."""
        ties = self._of.get(caller)
        if ties is None:
            ties = self._of[caller] = array("i")
        ties.append(place)

    def remove(self, caller: int, place: int) -> None:
        """One less does."""
        ties = self._of[caller]
        ties.remove(place)
        if not ties:
            del self._of[caller]

    def of(self, caller: int, most: int = 0) -> CodeArray:
        """The places, as often as rows say so; the latest ``most`` only, unless that is 0."""
        ties = self._of.get(caller)
        return np.array([] if ties is None else ties[-most:], np.int32)

    @property
    def nbytes(self) -> int:
        """By estimate."""
        return getsizeof(self._of) + sum(96 + 4 * len(ties) for ties in self._of.values())


class Edges:
    """The rows of one collection that tie, by two of their fields.

    Args:
        from_, to: the fields; ``id`` is the row itself. At most one of them holds several.
        callers: codes of those at the beginning.
        places: what the other end stands for; told how many pairs point at each.
        ties: gets the pairs.
        both: they hold the other way round, too; both ends are callers, and have places.
    """

    def __init__(
        self, from_: str, to: str, callers: Codes, places: Places, ties: Ties, *, both: bool = False
    ) -> None:
        self._from = from_
        self._to = to
        self._callers = callers
        self._places = places
        self._ties = ties
        self._both = both
        self._pairs: dict[str, int | array[int]] = {}

    def put(self, record_id: str, row: Mapping[str, Any]) -> bool:
        """A row as it is now; whether a tie came or went."""
        begins = [record_id] if self._from == _ID else ids_in(row.get(self._from))
        ends = [record_id] if self._to == _ID else ids_in(row.get(self._to))
        pairs = {pair for begin in begins for end in ends for pair in self._pairs_of(begin, end)}
        return self._move(record_id, pairs)

    def drop(self, record_id: str) -> bool:
        """A row is gone; whether ties went."""
        return self._move(record_id, set())

    @property
    def nbytes(self) -> int:
        """By estimate."""
        several = sum(64 + 8 * len(pairs) for pairs in self._pairs.values() if not isinstance(pairs, int))
        return getsizeof(self._pairs) + len(self._pairs) * (TEXT_BYTES + 32) + several

    def _pairs_of(self, begin: str, end: str) -> Iterable[int]:
        yield self._callers.find(begin) << 32 | self._places.find(end)
        if self._both:
            yield self._callers.find(end) << 32 | self._places.find(begin)

    def _move(self, record_id: str, new: set[int]) -> bool:
        kept = self._pairs.get(record_id)
        old = set() if kept is None else {kept} if isinstance(kept, int) else set(kept)
        if old == new:
            return False
        if len(new) == 1:
            self._pairs[record_id] = next(iter(new))
        elif new:
            self._pairs[record_id] = array("q", new)
        else:
            del self._pairs[record_id]
        for pair in new - old:
            self._places.hold(pair & _LOW)
            self._ties.add(pair >> 32, pair & _LOW)
        for pair in old - new:
            self._ties.remove(pair >> 32, pair & _LOW)
            self._places.let_go(pair & _LOW)
        return True
