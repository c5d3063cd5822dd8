"""The collections Hapta keeps its durable state in, and what is missing of them in a PocketBase.

They are ``system`` collections: PocketBase keeps them through every import, lets nobody drop or rename them,
and lets nobody but superusers in. Their fields are system fields for the same reason. A field once published
here is never renamed and never changes its type: a newer layout only adds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

META_ID, SESSIONS_ID, ROTATIONS_ID, AUDIT_ID, INTERACTIONS_ID = (
    "pbc_hapta_meta",
    "pbc_hapta_sessions",
    "pbc_hapta_rotations",
    "pbc_hapta_audit",
    "pbc_hapta_interactions",
)
_SEALED_CHARACTERS = 20_000
"""A sealed token; PocketBase's own default is 5,000."""


@dataclass(frozen=True, slots=True)
class Own:
    """The ids of Hapta's collections."""

    meta: str
    sessions: str
    rotations: str
    audit: str
    interactions: str

    def all(self) -> frozenset[str]:
        """All of them."""
        return frozenset((self.meta, self.sessions, self.rotations, self.audit, self.interactions))


NAMES_BY_PART: Mapping[str, str] = {
    "meta": "hapta_meta",
    "sessions": "hapta_sessions",
    "rotations": "hapta_rotations",
    "audit": "hapta_audit",
    "interactions": "hapta_interactions",
}
"""Collection names by the attribute of :class:`Own` that holds their id."""

OWN_NAMES = frozenset(NAMES_BY_PART.values())


def _text(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "text", "system": True, **more}


def _date(name: str) -> dict[str, Any]:
    return {"name": name, "type": "date", "system": True}


def _whole(name: str) -> dict[str, Any]:
    return {"name": name, "type": "number", "system": True, "onlyInt": True}


def _bool(name: str) -> dict[str, Any]:
    return {"name": name, "type": "bool", "system": True}


def _created() -> dict[str, Any]:
    return {"name": "created", "type": "autodate", "system": True, "onCreate": True, "onUpdate": False}


def _sealed() -> dict[str, Any]:
    return _text("sealed", hidden=True, max=_SEALED_CHARACTERS)


def _collection(
    collection_id: str, name: str, fields: Sequence[Mapping[str, Any]], indexes: Sequence[str] = ()
) -> dict[str, Any]:
    rules = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"))
    return {
        "id": collection_id,
        "name": name,
        "type": "base",
        "system": True,
        **rules,
        "fields": list(fields),
        "indexes": list(indexes),
    }


LAYOUT: tuple[Mapping[str, Any], ...] = (
    _collection(
        META_ID,
        "hapta_meta",
        [_text("key", required=True), {"name": "value", "type": "json", "system": True}],
        ["CREATE UNIQUE INDEX `idx_hapta_meta_key` ON `hapta_meta` (`key`)"],
    ),
    _collection(
        SESSIONS_ID,
        "hapta_sessions",
        [
            _text("collection", required=True),
            _text("record", required=True),
            _text("salt", hidden=True),
            _sealed(),
            _bool("refreshable"),
            _text("device"),
            _text("address"),
            _created(),
            _date("issued"),
            _date("used"),
            _date("exp"),
            _date("ended"),
            _text("ended_reason"),
        ],
        [
            "CREATE INDEX `idx_hapta_sessions_record` ON `hapta_sessions` (`collection`, `record`)",
            "CREATE INDEX `idx_hapta_sessions_exp` ON `hapta_sessions` (`exp`)",
        ],
    ),
    _collection(
        ROTATIONS_ID,
        "hapta_rotations",
        [
            {
                "name": "session",
                "type": "relation",
                "system": True,
                "required": True,
                "collectionId": SESSIONS_ID,
                "cascadeDelete": True,
                "maxSelect": 1,
            },
            _whole("generation"),
            _sealed(),
            _date("issued"),
            _date("exp"),
            _date("first_used"),
        ],
        ["CREATE UNIQUE INDEX `idx_hapta_rotations_g` ON `hapta_rotations` (`session`, `generation`)"],
    ),
    _collection(
        AUDIT_ID,
        "hapta_audit",
        [
            _text("kind", required=True),
            _text("session"),
            _text("collection"),
            _text("record"),
            _text("address"),
            {"name": "detail", "type": "json", "system": True},
            _created(),
        ],
        ["CREATE INDEX `idx_hapta_audit_created` ON `hapta_audit` (`created`)"],
    ),
    _collection(
        INTERACTIONS_ID,
        "hapta_interactions",
        [
            _text("auth", required=True),
            _text("user", required=True),
            _text("collection", required=True),
            _text("record", required=True),
            _whole("views"),
            _date("viewed"),
            _whole("view_ms"),
            _whole("dwell_ms"),
            _whole("clicks"),
            _date("clicked"),
            _bool("hidden"),
            _date("judged"),
            _date("first"),
            _date("last"),
        ],
        [
            "CREATE INDEX `idx_hapta_interactions_user` ON `hapta_interactions` (`user`, `auth`)",
            "CREATE INDEX `idx_hapta_interactions_record` ON `hapta_interactions` (`record`, `collection`)",
            "CREATE INDEX `idx_hapta_interactions_last` ON `hapta_interactions` (`last`)",
        ],
    ),
)
"""All of them, as ``PUT /api/collections/import`` takes them; what is referred to comes first."""


class ForeignCollection(ValueError):
    """A collection stands under one of these names that Hapta did not make; the text says what differs."""


def missing(wanted: Mapping[str, Any], found: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What to import so that a collection becomes as wanted; ``None`` if nothing.

    Args:
        wanted: one of :data:`LAYOUT`.
        found: what PocketBase has under that name.

    Raises:
        ForeignCollection: it is not Hapta's, or of a layout no Hapta ever made.
    """
    if found is None:
        return wanted
    if any(found.get(key) != wanted[key] for key in ("id", "type", "system")):
        raise ForeignCollection("it is not one that Hapta made")
    fields = {field["name"]: field for field in found.get("fields", ())}
    changed = []
    for field in wanted["fields"]:
        present = fields.get(field["name"])
        if present is None:
            changed.append(field)
        elif present["type"] != field["type"]:
            raise ForeignCollection(
                f"its field {field['name']} has type {present['type']}, expected {field['type']}"
            )
        elif any(present.get(key) != value for key, value in field.items()):
            changed.append({**present, **field})
    indexes = [index for index in wanted["indexes"] if not _has_index(found["indexes"], index)]
    if not changed and not indexes:
        return None
    kept = [field for field in found["fields"] if field["name"] not in {new["name"] for new in changed}]
    return {**found, "fields": [*kept, *changed], "indexes": [*found["indexes"], *indexes]}


def _has_index(indexes: Sequence[str], wanted: str) -> bool:
    """By the index's name, its first quoted word: PocketBase may write the statement its own way."""
    name = wanted.split("`")[1]
    return any(f"`{name}`" in index for index in indexes)
