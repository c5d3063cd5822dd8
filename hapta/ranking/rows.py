"""Some rows of :class:`~hapta.ranking.features.Features`, their columns gathered as a formula asks for them.

Most of the time of a ranking goes into memory. So a column nobody asks for is not read, and formulas get some
thousand rows at a time (:meth:`Rows.parts`): their arrays then stay in the processor's cache and need no new
pages, which makes an exponential function ten times as fast.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.features import Codes, Features, Floats, Times

Indices: TypeAlias = NDArray[np.intp]
T = TypeVar("T", bound=np.generic)

PART: Final = 16_384
BOUND: Final = 1e18
"""Of a signal, either way: far beyond any count, and far enough below infinity that no formula gets there."""

_SPARE_CODES: Final = 1024


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a feed.

    Attributes:
        features: all of its columns.
        slots: which rows, ascending; a slice spares gathering.
    """

    features: Features
    slots: Indices | slice

    @classmethod
    def all(cls, features: Features) -> "Rows":
        """Every slot."""
        return cls(features, slice(0, len(features)))

    def __len__(self) -> int:
        return self.slots.stop - self.slots.start if isinstance(self.slots, slice) else len(self.slots)

    def parts(self) -> Iterator[tuple[slice, "Rows"]]:
        """These rows a few at a time, each time with their places among these."""
        first = self.slots.start if isinstance(self.slots, slice) else 0
        for start in range(0, len(self), PART):
            places = slice(start, min(start + PART, len(self)))
            if isinstance(self.slots, slice):
                yield places, Rows(self.features, slice(first + places.start, first + places.stop))
            else:
                yield places, Rows(self.features, self.slots[places])

    def slots_at(self, places: NDArray[Any]) -> Indices:
        """The slots at some places among these rows; places are numbers or flags."""
        if isinstance(self.slots, slice):
            found: Indices = np.arange(self.slots.start, self.slots.stop)[places]
        else:
            found = self.slots[places]
        return found

    def created_at(self, places: Indices | slice) -> Times:
        """The dates at some places among these rows."""
        if isinstance(self.slots, slice):
            return self.features.created[self.slots][places]
        return self.features.created[self.slots[places]]

    def places_of(self, slots: NDArray[Any]) -> Indices:
        """At which places among these rows some slots are; those that are not are left out."""
        if isinstance(self.slots, slice):
            first, beyond = self.slots.start, self.slots.stop
            places: Indices = np.subtract(slots[(slots >= first) & (slots < beyond)], first, dtype=np.intp)
            return places
        if not len(self.slots):
            return np.empty(0, np.intp)
        places = np.minimum(np.searchsorted(self.slots, slots), len(self.slots) - 1)
        places = places[self.slots[places] == slots]
        return places

    def of(self, column: NDArray[T]) -> NDArray[T]:
        """A column of the features for these rows; not to be written to."""
        return column[self.slots]

    def created(self) -> Times:
        """Seconds since the epoch."""
        return self.features.created[self.slots]

    def ages_s(self, now: float) -> Times:
        """Seconds since they were created; 0 for what is dated in the future. A new array."""
        ages = np.subtract(now, self.created())
        return np.maximum(ages, 0.0, out=ages)

    def authors(self) -> Codes:
        """Codes of their authors."""
        return self.features.author[self.slots]

    def topics(self) -> Iterator[Codes]:
        """Codes of their first topics, then those of their second ones …"""
        return (column[self.slots] for column in self.features.topics.T)

    def signal(self, name: str, least: float = -BOUND) -> Times:
        """The values of a signal, in double precision, from ``least`` to :data:`BOUND`. A new array."""
        values = self.features.signals[name][self.slots]
        return values.clip(least, BOUND).astype(np.float64)


def codes_in(column: Codes) -> int:
    """For how many codes a table is made that is asked about a column's: more than the greatest needs.

    A column in shared memory may be given further ones while another process ranks.
    """
    return int(column.max(initial=-1)) + 1 + _SPARE_CODES


def flags_of(codes: Codes, length: int) -> NDArray[np.bool_]:
    """A table over ``length`` codes: which are among ``codes``. Its last place is that of no code, -1."""
    table = np.zeros(length + 1, np.bool_)
    table[codes[(codes >= 0) & (codes < length)]] = True
    return table


def values_of(codes: Codes, values: Floats, length: int) -> Times:
    """A table over ``length`` codes: the value of each, else 0. Its last place is that of no code, -1."""
    table = np.zeros(length + 1)
    is_known = (codes >= 0) & (codes < length) & np.isfinite(values)
    table[codes[is_known]] = values[is_known]
    return table
