"""Reads ``[feeds.<name>]``: from free tables to :class:`~hapta.config.feed_tables.RankedFeedConfig`.

What can be found out without a schema is found out here, all of it at once, each with file and line: keys,
types and bounds, and what one key demands of another. What a schema has to say is asked by
:class:`hapta.ranking.spec.FeedSpec`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hapta.config.errors import ConfigErrors
from hapta.config.feed_tables import EdgeConfig, RankedFeedConfig, SignalConfig, Weight
from hapta.config.fields import Field, WrongValue, fields_of, from_value, shown
from hapta.config.problems import Problems, did_you_mean

MOST_FEEDS: Final = 16
MOST_SIGNALS: Final = 32
"""Of one feed; each is a column."""
MOST_EDGES: Final = 8
"""Of one kind."""
MOST_TOPICS: Final = 8
MOST_SPAM_DOMAINS: Final = 100_000
OF_CALLERS: Final = ("follow", "author", "topic")
"""What weights can name besides signals."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DOMAIN: Final = re.compile(r"(?:[\w-]{1,63}\.)+[\w-]{1,63}")
_EDGES: Final = ("follows", "hides", "engaged")
_KEYS: Final = {field.name: field for field in fields_of("feeds.<name>", RankedFeedConfig)}
_OF_EDGES: Final = {field.name: field for field in fields_of("feeds.<name>.<kind>.<edge>", EdgeConfig)}
_OF_SIGNALS: Final = {field.name: field for field in fields_of("feeds.<name>.signals.<signal>", SignalConfig)}
_TABLES: Final = (*_EDGES, "signals", "weights")
_WEIGHT: Final = Field(
    "feeds.<name>.weights", "<signal>", "<signal>", Weight, msgspec.inspect.type_info(Weight), 0.0
)


