"""Numbers about rows: what a field tells of the row it stands in, and how many rows point at one.

A number of a field is read anew from each row that comes (:func:`number_of`). A count is kept: of each row
that points it is remembered where, so that a change and a deletion take away what was counted, and a row that
comes twice is counted once. Rows may point at what has not come yet.
"""

import math
from collections.abc import Callable, Mapping
from sys import getsizeof
from typing import Any, Final, TypeAlias

import numpy as np

from hapta.ranking.places import TEXT_BYTES, Places
from hapta.records.links import link_hosts

ReadNumber: TypeAlias = Callable[[Mapping[str, Any]], float]
Targets: TypeAlias = int | tuple[int, ...] | None

LOOKED_AT: Final = 3_000
"""Characters of a text that are searched for links: of the worst some five milliseconds, in which nobody else
is served."""
_MOST: Final = float(np.finfo(np.float32).max)


def number_of(field: str, has: str = "", spam_domains: frozenset[str] = frozenset()) -> ReadNumber:
    """How a row's number is read.

    Args:
        field: its name.
        has: as in :class:`hapta.config.feed_tables.SignalConfig`.
        spam_domains: in the form of :func:`hapta.records.links.plain_host`.
    """
    if has == "value":
        return lambda row: float(_number(row.get(field)) != 0)
    if has == "link":
        return lambda row: float(_has_link(row.get(field)))
    if has == "spam":
        return lambda row: float(_has_spam(row.get(field), spam_domains))
    return lambda row: _number(row.get(field))


def _number(value: object) -> float:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int):
        return float(max(-_MOST, min(_MOST, value)))
    if isinstance(value, float):
        return 0.0 if math.isnan(value) else max(-_MOST, min(_MOST, value))
    if isinstance(value, list | dict):
        return float(len(value))
    return float(value is not None and value != "")


def _has_link(value: object) -> bool:
    return isinstance(value, str) and any(True for _ in link_hosts(value[:LOOKED_AT]))


def _has_spam(value: object, domains: frozenset[str]) -> bool:
    return isinstance(value, str) and any(_is_below(host, domains) for host in link_hosts(value[:LOOKED_AT]))


def _is_below(host: str, domains: frozenset[str]) -> bool:
    while host:
        if host in domains:
            return True
        host = host.partition(".")[2]
    return False


class Count:
    """How many rows of a collection point at each place.

    Args:
        relation: the field they point with.
        places: what ids of rows pointed at stand for; told how many point at each.
        add: given a place and how many more point at it.
    """

    def __init__(self, relation: str, places: Places, add: Callable[[int, int], None]) -> None:
        self._relation = relation
        self._places = places
        self._add = add
        self._pointing: dict[str, int | tuple[int, ...]] = {}

    def put(self, record_id: str, row: Mapping[str, Any]) -> bool:
        """A row as it is now; whether a count moved."""
        return self._move(record_id, self._targets(row.get(self._relation)))

    def drop(self, record_id: str) -> bool:
        """A row is gone; whether a count moved."""
        return self._move(record_id, None)

    @property
    def nbytes(self) -> int:
        """By estimate."""
        return getsizeof(self._pointing) + len(self._pointing) * TEXT_BYTES

    def _targets(self, value: object) -> Targets:
        if isinstance(value, str):
            return self._places.find(value) if value else None
        ids = ids_in(value)
        if len(ids) > 1:
            return tuple(self._places.find(each) for each in ids)
        return self._places.find(ids[0]) if ids else None

    def _move(self, record_id: str, new: Targets) -> bool:
        old = self._pointing.get(record_id)
        if old == new:
            return False
        came, gone = _as_set(new), _as_set(old)
        if new is None:
            del self._pointing[record_id]
        else:
            self._pointing[record_id] = new
        for place in came - gone:
            self._places.hold(place)
            self._add(place, 1)
        for place in gone - came:
            self._add(place, -1)
            self._places.let_go(place)
        return came != gone


def _as_set(targets: Targets) -> set[int]:
    if targets is None:
        return set()
    return {targets} if isinstance(targets, int) else set(targets)


def ids_in(value: object) -> list[str]:
    """The ids in a relation field, each once; of one value that one."""
    if isinstance(value, str):
        return [value] if value else []
    if not isinstance(value, list):
        return []
    return list(dict.fromkeys(each for each in value if isinstance(each, str) and each))
