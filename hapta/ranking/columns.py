"""The columns of a feed in a block, by name, and back: whoever has a block of a feed's has its features."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.arena import Arena, Block, Column
from hapta.ranking.features import NONE, Features

_SIGNAL: Final = "signal."
_SMALLEST: Final = 1024


def columns_of(signals: tuple[str, ...], topics: int) -> list[Column]:
    """What a feed needs.

    Args:
        signals: their names.
        topics: how many a row may have.
    """
    columns = [
        Column("created", "float64"),
        Column("author", "int32"),
        Column("is_candidate", "bool"),
        Column("pinned", "bool"),
        *(Column(_SIGNAL + name, "float32") for name in signals),
    ]
    return [*columns, Column("topics", "int32", topics)] if topics else columns


def features_of(arrays: Mapping[str, NDArray[Any]], length: int) -> Features:
    """Views of the first ``length`` slots; no copy."""
    topics = arrays.get("topics", np.empty((length, 0), np.int32))
    return Features(
        arrays["created"][:length],
        arrays["author"][:length],
        arrays["is_candidate"][:length],
        arrays["pinned"][:length],
        topics[:length] if topics.ndim > 1 else topics[:length, np.newaxis],
        {
            name.removeprefix(_SIGNAL): array[:length]
            for name, array in arrays.items()
            if name.startswith(_SIGNAL)
        },
    )


class Columns:
    """Columns that grow: when full, they move to a block of twice the size.

    Attributes:
        block: the current one; another one after the columns have grown.
        topics: how many a row may have.
    """

    def __init__(self, arena: Arena, signals: tuple[str, ...], topics: int) -> None:
        self._arena = arena
        self._columns = columns_of(signals, topics)
        self.topics = topics
        self._signals = signals
        self.block: Block = arena.allocate(self._columns, _SMALLEST)
        self._bind()

    def _bind(self) -> None:
        arrays = self.block.arrays
        self.created, self.author = arrays["created"], arrays["author"]
        self.is_candidate, self.pinned = arrays["is_candidate"], arrays["pinned"]
        self.topic_codes: NDArray[np.int32] = arrays.get("topics", np.empty(0, np.int32))
        self.signals = {name: arrays[_SIGNAL + name] for name in self._signals}

    def grow(self, length: int) -> None:
        """There will be so many slots."""
        if length > self.block.capacity:
            old, new = self.block, self._arena.allocate(self._columns, max(length, 2 * self.block.capacity))
            for name, array in old.arrays.items():
                new.arrays[name][: old.capacity] = array[: old.capacity]
            self.block = new
            self._bind()
            old.release()
        self.clear(length - 1)

    def clear(self, slot: int) -> None:
        """Nothing is there."""
        self.clear_row(slot)
        for column in self.signals.values():
            column[slot] = 0

    def clear_row(self, slot: int) -> None:
        """No row is there; what others say of it stays."""
        self.is_candidate[slot] = False
        self.created[slot] = 0
        self.author[slot] = NONE
        self.pinned[slot] = False
        if self.topics:
            self.topic_codes[slot] = NONE

    @property
    def nbytes(self) -> int:
        """Of the block."""
        return sum(array.nbytes for array in self.block.arrays.values())
