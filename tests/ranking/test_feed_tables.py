"""``[feeds.<name>]``: every problem is told at once, with where it stands."""

from typing import Any

import pytest

from hapta.config.errors import ConfigErrors
from hapta.config.feeds import MOST_FEEDS, MOST_SIGNALS, read_feeds
from tests.ranking.schema import EVERYTHING_ABOUT_POSTS

BASE: dict[str, Any] = {"collection": "posts"}


def problems(*tables: dict[str, Any], origins: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read_feeds({f"f{at}": table for at, table in enumerate(tables)}, origins or {})
    return list(caught.value.problems)


def test_a_feed_with_everything_is_read() -> None:
    table = {
        **BASE,
        **EVERYTHING_ABOUT_POSTS,
        "limit": 10,
        "half_life_s": 60,
        "weights": {"views": 2, "follow": 0.5},
    }
    feed = read_feeds({"home": table}, {})["home"]
    assert feed.topics == ("topics", "kinds")
    assert feed.half_life_s == 60.0
    assert feed.signals["spam"].has == "spam"
    assert feed.follows["users"].from_ == "id"
    assert feed.weights == {"views": 2.0, "follow": 0.5}
    assert read_feeds({}, {}) == {}


def test_problems_of_all_feeds_come_at_once_with_file_and_line() -> None:
    origins = {
        "feeds.f0": "config.toml:1",
        "feeds.f0.limt": "config.toml:3",
        "feeds.f0.signals": "config.toml:5",
        "feeds.f1.depth": "environment X",
    }
    found = problems(
        {**BASE, "limt": 5, "signals": {"likes": {"collction": "likes"}}}, {"depth": 0}, origins=origins
    )
    assert found == [
        "config.toml:3: feeds.f0.limt: unknown key; did you mean limit?",
        "config.toml:5: feeds.f0.signals.likes.collction: unknown key; did you mean collection?",
        "environment X: feeds.f1.depth: expected an integer >= 1 and <= 100000, got 0",
        "[feeds.f1]: feeds.f1: collection is missing",
    ]


_AUTHORED = {**BASE, "author": "author"}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "f0: collection is missing"),
        ({**BASE, "collection": ""}, 'f0.collection: expected a text that is not empty, got ""'),
        ({**BASE, "preset": "new"}, 'f0.preset: expected one of "for_you", '),
        ({**BASE, "half_life_s": float("nan")}, "f0.half_life_s: expected a number > 0"),
        ({**BASE, "half_life_s": 10**400}, "f0.half_life_s: expected a number > 0"),
        ({**BASE, "limit": True}, "f0.limit: expected an integer >= 1"),
        ({**BASE, "topics": "topic"}, 'f0.topics: expected a list of texts, got "topic"'),
        ({**BASE, "topics": ["a", "a"]}, "f0.topics: expected names of fields, each once"),
        ({**BASE, "topics": list("abcdefghi")}, "f0.topics: 9 fields are too many: at most 8"),
        ({**BASE, "xyz": 1}, "f0.xyz: unknown key; it takes collection, "),
        ({**BASE, "spacing": 2}, "f0.spacing: needs author"),
        ({**BASE, "follows": {"a": {"collection": "c", "from": "x", "to": "y"}}}, "f0.follows: needs author"),
        ({**BASE, "hides": {"a": {"collection": "c", "from": "x", "to": "y"}}}, "f0.hides: needs author"),
        ({**BASE, "hides": 1}, "f0.hides: expected a table of tables by name, got 1"),
        ({**BASE, "hides": {"a": "users"}}, 'f0.hides.a: expected a table such as { collection = "follows"'),
        ({**_AUTHORED, "hides": {"a": {"collection": "c", "to": "y"}}}, "f0.hides.a: from is missing"),
        (
            {**_AUTHORED, "hides": {"a": {"collection": "c", "from": "x", "to": "x"}}},
            "f0.hides.a.to: is the same as from",
        ),
        (
            {**BASE, "engaged": {"a": {"collection": "c", "from": "x", "to": "y", "both": True}}},
            "f0.engaged.a.both: means nothing here",
        ),
        (
            {**BASE, "engaged": {f"a{at}": {"collection": "c", "from": "x", "to": "y"} for at in range(9)}},
            "f0.engaged: 9 are too many: at most 8",
        ),
        ({**BASE, "signals": {"A b": {"field": "x"}}}, "f0.signals.A b: expected a name of a to z"),
        ({**BASE, "signals": {"a": 5}}, 'f0.signals.a: expected a table such as { collection = "likes"'),
        ({**BASE, "signals": {"a": {}}}, "f0.signals.a: needs field, or collection and relation"),
        ({**BASE, "signals": {"a": {"collection": "c"}}}, "f0.signals.a: needs relation"),
        ({**BASE, "signals": {"a": {"relation": "c"}}}, "f0.signals.a: needs collection"),
        (
            {**BASE, "signals": {"a": {"field": "x", "collection": "c", "relation": "y"}}},
            "f0.signals.a: has field and collection",
        ),
        (
            {**BASE, "signals": {"a": {"collection": "c", "relation": "y", "has": "value"}}},
            "f0.signals.a.has: needs field",
        ),
        (
            {**BASE, "signals": {"a": {"field": "x", "has": "spam"}}},
            'f0.signals.a.has: "spam" needs spam_domains',
        ),
        (
            {**BASE, "signals": {"a": {"field": "x", "of": "author"}}},
            'f0.signals.a.of: "author" needs author',
        ),
        (
            {**BASE, "signals": {"follow": {"field": "x"}}},
            "f0.signals.follow: follow, author, topic are not signals",
        ),
        (
            {**BASE, "signals": {f"a{at}": {"field": "x"} for at in range(MOST_SIGNALS + 1)}},
            "f0.signals: 33 are too many: at most 32",
        ),
        (
            {**BASE, "weights": {"likes": 1}},
            "f0.weights.likes: there is no such signal; there are follow, author, topic",
        ),
        (
            {**BASE, "weights": {"folow": 1}},
            "f0.weights.folow: there is no such signal; did you mean follow?",
        ),
        (
            {**BASE, "weights": {"follow": "1"}},
            "f0.weights.follow: expected a number >= -1000000 and <= 1000000",
        ),
        (
            {**BASE, "weights": {"follow": 1e7}},
            "f0.weights.follow: expected a number >= -1000000 and <= 1000000",
        ),
        ({**BASE, "weights": 3}, "f0.weights: expected a table of numbers by signal, got 3"),
        (
            {**BASE, "spam_domains": ["a b"]},
            'f0.spam_domains: expected domains such as pills.example, got "a b"',
        ),
        ({**BASE, "deadline_s": 0}, "f0.deadline_s: expected a number > 0"),
    ],
)
def test_what_is_wrong_is_told(table: dict[str, Any], problem: str) -> None:
    (line,) = problems(table)
    assert f"[feeds.f0]: feeds.{problem}" in line


def test_there_are_so_many_feeds_and_no_more() -> None:
    tables = {f"f{at}": BASE for at in range(MOST_FEEDS)}
    assert len(read_feeds(tables, {})) == MOST_FEEDS
    assert problems(*[BASE] * (MOST_FEEDS + 1)) == ["[feeds]: 17 feeds are too many: at most 16"]
