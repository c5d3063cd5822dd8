"""SplitMix64 and the few ways the workload draws from it.

Every implementation of the workload draws the same requests because all of this is exact: a 64-bit generator
(Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014), a uniform number of its
upper 53 bits, and weighted choice by bisection in cumulative weights that were added up from left to right.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

_MASK = (1 << 64) - 1


class SplitMix64:
    """A stream of random numbers; the same seed gives the same stream, everywhere and for ever."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def next_u64(self) -> int:
        """The next 64 random bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return (self.next_u64() >> 11) / (1 << 53)

    def below(self, limit: int) -> int:
        """An integer in [0, ``limit``)."""
        return int(self.uniform() * limit)

    def pick(self, cumulative: Sequence[float]) -> int:
        """An index, chosen by :func:`cumulative` weights."""
        return min(bisect_right(cumulative, self.uniform() * cumulative[-1]), len(cumulative) - 1)

    def permutation(self, length: int) -> list[int]:
        """The numbers below ``length``, shuffled (Fisher-Yates, downward)."""
        order = list(range(length))
        for i in range(length - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order


def cumulative(weights: Iterable[float]) -> list[float]:
    """Running totals of ``weights``, for :meth:`SplitMix64.pick`."""
    return list(accumulate(weights))


def zipf(length: int, exponent: float) -> list[float]:
    """Cumulative weights of ranks 1 to ``length``, the weight of a rank being ``rank ** -exponent``."""
    return cumulative(1 / (rank + 1) ** exponent for rank in range(length))
