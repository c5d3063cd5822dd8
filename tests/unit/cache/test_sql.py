"""Tables and functions in the text of a view."""

import pytest

from hapta.cache.sql import calls, sources, tokenize


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        pytest.param("SELECT id FROM posts", {"posts"}, id="one"),
        pytest.param("select id from Posts p, comments AS c", {"posts", "comments"}, id="comma"),
        pytest.param("SELECT 1 FROM a JOIN b ON a.x = b.y, c", {"a", "b", "c"}, id="comma after ON"),
        pytest.param("SELECT 1 FROM a LEFT JOIN b USING (x, y), c", {"a", "b", "c"}, id="comma after USING"),
        pytest.param("SELECT 1 FROM (a JOIN b ON a.x = b.x), c", {"a", "b", "c"}, id="joins in parentheses"),
        pytest.param("SELECT max(a, b), c FROM d", {"d"}, id="commas of a call are none of FROM"),
        pytest.param(
            "SELECT 1 FROM a WHERE x > 1 GROUP BY y, z ORDER BY p, q", {"a"}, id="commas of GROUP BY"
        ),
        pytest.param("SELECT (SELECT count(*) FROM b) AS n, c FROM a", {"a", "b"}, id="scalar subquery"),
        pytest.param("SELECT 1 FROM (SELECT x, y FROM a) t, b", {"a", "b"}, id="subquery in FROM"),
        pytest.param(
            "SELECT 1 FROM (WITH t AS (SELECT 1 FROM a) SELECT * FROM t)", {"a"}, id="WITH inside FROM"
        ),
        pytest.param("WITH t(x, y) AS (SELECT 1, 2 FROM a) SELECT * FROM t, b", {"a", "b"}, id="CTE"),
        pytest.param(
            "WITH RECURSIVE t AS NOT MATERIALIZED (SELECT 1 FROM a UNION SELECT 2 FROM t) SELECT 1 FROM t",
            {"a"},
            id="recursive CTE",
        ),
        pytest.param("SELECT 1 FROM a WHERE x IN b", {"a", "b"}, id="IN a table"),
        pytest.param("SELECT 1 FROM a WHERE x IN ('b', 'c')", {"a"}, id="IN a list"),
        pytest.param('SELECT 1 FROM main.a, temp."b"', {"a", "b"}, id="with the schema's name"),
        pytest.param("SELECT 1 FROM 'a', \"b c\", `d`, [e]", {"a", "b c", "d", "e"}, id="every quote"),
        pytest.param("SELECT 1 FROM/**/a--, b\n, c", {"a", "c"}, id="comments"),
        pytest.param("SELECT 'FROM x' AS y FROM a", {"a"}, id="FROM in a string"),
        pytest.param("SELECT 1 FROM a, json_each(a.tags) j", {"a", "json_each"}, id="table function"),
        pytest.param("SELECT x IS DISTINCT FROM y FROM a", {"a"}, id="IS DISTINCT FROM"),
        pytest.param("SELECT 1 FROM a UNION SELECT 2, 3 FROM b", {"a", "b"}, id="UNION"),
        pytest.param("SELECT sum(x) OVER (PARTITION BY a, b) FROM c", {"c"}, id="window"),
        pytest.param("", set(), id="empty"),
        pytest.param("SELECT 1 FROM ) , a ( ' unfinished", {"a"}, id="no SQL at all"),
    ],
)
def test_every_table_that_is_read_is_named(sql: str, named: set[str]) -> None:
    assert sources(tokenize(sql)) == named


@pytest.mark.parametrize(
    ("sql", "called"),
    [
        pytest.param("SELECT random() FROM a", {"random"}, id="plain"),
        pytest.param('SELECT "Random" /* x */ () FROM a', {"random"}, id="quoted, with a comment between"),
        pytest.param("SELECT DateTime\n('now')", {"datetime"}, id="line break between"),
        pytest.param("SELECT current_timestamp", {"current_timestamp"}, id="keyword that is a clock"),
        pytest.param("SELECT current_price, known FROM a", set(), id="columns that look like one"),
        pytest.param("SELECT 'random()' FROM a -- random()", set(), id="in a string or comment"),
        pytest.param("SELECT 1 WHERE x IN (1) AND (y) OR NOT (z)", set(), id="keywords"),
        pytest.param("WITH t(x) AS (SELECT 1) SELECT x FROM t", set(), id="columns of a CTE"),
        pytest.param("SELECT count(*) AS n, (x) FROM t", {"count"}, id="alias"),
        pytest.param("SELECT replace(x, 'a', 'b')", {"replace"}, id="a keyword that can be called"),
    ],
)
def test_every_call_is_seen(sql: str, called: set[str]) -> None:
    assert calls(tokenize(sql)) == called
