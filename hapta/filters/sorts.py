"""The sort expression of a list: ``-created,+name``, ``@random``, ``@rowid``.

As ``tools/search/sort.go`` and ``provider.go`` read it, measured on 0.40.6. An empty parameter is no sort at
all; an empty term is refused. Nothing that stands for a value can be sorted by: no macro, no ``@request.…``
whoever asks (``@collection.…`` may, by a superuser); ``null`` is sought as a field and nothing else.
"""

from dataclasses import dataclass

from hapta.filters.errors import FilterError
from hapta.filters.paths import Path, Root, split_path

MAX_TERMS = 8
MAX_TERM_BYTES = 255
RANDOM = "@random"
ROWID = "@rowid"
# what Go's strings.TrimSpace takes away; str.strip() takes the four separators from U+001C too
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


@dataclass(frozen=True, slots=True)
class SortTerm:
    """One term.

    Attributes:
        name: without its sign.
        path: ``name`` taken apart; ``None`` for :data:`RANDOM` and :data:`ROWID`.
        position: offset of the term in the expression.
    """

    name: str
    is_descending: bool
    path: Path | None
    position: int


def parse_sort(text: str) -> tuple[SortTerm, ...]:
    """The terms in order; none for an empty text.

    Raises:
        FilterError: PocketBase refuses it whatever the schema is, or we are not sure.
    """
    if not text:
        return ()
    terms = text.split(",", MAX_TERMS)
    if len(terms) > MAX_TERMS:
        raise FilterError(f"more than {MAX_TERMS} sort terms")
    position, result = 0, []
    for term in terms:
        result.append(_parse_term(term, position))
        position += len(term) + 1
    return tuple(result)


def _parse_term(text: str, position: int) -> SortTerm:
    term = text.strip(_SPACE)
    name = term[1:] if term[:1] in ("-", "+") else term
    is_descending = term.startswith("-")
    if len(name.encode(errors="surrogatepass")) > MAX_TERM_BYTES:
        raise FilterError(f"sort term longer than {MAX_TERM_BYTES} bytes", position)
    if name in (RANDOM, ROWID):
        return SortTerm(name, is_descending, None, position)
    try:
        path = split_path(name)
    except FilterError as error:
        raise FilterError(error.message, position) from None
    if path.root not in (Root.FIELD, Root.COLLECTION):
        raise FilterError(f"not sortable: {name!r}", position)
    return SortTerm(name, is_descending, path, position)
