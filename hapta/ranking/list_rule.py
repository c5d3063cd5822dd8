"""A listRule of which the row itself and the caller's id tell everything.

Two things make it cheap to ask for every row at once. Its outcome depends on a few fields only, so rows alike
in these, of one *signature*, are asked once. And where the caller's id is only compared, by ``=`` or ``!=``,
with fields of the row, no row tells two callers apart that stand in none of its fields: all such *strangers*
get one answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hapta.cache.condition import Condition, comparisons, compile_condition
from hapta.cache.lookup import Lookup
from hapta.cache.restrictions import CALLER_ID
from hapta.cache.values import field_path
from hapta.filters.errors import FilterError
from hapta.filters.nodes import Comparison, Group, Identifier, Operand, Text
from hapta.filters.parser import MAX_CLIENT_BYTES, parse
from hapta.model.schema import Collection


@dataclass(frozen=True, slots=True)
class ListRule:
    """Such a rule.

    Attributes:
        condition: what it says of one row.
        fields: those it reads, in a fixed order.
        caller_fields: those the caller's id is compared with; ``None``: something else is done with the id,
            so that of no two callers it is known that they get the same.
        comparisons: how many it has.
    """

    condition: Condition
    fields: tuple[str, ...]
    caller_fields: frozenset[str] | None
    comparisons: int

    @classmethod
    def of(cls, lookup: Lookup, collection: Collection) -> "ListRule | None":
        """The rule of a collection.

        Returns:
            ``None`` if there is none, or if rows do not tell what it says.
        """
        text = collection.rules.get("listRule")
        if not text or collection.is_view:
            return None
        try:
            group = parse(text, max_bytes=MAX_CLIENT_BYTES)
        except FilterError:
            return None
        condition = compile_condition(lookup, collection, group, is_client=False)
        if condition.unsure:
            return None
        fields = tuple(sorted(condition.reads))
        return cls(
            condition, fields, _caller_fields(lookup, collection, group), len(list(comparisons(group)))
        )

    def holds(self, signature: tuple[Any, ...], auth_id: str) -> bool | None:
        """What it says of rows of a signature: the values of :attr:`fields`."""
        return self.condition.holds(dict(zip(self.fields, signature, strict=True)), auth_id)

    def signature(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """That of a row."""
        return tuple([row.get(name) for name in self.fields])


def _caller_fields(lookup: Lookup, collection: Collection, group: Group) -> frozenset[str] | None:
    found: set[str] = set()
    for comparison in comparisons(group):
        other = _compared_with_caller(comparison)
        if other is None or _is_nothing(lookup, collection, other):
            continue
        name = _whole_field(lookup, collection, other)
        if name is None or comparison.operator not in ("=", "!="):
            return None
        found.add(name)
    return frozenset(found)


def _compared_with_caller(comparison: Comparison) -> Operand | None:
    left, right = comparison.left, comparison.right
    if isinstance(left, Identifier) and left.name == CALLER_ID:
        return right
    return left if isinstance(right, Identifier) and right.name == CALLER_ID else None


def _is_nothing(lookup: Lookup, collection: Collection, operand: Operand) -> bool:
    """The empty text or ``null``: whatever is asked, all who are signed in are told the same."""
    if isinstance(operand, Text):
        return not operand.value
    if not isinstance(operand, Identifier) or lookup.field(collection, operand.name) is not None:
        return False
    path = field_path(operand.name)
    return path is not None and path.keyword == "null"


def _whole_field(lookup: Lookup, collection: Collection, operand: Operand) -> str | None:
    """A field compared as it stands in the row."""
    path = field_path(operand.name) if isinstance(operand, Identifier) else None
    if path is None or path.modifier is not None or path.parts[1:] not in ((), ("id",)):
        return None
    return path.parts[0] if lookup.field(collection, path.parts[0]) is not None else None
