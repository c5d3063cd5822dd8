"""Where columns lie: one block of memory for all of a feed's, which another process may look into.

A block has a fixed capacity; a table that outgrows it takes a larger one and copies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a block.

    Attributes:
        name: unique within the block.
        dtype: as numpy names it, such as ``float32``.
        width: 1, or how many values each slot has.
    """

    name: str
    dtype: str
    width: int = 1


class Block(Protocol):
    """Memory for columns.

    Attributes:
        capacity: slots.
        arrays: by name of the column, of shape (capacity,), or (capacity, width) where that is more than 1;
            zeros at first.
    """

    @property
    def capacity(self) -> int: ...

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]: ...

    def release(self) -> None:
        """Nobody will use it from now on but those who look into it already."""


class Arena(Protocol):
    """Gives out blocks."""

    def allocate(self, columns: Sequence[Column], capacity: int) -> Block: ...


@dataclass(frozen=True, slots=True)
class HeapBlock:
    """A block of ordinary memory."""

    capacity: int
    arrays: Mapping[str, NDArray[Any]]

    def release(self) -> None:
        """It goes with the last array."""


class HeapArena:
    """Ordinary memory, for what never leaves the process."""

    def allocate(self, columns: Sequence[Column], capacity: int) -> HeapBlock:
        """A block of zeros."""
        arrays = {
            column.name: np.zeros(capacity if column.width == 1 else (capacity, column.width), column.dtype)
            for column in columns
        }
        return HeapBlock(capacity, arrays)
