"""The listRule over a table: the same as asked row by row, or nothing is said."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.model.schema import Schema
from hapta.ranking import signatures, visible
from hapta.ranking.table import FeatureTable
from hapta.ranking.visible import EVERYTHING, Seen, Visible
from tests.ranking.schema import schema, spec

_ME = "@request.auth.id"
_USERS = ("", "u1", "u2", "u3", "U1")
_LEAVES = [
    *(f"author = {_ME}", f"author != {_ME}", f"parent.id = {_ME}", f"{_ME} != ''", f"{_ME} = null"),
    *("public = true", "title = 'a'", "views > 1", "author = parent", f"title = {_ME}"),
    *(
        f"title:lower = {_ME}",
        f"title < {_ME}",
        f"{_ME} = 'u3'",
        "title ~ 'u'",
        f"views = {_ME}",
        "views = title",
    ),
]
_row = st.fixed_dictionaries(
    {
        "title": st.sampled_from(["", "a", "u1", "U1", "u3", "odd \ufffd"]),
        "views": st.sampled_from([0, 1.5, 2]),
        "public": st.booleans(),
        "author": st.sampled_from(["", "u1", "u2"]),
        "parent": st.sampled_from(["", "u1", "u9"]),
    }
)


@st.composite
def _rules(draw: st.DrawFn) -> str:
    leaves = draw(st.lists(st.sampled_from(_LEAVES), min_size=1, max_size=4))
    text = leaves[0]
    for leaf in leaves[1:]:
        text = f"({text})" if draw(st.booleans()) else text
        text = f"{text} {draw(st.sampled_from(['&&', '||']))} {leaf}"
    return text


def _filled(rule: str | None, rows: list[dict[str, Any]]) -> tuple[FeatureTable, Visible]:
    table = FeatureTable(spec({}, rule=rule))
    for at, row in enumerate(rows):
        table.put("POSTS", {"id": f"p{at}", **row})
    return table, Visible(table, schema(rule))


@given(_rules(), st.lists(_row, max_size=12), st.lists(st.tuples(st.integers(0, 14), _row), max_size=6))
def test_the_table_says_what_the_rule_says_of_each_row(
    rule: str, rows: list[dict[str, Any]], later: list[tuple[int, dict[str, Any]]]
) -> None:
    table, seen = _filled(rule, rows)
    now = dict(enumerate(rows))
    for at, row in [(-1, {}), *later]:
        if at >= 0:
            now[at] = row
            table.put("POSTS", {"id": f"p{at}", **row})
        condition = table.spec.rule
        assert condition is not None
        for caller in _USERS:
            said = {number: condition.condition.holds(each, caller) for number, each in now.items()}
            found = seen.of(caller)
            if None in said.values():
                assert found is None
            else:
                assert _ids(table, found) == {f"p{number}" for number, holds in said.items() if holds}


def _ids(table: FeatureTable, seen: Seen) -> set[str | None]:
    assert seen is not None
    return {table.id_of(slot) for slot in range(table.length) if seen is EVERYTHING or seen[slot]}


def test_an_open_rule_shows_everything_and_no_rule_nothing_that_could_be_said() -> None:
    assert _filled("", [{}])[1].of("") is EVERYTHING
    assert _filled(None, [{}])[1].of("u1") is None


def test_who_sees_all_there_is_needs_no_column() -> None:
    _, seen = _filled(f"{_ME} != ''", [{}, {}])
    assert seen.of("u1") is EVERYTHING
    guest = seen.of("")
    assert isinstance(guest, np.ndarray)
    assert not guest.any()


def test_nothing_is_said_of_a_rule_that_is_not_the_tables() -> None:
    table, _ = _filled("public = true", [{"public": True}])
    assert Visible(table, schema("public = false")).of("") is None
    assert Visible(table, schema("")).of("") is None
    assert Visible(table, Schema.of(2, ())).of("") is None
    posts = schema("public = true").by_name["posts"]
    hidden = tuple({**each, "hidden": True} for each in posts.fields)
    assert Visible(table, Schema.of(2, [replace(posts, fields=hidden)])).of("") is None
    assert Visible(table, Schema.of(2, [replace(posts, updated="later")])).of("") is EVERYTHING


def test_what_is_known_of_a_caller_is_kept_until_a_row_says_otherwise() -> None:
    table, seen = _filled(
        f"public = true || author = {_ME}", [{"public": True, "author": "u1"}, _closed("u2")]
    )
    first = seen.of("u1")
    assert first is seen.of("u1")
    table.put("POSTS", {"id": "p1", **_closed("u2")})
    assert first is seen.of("u1")
    version = table.version
    table.put("POSTS", {"id": "p1", **_closed("u1")})
    assert table.version > version
    assert seen.of("u1") is EVERYTHING
    table.put("POSTS", {"id": "p2", **_closed("u2")})
    found = seen.of("u1")
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [True, True, False]
    with pytest.raises(ValueError, match="read-only"):
        found[2] = True


def _closed(author: str) -> dict[str, Any]:
    return {"public": False, "author": author}


def test_callers_are_forgotten_before_they_take_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visible, "_REMEMBERED_BYTES", 1000)
    _, seen = _filled(f"author = {_ME}", [{"author": "u1"}, {"author": "u2"}])
    first, second = seen.of("u1"), seen.of("u2")
    for number in range(9):
        assert seen.of(f"x{number}") is not None
    again = seen.of("u1")
    assert again is not first
    assert isinstance(again, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert again.tolist() == [True, False]
    assert second.tolist() == [False, True]


def test_with_too_many_signatures_nothing_is_said_until_there_are_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signatures, "MOST", 3)
    table, seen = _filled("title != 'x'", [{"title": str(at)} for at in range(4)])
    assert seen.of("") is None
    table.drop("POSTS", "p3")
    assert seen.of("") is EVERYTHING
    table.put("POSTS", {"id": "p3", "title": "4"})
    assert seen.of("") is None
    table.drop("POSTS", "p0")
    table.put("POSTS", {"id": "p3", "title": "4"})
    assert seen.of("") is EVERYTHING


@pytest.mark.parametrize("title", ["x" * 256, None, ["a"], {"a": 1}])
def test_of_a_value_no_signature_can_hold_nothing_is_said(title: Any) -> None:
    table, seen = _filled("title != 'x'", [{"title": "a"}, {"title": title}])
    assert seen.of("") is None
    table.put("POSTS", {"id": "p1", "title": "b"})
    assert seen.of("") is EVERYTHING


def test_a_caller_who_stands_in_too_many_rows_is_left_to_pocketbase() -> None:
    rows = [{"author": "u1", "title": str(at)} for at in range(visible.MOST_ASKED + 1)]
    _, seen = _filled(f"author = {_ME} && title != 'x'", rows)
    assert seen.of("u1") is None
    assert isinstance(seen.of("u2"), np.ndarray)
    _, seen = _filled(f"author = {_ME} && title != 'x'", rows[:-1])
    assert seen.of("u1") is EVERYTHING


def test_callers_that_cannot_be_told_apart_are_asked_for_few_rows_only() -> None:
    rows = [{"title": str(at)} for at in range(visible.MOST_ASKED + 1)]
    _, seen = _filled(f"title < {_ME}", rows)
    assert seen.of("u1") is None
    assert isinstance(seen.of(""), np.ndarray)
    _, seen = _filled(f"title < {_ME}", rows[:-1])
    assert seen.of("u1") is EVERYTHING


def test_a_long_rule_is_asked_of_fewer_rows() -> None:
    rows = [{"title": str(at)} for at in range(100)]
    rule = " || ".join([f"title < {_ME}"] * 60)
    assert len(rows) * 60 > visible.MOST_COMPARED
    assert _filled(rule, rows)[1].of("u1") is None
    assert _filled(rule, rows[:33])[1].of("u1") is EVERYTHING


def test_nobody_can_write_a_row_that_every_stranger_would_be_taken_for() -> None:
    """A caller in no row is asked about under a name that cannot be known."""
    ids = set()
    for _ in range(3):
        table, seen = _filled(f"title = {_ME}", [{"title": "stranger"}])
        kept = table.signatures
        assert kept is not None
        ids.add(kept._stranger_id)
        assert isinstance(seen.of("somebody"), np.ndarray)
        assert seen.of("stranger") is EVERYTHING
    assert len(ids) == 3
