"""Small schemas for the tests of the cache."""

from collections.abc import Iterable, Mapping
from typing import Any

from hapta.model.schema import Collection, Schema


def collection(
    name: str,
    *,
    type: str = "base",
    system: bool = False,
    sql: str | None = None,
    relations: Mapping[str, str] | None = None,
    cascades: Iterable[str] = (),
) -> Collection:
    """A collection whose id is its name with ``_id`` behind it.

    Args:
        sql: makes it a view.
        relations: names of other collections by relation field.
        cascades: those of ``relations`` that delete.
    """
    raw: dict[str, Any] = {
        "id": f"{name}_id",
        "name": name,
        "type": type if sql is None else "view",
        "system": system,
        "fields": [
            {
                "name": field,
                "type": "relation",
                "collectionId": f"{target}_id",
                "cascadeDelete": field in cascades,
            }
            for field, target in (relations or {}).items()
        ],
        "updated": "",
        "listRule": "",
        "viewRule": "",
    }
    if sql is not None:
        raw["viewQuery"] = sql
    return Collection.parse(raw)


def schema_of(*collections: Collection) -> Schema:
    return Schema.of(1, collections)
