"""How fast rows of a ranked feed are put in order: processor time and time on the clock of one ranking.

The feed has five signals, three topics a row and an author for every twenty rows; one slot in fifty is free.
The caller follows 100 authors, has muted 20, likes 50 and 20 topics, was shown 500 rows and may see 95 % of
all. Each ranking gives 1,000 rows, in memory: no page is fetched.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from hapta.ranking.features import Caller, Features, Ranked, Recipe
from hapta.ranking.rank import rank
from hapta.workload.preferences import DAY_S, NOW, Draws

ROWS: Final[Sequence[int]] = (10_000, 100_000, 1_000_000)

Ranking = Callable[[Features, Caller, Recipe, float], Ranked]

_WEIGHTS: Final = {"comments": 2.0, "reposts": 3.0, "media": 0.5, "spam": -5.0}


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds of one ranking: median and 99th percentile of several.

    Attributes:
        what: the preset, and for whom.
        where: in which process.
        rows: slots of the table.
        cpu_p50, cpu_p99: of this process; the figures of other processes are none of it.
        wall_p50, wall_p99: from asking to the order.
        rankings: how many were measured.
    """

    what: str
    where: str
    rows: int
    cpu_p50: float
    cpu_p99: float
    wall_p50: float
    wall_p99: float
    rankings: int

    def as_dict(self) -> dict[str, str | int | float]:
        """For ``--json``."""
        return {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def feed(rows: int, seed: int) -> tuple[Features, Caller]:
    """A feed of so many slots, and a caller with ties and a past."""
    draws = Draws(seed)
    authors = max(rows // 20, 200)
    likes = np.floor(5 * (1 - draws.uniform(rows)) ** (-1 / 1.2))  # Pareto's distribution
    every_author, every_topic, every_row = np.ones(authors), np.ones(200), np.ones(rows)
    features = Features(
        created=NOW - 30 * DAY_S * draws.uniform(rows),
        author=draws.pick(every_author, rows),
        is_candidate=draws.uniform(rows) < 0.98,
        pinned=draws.uniform(rows) < 1e-4,
        topics=draws.pick(every_topic, rows, 3) - np.int32(1),
        signals={
            "likes": likes.astype(np.float32),
            "comments": np.floor(likes * draws.uniform(rows)).astype(np.float32),
            "reposts": np.floor(likes * draws.uniform(rows) / 3).astype(np.float32),
            "media": (draws.uniform(rows) < 0.3).astype(np.float32),
            "spam": (draws.uniform(rows) < 0.01).astype(np.float32),
        },
    )
    caller = Caller(
        followed=draws.pick(every_author, 100),
        hidden_authors=draws.pick(every_author, 20),
        seen=draws.pick(every_row, 500),
        authors=draws.pick(every_author, 50),
        author_affinity=draws.uniform(50).astype(np.float32),
        topics=draws.pick(every_topic, 20),
        topic_affinity=draws.uniform(20).astype(np.float32),
        visible=draws.uniform(rows) < 0.95,
    )
    return features, caller


def measure(
    seed: int,
    tell: Callable[[str], None] = lambda line: None,
    *,
    rankings: Sequence[tuple[str, Ranking]] = (("in process", rank),),
    rows: Sequence[int] = ROWS,
    seconds: float,
) -> list[Speed]:
    """The figures.

    Args:
        rankings: where it is ranked, and how.
        seconds: for each figure, which is of thirty rankings at least.
    """
    found = []
    for count in rows:
        features, caller = feed(count, seed)
        cases = (
            ("for_you", caller, Recipe("for_you", _WEIGHTS, spacing=2, seen="lower", limit=count)),
            ("for_you, guest", Caller(), Recipe("for_you", _WEIGHTS, spacing=2, limit=count)),
            ("hot", caller, Recipe("hot", _WEIGHTS, limit=count)),
            ("chronological", caller, Recipe("chronological", limit=count)),
        )
        for where, ranking in rankings:
            for what, who, recipe in cases:
                tell(f"speed, {count:,} rows, {what}, {where}")
                found.append(_measured(what, where, ranking, features, who, recipe, seconds))
    return found


def _measured(
    what: str,
    where: str,
    ranking: Ranking,
    features: Features,
    caller: Caller,
    recipe: Recipe,
    seconds: float,
) -> Speed:
    ranking(features, caller, recipe, NOW)  # the first one touches memory that the others find there
    cpu: list[int] = []
    wall: list[int] = []
    ends_at = time.perf_counter() + seconds
    while len(wall) < 30 or time.perf_counter() < ends_at:
        cpu_before, before = time.process_time_ns(), time.perf_counter_ns()
        ranking(features, caller, recipe, NOW)
        wall.append(time.perf_counter_ns() - before)
        cpu.append(time.process_time_ns() - cpu_before)
    (cpu_p50, cpu_p99), (wall_p50, wall_p99) = (np.percentile(ns, (50, 99)) / 1e6 for ns in (cpu, wall))
    return Speed(
        what,
        where,
        len(features),
        float(cpu_p50),
        float(cpu_p99),
        float(wall_p50),
        float(wall_p99),
        len(wall),
    )
