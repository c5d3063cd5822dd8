"""A feed's filter: which rows are candidates, told from each row alone.

It is written like a client's, and evaluated over what a superuser reads, hidden fields included.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from hapta.cache.condition import ALWAYS, Condition, comparisons, compile_condition
from hapta.cache.lookup import Field, Lookup
from hapta.filters.errors import FilterError
from hapta.filters.nodes import Comparison, Group, Join, Term
from hapta.filters.parser import MAX_CLIENT_BYTES, parse
from hapta.model.schema import Collection, Schema

_EXAMPLES: Final[Mapping[str, Any]] = {
    "number": 1.5,
    "bool": True,
    "date": "2026-01-02 03:04:05.678Z",
    "autodate": "2026-01-02 03:04:05.678Z",
}
"""A value of each type that is no text."""


class UnusableFilter(ValueError):
    """What is wrong with it, in a sentence."""


def candidates(schema: Schema, collection: Collection, text: str) -> Condition:
    """What a filter asks of a row of a collection.

    Args:
        text: empty for no filter.

    Raises:
        UnusableFilter: it cannot be read, or no row tells what it asks.
    """
    if not text:
        return ALWAYS
    try:
        group = parse(text, max_bytes=MAX_CLIENT_BYTES)
    except FilterError as error:
        raise UnusableFilter(f"cannot be read: {error.message} (at character {error.position + 1})") from None
    fields: list[Field] = [{**field, "hidden": False} for field in collection.fields]
    whole = replace(collection, fields=tuple(fields))
    others = [each for each in schema.by_id.values() if each.id != collection.id]
    lookup = Lookup(Schema.of(schema.version, [*others, whole]))
    unsure = [
        comparison.position
        for comparison in comparisons(group)
        if not _is_told(compile_condition(lookup, whole, _alone(comparison), is_client=True), fields)
    ]
    if unsure:
        where = ", ".join(str(position + 1) for position in sorted(unsure))
        raise UnusableFilter(
            f"whether a row passes cannot be told from the row alone (comparison at character {where}): "
            "fields of the row itself can be compared with texts, numbers, dates and bools, "
            "each with its own kind"
        )
    return compile_condition(lookup, whole, group, is_client=True)


def _alone(comparison: Comparison) -> Group:
    return Group((Term(Join.AND, comparison),))


def _is_told(condition: Condition, fields: Iterable[Field]) -> bool:
    """Whether rows tell what it says: texts and numbers, say, PocketBase compares in its own way."""
    row = {field["name"]: _EXAMPLES.get(field["type"], "a") for field in fields}
    return not condition.unsure and condition.holds(row, "") is not None
