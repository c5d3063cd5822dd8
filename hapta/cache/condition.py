"""Whether a rule or a client's filter lets a row through, as far as the row itself tells.

After a write this decides whether the row belongs in a stored list. A wrong answer would be a stale read or
a leak, so three are given: yes, no, and not known, and whatever is not read here with certainty is not
known.

How PocketBase compares is told in ``hapta.filters.compare``; what a row tells, in ``hapta.cache.values``.
Compared are two values of one kind, a text-like one by ``~`` and ``!~`` with a constant, and anything with
``null`` or the empty text. Not known are conversions between text and number, several values, JSON, files,
points, functions, macros, other rows, and of ``@request.…`` all but the caller's id.

A client's path through a relation ANDs the listRule of what it leads to onto the whole query, so with one
in a client's filter no row is known to pass.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from hapta.cache.lookup import Lookup, PathError, is_multiple
from hapta.cache.restrictions import CALLER_ID
from hapta.cache.values import Row, field_path, first_field, own_value
from hapta.filters.compare import DECISIONS, Decision
from hapta.filters.fold import KEYWORDS
from hapta.filters.kleene import conjunction, evaluate
from hapta.filters.nodes import Call, Comparison, Group, Identifier, Number, Operand, Text
from hapta.filters.values import PLAIN_NUMBER, UNKNOWN, Unknown, Value, is_sure
from hapta.model.schema import Collection

_Read: TypeAlias = Callable[[Row, str | None], Value | Unknown]
_Leaf: TypeAlias = Callable[[Row, str | None], bool | None]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a row is asked; made once for a plan, by :func:`compile_condition`.

    Attributes:
        reads: the names of all own fields the outcome may depend on, also where it is not known.
        unsure: where in the expression comparisons stand of which no row tells whether they hold, as offsets;
            without any, the outcome is not known only of rows with values that are not known.
    """

    reads: frozenset[str]
    _holds: _Leaf
    unsure: tuple[int, ...] = ()

    def holds(self, row: Row, auth_id: str | None) -> bool | None:
        """Whether the row passes.

        Args:
            row: as everybody sees it.
            auth_id: id of the caller, empty for a guest, ``None`` if that is not known.

        Returns:
            ``None`` if it is not known.
        """
        return self._holds(row, auth_id)


ALWAYS = Condition(frozenset(), lambda _row, _auth_id: True)
"""No rule."""


def both(left: Condition, right: Condition) -> Condition:
    """What passes both."""
    if left is ALWAYS or right is ALWAYS:
        return right if left is ALWAYS else left

    def holds(row: Row, auth_id: str | None) -> bool | None:
        first = left.holds(row, auth_id)
        return False if first is False else conjunction(first, right.holds(row, auth_id))

    return Condition(left.reads | right.reads, holds, left.unsure + right.unsure)


def compile_condition(lookup: Lookup, collection: Collection, group: Group, *, is_client: bool) -> Condition:
    """The condition a rule or filter sets.

    Args:
        collection: whose rows are asked.
        group: a rule of it, or a client's filter.
        is_client: the client wrote it.
    """
    maker = _Maker(lookup, collection, is_client)
    leaves: dict[int, _Leaf] = {}
    for comparison in comparisons(group):
        leaves[comparison.position] = maker.leaf(comparison)

    def holds(row: Row, auth_id: str | None) -> bool | None:
        return evaluate(group, lambda comparison: leaves[comparison.position](row, auth_id))

    def holds_at_most(row: Row, auth_id: str | None) -> bool | None:
        return conjunction(holds(row, auth_id), None)

    decides = holds_at_most if maker.adds_rules else holds
    return Condition(frozenset(maker.reads), decides, tuple(sorted(maker.unsure)))


class _Side(Enum):
    """What stands on one side of a comparison."""

    FIELD = auto()
    CONSTANT = auto()
    CALLER = auto()


@dataclass(frozen=True, slots=True)
class _Operand:
    side: _Side
    read: _Read


