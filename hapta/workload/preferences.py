"""A made-up site on which every user's true preferences are known, to tell good orders from bad ones.

What is drawn, all of it from one SplitMix64 stream:

* *Posts*: 3,000 over the last 14 days, by 120 authors, few of whom write much. A post has one or two of 16
  topics, mostly its author's, and a quality that comes half from its author. Of all 3 % are spam and 3 % are
  not safe for work; three in ten have media, which changes nothing.
* *Users*: 200. Each likes three topics and dislikes two, likes some authors more than others for reasons of
  their own, and needs news to be fresh with a half-life between 6 hours and 5 days. They follow up to ten
  authors: two at random, the others by taste, seen through noise. One in six is new: no follows, no likes.
* *The past*: a user was shown one post in twenty, and one in four of those they follow. They like one if
  taste plus noise says so, and now and then for no reason. A crowd that is not looked at one by one likes,
  answers and reposts by quality and by a reach that has nothing to do with quality; old posts have had more
  time.
* *Relevance*: of what a user was not shown before, true taste (topics, author, quality; spam repels, and so
  does what is unsafe but for one user in ten) times freshness by their own half-life. The best 1 % have grade
  3, the best 3 % grade 2, the best 10 % grade 1.

A ranking sees counts, flags, dates, whom somebody follows, and what they liked; never quality, taste, or the
half-lives. No number here was chosen with a look at what comes of it.
"""

from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hapta.ranking.features import NONE, Caller, Codes, Features, Flags, Floats, Times

NOW: Final = 1_790_000_000.0
DAY_S: Final = 86_400.0
USERS, POSTS, AUTHORS, TOPICS = 200, 3000, 120, 16
DAYS = 14
_GRADES = ((0.10, 1), (0.03, 2), (0.01, 3))


class Draws:
    """The stream of :class:`hapta.workload.prng.SplitMix64`, many numbers at a time."""

    def __init__(self, seed: int) -> None:
        self._state = seed & (1 << 64) - 1

    def uniform(self, *shape: int) -> Times:
        """Numbers in [0, 1)."""
        count, step = prod(shape), 0x9E3779B97F4A7C15
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(step) + np.uint64(self._state)
        self._state = (self._state + count * step) & (1 << 64) - 1
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        return ((z >> np.uint64(11)) / float(1 << 53)).reshape(shape)

    def normal(self, *shape: int) -> Times:
        """Numbers of the standard normal distribution (Box and Muller, 1958)."""
        radius = np.sqrt(-2 * np.log1p(-self.uniform(*shape)))
        return np.asarray(radius * np.cos(2 * np.pi * self.uniform(*shape)))

    def pick(self, weights: Times, *shape: int) -> Codes:
        """Indices, chosen by weight."""
        running = np.cumsum(weights)
        found = np.searchsorted(running, self.uniform(*shape) * running[-1], side="right")
        return np.asarray(found, np.int32)


@dataclass(frozen=True, slots=True)
class Site:
    """A site and its users.

    Attributes:
        features: of all posts; the signals are those of the first version, and ``comments``.
        callers: what is known of each user; ``seen`` is what they were shown.
        is_new: which users nothing is known of.
        grades: of each post for each user, 0 to 3, 0 for what they were shown.
    """

    features: Features
    callers: list[Caller]
    is_new: Flags
    grades: NDArray[np.int8]


def site(seed: int) -> Site:
    """The site of a seed."""
    draws = Draws(seed)
    skill = draws.normal(AUTHORS)
    mains = draws.pick(np.ones(TOPICS), AUTHORS, 3)
    author = draws.pick(np.arange(1, AUTHORS + 1, dtype=np.float64) ** -0.7, POSTS)
    own = mains[author, draws.pick(np.ones(3), POSTS)]
    first = np.where(draws.uniform(POSTS) < 0.8, own, draws.pick(np.ones(TOPICS), POSTS))
    second = np.where(draws.uniform(POSTS) < 0.4, draws.pick(np.ones(TOPICS), POSTS), NONE)
    second[second == first] = NONE
    topics = np.stack([first, second], axis=1).astype(np.int32)
    quality = np.sqrt(0.5) * skill[author] + np.sqrt(0.5) * draws.normal(POSTS)
    age_s = draws.uniform(POSTS) * DAYS * DAY_S
    is_spam, is_unsafe = draws.uniform(POSTS) < 0.03, draws.uniform(POSTS) < 0.03

    taste = _taste(draws, author, topics, quality, is_spam, is_unsafe)
    follows, is_new = _follows(draws, taste, author)
    shown, liked = _past(draws, taste, follows[:, author], is_new)

    signals = _crowd(draws, quality, age_s, is_spam, liked)
    signals |= {
        "is_repost": np.zeros(POSTS),
        "followers": np.floor(np.exp(4 + skill + 0.5 * draws.normal(AUTHORS)))[author],
        "mutes": np.floor(np.exp(1 - skill + 0.5 * draws.normal(AUTHORS)))[author],
        "blocks": np.floor(np.exp(-skill + 0.5 * draws.normal(AUTHORS)))[author],
        "media": draws.uniform(POSTS) < 0.3,
        "links": (draws.uniform(POSTS) < 0.2) | is_spam,
        "spam": is_spam,
        "nsfw": is_unsafe,
    }
    fresh = 2.0 ** (-age_s / (DAY_S * 0.25 * 20 ** draws.uniform(USERS, 1)))
    worth = fresh / (1 + np.exp(1 - taste))
    return Site(
        Features(
            created=NOW - age_s,
            author=author,
            is_candidate=np.ones(POSTS, np.bool_),
            pinned=np.zeros(POSTS, np.bool_),
            topics=topics,
            signals={name: values.astype(np.float32) for name, values in signals.items()},
        ),
        [_caller(follows[user], shown[user], liked[user], author, topics) for user in range(USERS)],
        is_new,
        np.stack([_grades(worth[user], shown[user]) for user in range(USERS)]),
    )


