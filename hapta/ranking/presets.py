"""How rows are scored: one formula for each preset, and what counts where the feed's weights do not say.

A preset is made ready for a feed, a caller and an instant once, and the formula that comes of it is applied
to rows, in double precision. Two laws hold for all of them: more of a signal with a positive weight never
lowers a score, and a greater age never raises one. A date in the future counts as now, age 0.

Weights are those of the feed (``[feeds.<name>.weights]``). A signal they do not name counts 1, but for
``postly``, which has weights of its own; weights that a preset has no use for are passed over.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.features import Caller, Features, Recipe, Times
from hapta.ranking.rows import Rows, codes_in, flags_of, values_of

Note: TypeAlias = Callable[[str, NDArray[Any]], None]
"""Is told each part of the scores by its name; it keeps no array, for they change afterwards."""

Formula: TypeAlias = Callable[[Rows, Note], Times]
"""Gives a new array; minus infinity for a row to be left out."""

Preset: TypeAlias = Callable[[Features, Caller, Recipe, float], Formula]

HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
REDDIT_EPOCH: Final = 1_134_028_003.0
REDDIT_STEP_S: Final = 45_000.0
GRAVITY: Final = 1.8
Z: Final = 1.96
"""95 % of a normal distribution lie within so many standard deviations."""

FOR_YOU_WEIGHTS: Final[Mapping[str, float]] = {"follow": 2.0, "author": 2.0, "topic": 2.0}
FOR_YOU_LEAST: Final = 0.01

POSTLY_WEIGHTS: Final[Mapping[str, float]] = {
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
    """The note of who wants nothing but scores."""


def hot(features: Features, caller: Caller, recipe: Recipe, now: float) -> Formula:
    """Reddit's: sign(s) · log10(max(|s|, 1)) + t / 45000. s is the weighted sum of the signals, t the seconds
    from 2005-12-08 07:46:43 UTC to the row's date: ten times the votes weigh as much as 12.5 hours.

    The same for everybody, and no score changes as time passes.

    Source: r2/r2/lib/db/_sorts.pyx (``_hot``) of reddit's own code, github.com/reddit-archive/reddit, where s
    is ups less downs.
    """
    weights = _weights(features, recipe)

    def formula(rows: Rows, note: Note) -> Times:
        votes = _weighted(rows, weights, note)
        signs = np.sign(votes)
        np.abs(votes, out=votes)
        np.maximum(votes, 1.0, out=votes)
        np.log10(votes, out=votes)
        votes *= signs
        note("votes", votes)
        scores = np.minimum(rows.created(), now)
        scores -= REDDIT_EPOCH
        scores /= REDDIT_STEP_S
        note("date", scores)
        scores += votes
        return scores

    return formula


def gravity(features: Features, caller: Caller, recipe: Recipe, now: float) -> Formula:
    """Hacker News': (p - 1) / (age in hours + 2) ** 1.8. p - 1, in the original the votes of others than the
    author, is the weighted sum of the signals, or 0 where that is less.

    Source: Paul Graham, news.arc of Arc 3.1: ``frontpage-rank``, ``gravity*`` 1.8, ``timebase*`` 120 minutes.
    """
    weights = _weights(features, recipe)

    def formula(rows: Rows, note: Note) -> Times:
        scores = _weighted(rows, weights, note)
        np.maximum(scores, 0.0, out=scores)
        note("points", scores)
        decay = rows.ages_s(now)
        decay /= HOUR_S
        decay += 2.0
        np.power(decay, -GRAVITY, out=decay)
        note("decay", decay)
        scores *= decay
        return scores

    return formula


def wilson(features: Features, caller: Caller, recipe: Recipe, now: float) -> Formula:
    """The share of approval that a row has at least, with 95 % confidence. It is the lower bound of Wilson's
    interval, (u + z²/2 - z · sqrt(u·d/n + z²/4)) / (n + z²) with z = 1.96, where u is the sum of the signals
    of positive weight, each times it, d that of the others, each times the amount of its weight, n = u + d;
    0 where n is 0. Values below 0 count as 0. Age does not matter.

    Sources: Edwin B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, Journal of
    the American Statistical Association 22 (1927); Evan Miller, How Not To Sort By Average Rating (2009).
    """
    weights = _weights(features, recipe)

    def formula(rows: Rows, note: Note) -> Times:
        ups, downs = np.zeros(len(rows)), np.zeros(len(rows))
        for name, weight in weights.items():
            values = rows.signal(name, least=0.0)
            values *= abs(weight)
            note(f"signals.{name}", values)
            if weight > 0:
                ups += values
            else:
                downs += values
        note("ups", ups)
        note("downs", downs)
        total = ups + downs
        root = downs / np.maximum(total, np.finfo(np.float64).tiny)  # before it is multiplied: no overflow
        root *= ups
        root += Z**2 / 4
        np.sqrt(root, out=root)
        root *= Z
        ups += Z**2 / 2
        ups -= root
        total += Z**2
        ups /= total
        return np.maximum(ups, 0.0, out=ups)

    return formula


def chronological(features: Features, caller: Caller, recipe: Recipe, now: float) -> Formula:
    """The newest first: the score is the age in seconds, negated. Nothing else matters."""

    def formula(rows: Rows, note: Note) -> Times:
        ages = rows.ages_s(now)
        return np.subtract(0.0, ages, out=ages)

    return formula


def postly(features: Features, caller: Caller, recipe: Recipe, now: float) -> Formula:
    """The formula of Hapta's first version (2023, for the site Postly), with the signs it meant: 0.08 likes
    + 0.04 reposts + 0.04 is_repost + 0.001 followers - 0.001 mutes - 0.002 blocks + 0.1 media + 0.1 links
    - 0.5 spam - nsfw, + 0.5 up to an age of 7 days, - 0.5 beyond 30 days, - 0.5 where a caller has topics of
    interest and the row none of them. Rows below -1 are left out.

    The names are those of signals. Weights of the feed replace these; other signals count only by them. (The
    first version also added some of what it meant to subtract, so that what was offensive, and authors whom
    many had muted or blocked, gained.)
    """
    weights = _weights(features, recipe, POSTLY_WEIGHTS)
    liked = caller.topics[caller.topic_affinity > 0]
    is_liked = flags_of(liked, codes_in(features.topics)) if len(liked) else None

    def formula(rows: Rows, note: Note) -> Times:
        scores = _weighted(rows, weights, note)
        ages = rows.ages_s(now)
        by_age = np.where(ages <= 7 * DAY_S, 0.5, np.where(ages > 30 * DAY_S, -0.5, 0.0))
        note("age", by_age)
        scores += by_age
        if is_liked is not None:
            is_on_topic = np.zeros(len(rows), np.bool_)
            for codes in rows.topics():
                is_on_topic |= is_liked[codes]
            off_topic = np.where(is_on_topic, 0.0, -0.5)
            note("topic", off_topic)
            scores += off_topic
        scores[scores < POSTLY_LEAST] = -np.inf
        return scores

    return formula


def for_you(features: Features, caller: Caller, recipe: Recipe, now: float) -> Formula:
    """What Hapta makes of it: max(base, 0.01) · penalties · 2 ** (-age / half_life_s).

    * base: 1 + log2(1 + e) + ``follow`` if the caller follows the author + ``author`` · affinity to the
      author + ``topic`` · the sum of affinities to the row's topics, that kept between -1 and 1. e is the
      engagement, the sum of the signals of positive weight, each times it: one logarithm of the sum, for
      likes, comments and reposts mostly come together and would count three times. ``follow``, ``author``
      and ``topic`` are 2 unless the weights say otherwise, as much as the first 3 likes. For a caller of
      whom nothing is known there is engagement and age alone.
    * penalties: for each signal of negative weight 1 / (1 + abs(w) · value), above 0 and at most 1.
    * The half-life is exact: a row has half of the score it had that long ago.

    Values below 0 count as 0.

    Sources: counts on a logarithmic scale as in :func:`hot`; the decay as in Cormode, Shkapenyuk, Srivastava,
    Xu: Forward Decay (ICDE 2009), section II; the terms for a caller's ties and the penalties are our own.
    """
    signals = _weights(features, recipe)
    ties = _Ties(features, caller, {**FOR_YOU_WEIGHTS, **recipe.weights})

    def formula(rows: Rows, note: Note) -> Times:
        scores = np.ones(len(rows))
        for name, weight in signals.items():
            if weight > 0:
                values = rows.signal(name, least=0.0)
                values *= weight
                note(f"signals.{name}", values)
                scores += values
        np.log2(scores, out=scores)
        note("engagement", scores)
        scores += 1.0
        ties.add(rows, scores, note)
        np.maximum(scores, FOR_YOU_LEAST, out=scores)
        note("base", scores)
        for name, weight in signals.items():
            if weight < 0:
                values = rows.signal(name, least=0.0)
                values *= -weight
                values += 1.0
                np.divide(1.0, values, out=values)
                note(f"signals.{name}", values)
                scores *= values
        decay = rows.ages_s(now)
        decay /= -recipe.half_life_s
        np.exp2(decay, out=decay)
        note("decay", decay)
        scores *= decay
        return scores

    return formula


class _Ties:
    """What a caller's own ties to authors and topics add to scores: tables over codes."""

    def __init__(self, features: Features, caller: Caller, weights: Mapping[str, float]) -> None:
        authors, topics = codes_in(features.author), codes_in(features.topics)
        self._follow = self._author = self._topic = None
        if len(caller.followed) and weights["follow"]:
            self._follow = np.where(flags_of(caller.followed, authors), weights["follow"], 0.0)
        if len(caller.authors) and weights["author"]:
            self._author = values_of(caller.authors, caller.author_affinity, authors) * weights["author"]
        if len(caller.topics) and weights["topic"]:
            self._topic = values_of(caller.topics, caller.topic_affinity, topics)
        self._topic_weight = weights["topic"]

    def add(self, rows: Rows, scores: Times, note: Note) -> None:
        for name, table in (("follow", self._follow), ("author", self._author)):
            if table is not None:
                values = table[rows.authors()]
                note(name, values)
                scores += values
        if self._topic is not None:
            total = np.zeros(len(rows))
            for codes in rows.topics():
                total += self._topic[codes]
            np.clip(total, -1.0, 1.0, out=total)
            total *= self._topic_weight
            note("topic", total)
            scores += total


def _weights(
    features: Features, recipe: Recipe, defaults: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The weights of the signals that count.

    In the order of their names: the last digit of a sum shall not hang on the order of the columns.

    Args:
        defaults: of signals that the recipe does not weigh, 0 for what is not there either; ``None``: 1 each.
    """
    weights = {}
    for name in sorted(features.signals):
        default = 1.0 if defaults is None else defaults.get(name, 0.0)
        weights[name] = recipe.weights.get(name, default)
    return {name: weight for name, weight in weights.items() if weight}


def _weighted(rows: Rows, weights: Mapping[str, float], note: Note) -> Times:
    """The sum of signals, each times its weight."""
    total = np.zeros(len(rows))
    for name, weight in weights.items():
        values = rows.signal(name)
        values *= weight
        note(f"signals.{name}", values)
        total += values
    return total


PRESETS: Final[Mapping[str, Preset]] = {
    "for_you": for_you,
    "hot": hot,
    "gravity": gravity,
    "wilson": wilson,
    "chronological": chronological,
    "postly": postly,
}
