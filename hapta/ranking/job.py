"""A ranking as a job: what a worker is told, what it does, what it gives back.

A job names a block and brings what is about the caller; the columns themselves it finds in shared memory
(:mod:`hapta.ranking.shared` says why that needs no lock). An order comes back as bytes.
"""

import pickle
import struct
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hapta.hooks.feed_columns import FeedColumns
from hapta.ranking.columns import features_of
from hapta.ranking.features import Caller, Features, Floats, Ranked, Recipe
from hapta.ranking.rank import eligible, rank
from hapta.ranking.rows import Rows, codes_in, flags_of, values_of
from hapta.ranking.shared import BlockRef, Mapped
from hapta.workers.wire import Target

_HEAD: Final = struct.Struct("<II")
_MESSAGE_CHARS, _TRACE_CHARS = 1000, 8000
"""What is kept of a plugin's failure: the beginning of its text, the end of its trace."""
_mapped = Mapped()


@dataclass(frozen=True, slots=True)
class RankJob:
    """What a worker is told.

    Attributes:
        block, living: where the columns are, and which blocks are still in use.
        length: slots.
        caller: without ``visible``.
        visible: that, eight slots a byte; ``None``: all.
        plugin: the function that scores; ``None``: the preset.
    """

    block: BlockRef
    living: Sequence[str]
    length: int
    caller: Caller
    visible: bytes | None
    recipe: Recipe
    now: float
    plugin: Target | None = None

    @classmethod
    def of(
        cls,
        block: BlockRef,
        living: Sequence[str],
        length: int,
        caller: Caller,
        recipe: Recipe,
        now: float,
        plugin: Target | None = None,
    ) -> "RankJob":
        """The job of ranking the first ``length`` slots for a caller."""
        visible = None if caller.visible is None else np.packbits(caller.visible).tobytes()
        return cls(block, living, length, replace(caller, visible=None), visible, recipe, now, plugin)


@dataclass(frozen=True, slots=True)
class Unscored:
    """A plugin did not score; for the operator.

    Attributes:
        where: ``file:line`` of the plugin; empty: unknown.
        text: what is wrong.
        trace: as Python prints it; empty if it tells nothing.
    """

    where: str
    text: str
    trace: str


def packed(ranked: Ranked) -> bytes:
    """An order as it goes between processes."""
    head = _HEAD.pack(len(ranked.slots), ranked.total)
    return head + ranked.slots.astype("<i4").tobytes() + ranked.scores.astype("<f4").tobytes()


def unpacked(data: bytes) -> Ranked:
    """What :func:`packed` has made."""
    length, total = _HEAD.unpack_from(data)
    slots = np.frombuffer(data, "<i4", length, _HEAD.size).astype(np.int32)
    scores = np.frombuffer(data, "<f4", length, _HEAD.size + 4 * length).astype(np.float32)
    return Ranked(slots, scores, total)


def warm() -> None:
    """Nothing; but to find it a worker has imported all it needs for the first ranking."""


def told(job: RankJob) -> bytes:
    """A job as a worker is told; pickled once, however often it is tried."""
    return pickle.dumps(job, pickle.HIGHEST_PROTOCOL)


def run(told: bytes) -> bytes | Unscored:
    """Rank; runs in a worker.

    Returns:
        An order, :func:`packed`; or what a plugin did wrong.
    """
    job: RankJob = pickle.loads(told)
    features = _steady(features_of(_mapped.arrays(job.block, job.living), job.length))
    caller = job.caller
    if job.visible is not None:
        bits = np.frombuffer(job.visible, np.uint8)
        caller = replace(caller, visible=np.unpackbits(bits, count=job.length).view(np.bool_))
    if job.plugin is None:
        return packed(rank(features, caller, job.recipe, job.now))
    scores = _scores(job.plugin, features, caller, job.recipe, job.now)
    if isinstance(scores, Unscored):
        return scores
    return packed(rank(features, caller, job.recipe, job.now, scores))


