"""Which lists are restricted to one value, by which field, and in which form values meet."""

from typing import Any

import pytest

from hapta.cache.plan import HooksMode, Plan
from hapta.cache.restrictions import LONGEST, Restriction, normal_form
from hapta.cache.tags import EVERYTHING, all_rows, any_row, anywhere, record, restricted
from tests.unit.cache.plan_world import COMMENTS, POSTS, STATS, USERS, plan, planner

ME = "@request.auth.id"


def chosen(text: str, *, rule: str = "", audience: str | None = None) -> tuple[str, str | None] | None:
    """What the list of posts with this filter is restricted to."""
    query = f"?filter={text}" if text else ""
    query = query.replace("&&", "%26%26").replace(" ", "%20")
    found = plan(planner(posts={"listRule": rule}), f"posts/records{query}", audience)
    is_restricted = anywhere(POSTS) in found.tags
    assert is_restricted is (found.restriction is not None)
    assert is_restricted is (any_row(POSTS) not in found.tags)
    return None if found.restriction is None else (found.restriction.field, found.restriction.value)


@pytest.mark.parametrize(
    ("text", "to"),
    [
        pytest.param("author='x'", ("author", "x"), id="a relation"),
        pytest.param("'x' = author", ("author", "x"), id="the other way round"),
        pytest.param("title='x'", ("title", "x"), id="a text"),
        pytest.param("title=''", ("title", ""), id="the empty text"),
        pytest.param("n=1", ("n", "1.0"), id="a number"),
        pytest.param("n=-0", ("n", "0.0"), id="there is one zero"),
        pytest.param("id='x'", ("id", "x"), id="an id"),
        pytest.param("title='x' && author='y'", ("author", "y"), id="a relation before a text"),
        pytest.param("author='y' && id='x'", ("id", "x"), id="an id before all"),
        pytest.param("n=1 && title='x'", ("title", "x"), id="a text before a number"),
        pytest.param("n>1 && (title~'a' && author='x')", ("author", "x"), id="in parentheses"),
        pytest.param("author='x' && (n=1 || n=2)", ("author", "x"), id="an or in parentheses beside it"),
    ],
)
def test_a_list_is_restricted_to(text: str, to: tuple[str, str]) -> None:
    assert chosen(text) == to


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing demanded"),
        pytest.param("author='x' || n=1", id="an or beside it"),
        pytest.param("author='x' && n=1 || n=2", id="an or weaker than it"),
        pytest.param("(author='x' || n=1)", id="an or around it"),
        pytest.param("author!='x'", id="another operator"),
        pytest.param("author?='x'", id="any of"),
        pytest.param("readers='x'", id="several values"),
        pytest.param("tags='x'", id="several values of a select"),
        pytest.param("title:lower='x'", id="a modifier"),
        pytest.param("team.name='x'", id="a way"),
        pytest.param("n='1'", id="a number as a text"),
        pytest.param("title=1", id="a text as a number"),
        pytest.param("n=007", id="a number written oddly"),
        pytest.param("title=null", id="null"),
        pytest.param("title=text", id="another field"),
        pytest.param("meta='x'", id="JSON"),
        pytest.param("due='2024-01-01 00:00:00.000Z'", id="a date"),
        pytest.param("created=@todayStart", id="a clock"),
    ],
)
def test_a_list_is_not_restricted(text: str) -> None:
    assert chosen(text) is None


def test_a_rule_restricts_too() -> None:
    assert chosen("", rule="author = 'x'") == ("author", "x")
    assert chosen("n=1 || n=2", rule="author = 'x'") == ("author", "x")
    assert chosen("", rule="secret = 'x'") is None, "answers need not show it"


def test_the_callers_id_is_filled_in_for_each_caller() -> None:
    by = planner(posts={"listRule": f"author = {ME}"})
    found = plan(by, "posts/records", USERS)
    assert found.restriction == Restriction("author", "relation", None)
    assert found.tags_for("u1") - found.tags == {restricted(POSTS, "author", "u1")}
    guest = plan(by, "posts/records")
    assert guest.tags_for(None) - guest.tags == {restricted(POSTS, "author", "")}


def test_a_restricted_list_depends_on_nothing_else_of_its_collection() -> None:
    found = plan(planner(), "posts/records?filter=author='x'")
    tags = {restricted(POSTS, "author", "x"), anywhere(POSTS), all_rows(POSTS), EVERYTHING}
    assert found.tags_for(None) == tags


def tags_of(path: str, hooks: HooksMode = HooksMode.NONE, **rules: Any) -> Plan:
    return plan(planner(hooks={"posts": hooks}, **rules), path)


@pytest.mark.parametrize(
    ("path", "more"),
    [
        pytest.param("posts/records?filter=author='x'&fields=id", {}, id="ids need not be shown"),
        pytest.param("posts/records?filter=author='x'", {"hooks": HooksMode.AUTH}, id="hooks may be there"),
        pytest.param("stats/records?filter=total=1", {}, id="a view has no events"),
        pytest.param(
            "posts/records",
            {"posts": {"listRule": "author='x' && @collection.posts.title ?= title"}},
            id="rows of the same collection are read in another way",
        ),
        pytest.param(
            "comments/records?filter=post='x'&sort=post.comments_via_post.by", {}, id="so by a way and back"
        ),
    ],
)
def test_any_row_counts_where(path: str, more: dict[str, Any]) -> None:
    found = tags_of(path, **more)
    assert found.restriction is None
    assert {any_row(POSTS), any_row(COMMENTS), any_row(STATS)} & found.tags


def test_switched_off_nothing_is_restricted() -> None:
    by = planner()
    by._restricts = False
    found = plan(by, "posts/records?filter=author='x'")
    assert found.restriction is None
    assert any_row(POSTS) in found.tags
    assert record(POSTS, "x") not in found.tags


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        ("text", "a ", "a "),
        ("text", "x" * 300, "x" * LONGEST),
        ("relation", "", ""),
        ("relation", ["a"], None),
        ("text", None, None),
        ("text", 1, None),
        ("number", 1, "1.0"),
        ("number", 1.0, "1.0"),
        ("number", -0.0, "0.0"),
        ("number", 2**60 + 1, repr(float(2**60))),
        ("number", 10**400, None),
        ("number", True, None),
        ("number", "1", None),
        ("bool", True, "true"),
        ("bool", False, "false"),
        ("bool", 1, None),
    ],
)
def test_values_meet_in_one_form(kind: str, value: object, form: str | None) -> None:
    assert normal_form(kind, value) == form
