"""Values that a request's ``fields`` changes: ``status:excerpt(2)`` makes ``dr`` of ``draft``.

PocketBase carries modifiers out before anybody here sees a row (``tools/picker``), texts, lists and booleans
alike. Who decides by such a value decides by what the client made of it, so for a decision it is not there.
A modifier changes what the last name of its path stands for; through a JSON field that is a part of the
field's value, so every name on the way counts as changed. What cannot be read for certain changes everything.
"""

import re
from dataclasses import dataclass
from typing import Final

from hapta.cache.query import parse_query

_PATH: Final = r"[ \t]*((?:[\w@-]+|\*)(?:\.(?:[\w@()-]+|\*))*)"
_MODIFIER: Final = r"(:excerpt\([ \t]*\d+[ \t]*(?:,[ \t]*\w+[ \t]*)?\))?"
_LIST: Final = re.compile(rf"{_PATH}{_MODIFIER}[ \t]*(?:,|$)", re.ASCII)
_EXPAND: Final = "expand"


@dataclass(frozen=True, slots=True)
class Altered:
    """Names of members whose values are not the row's own.

    Attributes:
        names: these.
        are_all: any may be.
    """

    names: frozenset[str] = frozenset()
    are_all: bool = False

    def __contains__(self, name: object) -> bool:
        return self.are_all or name in self.names

    def __bool__(self) -> bool:
        return self.are_all or bool(self.names)

    def __or__(self, other: "Altered") -> "Altered":
        return Altered(self.names | other.names, self.are_all or other.are_all)


NOTHING: Final = Altered()
EVERYTHING: Final = Altered(are_all=True)


def altered_by_query(query: str) -> Altered:
    """What a request with this query changes.

    Args:
        query: of its target, escapes kept.
    """
    if not query:
        return NOTHING
    parsed = parse_query(query)
    return EVERYTHING if parsed is None else altered_by(parsed.values.get("fields", ""))


def altered_by(fields: str) -> Altered:
    """What a list of ``fields`` changes."""
    if ":" not in fields:
        return NOTHING
    names: set[str] = set()
    at = 0
    while at < len(fields):
        found = _LIST.match(fields, at)
        if found is None:
            return EVERYTHING
        at = found.end()
        if found[2]:
            parts = found[1].split(".")
            while len(parts) > 2 and parts[0] == _EXPAND:
                del parts[:2]  # the way to a row, and not a value of the one above it
            names.update(parts)
    return EVERYTHING if "*" in names else Altered(frozenset(names))