def _steady(features: Features) -> Features:
    """The same with copies of all that an index or a comparison depends on: none of it changes meanwhile."""
    return replace(
        features,
        is_candidate=features.is_candidate.copy(),
        created=features.created.copy(),
        author=features.author.copy(),
        pinned=features.pinned.copy(),
        topics=features.topics.copy(),
    )


def _scores(
    target: Target, features: Features, caller: Caller, recipe: Recipe, now: float
) -> Floats | Unscored:
    """A plugin's scores, not finite where it has none."""
    from hapta.workers.plugin_code import library

    rows = eligible(features, caller, recipe, now)
    columns = columns_of(rows, caller, recipe, now)
    try:
        result = library().find(target)(columns)
    except (Exception, SystemExit) as exc:  # the latter too: a plugin does not end its worker
        return _unscored(exc, target[0])
    try:
        points = checked(result, len(rows))
    except ValueError as exc:
        return Unscored("", str(exc), "")
    scores = np.full(len(features), np.nan, np.float32)
    scores[rows.slots] = points
    return scores


def columns_of(rows: Rows, caller: Caller, recipe: Recipe, now: float) -> FeedColumns:
    """Rows as a plugin sees them."""
    features = rows.features
    authors, topics = rows.authors(), rows.of(features.topics)
    seen = np.zeros(len(rows), np.bool_)
    seen[rows.places_of(caller.seen)] = True
    author_count, topic_count = codes_in(features.author), codes_in(features.topics)
    by_author = values_of(caller.authors, caller.author_affinity, author_count)
    by_topic = values_of(caller.topics, caller.topic_affinity, topic_count)
    return FeedColumns(
        created=_sealed(rows.created()),
        age_s=_sealed(rows.ages_s(now)),
        author=_sealed(authors),
        pinned=_sealed(rows.of(features.pinned)),
        topics=_sealed(topics),
        signals=MappingProxyType({name: _sealed(rows.of(each)) for name, each in features.signals.items()}),
        followed=_sealed(flags_of(caller.followed, author_count)[authors]),
        author_affinity=_sealed(by_author[authors]),
        topic_affinity=_sealed(by_topic[topics].sum(axis=1)),
        seen=_sealed(seen),
        now=now,
        half_life_s=recipe.half_life_s,
        weights=MappingProxyType(dict(recipe.weights)),
    )


def _sealed(array: NDArray[Any]) -> NDArray[Any]:
    own = array.copy()  # a view of what cannot be written to would change all the same
    own.flags.writeable = False
    return own


def checked(result: object, length: int) -> Floats:
    """A plugin's scores, as they are ranked.

    Raises:
        ValueError: they are none.
    """
    if not isinstance(result, np.ndarray):
        kind = type(result).__name__
        raise ValueError(f"is to return a numpy array with one number for each row, not a {kind}")
    if result.shape != (length,):
        raise ValueError(f"is to return an array of shape ({length},), not {result.shape}")
    if result.dtype.kind not in "biuf":
        raise ValueError(f"is to return an array of numbers, not of {result.dtype}")
    with np.errstate(over="ignore"):  # beyond single precision is infinite, and left out
        return result.astype(np.float32)


def _unscored(exc: BaseException, file: str) -> Unscored:
    """Of an exception; where it happened is the last line of the plugin itself that led there."""
    root = str(Path(file).parent) if Path(file).name == "__init__.py" else file
    own = exc.__traceback__.tb_next if exc.__traceback__ else None
    frames = traceback.extract_tb(own)
    lines = [f for f in frames if f.filename == root or f.filename.startswith(f"{root}/")]
    where = f"{lines[-1].filename}:{lines[-1].lineno}" if lines else ""
    try:
        text = f"{type(exc).__name__}: {exc}"
    except Exception:  # one that cannot even be told
        text = type(exc).__name__
    trace = "".join(traceback.format_exception(exc.with_traceback(own)))
    return Unscored(where, text[:_MESSAGE_CHARS], trace[-_TRACE_CHARS:])
