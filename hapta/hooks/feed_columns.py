"""What a plugin's own scoring gets. NumPy is not loaded for it here: only where a feed is ranked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ScoreFunction: TypeAlias = Callable[["FeedColumns"], Any]
"""A plain function; it gives an array with one number for each row, the greater the better."""


@dataclass(frozen=True, slots=True, eq=False)
class FeedColumns:
    """The rows of a ranked feed that one caller may get, a column for each thing known of them: arrays with
    one value (of ``topics``: one line of values) for each row, in no particular order. They cannot be
    written to: ``columns.age_s * 2`` makes a new one.

    Authors and topics stand there as *codes*, whole numbers that mean the same author or topic within these
    columns only; -1 is none.

    Attributes:
        created: seconds since the epoch.
        age_s: seconds since then; 0 for a row dated in the future.
        author: code of the row's author.
        pinned: whether it is pinned, and so comes first whatever its score.
        topics: codes of its topics, of shape (rows, most topics of a row); -1 where it has fewer.
        signals: what the feed's table names, such as ``columns.signals["likes"]``.
        followed: whether the caller follows its author.
        author_affinity: how much the caller is interested in its author, -1 to 1; 0 where nothing is known.
        topic_affinity: the sum of the same for its topics.
        seen: whether the caller was shown it, or opened it, before.
        now: seconds since the epoch.
        half_life_s: of the feed's table.
        weights: of the feed's table, by name of the signal.
    """

    created: "NDArray[np.float64]"
    age_s: "NDArray[np.float64]"
    author: "NDArray[np.int32]"
    pinned: "NDArray[np.bool_]"
    topics: "NDArray[np.int32]"
    signals: "Mapping[str, NDArray[np.float32]]"
    followed: "NDArray[np.bool_]"
    author_affinity: "NDArray[np.float64]"
    topic_affinity: "NDArray[np.float64]"
    seen: "NDArray[np.bool_]"
    now: float
    half_life_s: float
    weights: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.created)
