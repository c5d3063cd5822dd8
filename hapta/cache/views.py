"""What a view collection reads, from what SQLite says of its program or else from its text.

The exact way is ``EXPLAIN SELECT * FROM view``: it opens every table and index it reads by its root page,
and its ``Transaction`` step names the version of the database schema it was made for. A list of the root
pages that carries the same version says whose they are. Tables that SQLite leaves out (a LEFT JOIN of which
nothing is shown) have no influence on the rows.

The text is looked at in any case: a function that is not known to answer alike for the same rows, or a table
that is no collection, in the view or in a view it names, means trouble.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from hapta.cache.plan import ViewReads
from hapta.cache.sql import Token, calls, sources, tokenize
from hapta.model.schema import Collection, Schema, fold_name

PAGES_SQL: Final = (
    "SELECT (SELECT schema_version FROM pragma_schema_version), "
    "(SELECT json_group_array(json_array(rootpage, tbl_name)) FROM sqlite_schema WHERE rootpage > 0)"
)
"""One row, whatever the number of tables: PocketBase answers no more than 1,000."""

_OPENS = frozenset({"OpenRead", "ReopenIdx"})
_CALLS = frozenset({"Function", "PureFunc", "AggStep", "AggStep1", "AggInverse", "AggValue", "AggFinal"})
_TABLE_FUNCTIONS = frozenset({"json_each", "json_tree"})
_FUNCTIONS = """
abs avg char coalesce concat concat_ws count format glob group_concat hex if ifnull iif instr length like
likelihood likely lower ltrim max median min nullif octet_length percentile percentile_cont
percentile_disc printf quote replace round rtrim sign soundex sqlite_source_id sqlite_version string_agg
substr substring sum total trim typeof unhex unicode unistr unlikely upper zeroblob acos acosh asin asinh
atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2 mod pi pow power radians sin
sinh sqrt tan tanh trunc cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank
rank row_number json jsonb json_array jsonb_array json_array_length json_error_position json_extract
jsonb_extract json_insert jsonb_insert json_object jsonb_object json_patch jsonb_patch json_pretty
json_quote json_remove jsonb_remove json_replace jsonb_replace json_set jsonb_set json_type json_valid
json_group_array jsonb_group_array json_group_object jsonb_group_object json_each json_tree -> ->> blob
char character clob decimal double float int integer nchar numeric nvarchar real text varchar
"""
_PURE = frozenset(_FUNCTIONS.split())
"""SQLite's functions that answer alike for the same arguments, and the types of a CAST. The date functions
are not among them: with the word ``now``, or without argument, they are clocks."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a statement does.

    Attributes:
        cookie: version of the database schema it was made for.
        pages: root pages of what it opens; -1 for something outside the main database.
        functions: what it calls, in lower case.
    """

    cookie: int
    pages: frozenset[int]
    functions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Pages:
    """Whose the root pages are.

    Attributes:
        cookie: version of the database schema in which they are.
        tables: names of tables by root page, of their own or of one of their indexes.
    """

    cookie: int
    tables: Mapping[int, str]


def explain_sql(view: Collection) -> str:
    """The question for the program of a view."""
    quoted = view.name.replace('"', '""')
    return f'EXPLAIN SELECT * FROM "{quoted}"'


def read_program(answer: Any) -> Program | None:
    """The program in an answer of ``POST /api/sql``; ``None`` if it is not whole or not understood."""
    cookies, pages, functions = set(), set(), set()
    try:
        for _, opcode, p1, p2, p3, p4, *_ in answer["rows"]:
            if opcode in _OPENS:
                pages.add(int(p2) if int(p3) == 0 else -1)
            elif opcode == "Transaction" and int(p1) == 0:
                cookies.add(int(p3))
            elif opcode in _CALLS:
                functions.add(str(p4).partition("(")[0].lower())
    except (KeyError, TypeError, ValueError):
        return None
    if len(cookies) != 1:
        return None  # the step stands near the end: of a program cut off after 1,000 steps it is missing
    return Program(cookies.pop(), frozenset(pages), frozenset(functions))


def read_pages(answer: Any) -> Pages | None:
    """The answer to :data:`PAGES_SQL`; ``None`` if it is not understood."""
    try:
        cookie, listed = answer["rows"][0]
        return Pages(int(cookie), {int(page): str(name) for page, name in orjson.loads(listed)})
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def exact_reads(schema: Schema, view: Collection, program: Program, pages: Pages) -> ViewReads:
    """What a view reads, from its program and a list of root pages with the same cookie."""
    found, troubles = set(), [*_troubles(schema, view), *_impure(program.functions)]
    for page in sorted(program.pages):
        table = pages.tables.get(page)
        collection = None if table is None else _collection(schema, table)
        if collection is None or collection.is_view:
            troubles.append(f"it reads {table or 'a table of SQLite'}, which is no collection")
        elif collection.is_system:
            troubles.append(f"it reads the system collection {collection.name}")
        else:
            found.add(collection.id)
    return ViewReads(frozenset(found), troubles[0] if troubles else "")


def reads_by_words(schema: Schema, view: Collection) -> ViewReads:
    """What a view may read, from its text alone: every collection named in it, over any number of views."""
    troubles, found = _troubles(schema, view), set()
    for one in _with_named_views(schema, view):
        for collection in _named(schema, _text(one)):
            if collection.is_system:
                troubles.append(f"it names the system collection {collection.name}")
            elif not collection.is_view:
                found.add(collection.id)
    if not found:  # whatever it is that we cannot see: it is somewhere among these
        found = {c.id for c in schema.by_id.values() if not c.is_view and not c.is_system}
    return ViewReads(frozenset(found), troubles[0] if troubles else "")


def _troubles(schema: Schema, view: Collection) -> list[str]:
    """What the texts of a view and of the views it names have in them that makes its rows unpredictable."""
    troubles: list[str] = []
    for one in _with_named_views(schema, view):
        tokens = _text(one)
        if not tokens:
            troubles.append(f"the SQL of {one.name} is not shown")
        troubles += _impure(calls(tokens))
        troubles += [
            f"it reads {name}, which is no collection"
            for name in sorted(sources(tokens))
            if name not in _TABLE_FUNCTIONS and _collection(schema, name) is None
        ]
    return troubles


def _impure(functions: frozenset[str]) -> list[str]:
    return [
        f"it calls {name}(), which may answer differently each time" for name in sorted(functions - _PURE)
    ]


def _with_named_views(schema: Schema, view: Collection) -> list[Collection]:
    found, todo = {view.id: view}, [view]
    while todo:
        for collection in _named(schema, _text(todo.pop())):
            if collection.is_view and collection.id not in found:
                found[collection.id] = collection
                todo.append(collection)
    return list(found.values())


def _named(schema: Schema, tokens: Sequence[Token]) -> list[Collection]:
    names = {token.text for token in tokens if token.is_name}
    found = (_collection(schema, name) for name in sorted(names))
    return [collection for collection in found if collection is not None]


def _text(view: Collection) -> tuple[Token, ...]:
    query = view.raw.get("viewQuery")
    return _tokenized(query) if isinstance(query, str) else ()


def _collection(schema: Schema, table: str) -> Collection | None:
    """By name alone: an id is no table."""
    return schema.by_name.get(fold_name(table))


_tokenized = lru_cache(maxsize=256)(tokenize)