class _Maker:
    """Leaves for one expression; collects what they read."""

    def __init__(self, lookup: Lookup, collection: Collection, is_client: bool) -> None:
        self._lookup = lookup
        self._collection = collection
        self._is_client = is_client
        self.reads: set[str] = set()
        self.unsure: set[int] = set()
        self.adds_rules = False

    def leaf(self, comparison: Comparison) -> _Leaf:
        for operand in (comparison.left, comparison.right):
            self._note(operand)
        found = self._sure_leaf(comparison)
        if found is not None:
            return found
        self.unsure.add(comparison.position)
        if comparison.is_any and comparison.operator == "=":
            return self._among(comparison.left, comparison.right) or _not_known
        return _not_known

    def _sure_leaf(self, comparison: Comparison) -> _Leaf | None:
        left, right = self._operand(comparison.left), self._operand(comparison.right)
        if left is None or right is None:
            return None
        is_like = comparison.operator in ("~", "!~")
        if is_like and (left.side is not _Side.FIELD or right.side is _Side.FIELD):
            return None
        return _leaf(left.read, right.read, DECISIONS[comparison.operator])

    def _note(self, operand: Operand) -> None:
        if isinstance(operand, Call):
            for argument in operand.arguments:
                self._note(argument)
        elif isinstance(operand, Identifier):
            path = field_path(operand.name)
            if path is None:
                return
            name = first_field(self._lookup, self._collection, path)
            if name is not None:
                self.reads.add(name)
            if self._is_client and len(path.parts) > 1 and self._joins(path.parts, path.modifier is not None):
                self.adds_rules = True

    def _among(self, several: Operand, constant: Operand) -> _Leaf | None:
        """``tags ?= "a"`` and ``tags.id ?= "a"``: no row passes that has not this value among its own."""
        if not isinstance(several, Identifier) or not isinstance(constant, Text) or not constant.value:
            return None
        path = field_path(several.name)
        if path is None or path.modifier is not None or path.parts[1:] not in ((), ("id",)):
            return None
        field = self._lookup.field(self._collection, path.parts[0])
        if field is None or not is_multiple(field) or field.get("hidden"):
            return None
        if field["type"] != "relation" and (path.parts[1:] or field["type"] != "select"):
            return None
        return _among_leaf(path.parts[0], constant.value) if is_sure(constant.value) else None

    def _joins(self, parts: tuple[str, ...], has_modifier: bool) -> bool:
        try:
            way = self._lookup.way(self._collection, parts, sees_hidden=True, has_modifier=has_modifier)
        except PathError:
            return True
        return bool(way.hops)

    def _operand(self, operand: Operand) -> _Operand | None:
        if isinstance(operand, Text):
            return _constant(operand.value) if is_sure(operand.value) else None
        if isinstance(operand, Number):
            is_plain = PLAIN_NUMBER.fullmatch(operand.text)
            return _constant(float(operand.text)) if is_plain else None
        return self._identifier(operand.name) if isinstance(operand, Identifier) else None

    def _identifier(self, name: str) -> _Operand | None:
        if name == CALLER_ID:
            return None if self._is_client else _Operand(_Side.CALLER, _caller)
        path = field_path(name)
        if path is None:
            return None
        if path.keyword is not None and first_field(self._lookup, self._collection, path) is None:
            return _constant(KEYWORDS[path.keyword])
        read = own_value(self._lookup, self._collection, path)
        return None if read is None else _Operand(_Side.FIELD, lambda row, _auth_id: read(row))


def comparisons(group: Group) -> Iterator[Comparison]:
    """All of them, in no order."""
    todo = [group]
    while todo:
        for term in todo.pop().terms:
            if isinstance(term.item, Group):
                todo.append(term.item)
            else:
                yield term.item


def _constant(value: Value) -> _Operand:
    return _Operand(_Side.CONSTANT, lambda _row, _auth_id: value)


def _caller(_row: Row, auth_id: str | None) -> Value | Unknown:
    if auth_id is None:
        return UNKNOWN
    return auth_id or None


def _not_known(_row: Row, _auth_id: str | None) -> None:
    return None


def _among_leaf(name: str, constant: str) -> _Leaf:
    def holds(row: Row, _auth_id: str | None) -> bool | None:
        values = row.get(name)
        if not isinstance(values, list) or not all(
            isinstance(each, str) and is_sure(each) for each in values
        ):
            return None
        return False if constant not in values else None

    return holds


def _leaf(read_left: _Read, read_right: _Read, decide: Decision) -> _Leaf:
    def holds(row: Row, auth_id: str | None) -> bool | None:
        left, right = read_left(row, auth_id), read_right(row, auth_id)
        return None if left is UNKNOWN or right is UNKNOWN else decide(left, right)

    return holds
