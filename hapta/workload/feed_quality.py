"""How good the orders of ranked feeds are: NDCG@20 on sites whose users' true preferences are known.

The discounted cumulated gain of an order is the sum over its first 20 places of (2^grade - 1) / log2(1 +
place), and NDCG is that over the gain of the best order there is, so 1 at best (Järvelin and Kekäläinen,
Cumulated gain-based evaluation of IR techniques, ACM TOIS 20, 2002; gains of 2^grade - 1 after Burges et
al., ICML 2005).

Every way ranks the same candidates, all posts the user was not shown before, the presets with the same
weights but for ``postly``, which has its own. Beside them stands what Hapta's first versions computed,
errors of signs included: over all candidates, and, as they really did, over the newest page alone, which
they put in another order.

The shape of ``for_you`` and its weights of 2 were chosen with a look at seeds 1 to 5: figures to be believed
are of other seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Final

import numpy as np

from hapta.ranking.features import Caller, Features, Floats, Recipe
from hapta.ranking.presets import DAY_S, POSTLY_WEIGHTS
from hapta.ranking.rank import rank
from hapta.workload.preferences import NOW, POSTS, Site, site

PLACES: Final = 20
WEIGHTS: Final[Mapping[str, float]] = {
    "likes": 1.0,
    "comments": 1.0,
    "reposts": 1.0,
    "spam": -5.0,
    "nsfw": -5.0,
    **dict.fromkeys(("is_repost", "followers", "mutes", "blocks", "media", "links"), 0.0),
}
"""What engagement is and what is unwanted; the rest does not count."""


def first_version(features: Features) -> Floats:
    """The main branch: ``postly``, but a penalty of -1 for unsafe posts was subtracted, so they gained 1.
    Whether a post is on topic was asked of a list that only had to be not empty: posts did not differ in it.
    """
    return _linear(features, {**POSTLY_WEIGHTS, "nsfw": 1.0}, per_day=0.0)


def version_1_8_2(features: Features) -> Floats:
    """Version 1.8.2: all penalties were negative and most of them still subtracted. Muted and blocked authors
    gained, unsafe posts gained 100, each day beyond the seventh gained 0.5, and spam was made up for.
    """
    unsigned = {name: abs(weight) for name, weight in POSTLY_WEIGHTS.items()}
    return _linear(features, {**unsigned, "nsfw": 100.0, "spam": 0.0}, per_day=0.5)


def _linear(features: Features, weights: Mapping[str, float], per_day: float) -> Floats:
    scores = np.zeros(len(features))
    for name, weight in weights.items():
        scores += weight * features.signals[name]
    days = (NOW - features.created) / DAY_S
    scores += 0.5 * (days <= 7)
    scores += per_day * np.floor(np.maximum(days - 7, 0)) if per_day else -0.5 * (days > 30)
    return scores.astype(np.float32)


Way = Callable[[Features, Caller], "list[int]"]


def _by_preset(preset: str) -> Way:
    recipe = Recipe(preset, {} if preset == "postly" else WEIGHTS, depth=PLACES, seen="hide")
    return lambda features, caller: rank(features, caller, recipe, NOW).slots.tolist()


def _by_scores(scores: Callable[[Features], Floats], limit: int = POSTS) -> Way:
    recipe = Recipe(depth=PLACES, seen="hide", limit=limit)
    return lambda features, caller: rank(features, caller, recipe, NOW, scores(features)).slots.tolist()


WAYS: Final[Mapping[str, Way]] = {
    "for_you": _by_preset("for_you"),
    "hot": _by_preset("hot"),
    "gravity": _by_preset("gravity"),
    "wilson": _by_preset("wilson"),
    "chronological": _by_preset("chronological"),
    "postly": _by_preset("postly"),
    "first version": _by_scores(first_version),
    "version 1.8.2": _by_scores(version_1_8_2),
    "first, one page": _by_scores(first_version, PLACES),
    "1.8.2, one page": _by_scores(version_1_8_2, PLACES),
}


def ndcg(grades: Sequence[int], all_grades: Sequence[int], places: int = PLACES) -> float:
    """Of an order.

    Args:
        grades: of its rows, the first one first.
        all_grades: of all rows there are.
    """
    best = sorted(all_grades, reverse=True)
    return _gain(grades[:places]) / (_gain(best[:places]) or 1.0)


def _gain(grades: Sequence[int]) -> float:
    discounts = np.log2(np.arange(2, len(grades) + 2))
    return float(((2.0 ** np.asarray(grades, np.float64) - 1) / discounts).sum())


@dataclass(frozen=True, slots=True)
class Quality:
    """NDCG@20 of one way to rank, for each seed the mean over users.

    Attributes:
        all, known, new: of all users, of those with a past, of those without.
    """

    all: list[float]
    known: list[float]
    new: list[float]

    def as_dict(self) -> dict[str, list[float]]:
        """For ``--json``."""
        return {name: [round(value, 4) for value in getattr(self, name)] for name in ("all", "known", "new")}


def measure(seeds: Sequence[int], tell: Callable[[str], None] = lambda line: None) -> dict[str, Quality]:
    """NDCG@20 of all ways."""
    found = {name: Quality([], [], []) for name in WAYS}
    for seed in seeds:
        tell(f"quality, seed {seed}")
        drawn = site(seed)
        for name, way in WAYS.items():
            by_user = np.array(_by_user(drawn, way))
            found[name].all.append(float(by_user.mean()))
            found[name].known.append(float(by_user[~drawn.is_new].mean()))
            found[name].new.append(float(by_user[drawn.is_new].mean()))
    return found


def _by_user(drawn: Site, way: Way) -> list[float]:
    return [
        ndcg(grades[way(drawn.features, caller)].tolist(), grades.tolist())
        for caller, grades in zip(drawn.callers, drawn.grades, strict=True)
    ]


def shown(values: Sequence[float]) -> str:
    """Mean and standard deviation."""
    return f"{mean(values):.3f} ± {stdev(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"
