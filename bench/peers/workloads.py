"""What is asked, by whom, and of whom."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final

VIEW: Final = "/api/collections/posts/records/{id}"
LIST: Final = "/api/collections/posts/records?page={page}&perPage=30&sort=-created"
FILTERED: Final = "/api/collections/posts/records?page={page}&perPage=30&sort=-created&filter=(likes%3E10)"
WALKED: Final = 1000
"""Records the random views are of."""

N_CALLERS: Final = 64


class Way(StrEnum):
    """How the requests of a workload are to be answered."""

    HIT = "hit"
    """From the cache; the same caller has had that answer."""
    FIRST = "first"
    """From the cache, to a caller who asks for that target for the first time."""
    UNCHANGED = "304"
    """304, by those who have given a validator."""
    COLD = "cold"
    """By PocketBase, and stored: nobody has asked for that target."""
    MISS = "miss"
    """By PocketBase, and not stored: there is no cache."""
    MIXED = "mixed"
    """From the cache, unless a write has changed the answer."""


class Ask(StrEnum):
    """For what."""

    VIEW = "view"
    LIST = "list"
    FILTERED = "filter"
    VIEWS = "views"
    """Random ones of 1,000 records."""


class Sender(StrEnum):
    """Who."""

    GUEST = "guest"
    """Nobody in particular, with next to no headers."""
    TOKEN = "token"
    """A user, whose Authorization is all there is."""
    BROWSER = "browser"
    """The same user in a browser."""
    CALLERS = "callers"
    """As many users as connections, each in a browser of their own."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the tables.

    Attributes:
        name: for ``--only``.
        title: for readers.
        every: every so many requests one writes; 0: none does.
        is_quick: measured with ``--quick``.
    """

    name: str
    title: str
    way: Way
    ask: Ask
    sender: Sender
    connections: int = 64
    every: int = 0
    is_quick: bool = False


_ASKED = {
    Ask.VIEW: "a view",
    Ask.LIST: "a list",
    Ask.FILTERED: "a list with a filter",
    Ask.VIEWS: "1,000 random views",
}
_SENT = {
    Sender.GUEST: "",
    Sender.TOKEN: ", Authorization",
    Sender.BROWSER: ", Authorization, browser",
    Sender.CALLERS: ", 64 callers",
}
_QUICK_HITS = {
    (Ask.VIEW, Sender.TOKEN), (Ask.LIST, Sender.TOKEN), (Ask.VIEWS, Sender.BROWSER),
    (Ask.VIEW, Sender.CALLERS),
}  # fmt: skip


def _hits() -> list[Workload]:
    found = list(product(_ASKED, (Sender.GUEST, Sender.TOKEN, Sender.BROWSER)))
    found += [(Ask.VIEW, Sender.CALLERS), (Ask.LIST, Sender.CALLERS)]
    return [
        Workload(
            f"{ask}-{sender}",
            _ASKED[ask] + _SENT[sender],
            Way.HIT,
            ask,
            sender,
            is_quick=(ask, sender) in _QUICK_HITS,
        )
        for ask, sender in found
    ]


WORKLOADS: Final = (
    *_hits(),
    Workload("view-one", "a view, Authorization, 1 connection", Way.HIT, Ask.VIEW, Sender.TOKEN, 1),
    Workload("first", "a view, first hit of a caller", Way.FIRST, Ask.VIEWS, Sender.CALLERS, is_quick=True),
    Workload("304-view", "a view, 304", Way.UNCHANGED, Ask.VIEW, Sender.TOKEN),
    Workload("304-list", "a list, 304", Way.UNCHANGED, Ask.LIST, Sender.TOKEN, is_quick=True),
    Workload("cold", "a view never asked for, cache on", Way.COLD, Ask.VIEWS, Sender.TOKEN),
    Workload("miss-view", "a view, no cache", Way.MISS, Ask.VIEW, Sender.GUEST, is_quick=True),
    Workload("miss-view-one", "a view, no cache, 1 connection", Way.MISS, Ask.VIEW, Sender.GUEST, 1),
    Workload("miss-list", "a list, no cache", Way.MISS, Ask.LIST, Sender.GUEST),
    Workload("miss-list-one", "a list, no cache, 1 connection", Way.MISS, Ask.LIST, Sender.GUEST, 1),
    Workload(
        "mixed-1", "views and lists, 1 % writes", Way.MIXED, Ask.VIEWS, Sender.TOKEN, every=100, is_quick=True
    ),
    Workload("mixed-5", "views and lists, 5 % writes", Way.MIXED, Ask.VIEWS, Sender.TOKEN, every=20),
)


def targets(ask: Ask, way: Way, ids: list[str]) -> list[str]:
    """What is asked for, in order.

    Args:
        ids: of all records, oldest first.
    """
    if way is Way.MISS:
        # all there are, so that PocketBase reads other rows all the time
        if ask is Ask.VIEW:
            return [VIEW.format(id=record) for record in ids]
        return [LIST.format(page=page + 1) for page in range(len(ids) // 30)]
    if way in (Way.FIRST, Way.COLD):
        return [VIEW.format(id=record) for record in ids]
    if ask is Ask.VIEWS:
        return [VIEW.format(id=record) for record in ids[:WALKED]]
    return [{Ask.VIEW: VIEW, Ask.LIST: LIST, Ask.FILTERED: FILTERED}[ask].format(id=ids[0], page=1)]
