"""Which of two rows a list shows first, as far as the rows themselves tell.

PocketBase writes ``ORDER BY column ASC|DESC`` and nothing more (``tools/search/sort.go``): no collation, no
place for NULL, and no last term of its own. So texts come by their bytes, numbers and bools by value, dates
by their text; and rows that are alike in all terms come in whatever order SQLite happens to read them,
which is not known.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hapta.cache.lookup import Lookup
from hapta.cache.values import Read, Row, first_field, own_value
from hapta.filters.paths import Path, Root
from hapta.filters.sorts import SortTerm
from hapta.model.schema import Collection


@dataclass(frozen=True, slots=True)
class Ordering:
    """A sort; made once for a plan, by :func:`compile_ordering`.

    Attributes:
        reads: the names of all own fields the order may depend on.
        is_known: every term can be compared; else :meth:`compare` knows what the terms before the first
            other one tell apart.
    """

    reads: frozenset[str]
    is_known: bool
    _terms: tuple[tuple[Read, bool], ...]

    def compare(self, left: Row, right: Row) -> int | None:
        """Negative if the left row comes first, positive if the right one does, 0 if all terms are alike.

        Returns:
            ``None`` if it is not known.
        """
        for read, is_descending in self._terms:
            first, second = read(left), read(right)
            if isinstance(first, str) and isinstance(second, str):
                # code points come in the order of their UTF-8
                sign = (first > second) - (first < second)
            elif isinstance(first, float) and isinstance(second, float):
                sign = (first > second) - (first < second)
            else:
                return None
            if sign:
                return -sign if is_descending else sign
        return 0 if self.is_known else None


UNSORTED = Ordering(frozenset(), False, ())
"""No sort: the order SQLite happens to read them in."""


def compile_ordering(lookup: Lookup, collection: Collection, terms: tuple[SortTerm, ...]) -> Ordering:
    """The ordering of a list by these terms of its sort; without any, all rows are alike."""
    paths = [term.path for term in terms]
    known: list[tuple[Read, bool]] = []
    for term in terms:
        read = None
        if term.path is not None and term.path.root is Root.FIELD:
            read = own_value(lookup, collection, term.path)
        if read is None:
            break
        known.append((read, term.is_descending))
    reads = frozenset(_fields(lookup, collection, paths))
    return Ordering(reads, len(known) == len(terms), tuple(known))


def _fields(lookup: Lookup, collection: Collection, paths: list[Path | None]) -> Iterator[str]:
    for path in paths:
        if path is not None and path.root is Root.FIELD:
            name = first_field(lookup, collection, path)
            if name is not None:
                yield name