def _taste(
    draws: Draws, author: Codes, topics: Codes, quality: Times, is_spam: Flags, is_unsafe: Flags
) -> Times:
    """How much each user likes each post."""
    of_topics = 0.2 * draws.normal(USERS, TOPICS)
    ranks = np.argsort(draws.uniform(USERS, TOPICS), axis=1)
    np.put_along_axis(of_topics, ranks[:, :3], 1.2, axis=1)
    np.put_along_axis(of_topics, ranks[:, 3:5], -1.0, axis=1)
    padded = np.concatenate([of_topics, np.zeros((USERS, 1))], axis=1)  # in the last place: no topic
    of_authors = 0.7 * draws.normal(USERS, AUTHORS)
    minds_unsafe = draws.uniform(USERS, 1) >= 0.1
    taste = padded[:, topics[:, 0]] + padded[:, topics[:, 1]] + of_authors[:, author] + 0.8 * quality
    return np.asarray(taste - 3.0 * is_spam - 3.0 * (is_unsafe & minds_unsafe))


def _follows(draws: Draws, taste: Times, author: Codes) -> tuple[Flags, Flags]:
    """Whom each user follows, and which users are new."""
    posts_of = np.maximum(np.bincount(author, minlength=AUTHORS), 1)
    by_author = np.stack([np.bincount(author, row, AUTHORS) for row in taste]) / posts_of
    appeal = by_author + draws.normal(USERS, AUTHORS)
    by_chance = draws.uniform(USERS, AUTHORS)
    follows = np.zeros((USERS, AUTHORS), np.bool_)
    np.put_along_axis(follows, np.argsort(-appeal, axis=1)[:, :8], True, axis=1)
    np.put_along_axis(follows, np.argsort(by_chance, axis=1)[:, :2], True, axis=1)
    is_new = draws.uniform(USERS) < 1 / 6
    follows[is_new] = False
    return follows, is_new


def _past(draws: Draws, taste: Times, is_followed: Flags, is_new: Flags) -> tuple[Flags, Flags]:
    """What each user was shown, and what of it they liked."""
    shown = draws.uniform(USERS, POSTS) < np.where(is_followed, 0.25, 0.05)
    shown[is_new] = False
    appeal = 1 / (1 + np.exp(1 - taste + draws.normal(USERS, POSTS)))
    likes = (draws.uniform(USERS, POSTS) < 0.6 * appeal) | (draws.uniform(USERS, POSTS) < 0.02)
    return shown, shown & likes


def _crowd(
    draws: Draws, quality: Times, age_s: Times, is_spam: Flags, liked: Flags
) -> dict[str, NDArray[np.generic]]:
    """What everybody did with the posts."""
    reach = np.exp(3.5 + draws.normal(POSTS)) * (1 - 0.5 ** (age_s / (DAY_S / 2)))
    share = 1 / (1 + np.exp(2 - quality + 2 * is_spam))
    likes = reach * share * np.exp(0.3 * draws.normal(POSTS))
    return {
        "likes": np.floor(likes) + liked.sum(axis=0),
        "comments": np.floor(likes * np.exp(-1.5 + 0.7 * draws.normal(POSTS))),
        "reposts": np.floor(likes * np.exp(-2.5 + 0.7 * draws.normal(POSTS))),
    }


def _caller(follows: Flags, shown: Flags, liked: Flags, author: Codes, topics: Codes) -> Caller:
    """What is known of a user. Affinity is what they liked of it, n / (n + 2) for n posts."""
    of_author, of_topic = (
        np.bincount(author[liked], minlength=1),
        np.bincount(topics[liked & True].ravel() + 1),
    )
    authors, liked_topics = np.flatnonzero(of_author), np.flatnonzero(of_topic[1:])
    return Caller(
        followed=np.flatnonzero(follows).astype(np.int32),
        seen=np.flatnonzero(shown).astype(np.int32),
        authors=authors.astype(np.int32),
        author_affinity=_affinity(of_author[authors]),
        topics=liked_topics.astype(np.int32),
        topic_affinity=_affinity(of_topic[liked_topics]),
    )


def _affinity(counts: NDArray[np.intp]) -> Floats:
    return (counts / (counts + 2)).astype(np.float32)


def _grades(worth: Times, shown: Flags) -> NDArray[np.int8]:
    left = np.sort(worth[~shown])
    grades = np.zeros(len(worth), np.int8)
    for share, grade in _GRADES:
        grades[worth >= left[-int(share * len(left))]] = grade
    grades[shown] = 0
    return grades
