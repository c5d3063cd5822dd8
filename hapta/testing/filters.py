"""Filters over rows that are mappings: the plain part of PocketBase's language.

Read by the parser that reads filters as PocketBase does. Understood are comparisons of a field with a text, a
number, ``true``, ``false`` or ``null``, in parentheses and joined by ``&&`` and ``||``. Paths through
relations, functions, macros and ``@request`` are refused rather than guessed at. A field a row does not have
is as empty as PocketBase's own: it equals ``""``, ``0``, ``false`` and ``null``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hapta.filters.nodes import Comparison, Group, Identifier, Join, Number, Operand, Text
from hapta.filters.parser import parse

_WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}
_EMPTY: Final = ("", None, False, 0)
_NONE: Final = object()


def matches(filter: str, row: Mapping[str, Any]) -> bool:
    """Whether a row is shown under a filter; an empty one shows all.

    Raises:
        FilterError: PocketBase would refuse it.
        ValueError: it has what is not understood here.
    """
    return not filter.strip() or _group(parse(filter), row)


def _group(group: Group, row: Mapping[str, Any]) -> bool:
    # && binds tighter, as in SQL
    alternatives: list[bool] = []
    for term in group.terms:
        item = term.item
        holds = _group(item, row) if isinstance(item, Group) else _comparison(item, row)
        if alternatives and term.join is Join.AND:
            alternatives[-1] = alternatives[-1] and holds
        else:
            alternatives.append(holds)
    return any(alternatives)


def _comparison(comparison: Comparison, row: Mapping[str, Any]) -> bool:
    left, right = _value(comparison.left, row), _value(comparison.right, row)
    compare = _OPERATORS[comparison.operator]
    if comparison.is_any and isinstance(left, list):
        return any(compare(each, right) for each in left)
    return compare(left, right)


def _value(operand: Operand, row: Mapping[str, Any]) -> Any:
    if isinstance(operand, Text):
        return operand.value
    if isinstance(operand, Number):
        return float(operand.text)
    if isinstance(operand, Identifier):
        if operand.name in _WORDS:
            return _WORDS[operand.name]
        if operand.name.isidentifier():
            return row.get(operand.name, _NONE)
    raise ValueError(f"hapta.testing filters by plain fields alone, not by {operand}")


def _are_equal(left: Any, right: Any) -> bool:
    for one, other in ((left, right), (right, left)):
        if one is _NONE or one is None or one == "":
            return other is _NONE or other in _EMPTY
    return bool(left == right)


def _is_less(left: Any, right: Any) -> bool:
    if _NONE in (left, right) or None in (left, right):
        return False
    if isinstance(left, str) is not isinstance(right, str):
        return False
    return bool(left < right)


def _contains(left: Any, right: Any) -> bool:
    return str(right).casefold() in str("" if left in (None, _NONE) else left).casefold()


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": _are_equal,
    "!=": lambda left, right: not _are_equal(left, right),
    "<": _is_less,
    "<=": lambda left, right: _is_less(left, right) or _are_equal(left, right),
    ">": lambda left, right: _is_less(right, left),
    ">=": lambda left, right: _is_less(right, left) or _are_equal(left, right),
    "~": _contains,
    "!~": lambda left, right: not _contains(left, right),
}
