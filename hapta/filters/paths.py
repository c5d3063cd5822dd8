"""Identifiers taken apart: what they start from, their parts, their modifier.

The forms are those of ``core/record_field_resolver.go`` (allowed fields) and ``splitModifier`` beside it.
What PocketBase takes and this module is not sure of (empty parts, a colon elsewhere than in an alias or
before the last modifier) is refused: such names exist in no schema.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from hapta.filters.errors import FilterError
from hapta.filters.macros import MACROS


class Root(StrEnum):
    """What a path starts from."""

    FIELD = "field"
    AUTH = "@request.auth"
    HEADERS = "@request.headers"
    QUERY = "@request.query"
    BODY = "@request.body"
    METHOD = "@request.method"
    CONTEXT = "@request.context"
    COLLECTION = "@collection"
    MACRO = "macro"


class Modifier(StrEnum):
    """What stands after the last colon; PocketBase refuses any other word.

    PocketBase takes each of them on any field and ignores those that mean nothing there: ``title:isset`` is
    ``title``, and so is ``@request.auth.name:isset`` the name and no test of presence.
    """

    EACH = "each"
    LENGTH = "length"
    LOWER = "lower"
    ISSET = "isset"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class BackRelation:
    """``COLLECTION_via_FIELD``: the rows of another collection whose relation field points here.

    PocketBase looks for a field of the whole name first; none can be made with ``_via_`` in it.
    """

    collection: str
    field: str


@dataclass(frozen=True, slots=True)
class Path:
    """An identifier.

    Attributes:
        root: what it starts from.
        parts: what follows the root, without the modifier; of a macro the macro itself; at least one, except
            after ``@request.method`` and ``@request.context``.
        modifier: that of the last part.
        collection: after ``@collection.``, a name in any letter case or an id; else empty.
        alias: what ``@collection.NAME:alias`` names its join; else empty.
    """

    root: Root
    parts: tuple[str, ...]
    modifier: Modifier | None = None
    collection: str = ""
    alias: str = ""

    @property
    def keyword(self) -> str | None:
        """``null``, ``true`` or ``false`` in any case; a field of that very name comes first."""
        if self.root is not Root.FIELD or len(self.parts) > 1 or self.modifier is not None:
            return None
        word = self.parts[0].lower()
        return word if word in ("null", "true", "false") else None


_FIELD = r"\w+[\w.:]*+"
_TAIL = r"[\w.:]*\w"
_RESOLVABLE = re.compile(
    rf"{_FIELD}|@request\.(?:context|method|(?:auth|body|query|headers)\.{_TAIL})"
    rf"|@collection\.\w+(?::\w+)?\.{_TAIL}",
    re.ASCII,
)
_BACK_RELATION = re.compile(r"(\w+)_via_(\w+)", re.ASCII)
_REQUEST = {root.value: root for root in Root if root.value.startswith("@request.")}


def is_resolvable(name: str) -> bool:
    """Whether PocketBase tries to resolve this identifier at all, instead of refusing its form."""
    return name in MACROS or _RESOLVABLE.fullmatch(name) is not None


def back_relation(part: str) -> BackRelation | None:
    """The back-relation a part of a path or an expand means if no field has this name."""
    found = _BACK_RELATION.fullmatch(part)
    return BackRelation(found[1], found[2]) if found else None


def split_path(name: str) -> Path:
    """Take an identifier apart.

    Raises:
        FilterError: PocketBase refuses its form or its modifier, or we are not sure.
    """
    if name in MACROS:
        return Path(Root.MACRO, (name,))
    if not is_resolvable(name):
        raise FilterError(f"unknown identifier {name!r}")
    parts = name.split(".")
    if parts[0] == "@collection":
        collection, _, alias = parts[1].partition(":")
        fields, modifier = _split_modifier(name, parts[2:])
        return Path(Root.COLLECTION, fields, modifier, collection, alias)
    if parts[0] != "@request":
        return Path(Root.FIELD, *_split_modifier(name, parts))
    root = _REQUEST[".".join(parts[:2])]
    if len(parts) == 2:
        return Path(root, ())
    return Path(root, *_split_modifier(name, parts[2:]))


def _split_modifier(name: str, parts: list[str]) -> tuple[tuple[str, ...], Modifier | None]:
    last, colon, word = parts[-1].partition(":")
    fields = (*parts[:-1], last)
    if not all(fields) or any(":" in part for part in fields):
        raise FilterError(f"empty part or stray colon in {name!r}")
    if not colon:
        return fields, None
    try:
        return fields, Modifier(word)
    except ValueError:
        raise FilterError(f"unknown modifier in {name!r}") from None