def collections_of(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The collection of each feed, by the feed's name."""
    return {name: str(table.get("collection", "")) for name, table in tables.items()}


def read_feeds(
    tables: Mapping[str, Mapping[str, Any]], origins: Mapping[str, str]
) -> dict[str, RankedFeedConfig]:
    """The ranked feeds, by name.

    Args:
        tables: ``[feeds.<name>]`` by name, as TOML has them.
        origins: where each dotted key was set.

    Raises:
        ConfigErrors: everything that is wrong in them.
    """
    feeds: dict[str, RankedFeedConfig] = {}
    lines: list[str] = []
    for name, table in tables.items():
        problems = Problems(f"feeds.{name}", origins)
        feed = _read_feed(table, problems)
        lines += problems.lines
        if feed is not None:
            feeds[name] = feed
    if len(tables) > MOST_FEEDS:
        lines.append(f"[feeds]: {len(tables)} feeds are too many: at most {MOST_FEEDS}")
    if lines:
        raise ConfigErrors(lines)
    return feeds


def _read_feed(table: Mapping[str, Any], problems: Problems) -> RankedFeedConfig | None:
    plain = {key: value for key, value in table.items() if key not in _TABLES}
    good = _read_keys("", plain, _KEYS, problems, also=_TABLES)
    for kind in _EDGES:
        good[kind] = _read_named(kind, table.get(kind, {}), _OF_EDGES, EdgeConfig, MOST_EDGES, problems)
    signals = table.get("signals", {})
    good["signals"] = _read_named("signals", signals, _OF_SIGNALS, SignalConfig, MOST_SIGNALS, problems)
    good["weights"] = _read_weights(table.get("weights", {}), signals, problems)
    if problems.lines:
        return None
    feed = RankedFeedConfig(**good)
    _check(feed, problems)
    return None if problems.lines else feed


def _read_keys(
    prefix: str,
    table: Mapping[str, Any],
    known: Mapping[str, Field],
    problems: Problems,
    *,
    also: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The values of a table, by attribute of its struct."""
    good: dict[str, Any] = {}
    for key, value in table.items():
        field = known.get(key)
        if field is None:
            hint = did_you_mean(key, [*known, *also]) or f"; it takes {', '.join([*known, *also])}"
            problems.add(prefix + key, f"unknown key{hint}")
            continue
        try:
            good[field.attribute] = from_value(field, value)
        except WrongValue as exc:
            problems.add(prefix + key, str(exc))
    for key, field in known.items():
        if field.is_required and key not in table:
            problems.add(prefix.rstrip("."), f"{key} is missing")
    return good


def _read_named(
    kind: str, value: Any, known: Mapping[str, Field], struct: type, most: int, problems: Problems
) -> dict[str, Any]:
    """A table of tables, by name."""
    if not isinstance(value, dict):
        problems.add(kind, f"expected a table of tables by name, got {shown(value)}")
        return {}
    if len(value) > most:
        problems.add(kind, f"{len(value)} are too many: at most {most}")
    found: dict[str, Any] = {}
    for name, table in value.items():
        key = f"{kind}.{name}"
        before = len(problems.lines)
        if not _NAME.fullmatch(name):
            problems.add(key, "expected a name of a to z, 0 to 9 and _ that begins with a letter")
        elif not isinstance(table, dict):
            problems.add(key, f"expected a table such as {_example(struct)}, got {shown(table)}")
        else:
            good = _read_keys(f"{key}.", table, known, problems)
            if len(problems.lines) == before:
                found[name] = struct(**good)
    return found


def _example(struct: type) -> str:
    if struct is SignalConfig:
        return '{ collection = "likes", relation = "post" }'
    return '{ collection = "follows", from = "follower", to = "followed" }'


def _read_weights(value: Any, signals: Any, problems: Problems) -> dict[str, float]:
    if not isinstance(value, dict):
        problems.add("weights", f"expected a table of numbers by signal, got {shown(value)}")
        return {}
    known = [*(signals if isinstance(signals, dict) else ()), *OF_CALLERS]
    weights: dict[str, float] = {}
    for name, weight in value.items():
        if name not in known:
            hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
            problems.add(f"weights.{name}", f"there is no such signal{hint}")
            continue
        try:
            weights[name] = from_value(_WEIGHT, weight)
        except WrongValue as exc:
            problems.add(f"weights.{name}", str(exc))
    return weights


def _check(feed: RankedFeedConfig, problems: Problems) -> None:
    """What one key demands of another."""
    for name, signal in feed.signals.items():
        _check_signal(f"signals.{name}", name, signal, feed, problems)
    for kind in _EDGES:
        edges: Mapping[str, EdgeConfig] = getattr(feed, kind)
        if edges and kind != "engaged" and not feed.author:
            problems.add(kind, "needs author: the field of a row that tells whose it is")
        for name, edge in edges.items():
            if edge.from_ == edge.to:
                problems.add(f"{kind}.{name}.to", "is the same as from")
            if edge.both and kind == "engaged":
                problems.add(f"{kind}.{name}.both", "means nothing here: a row is no caller")
    if feed.spacing and not feed.author:
        problems.add("spacing", "needs author: the field of a row that tells whose it is")
    if len(feed.topics) > MOST_TOPICS:
        problems.add("topics", f"{len(feed.topics)} fields are too many: at most {MOST_TOPICS}")
    if len(set(feed.topics)) < len(feed.topics) or "" in feed.topics:
        problems.add("topics", "expected names of fields, each once")
    if len(feed.spam_domains) > MOST_SPAM_DOMAINS:
        problems.add("spam_domains", f"too many: at most {MOST_SPAM_DOMAINS}")
    wrong = [domain for domain in feed.spam_domains if not _DOMAIN.fullmatch(domain)]
    if wrong:
        problems.add("spam_domains", f"expected domains such as pills.example, got {shown(wrong[0])}")


def _check_signal(
    key: str, name: str, signal: SignalConfig, feed: RankedFeedConfig, problems: Problems
) -> None:
    if name in OF_CALLERS:
        problems.add(key, f"{', '.join(OF_CALLERS)} are not signals of rows: choose another name")
    if signal.field and (signal.collection or signal.relation):
        problems.add(key, "has field and collection: one of them, for it is one number")
    elif signal.collection and not signal.relation:
        problems.add(key, "needs relation: the field with which rows of collection point")
    elif signal.relation and not signal.collection:
        problems.add(key, "needs collection: whose rows point with relation")
    elif not signal.field and not signal.collection:
        problems.add(key, "needs field, or collection and relation")
    if signal.has and not signal.field:
        problems.add(f"{key}.has", "needs field: what to look into")
    if signal.has == "spam" and not feed.spam_domains:
        problems.add(f"{key}.has", '"spam" needs spam_domains of the feed')
    if signal.of == "author" and not feed.author:
        problems.add(f"{key}.of", '"author" needs author of the feed: the field that tells whose a row is')
