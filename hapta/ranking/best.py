"""The best few of many by several keys, without sorting the many."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.rows import Indices

Key: TypeAlias = Callable[[Indices | slice], NDArray[Any]]
"""Gives what stands at some places, such as ``array.__getitem__``. Greater is better; nothing is NaN."""

EVERYWHERE = slice(None)


def best(keys: Sequence[Key], count: int, among: Indices | None = None) -> Indices:
    """The places of the best ``count``, the best first.

    Args:
        keys: the first counts before the second and so on; what is equal in all of them keeps its order.
        among: only these places, which ascend.
    """
    found = best_unordered(keys, count, among)
    return found[np.lexsort([np.negative(key(found)) for key in reversed(keys)])]


def best_unordered(keys: Sequence[Key], count: int, among: Indices | None = None) -> Indices:
    """The same places as those of :func:`best`, ascending."""
    first = keys[0](EVERYWHERE if among is None else among)
    length = len(first)
    if count >= length:
        return np.arange(length) if among is None else among
    least = np.partition(first, length - count)[length - count]
    above, equal = np.flatnonzero(first > least), np.flatnonzero(first == least)
    if among is not None:
        above, equal = among[above], among[equal]
    wanted = count - len(above)
    if wanted < len(equal):
        equal = best_unordered(keys[1:], wanted, equal) if keys[1:] else equal[:wanted]
    found = np.concatenate([above, equal])
    found.sort()
    return found
