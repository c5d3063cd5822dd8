"""Tags: what a stored response depends on, and what a write changes.

A tag is a tuple whose first item says its kind. Of a collection there are three, because not every response
suffers from every write:

* ``("any", C)``: some row of C was created, changed or deleted. Lists carry it, and whatever reads rows that
  cannot be named.
* ``("all", C)``: rows of C changed of which nobody knows which (a cascade, a truncate). Whatever carries the
  tag of a record of C carries this one too.
* ``("births", C)``: a row of C was created, or may have been. Answers that a row is not there carry it.

and of a record ``("record", C, id)``, and ``("files", C, id)``: the names of its files may be others.
Whatever moves the tag of a record moves that of its files (:mod:`hapta.cache.generations`), unless it is
certain that they are as they were. Everything carries :data:`EVERYTHING`.

A list whose filter or rule demands that a field be one constant need not suffer from every row. Instead of
the first it carries (:mod:`hapta.cache.known_rows` has the argument)

* ``("where", C, field, value)``: a row of C changed that had this value, or has it now, or may have;
* ``("anywhere", C)``: a row of C changed of which it is not known what it had.
"""

from collections.abc import Iterable
from typing import TypeAlias

Tag: TypeAlias = tuple[str, ...]

EVERYTHING: Tag = ("everything",)


def any_row(collection: str) -> Tag:
    """Something in the collection with this id changed."""
    return ("any", collection)


def all_rows(collection: str) -> Tag:
    """Rows of the collection changed, nobody knows which."""
    return ("all", collection)


def births(collection: str) -> Tag:
    """A row of the collection was created."""
    return ("births", collection)


def restricted(collection: str, field: str, value: str) -> Tag:
    """A row changed in which the field had this value before or has it now."""
    return ("where", collection, field, value)


def anywhere(collection: str) -> Tag:
    """A row changed, and nobody knows in which restricted lists it was or is."""
    return ("anywhere", collection)


def record(collection: str, record_id: str) -> Tag:
    """This row changed."""
    return ("record", collection, record_id)


def files(collection: str, record_id: str) -> Tag:
    """The names of this row's files changed."""
    return ("files", collection, record_id)


def with_files(tags: Iterable[Tag]) -> set[Tag]:
    """The same with the files of every record among them."""
    found = set(tags)
    found.update([("files", *tag[1:]) for tag in found if tag[0] == "record"])
    return found
