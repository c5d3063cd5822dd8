"""How rows are scored: one formula for each preset, and what counts where the feed's weights do not say.

Every formula is a pure function of its arguments that takes an array per term instead of a row, in double
precision. Two laws hold for all of them: more of a signal with a positive weight never lowers a score, and
a greater age never raises one. A date in the future counts as now, age 0.

Weights are those of the feed (``[feeds.<name>.weights]``); a signal they do not name counts 1, but for
``postly``, which has weights of its own. Weights that a preset does not use are passed over.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.features import Caller, Recipe, Times
from hapta.ranking.rows import Rows, codes_in, flags_of, values_of

Note: TypeAlias = Callable[[str, NDArray[Any]], None]
"""Is told each part of the scores by its name; the array changes afterwards."""

Formula: TypeAlias = Callable[[Rows, Caller, Recipe, float, Note], Times]

OTHER_WEIGHTS: Final = ("follow", "author", "topic")
"""What weights name besides signals."""

HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
REDDIT_EPOCH: Final = 1_134_028_003.0
"""2005-12-08, from which Reddit counts; only differences matter."""

REDDIT_STEP_S: Final = 45_000.0
GRAVITY: Final = 1.8
WILSON_Z: Final = 1.96
"""95 % of the normal distribution lie within so many standard deviations."""

FOR_YOU_WEIGHTS: Final = {"follow": 4.0, "author": 4.0, "topic": 4.0}
"""Each as much as 15 likes: log2(1 + 15) = 4."""

FOR_YOU_LEAST: Final = 0.01

POSTLY_WEIGHTS: Final = {
    "likes": 0.08,
    "reposts": 0.04,
    "is_repost": 0.04,
    "followers": 0.001,
    "mutes": -0.001,
    "blocks": -0.002,
    "media": 0.1,
    "links": 0.1,
    "spam": -0.5,
    "nsfw": -1.0,
}
POSTLY_LEAST: Final = -1.0


def silent(name: str, values: NDArray[Any]) -> None:
    """The note of who wants only scores."""


def signal_weights(
    rows: Rows, recipe: Recipe, defaults: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The weights of the signals that count, in the order of their names.

    In order, so that the last digit of a sum does not hang on the order of the columns.

    Args:
        defaults: of signals that the recipe does not weigh, 0 where they do not stand there either; ``None``
            stands for 1 of any signal.
    """
    known = sorted(rows.features.signals)
    weights = {
        name: recipe.weights.get(name, 1.0 if defaults is None else defaults.get(name, 0.0)) for name in known
    }
    return {name: weight for name, weight in weights.items() if weight}


def _weighted(rows: Rows, weights: Mapping[str, float], note: Note) -> Times:
    """The sum of signals times weights."""
    total = np.zeros(len(rows))
    for name, weight in weights.items():
        values = rows.signal(name)
        values *= weight
        note(f"signals.{name}", values)
        total += values
    return total


def hot(rows: Rows, caller: Caller, recipe: Recipe, now: float, note: Note) -> Times:
    """Reddit's: sign(s) · log10(max(|s|, 1)) + t / 45000, where s is the weighted sum of the signals and t the
    seconds from 2005-12-08 07:46:43 UTC to the row's date. Ten times the votes weigh as much as 12.5 hours.

    The same for everybody, and no score changes as time passes.

    Source: reddit/r2/r2/lib/db/_sorts.pyx (``_hot``), github.com/reddit-archive/reddit, 2017; there s is ups
    less downs.
    """
    votes = _weighted(rows, signal_weights(rows, recipe), note)
    signs = np.sign(votes)
    np.abs(votes, out=votes)
    np.maximum(votes, 1.0, out=votes)
    np.log10(votes, out=votes)
    votes *= signs
    note("votes", votes)
    date = np.minimum(rows.created(), now)
    date -= REDDIT_EPOCH
    date /= REDDIT_STEP_S
    note("date", date)
    date += votes
    return date


def gravity(rows: Rows, caller: Caller, recipe: Recipe, now: float, note: Note) -> Times:
    """Hacker News': (p - 1) / (age in hours + 2) ** 1.8. p - 1, the votes of others than the author, is the
    weighted sum of the signals here, and 0 where that is less.

    Source: Paul Graham, news.arc of Arc 3.1 (``frontpage-rank``, ``gravity* 1.8``, ``timebase* 120`` minutes).
    """
    points = _weighted(rows, signal_weights(rows, recipe), note)
    np.maximum(points, 0.0, out=points)
    note("points", points)
    fall = rows.ages_s(now)
    fall /= HOUR_S
    fall += 2.0
    np.power(fall, -GRAVITY, out=fall)
    note("decay", fall)
    points *= fall
    return points


def wilson(rows: Rows, caller: Caller, recipe: Recipe, now: float, note: Note) -> Times:
    """What share of approval a row has at least, with 95 % confidence: the lower bound of Wilson's interval,
    (u + z²/2 - z · sqrt(u·d/n + z²/4)) / (n + z²) with z = 1.96, u = signals of positive weight times it,
    d = those of negative weight times its amount, n = u + d; 0 where n is 0. Age does not matter.

    Sources: Edwin B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, Journal of
    the American Statistical Association 22 (1927); Evan Miller, How Not To Sort By Average Rating (2009).
    """
    sums = {1.0: np.zeros(len(rows)), -1.0: np.zeros(len(rows))}
    for name, weight in signal_weights(rows, recipe).items():
        values = rows.signal(name)
        np.maximum(values, 0.0, out=values)
        values *= abs(weight)
        note(f"signals.{name}", values)
        sums[1.0 if weight > 0 else -1.0] += values
    ups, downs = sums[1.0], sums[-1.0]
    note("ups", ups)
    note("downs", downs)
    all_of_them = ups + downs
    downs /= np.maximum(all_of_them, 1e-300)  # before it is multiplied: ups times downs might be too large
    downs *= ups
    downs += WILSON_Z**2 / 4
    np.sqrt(downs, out=downs)
    downs *= WILSON_Z
    ups += WILSON_Z**2 / 2
    ups -= downs
    all_of_them += WILSON_Z**2
    ups /= all_of_them
    return np.maximum(ups, 0.0, out=ups)


