"""What CREATE INDEX statements tell."""

import pytest

from hapta.cache.indexes import scanned_fields, unique_fields
from hapta.model.schema import Collection


def collection(*indexes: str) -> Collection:
    fields = [{"name": name, "type": "text"} for name in ("id", "slug", "title", "n")]
    raw = {"id": "c", "name": "c", "type": "base", "system": False, "updated": ""}
    return Collection.parse({**raw, "fields": fields, "indexes": list(indexes)})


@pytest.mark.parametrize(
    ("index", "is_unique"),
    [
        ("CREATE UNIQUE INDEX `i` ON `c` (`slug`)", True),
        ("create unique index if not exists i on c (slug);", True),
        ('CREATE UNIQUE INDEX "i" ON [c] ( "slug" DESC )', True),
        ("CREATE UNIQUE INDEX `i` ON `c` (`slug` COLLATE NOCASE)", True),
        ("CREATE UNIQUE INDEX `i` ON `c` (`slug`) WHERE `slug` != ''", False),
        ("CREATE UNIQUE INDEX `i` ON `c` (`slug` COLLATE NOCASE) WHERE slug != ''", False),
        ("CREATE UNIQUE INDEX `i` ON `c` (`slug`, `title`)", False),
        ("CREATE UNIQUE INDEX `i` ON `c` (lower(`slug`))", False),
        ("CREATE INDEX `i` ON `c` (`slug`)", False),
    ],
)
def test_a_field_is_unique_by_an_index_of_it_alone_and_of_all_rows(index: str, is_unique: bool) -> None:
    assert unique_fields(collection(index)) == ({"id", "slug"} if is_unique else {"id"})
    assert "slug" in scanned_fields(collection(index))


def test_a_field_that_any_index_names_is_scanned() -> None:
    found = scanned_fields(collection("CREATE INDEX `i` ON `c` (`n` DESC) WHERE lower(title) = 'a'"))
    assert found == {"n", "title"}
    assert scanned_fields(collection()) == frozenset()


def test_sqlite_knows_a_field_in_any_letter_case() -> None:
    assert scanned_fields(collection("CREATE INDEX `i` ON `c` (`SLUG`, Title)")) == {"slug", "title"}
