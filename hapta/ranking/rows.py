"""Some rows of :class:`~hapta.ranking.features.Features`, their columns gathered as a formula asks for them.

Most of the time of a ranking goes into reading columns; a column nobody asks for is not read.
"""

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.features import Codes, Features, Flags, Floats, Times

Indices: TypeAlias = NDArray[np.intp]
T = TypeVar("T", bound=np.generic)

_BOUND = 1e18  # of a signal: far beyond any count, and far enough below infinity that no formula gets there


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a feed.

    Attributes:
        features: all of its columns.
        slots: which rows, ascending; ``None``: all of them, which spares gathering.
    """

    features: Features
    slots: Indices | None = None

    def __len__(self) -> int:
        return len(self.features) if self.slots is None else len(self.slots)

    def indices(self) -> Indices:
        """Their slots."""
        return np.arange(len(self.features)) if self.slots is None else self.slots

    def of(self, column: NDArray[T]) -> NDArray[T]:
        """A column of the features for these rows; not to be written to."""
        return column if self.slots is None else column[self.slots]

    def created(self) -> Times:
        """Seconds since the epoch."""
        return self.of(self.features.created)

    def ages_s(self, now: float) -> Times:
        """Seconds since they were created; 0 for what is dated in the future. A new array."""
        ages = now - self.created()
        return np.maximum(ages, 0.0, out=ages)

    def authors(self) -> Codes:
        """Codes of their authors."""
        return self.of(self.features.author)

    def pinned(self) -> Flags:
        """Which are pinned."""
        return self.of(self.features.pinned)

    def topics(self) -> list[Codes]:
        """Codes of their first topics, of their second ones …"""
        return [self.of(column) for column in self.features.topics.T]

    def signal(self, name: str) -> Times:
        """The values of a signal, in double precision and bounded, what is not a number as 0. A new array."""
        values = np.fmax(self.of(self.features.signals[name]), -_BOUND, dtype=np.float64)
        return np.fmin(values, _BOUND, out=values)


def flags_of(codes: Codes, length: int) -> Flags:
    """A table over codes: which of them are among ``codes``. Its last place is that of no code, -1."""
    table = np.zeros(length + 1, np.bool_)
    table[codes[(codes >= 0) & (codes < length)]] = True
    return table


def values_of(codes: Codes, values: Floats, length: int) -> Times:
    """A table over codes: the value of each, 0 of any other. Its last place is that of no code, -1."""
    table = np.zeros(length + 1)
    is_known = (codes >= 0) & (codes < length)
    table[codes[is_known]] = values[is_known]
    return table


def codes_in(column: Codes) -> int:
    """One more than the greatest code in a column: how long a table over its codes has to be."""
    return int(column.max(initial=-1)) + 1