def chronological(rows: Rows, caller: Caller, recipe: Recipe, now: float, note: Note) -> Times:
    """The newest first: the age in seconds, negated. Signals and half-life do not matter."""
    ages = rows.ages_s(now)
    return np.subtract(0.0, ages, out=ages)


def postly(rows: Rows, caller: Caller, recipe: Recipe, now: float, note: Note) -> Times:
    """The formula of Hapta's first version (2023, for the site Postly), with the signs it meant:
    0.08 likes + 0.04 reposts + 0.04 is_repost + 0.001 followers - 0.001 mutes - 0.002 blocks + 0.1 media
    + 0.1 links - 0.5 spam - nsfw, + 0.5 up to 7 days of age, - 0.5 beyond 30 days, - 0.5 for a caller with
    topics of interest of which the row has none. Rows below -1 are left out.

    The names are those of signals; weights of the feed replace these, and other signals count only by them.
    The first version added where it meant to subtract, so that offensive rows and unloved authors gained.
    """
    scores = _weighted(rows, signal_weights(rows, recipe, POSTLY_WEIGHTS), note)
    ages = rows.ages_s(now)
    by_age = np.where(ages <= 7 * DAY_S, 0.5, np.where(ages > 30 * DAY_S, -0.5, 0.0))
    note("age", by_age)
    scores += by_age
    liked = caller.topics[caller.topic_affinity > 0]
    if len(liked):
        topics = rows.topics()
        length = max((codes_in(column) for column in topics), default=0)
        table = flags_of(liked, length)
        is_on_topic = np.zeros(len(rows), np.bool_)
        for column in topics:
            is_on_topic |= table[column]
        off_topic = np.where(is_on_topic, 0.0, -0.5)
        note("topic", off_topic)
        scores += off_topic
    scores[scores < POSTLY_LEAST] = -np.inf
    return scores


def for_you(rows: Rows, caller: Caller, recipe: Recipe, now: float, note: Note) -> Times:
    """What Hapta makes of it: max(base, 0.01) · penalties · 2 ** (-age / half_life_s), with

    * base = 1 + for each signal of positive weight w its w · log2(1 + value), + ``follow`` if the caller
      follows the author, + ``author`` · affinity to the author, + ``topic`` · the sum of affinities to the
      row's topics, that from -1 to 1. A flag (0 or 1) so counts its whole weight, and a count once more with
      each doubling. For a caller of whom nothing is known it is engagement and age alone.
    * penalties = for each signal of negative weight w, 1 / (1 + abs(w) · value), above 0 and at most 1.

    ``follow``, ``author`` and ``topic`` are 4 unless the weights say otherwise: as much as 15 likes. The
    half-life is exact: a row has half of the score it had that long ago. Values below 0 count as 0.

    Sources: log-scaled counts as in :func:`hot`; half-lives as in any exponential decay, e.g. Cormode et al.,
    Forward Decay, ICDE 2009; the factors for what is unwanted are our own.
    """
    weights = FOR_YOU_WEIGHTS | dict(recipe.weights)
    signals = signal_weights(rows, recipe)
    base = np.ones(len(rows))
    for name, weight in signals.items():
        if weight > 0:
            values = rows.signal(name)
            np.maximum(values, 0.0, out=values)
            values += 1.0
            np.log2(values, out=values)
            values *= weight
            note(f"signals.{name}", values)
            base += values
    for name, values in _ties(rows, caller, weights):
        note(name, values)
        base += values
    np.maximum(base, FOR_YOU_LEAST, out=base)
    note("base", base)
    for name, weight in signals.items():
        if weight < 0:
            values = rows.signal(name)
            np.maximum(values, 0.0, out=values)
            values *= -weight
            values += 1.0
            np.divide(1.0, values, out=values)
            note(f"signals.{name}", values)
            base *= values
    decay = rows.ages_s(now)
    decay /= -recipe.half_life_s
    np.exp2(decay, out=decay)
    note("decay", decay)
    base *= decay
    return base


def _ties(rows: Rows, caller: Caller, weights: Mapping[str, float]) -> list[tuple[str, Times]]:
    """What the caller's own ties add: by name, those there are."""
    found: list[tuple[str, Times]] = []
    authors = rows.authors()
    length = codes_in(authors)
    follows, affinity = weights["follow"], weights["author"]
    if len(caller.followed) and follows:
        table = np.where(flags_of(caller.followed, length), follows, 0.0)
        found.append(("follow", table[authors]))
    if len(caller.authors) and affinity:
        table = values_of(caller.authors, caller.author_affinity, length) * affinity
        found.append(("author", table[authors]))
    if len(caller.topics) and weights["topic"]:
        total = np.zeros(len(rows))
        for column in rows.topics():
            total += values_of(caller.topics, caller.topic_affinity, codes_in(column))[column]
        np.clip(total, -1.0, 1.0, out=total)
        total *= weights["topic"]
        found.append(("topic", total))
    return found


PRESETS: Final[Mapping[str, Formula]] = {
    "for_you": for_you,
    "hot": hot,
    "gravity": gravity,
    "wilson": wilson,
    "chronological": chronological,
    "postly": postly,
}
