"""Which equality with a constant every row of a list fulfils, and in which form a value is compared.

A rule or filter demands ``field = constant`` if it is one of its conjuncts: at the top or in parentheses of
``&&`` alone. ``||`` binds weaker in SQL, so one beside it makes it no demand. Only fields are taken whose
equality is plain on the binary (``tests/filters/test_equality.py`` holds this against PocketBase): single
values of the collection itself that everybody sees, compared with a constant of their own kind.

* text, e-mail, URL, single select and relation with a text: byte by byte, the empty text being NULL as well,
  and answers show NULL as the empty text;
* numbers with a number: as floats, of which answers show the shortest text that reads back as the same;
* bools with ``true`` or ``false``.

Left out: dates (many texts, one instant), JSON, several values, hidden fields and the e-mail of auth rows
(answers need not show them), ``?=``, modifiers, relation paths, numbers compared with texts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from hapta.cache.lookup import Lookup, is_multiple
from hapta.filters.errors import FilterError
from hapta.filters.nodes import Comparison, Group, Identifier, Join, Number, Operand, Text
from hapta.filters.paths import Root, split_path
from hapta.filters.values import PLAIN_NUMBER
from hapta.model.schema import Collection

CALLER_ID = "@request.auth.id"
LONGEST = 255
"""Characters of a text that stand in a tag; longer ones share it with what begins alike, to the safe side."""
_TEXTS = frozenset({"text", "email", "url", "select", "relation"})
_TRUTHS = {"true": "true", "false": "false"}
_WORTH: Final = ("relation", "text", "email", "url", "number", "select", "bool")
"""Which of several demands to restrict a list by: the one that fewest rows fulfil, as a rule. A relation
first, for rows are spread evenly over what they belong to; a select or bool leaves half of the collection."""
_ID = "id"


@dataclass(frozen=True, slots=True)
class Restriction:
    """All rows of a list have one value in one field: only writes to rows with that value concern it.

    Attributes:
        field: of the collection listed.
        kind: its type.
        value: in the form of :func:`normal_form`; ``None``: the caller's id, which
            of guests is the empty text.
    """

    field: str
    kind: str
    value: str | None


def restrictable(collection: Collection) -> Mapping[str, str]:
    """The fields a list of this collection may be restricted by, with their types."""
    if collection.is_view:
        return {}
    return {
        field["name"]: field["type"]
        for field in collection.fields
        if field["type"] in _WORTH
        and not field.get("hidden")
        and not is_multiple(field)
        and not (collection.type == "auth" and field["name"] == "email")
    }


def normal_form(kind: str, value: object) -> str | None:
    """A field's value as an answer or event shows it, in the form it has in a tag.

    Args:
        kind: type of the field.

    Returns:
        ``None`` for what PocketBase does not show of such a field.
    """
    if kind == "bool":
        return str(value).lower() if isinstance(value, bool) else None
    if kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            return repr(float(value) + 0.0)  # which makes one zero of two
        except OverflowError:
            return None
    return value[:LONGEST] if isinstance(value, str) else None


def demands(lookup: Lookup, collection: Collection, group: Group, *, is_client: bool) -> list[Restriction]:
    """What every row that passes must fulfil.

    Args:
        collection: whose rows they are.
        group: a rule of it, or a client's filter.
        is_client: the client wrote it; to others the caller's id is a constant.
    """
    fields = restrictable(collection)
    found = []
    for comparison in _conjuncts(group):
        if comparison.operator != "=" or comparison.is_any:
            continue
        for side, other in (
            (comparison.left, comparison.right),
            (comparison.right, comparison.left),
        ):
            name = _own_field(lookup, collection, side)
            if name is None or name not in fields:
                continue
            kind = fields[name]
            if not is_client and isinstance(other, Identifier) and other.name == CALLER_ID:
                if kind in _TEXTS:
                    found.append(Restriction(name, kind, None))
                continue
            value = _constant(lookup, collection, kind, other)
            if value is not None:
                found.append(Restriction(name, kind, value))
    return found


def most_specific(found: list[Restriction]) -> Restriction | None:
    """The demand to restrict a list by."""
    return min(found, key=lambda each: (each.field != _ID, _WORTH.index(each.kind), each.field), default=None)


def _conjuncts(group: Group) -> Iterator[Comparison]:
    todo = [group]
    while todo:
        terms = todo.pop().terms
        if any(term.join is Join.OR for term in terms[1:]):
            continue
        for term in terms:
            if isinstance(term.item, Group):
                todo.append(term.item)
            else:
                yield term.item


def _own_field(lookup: Lookup, collection: Collection, operand: Operand) -> str | None:
    if not isinstance(operand, Identifier):
        return None
    try:
        path = split_path(operand.name)
    except FilterError:
        return None
    if path.root is not Root.FIELD or len(path.parts) != 1 or path.modifier is not None:
        return None
    return path.parts[0] if lookup.field(collection, path.parts[0]) is not None else None


def _constant(lookup: Lookup, collection: Collection, kind: str, operand: Operand) -> str | None:
    if isinstance(operand, Text):
        return normal_form(kind, operand.value) if kind in _TEXTS else None
    if isinstance(operand, Number):
        is_plain = kind == "number" and PLAIN_NUMBER.fullmatch(operand.text)
        return normal_form(kind, float(operand.text)) if is_plain else None
    if kind == "bool" and isinstance(operand, Identifier) and lookup.field(collection, operand.name) is None:
        return _TRUTHS.get(operand.name.lower())
    return None
