"""What a view reads: by SQLite's program where there is one, else by the words of its text."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from hapta.cache.views import exact_reads, explain_sql, read_pages, read_program, reads_by_words
from hapta.model.schema import Schema
from tests.unit.cache.schemas import collection, schema_of

PAGES = {
    1: "sqlite_schema",
    4: "_params",
    10: "_mfas",
    54: "posts",
    55: "posts",
    58: "comments",
    60: "strangers",
}


def schema_with(sql: str, *more: Any) -> Schema:
    return schema_of(
        collection("posts"),
        collection("comments"),
        collection("topics"),
        collection("_mfas", system=True),
        collection("v", sql=sql),
        *more,
    )


def answer(*steps: tuple[object, ...]) -> Mapping[str, Any]:
    """As ``POST /api/sql`` writes it: every cell a text."""
    return {"rows": [[str(at), *map(str, step), None, "0", None][:8] for at, step in enumerate(steps)]}


def opens(page: int, database: int = 0, opcode: str = "OpenRead") -> tuple[object, ...]:
    return (opcode, 2, page, database, "16")


def made_for(cookie: int) -> tuple[object, ...]:
    return ("Transaction", 0, 0, cookie, "1")


def exact(sql: str, *steps: tuple[object, ...], more: tuple[Any, ...] = ()) -> Any:
    program = read_program(answer(*steps, made_for(7)))
    pages = read_pages({"rows": [["7", json.dumps(list(PAGES.items()))]]})
    assert program is not None
    assert pages is not None
    schema = schema_with(sql, *more)
    return exact_reads(schema, schema.by_id["v_id"], program, pages)


def test_tables_and_indexes_are_found_by_their_root_pages() -> None:
    reads = exact("SELECT 1 FROM posts, comments", opens(55), opens(58, opcode="ReopenIdx"))
    assert reads.collections == {"posts_id", "comments_id"}
    assert reads.trouble == ""


@pytest.mark.parametrize(
    ("sql", "steps", "trouble"),
    [
        pytest.param(
            "SELECT 1 FROM posts", [opens(4)], "_params, which is no collection", id="foreign table"
        ),
        pytest.param("SELECT 1 FROM posts", [opens(60)], "strangers, which", id="table somebody made"),
        pytest.param("SELECT 1 FROM posts", [opens(10)], "system collection _mfas", id="system collection"),
        pytest.param("SELECT 1 FROM posts", [opens(99)], "a table of SQLite", id="unknown root page"),
        pytest.param("SELECT 1 FROM posts", [opens(54, 1)], "a table of SQLite", id="other database"),
        pytest.param(
            "SELECT 1 FROM posts",
            [("Function", 0, 0, 2, "random(0)")],
            "random()",
            id="function inside a view that is no collection",
        ),
        pytest.param("SELECT random() FROM posts", [opens(54)], "random()", id="function in the text"),
        pytest.param(
            "SELECT 1 FROM posts, ft", [opens(54)], "ft, which is no collection", id="virtual table"
        ),
        pytest.param("SELECT 1 FROM pragma_table_info('posts')", [], "pragma_table_info", id="pragma"),
        pytest.param("SELECT date(created) FROM posts", [opens(54)], "date()", id="date function"),
    ],
)
def test_what_cannot_be_predicted_is_trouble(sql: str, steps: list[Any], trouble: str) -> None:
    assert trouble in exact(sql, *steps).trouble


def test_what_a_view_in_between_calls_is_trouble_for_the_view_above_it() -> None:
    between = collection("dice", sql="SELECT id, random() AS r FROM topics")
    reads = exact("SELECT id FROM (SELECT id FROM dice)", opens(54), more=(between,))
    assert "random()" in reads.trouble


def test_json_each_is_no_table() -> None:
    reads = exact("SELECT p.id FROM posts p, json_each(p.tags) j", opens(54), ("VOpen", 3, 0, 0, "vtab:7F"))
    assert (reads.collections, reads.trouble) == ({"posts_id"}, "")


def test_a_program_cut_off_is_not_taken() -> None:
    assert read_program(answer(("Init", 0, 68, 0), opens(54))) is None


@pytest.mark.parametrize(
    "garbled",
    [
        None,
        {},
        {"rows": None},
        {"rows": [["1"]]},
        {"rows": [["0", "OpenRead", "2", "x", "0", "", "0", None]]},
    ],
    ids=["none", "empty", "null", "short row", "no number"],
)
def test_an_answer_in_another_form_is_not_taken(garbled: Any) -> None:
    assert read_program(garbled) is None
    assert read_pages(garbled) is None


def test_the_name_of_the_view_is_quoted() -> None:
    assert explain_sql(collection('a"b', sql="x")) == 'EXPLAIN SELECT * FROM "a""b"'


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        pytest.param("SELECT id FROM posts", {"posts"}, id="one"),
        pytest.param("SELECT id FROM POSTS p JOIN [comments] c", {"posts", "comments"}, id="case and quotes"),
        pytest.param(
            "SELECT id FROM posts WHERE x IN (SELECT y FROM topics)", {"posts", "topics"}, id="subquery"
        ),
        pytest.param("SELECT id FROM inner_view", {"comments"}, id="view of a view"),
        pytest.param("SELECT id FROM posts -- comments", {"posts"}, id="not in a comment"),
        pytest.param("SELECT 'topics' FROM posts", {"posts", "topics"}, id="a string may be a name"),
        pytest.param("SELECT 1 AS id", {"posts", "comments", "topics"}, id="nothing named: everything"),
        pytest.param("SELECT id FROM v", {"posts", "comments", "topics"}, id="a view of itself: everything"),
    ],
)
def test_without_a_program_every_collection_named_counts(sql: str, read: set[str]) -> None:
    schema = schema_with(sql, collection("inner_view", sql="SELECT id FROM comments"))
    found = reads_by_words(schema, schema.by_id["v_id"])
    assert found.collections == {f"{name}_id" for name in read}
    assert found.trouble == ""


@pytest.mark.parametrize(
    ("sql", "trouble"),
    [
        pytest.param("SELECT id FROM posts, strangers", "strangers", id="table that is no collection"),
        pytest.param("SELECT id FROM _mfas", "_mfas", id="system collection"),
        pytest.param("SELECT strftime('%s', x) FROM posts", "strftime", id="clock"),
        pytest.param("SELECT my_function(x) FROM posts", "my_function", id="unknown function"),
        pytest.param("SELECT id FROM dice", "random", id="inherited"),
        pytest.param("", "not shown", id="no text"),
    ],
)
def test_trouble_is_seen_in_the_text_alone(sql: str, trouble: str) -> None:
    schema = schema_with(sql, collection("dice", sql="SELECT id, random() AS r FROM topics"))
    assert trouble in reads_by_words(schema, schema.by_id["v_id"]).trouble
