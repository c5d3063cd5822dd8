"""What a caller is interested in, learned from what they did.

Each row they had to do with gives points to its author and to each of its topics::

    points = log2(1 + clicks) + 0.5 * min(dwell / 30 s, 2) + 0.1 * min(views, 5)     -2 where it is hidden
           + 2 where it is an engaged row (liked, saved, answered)

which fall to their half every 14 days: from the last time they had to do with it, of engaged rows from when
the row was made, for when it was liked is not known and cannot have been before. What one author or topic has
in all, ``s``, becomes an affinity between -1 and 1::

    affinity = s / (3 + |s|)

so that one click is 0.25, three likes are 0.67, and no amount of either outweighs everything else. A view
alone is weak: rows are shown to callers because of their affinities, and these must not feed on themselves.
"""

from dataclasses import replace
from math import log2
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.features import NONE, Caller, Codes, Features, Floats
from hapta.ranking.interactions import Row, UserInteractions

HALF_LIFE_S: Final = 14 * 86_400.0
CLICK, DWELL, VIEW, HIDDEN, ENGAGED = 1.0, 0.5, 0.1, -2.0, 2.0
FULL_DWELL_MS: Final = 30_000
_MOST_DWELLS, _MOST_VIEWS = 2.0, 5
HALFWAY: Final = 3.0
"""So many points are an affinity of one half."""

_Points: TypeAlias = NDArray[np.float64]


class Table(Protocol):
    """What is asked of a feed's table (:class:`hapta.ranking.table.FeatureTable`)."""

    def features(self) -> Features: ...

    def slot_of(self, record_id: str) -> int | None: ...

    def engaged(self, user_id: str) -> Codes: ...


def with_interactions(
    caller: Caller, table: Table, theirs: UserInteractions | None, now: float, user: str = ""
) -> Caller:
    """The caller with what they saw, hid and are interested in.

    Args:
        caller: as the table has them.
        table: of the feed.
        theirs: what they did with its rows; ``None``: nothing is kept of it.
        now: Unix seconds.
        user: the id by which rows know who engaged; empty: they do not know the caller, who may still have
            the id of somebody they know, in another auth collection.
    """
    features = table.features()
    slots: list[int] = []
    points: list[float] = []
    seen: list[int] = []
    hidden: list[int] = []
    for record, row in theirs.rows.items() if theirs is not None else ():
        slot = table.slot_of(record)
        if slot is None:
            continue
        if row.is_seen:
            seen.append(slot)
        if row.hidden:
            hidden.append(slot)
        slots.append(slot)
        points.append(points_of(row) * _faded(now - row.last))
    engaged = table.engaged(user) if user else np.empty(0, np.int32)
    all_slots = np.concatenate([np.array(slots, np.int32), engaged])
    ages = np.maximum(now - features.created[engaged], 0.0)
    all_points = np.concatenate([np.array(points, np.float64), ENGAGED * np.exp2(-ages / HALF_LIFE_S)])
    authors, author_affinity = _affinities(features.author[all_slots], all_points, but=caller.own)
    topics = features.topics[all_slots]
    each = np.repeat(all_points, topics.shape[1])
    topic_codes, topic_affinity = _affinities(topics.ravel(), each)
    return replace(
        caller,
        seen=np.array(seen, np.int32),
        hidden=np.array(hidden, np.int32),
        authors=authors,
        author_affinity=author_affinity,
        topics=topic_codes,
        topic_affinity=topic_affinity,
    )


def points_of(row: Row) -> float:
    """What a row gives to its author and topics as long as it is new."""
    if row.hidden:
        return HIDDEN
    dwells = min(row.dwell_ms / FULL_DWELL_MS, _MOST_DWELLS)
    return CLICK * log2(1 + row.clicks) + DWELL * dwells + VIEW * min(row.views, _MOST_VIEWS)


def _faded(age_s: float) -> float:
    return float(0.5 ** (max(age_s, 0.0) / HALF_LIFE_S))


def _affinities(codes: Codes, points: _Points, but: int = NONE) -> tuple[Codes, Floats]:
    """The codes that have points at all, in order, and the affinity of each."""
    counts = (codes != NONE) & (codes != but)
    found, places = np.unique(codes[counts], return_inverse=True)
    sums = np.bincount(places, weights=points[counts], minlength=len(found))
    return found.astype(np.int32, copy=False), (sums / (HALFWAY + np.abs(sums))).astype(np.float32)
