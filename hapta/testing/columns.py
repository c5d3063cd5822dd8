"""Columns of a ranked feed, made for a test."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from hapta.hooks.change import NOTHING
from hapta.hooks.feed_columns import FeedColumns


def make_columns(
    age_s: Sequence[float],
    signals: Mapping[str, Sequence[float]] = NOTHING,
    *,
    author: Sequence[int] = (),
    topics: Sequence[Sequence[int]] = (),
    pinned: Sequence[bool] = (),
    followed: Sequence[bool] = (),
    author_affinity: Sequence[float] = (),
    topic_affinity: Sequence[float] = (),
    seen: Sequence[bool] = (),
    now: float = 1_790_000_000.0,
    half_life_s: float = 86_400.0,
    weights: Mapping[str, float] = NOTHING,
) -> FeedColumns:
    """What a plugin's own scoring gets: one row for each of ``age_s``.

    Args:
        age_s: seconds since each row was created.
        signals: by name, one value a row.
        author, pinned, followed, author_affinity, topic_affinity, seen: one value a row; empty: none, no, 0.
        topics: codes of each row, as many for each.
    """
    import numpy as np

    count = len(age_s)

    def column(values: Any, dtype: Any, default: Any) -> Any:
        array = np.array(values if len(values) else [default] * count, dtype)
        if len(array) != count:
            raise ValueError(f"there are {count} rows, and {len(array)} values for one of the columns")
        array.flags.writeable = False
        return array

    ages = column(age_s, np.float64, 0)
    return FeedColumns(
        created=column(now - ages, np.float64, 0),
        age_s=ages,
        author=column(author, np.int32, -1),
        pinned=column(pinned, np.bool_, False),
        topics=column(topics, np.int32, []).reshape(count, -1 if count else 0),
        signals=MappingProxyType({name: column(values, np.float32, 0) for name, values in signals.items()}),
        followed=column(followed, np.bool_, False),
        author_affinity=column(author_affinity, np.float64, 0),
        topic_affinity=column(topic_affinity, np.float64, 0),
        seen=column(seen, np.bool_, False),
        now=now,
        half_life_s=half_life_s,
        weights=MappingProxyType(dict(weights)),
    )
