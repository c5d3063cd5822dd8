"""Feeds as lists of rows, for tests: drawn, and made columns of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from hapta.ranking.features import NONE, Caller, Features

NOW = 1_790_000_000.0
DAY_S = 86_400.0
SIGNALS = ("likes", "comments", "spam")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as a person would write it down."""

    age_s: float = 0.0
    author: int = NONE
    likes: float = 0.0
    comments: float = 0.0
    spam: float = 0.0
    is_candidate: bool = True
    is_pinned: bool = False
    topics: tuple[int, ...] = field(default=())


def features_of(rows: Sequence[Row], signals: Sequence[str] = SIGNALS) -> Features:
    """The columns of some rows, in slots 0, 1, 2 …"""
    width = max((len(row.topics) for row in rows), default=0)
    topics = [[*row.topics, *[NONE] * (width - len(row.topics))] for row in rows]
    return Features(
        created=np.array([NOW - row.age_s for row in rows], np.float64),
        author=np.array([row.author for row in rows], np.int32),
        is_candidate=np.array([row.is_candidate for row in rows], np.bool_),
        pinned=np.array([row.is_pinned for row in rows], np.bool_),
        topics=np.array(topics, np.int32).reshape(len(rows), width),
        signals={name: np.array([getattr(row, name) for row in rows], np.float32) for name in signals},
    )


def codes(*values: int) -> np.ndarray:
    """Codes, or slots."""
    return np.array(values, np.int32)


AGES = st.one_of(
    st.sampled_from([0.0, 0.0, -3600.0, DAY_S, 7 * DAY_S, 40 * DAY_S, NOW]),
    st.integers(0, 10**10).map(lambda number: number / 1024),  # so that NOW less an age is exact
)
COUNTS = st.one_of(st.integers(0, 5), st.integers(0, 10**6)).map(float)
ROWS = st.lists(
    st.builds(
        Row,
        age_s=AGES,
        author=st.integers(-1, 4),
        likes=COUNTS,
        comments=COUNTS,
        spam=st.integers(0, 2).map(float),
        is_candidate=st.integers(0, 9).map(bool),
        is_pinned=st.integers(0, 9).map(lambda number: not number),
        topics=st.lists(st.integers(0, 4), max_size=2).map(tuple),
    ),
    max_size=25,
)


@st.composite
def callers(draw: st.DrawFn, rows: int) -> Caller:
    """A caller with some of everything; codes and slots that are nowhere in the columns among them."""
    author, topic, slot = st.integers(0, 6), st.integers(0, 6), st.integers(0, rows + 3)

    def some(of: st.SearchStrategy[int], most: int) -> np.ndarray:
        return codes(*draw(st.lists(of, max_size=most, unique=True)))

    authors, topics = some(author, 3), some(topic, 3)
    affinity = st.floats(-1, 1, width=32)
    return Caller(
        own=draw(st.integers(-1, 4)),
        followed=some(author, 3),
        hidden_authors=some(author, 1),
        hidden=some(slot, 2),
        seen=some(slot, 4),
        authors=authors,
        author_affinity=np.array([draw(affinity) for _ in authors], np.float32),
        topics=topics,
        topic_affinity=np.array([draw(affinity) for _ in topics], np.float32),
        visible=draw(
            st.none()
            | st.lists(st.integers(0, 9).map(bool), min_size=rows, max_size=rows).map(
                lambda flags: np.array(flags, np.bool_)
            )
        ),
    )
