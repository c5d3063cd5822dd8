"""What a rule comes to when only the caller is known: true, false, or not known.

For answering a write at the edge that PocketBase would refuse whatever the record and the body are. So
false has to be certain, and so has true where a body is refused that the rule lets through: both are said
only of comparisons both sides of which are constants, and all else is unknown. The constants are texts, plain
whole numbers, ``null``, ``true``, ``false``, everything under ``@request.auth.`` for a guest, and of an auth
record what the caller passes.

How PocketBase compares (``tools/search/filter.go``, resolveEqualExpr), measured on 0.40.6:

1. For ``=`` and ``!=`` NULL is the empty text: ``@request.auth.id = ''`` is true for a guest, and
   ``@request.auth.id != 'x'`` too.
2. For every other operator a NULL on either side gives NULL, which is as good as false (``kleene.py``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hapta.filters.kleene import evaluate
from hapta.filters.nodes import Comparison, Group, Identifier, Number, Operand, Text

AUTH = "@request.auth."
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")
_OF_EVERY_RECORD = frozenset({"id", "collectionId", "collectionName"})
KEYWORDS: dict[str, int | None] = {"null": None, "true": 1, "false": 0}
"""What the words mean where no field has their name."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known. Not for superusers, whom no rule concerns.

    Attributes:
        fields: the names of all fields of the collection whose rule it is: one called ``true`` is no keyword.
        auth: of the auth record: ``id``, ``collectionId``, ``collectionName``, whatever of these is known;
            ``None`` for a guest.
    """

    fields: frozenset[str]
    auth: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class _Known:
    value: str | int | None


def provably(group: Group, facts: Facts) -> bool | None:
    """Whether the rule holds for every record and every body, for none, or whether that is not known."""
    return evaluate(group, lambda comparison: _compare(comparison, facts))


def surely(group: Group, facts: Facts) -> bool:
    """Whether the rule holds for every record and every body, and PocketBase can make nothing else of it.

    More than that it is provable: a part that is not known here may be one PocketBase cannot resolve, and
    then the whole rule fails, whatever the other parts come to.
    """
    return _is_known(group, facts) and provably(group, facts) is True


def _is_known(group: Group, facts: Facts) -> bool:
    for term in group.terms:
        item = term.item
        if isinstance(item, Group):
            if not _is_known(item, facts):
                return False
        elif not (_is_resolved(item.left) and _is_resolved(item.right)) or _compare(item, facts) is None:
            return False
    return True


def _is_resolved(operand: Operand) -> bool:
    """Not a field of auth records that there may not be, nor one with a modifier."""
    if not isinstance(operand, Identifier) or not operand.name.startswith(AUTH):
        return True
    return operand.name.removeprefix(AUTH) in _OF_EVERY_RECORD


def _compare(comparison: Comparison, facts: Facts) -> bool | None:
    left, right = _constant(comparison.left, facts), _constant(comparison.right, facts)
    if left is None or right is None:
        return None
    if comparison.operator in ("=", "!="):
        same = equal(left.value, right.value)
        return same if same is None or comparison.operator == "=" else not same
    if left.value is None or right.value is None:
        return False
    return None


def equal(left: str | float | None, right: str | float | None) -> bool | None:
    """Whether ``=`` holds between two values, NULL being the empty text.

    Returns:
        ``None`` where SQLite converts between text and number.
    """
    left = "" if left is None else left
    right = "" if right is None else right
    if isinstance(left, str) is isinstance(right, str):
        return left == right
    # a number is never the empty text; what other texts are to it is left to SQLite
    return False if "" in (left, right) else None


def _constant(operand: Operand, facts: Facts) -> _Known | None:
    if isinstance(operand, Text):
        return _Known(operand.value)
    if isinstance(operand, Number):
        return _Known(int(operand.text)) if _WHOLE.fullmatch(operand.text) else None
    if not isinstance(operand, Identifier):
        return None
    name = operand.name
    if name.startswith(AUTH):
        if facts.auth is None:
            return _Known(None)
        # with a modifier or a longer path it is no key here; and a value is cast when the collection has a
        # number field of the same name
        key = name.removeprefix(AUTH)
        return (
            _Known(facts.auth[key])
            if key in facts.auth and (key == "id" or key not in facts.fields)
            else None
        )
    if name not in facts.fields and name.lower() in KEYWORDS:
        return _Known(KEYWORDS[name.lower()])
    return None
