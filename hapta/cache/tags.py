"""Tags: what a stored response depends on, and what a write changes.

A tag is a tuple whose first item says its kind. Of a collection there are three, because not every response
suffers from every write:

* ``("any", C)``: some row of C was created, changed or deleted. Lists carry it, and whatever reads rows that
  cannot be named.
* ``("all", C)``: rows of C changed of which nobody knows which (a cascade, a truncate). Whatever carries the
  tag of a record of C carries this one too.
* ``("births", C)``: a row of C was created, or may have been. Answers that a row is not there carry it.

and of a record ``("record", C, id)``. Everything carries :data:`EVERYTHING`.
"""

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


def record(collection: str, record_id: str) -> Tag:
    """This row changed."""
    return ("record", collection, record_id)
