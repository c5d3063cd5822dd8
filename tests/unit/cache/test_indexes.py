"""What is read out of the SQL of indexes."""

from typing import Any

import pytest

from hapta.cache.indexes import scanned_fields, unique_fields
from hapta.model.schema import Collection


def collection(*indexes: str) -> Collection:
    fields: list[dict[str, Any]] = [
        {"name": name, "type": "text", "hidden": False} for name in ("id", "title", "cat", "slug")
    ]
    about = {"id": "c", "name": "notes", "type": "base", "system": False, "updated": ""}
    return Collection.parse({**about, "fields": fields, "indexes": list(indexes)})


@pytest.mark.parametrize(
    "index",
    [
        "CREATE INDEX a ON notes (cat, title)",
        "CREATE INDEX a ON notes (CAT, Title)",
        "create unique index a on notes (lower(`cat`) desc) where [TITLE] != ''",
    ],
)
def test_columns_have_names_in_any_case(index: str) -> None:
    assert scanned_fields(collection(index)) == {"cat", "title"}


@pytest.mark.parametrize(
    ("index", "found"),
    [
        ("CREATE UNIQUE INDEX a ON notes (slug)", {"slug"}),
        ("CREATE UNIQUE INDEX IF NOT EXISTS `a` ON `notes` (`slug` COLLATE NOCASE DESC);", {"slug"}),
        ("CREATE UNIQUE INDEX a ON notes (slug) WHERE slug != ''", set()),
        ("CREATE UNIQUE INDEX a ON notes (lower(slug))", set()),
        ("CREATE UNIQUE INDEX a ON notes (slug, cat)", set()),
        ("CREATE INDEX a ON notes (slug)", set()),
    ],
)
def test_unique_is_what_an_index_of_one_column_makes_so(index: str, found: set[str]) -> None:
    assert unique_fields(collection(index)) == {"id", *found}
