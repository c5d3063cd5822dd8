"""What a collection's indexes tell: by which fields rows may be read, and of which no two share a value."""

import re
from functools import lru_cache

from hapta.model.schema import Collection

_WORD = re.compile(r"\w+")
_UNIQUE_OF_ONE = re.compile(
    r"""CREATE\s+UNIQUE\s+INDEX\s+(?:IF\s+NOT\s+EXISTS\s+)?["'`\[]?\w+["'`\]]?\s+ON\s+["'`\[]?\w+["'`\]]?\s*"""
    r"""\(\s*["'`\[]?(\w+)["'`\]]?(?:\s+COLLATE\s+\w+)?(?:\s+(?:ASC|DESC))?\s*\)\s*;?\s*""",
    re.IGNORECASE,
)


def scanned_fields(collection: Collection) -> frozenset[str]:
    """Fields that stand in some index: rows that a sort leaves alike may come in their order."""
    words = {word for index in _indexes(collection) for word in _words(index)}
    names = (str(field["name"]) for field in collection.fields)
    return frozenset(name for name in names if name.casefold() in words)


def unique_fields(collection: Collection) -> frozenset[str]:
    """Fields of which every row has another value: the id, and what a unique index of that field alone says.
    One with a WHERE leaves rows out, so it is not counted."""
    found = (_unique_of_one(index) for index in _indexes(collection))
    return frozenset({"id", *filter(None, found)})


@lru_cache(1024)
def _words(index: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _WORD.findall(index))


@lru_cache(1024)
def _unique_of_one(index: str) -> str:
    match = _UNIQUE_OF_ONE.fullmatch(index.strip())
    return match[1] if match is not None else ""


def _indexes(collection: Collection) -> tuple[str, ...]:
    return tuple(collection.raw.get("indexes") or ())
