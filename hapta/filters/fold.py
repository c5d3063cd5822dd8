"""What a rule comes to when only the caller is known: true, false, or not known.

For answering a write at the edge that PocketBase would refuse whatever the record and the body are. So false
has to be certain: it is said only of comparisons both sides of which are constants, and all else is unknown.
The constants are texts, plain whole numbers, ``null``, ``true``, ``false``, everything under
``@request.auth.`` for a guest, and of an auth record what the caller passes.

How PocketBase compares (``tools/search/filter.go``, resolveEqualExpr), measured on 0.40.6:

1. For ``=`` and ``!=`` NULL is the empty text: ``@request.auth.id = ''`` is true for a guest, and
   ``@request.auth.id != 'x'`` too.
2. For every other operator a NULL on either side gives NULL. There is no negation in the language, so NULL
   and false are one.
3. ``&&`` binds tighter than ``||``; parentheses group. Unknown is Kleene's third value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hapta.filters.nodes import Comparison, Group, Identifier, Join, Number, Operand, Text

AUTH = "@request.auth."
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")
_KEYWORDS: dict[str, int | None] = {"null": None, "true": 1, "false": 0}


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
    any_holds: bool | None = False
    all_hold: bool | None = True
    for index, term in enumerate(group.terms):
        if index and term.join is Join.OR:
            any_holds = _or(any_holds, all_hold)
            all_hold = True
        item = term.item
        # as deep as the parser's cap, no deeper
        holds = provably(item, facts) if isinstance(item, Group) else _compare(item, facts)
        all_hold = _and(all_hold, holds)
    return _or(any_holds, all_hold)


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(left: bool | None, right: bool | None) -> bool | None:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def _compare(comparison: Comparison, facts: Facts) -> bool | None:
    left, right = _constant(comparison.left, facts), _constant(comparison.right, facts)
    if left is None or right is None:
        return None
    if comparison.operator in ("=", "!="):
        equal = _equal(left.value, right.value)
        return equal if equal is None or comparison.operator == "=" else not equal
    if left.value is None or right.value is None:
        return False
    return None


def _equal(left: str | int | None, right: str | int | None) -> bool | None:
    left = "" if left is None else left
    right = "" if right is None else right
    if type(left) is type(right):
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
    if name not in facts.fields and name.lower() in _KEYWORDS:
        return _Known(_KEYWORDS[name.lower()])
    return None
