"""What is ranked: columns of equal length, one place for each row. And for whom.

A *slot* is a row's place in all columns. Authors and topics stand there as *codes*: small whole numbers given
by the table (:class:`hapta.ranking.table.FeatureTable`), -1 where there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Times: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int32]
Flags: TypeAlias = NDArray[np.bool_]

NONE: Final = -1
"""The code of no author, no topic."""


@dataclass(frozen=True, slots=True)
class Features:
    """The columns of one feed.

    Attributes:
        created: seconds since the epoch, shape (n,).
        author: codes, shape (n,).
        is_candidate: there is a row in this slot, and the feed's filter lets it pass; shape (n,).
        pinned: shape (n,).
        topics: codes, shape (n, k); NONE where a row has fewer.
        signals: by name, each of shape (n,).
    """

    created: Times
    author: Codes
    is_candidate: Flags
    pinned: Flags
    topics: Codes
    signals: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.created)


def _no_codes() -> Codes:
    return np.empty(0, np.int32)


def _no_floats() -> Floats:
    return np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Caller:
    """What of one caller counts; a guest's is ``Caller()``.

    Attributes:
        own: the caller's own code among authors; NONE if there is none.
        followed: codes of authors they follow.
        hidden_authors: codes of authors whose rows they never get.
        hidden: slots of rows they have hidden.
        seen: slots of rows they were shown or opened.
        authors, author_affinity: codes of authors they are interested in, and how much, -1 to 1.
        topics, topic_affinity: the same for topics.
        visible: which slots they may see, shape (n,); ``None``: all.
    """

    own: int = NONE
    followed: Codes = field(default_factory=_no_codes)
    hidden_authors: Codes = field(default_factory=_no_codes)
    hidden: Codes = field(default_factory=_no_codes)
    seen: Codes = field(default_factory=_no_codes)
    authors: Codes = field(default_factory=_no_codes)
    author_affinity: Floats = field(default_factory=_no_floats)
    topics: Codes = field(default_factory=_no_codes)
    topic_affinity: Floats = field(default_factory=_no_floats)
    visible: Flags | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a feed ranks; of :class:`hapta.config.feed_tables.RankedFeedConfig`, plain enough for a worker.

    Attributes:
        preset: name of a formula.
        weights: by name of the signal, and ``follow``, ``author``, ``topic``.
        half_life_s: seconds.
        limit, window_s, depth, spacing, seen: as of the configuration.
    """

    preset: str = "for_you"
    weights: Mapping[str, float] = field(default_factory=dict)
    half_life_s: float = 86_400.0
    limit: int = 100_000
    window_s: float = 0.0
    depth: int = 1000
    spacing: int = 0
    seen: Literal["keep", "lower", "hide"] = "keep"


@dataclass(frozen=True, slots=True)
class Ranked:
    """An order.

    Attributes:
        slots: the best first, at most ``depth``.
        scores: of each.
        total: how many candidates there were for this caller, those beyond ``depth`` included.
    """

    slots: Codes
    scores: Floats
    total: int
