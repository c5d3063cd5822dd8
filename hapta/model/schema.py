"""PocketBase's collections as they were at one moment: values, looked up by id or by name as PocketBase does.

A :class:`Schema` never changes; a change makes a new one with a higher version. Whatever is stored on the
strength of a schema carries its version and is unusable under another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_RULES = ("listRule", "viewRule", "createRule", "updateRule", "deleteRule", "manageRule", "authRule")
_FOLDED = {0x17F: "s", 0x212A: "k"}


def fold_name(name: str) -> str:
    """A collection name in the one form in which names are compared.

    PocketBase compares with Go's ``strings.EqualFold`` (simple folding), and its names are ASCII. Besides
    their own two cases exactly two characters fold onto ASCII letters: the long s and the Kelvin sign.
    ``str.casefold`` folds more, so it would take a name PocketBase does not know for one it does.
    """
    if name.isascii():
        return name.lower()
    folded = name.translate(_FOLDED)
    return folded.lower() if folded.isascii() else folded


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection.

    Attributes:
        id: fixed for its life.
        name: as written.
        type: ``base``, ``auth`` or ``view``.
        is_system: cannot be renamed or dropped.
        rules: by PocketBase's key (``listRule`` …): ``None`` for superusers only, empty for everybody;
            ``manageRule`` and ``authRule`` only where it has them.
        fields: as in PocketBase's API.
        updated: when it was last saved, as PocketBase writes it.
        raw: everything the API tells of it.
    """

    id: str
    name: str
    type: str
    is_system: bool
    rules: Mapping[str, str | None]
    fields: tuple[Mapping[str, Any], ...]
    updated: str
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "Collection":
        """From an item of ``GET /api/collections``.

        Raises:
            KeyError, TypeError: it is none.
        """
        return cls(
            raw["id"],
            raw["name"],
            raw["type"],
            raw["system"],
            {name: raw[name] for name in _RULES if name in raw},
            tuple(raw["fields"]),
            raw["updated"],
            raw,
        )

    @property
    def is_view(self) -> bool:
        """Its rows are a query's: no events come for them."""
        return self.type == "view"


@dataclass(frozen=True, slots=True)
class Schema:
    """All collections.

    Attributes:
        version: higher than that of every schema before it; 0 before the first one was read.
        by_id: collections by id.
        by_name: the same by :func:`fold_name` of their names.
    """

    version: int
    by_id: Mapping[str, Collection]
    by_name: Mapping[str, Collection] = field(repr=False)

    @classmethod
    def of(cls, version: int, collections: Iterable[Collection]) -> "Schema":
        """A schema of these collections."""
        by_id = {collection.id: collection for collection in collections}
        return cls(version, by_id, {fold_name(c.name): c for c in by_id.values()})

    def resolve(self, name_or_id: str) -> Collection | None:
        """The collection a path segment means: an id, or a name in any letter case."""
        return self.by_id.get(name_or_id) or self.by_name.get(fold_name(name_or_id))

    def stamps(self) -> frozenset[str]:
        """What tells whether a collection came, went or was saved: ``id updated`` of each."""
        return frozenset(f"{c.id} {c.updated}" for c in self.by_id.values())

    def has_same_content(self, other: "Schema") -> bool:
        """Whether only the versions differ."""
        return self.by_id == other.by_id


EMPTY = Schema.of(0, ())
