"""The best few of many by several keys, without sorting the many."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.rows import Indices

Keys = Sequence[NDArray[Any]]


def best(keys: Keys, count: int) -> Indices:
    """The places of the best ``count``, the best first.

    Greater keys are better, the first key counts before the second and so on; what is equal in all of them
    keeps its order.

    Args:
        keys: of equal length, no NaN.
    """
    found = best_unordered(keys, count)
    return found[np.lexsort([np.negative(key[found], dtype=np.float64) for key in reversed(keys)])]


def best_unordered(keys: Keys, count: int) -> Indices:
    """The same places in ascending order."""
    first = keys[0]
    length = len(first)
    if count >= length:
        return np.arange(length)
    if count <= 0:
        return np.empty(0, np.intp)
    least = np.partition(first, length - count)[length - count]
    above, equal = np.flatnonzero(first > least), np.flatnonzero(first == least)
    wanted = count - len(above)
    if wanted < len(equal):
        equal = (
            equal[best_unordered([key[equal] for key in keys[1:]], wanted)] if keys[1:] else equal[:wanted]
        )
    found = np.concatenate([above, equal])
    found.sort()
    return found
