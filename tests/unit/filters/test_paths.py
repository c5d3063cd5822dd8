"""Identifiers, macros, sort expressions and expand lists taken apart."""

import pytest

from hapta.filters.errors import FilterError
from hapta.filters.expands import Hop, parse_expand
from hapta.filters.macros import MACROS, Moves
from hapta.filters.paths import BackRelation, Modifier, Path, Root, back_relation, is_resolvable, split_path
from hapta.filters.sorts import parse_sort


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("title", Path(Root.FIELD, ("title",))),
        ("author.team.name:lower", Path(Root.FIELD, ("author", "team", "name"), Modifier.LOWER)),
        ("comments_via_post.id:length", Path(Root.FIELD, ("comments_via_post", "id"), Modifier.LENGTH)),
        ("tags:each", Path(Root.FIELD, ("tags",), Modifier.EACH)),
        ("meta.0.x", Path(Root.FIELD, ("meta", "0", "x"))),
        ("@request.auth.id", Path(Root.AUTH, ("id",))),
        ("@request.auth.team.name", Path(Root.AUTH, ("team", "name"))),
        ("@request.headers.x_club", Path(Root.HEADERS, ("x_club",))),
        ("@request.query.key:isset", Path(Root.QUERY, ("key",), Modifier.ISSET)),
        ("@request.body.title:changed", Path(Root.BODY, ("title",), Modifier.CHANGED)),
        ("@request.method", Path(Root.METHOD, ())),
        ("@request.context", Path(Root.CONTEXT, ())),
        ("@collection.posts.author.id", Path(Root.COLLECTION, ("author", "id"), None, "posts")),
        ("@collection.posts:mine.id", Path(Root.COLLECTION, ("id",), None, "posts", "mine")),
        ("@todayStart", Path(Root.MACRO, ("@todayStart",))),
    ],
)
def test_paths_are_taken_apart(name: str, path: Path) -> None:
    assert split_path(name) == path


@pytest.mark.parametrize(
    "name",
    [
        "",
        "@now:lower",
        "@NOW",
        "@request",
        "@request.auth",
        "@request.data.x",
        "@request.method.x",
        "@REQUEST.method",
        "@collection.posts",
        "@collection.posts:a:b.id",
        "@collection.posts:.id",
        "a:nope",
        "a:lower:lower",
        "a:lower.b",
        "a..b",
        "@request.auth..id",
        "@request.query.a:b.c",
        "@collection.posts..id",
        "#a",
        "é",
    ],
)
def test_other_forms_are_refused(name: str) -> None:
    with pytest.raises(FilterError):
        split_path(name)


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("null", "null"),
        ("TRUE", "true"),
        ("False", "false"),
        ("nulls", None),
        ("null.a", None),
        ("@now", None),
    ],
)
def test_keywords_in_any_case(name: str, keyword: str | None) -> None:
    assert split_path(name).keyword == keyword


def test_a_keyword_with_a_modifier_is_a_field() -> None:
    assert split_path("null:lower").keyword is None


def test_every_macro_is_known_with_its_moment() -> None:
    assert len(MACROS) == 16
    assert all(is_resolvable(name) for name in MACROS)
    assert {name for name, moves in MACROS.items() if moves is Moves.ALWAYS} == {
        "@now", "@yesterday", "@tomorrow", "@second", "@minute", "@hour",
    }  # fmt: skip


def test_a_back_relation_ends_at_its_last_via() -> None:
    assert back_relation("a_via_b_via_c") == BackRelation("a_via_b", "c")
    assert back_relation("a_via_") is None
    assert back_relation("author") is None


def test_a_sort_expression_is_read_term_by_term() -> None:
    terms = parse_sort("-created, +author.name ,@random,-@rowid,\u00a0tags:length\r")
    assert [(t.name, t.is_descending, t.position) for t in terms] == [
        ("created", True, 0),
        ("author.name", False, 9),
        ("@random", False, 24),
        ("@rowid", True, 32),
        ("tags:length", False, 40),
    ]
    assert terms[0].path == Path(Root.FIELD, ("created",))
    assert terms[2].path is None
    assert parse_sort("") == ()
    assert len(parse_sort(",".join(["id"] * 8))) == 8


@pytest.mark.parametrize(
    "text",
    [" ", ",", "a,", "a,,b", "--a", "-+a", "- a", "a desc", "a;b", "@now", "@request.auth.id", "@RANDOM",
     "a:nope", "geoDistance(1,2,3,4)", ",".join(["id"] * 9), "a" * 256, "\u200ba", "\x1ca"],
)  # fmt: skip
def test_sorts_that_pocketbase_refuses_are_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse_sort(text)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", []),
        (" , .. ", []),
        ("author", ["author"]),
        (" au thor .", ["author"]),
        ("b,a,b", ["b", "a"]),
        ("a,a.b,ab", ["a.b", "ab"]),
        ("a.b.c,a,a.b,a.x", ["a.b.c", "a.x"]),
        ("a.b.c.d.e.f.g", ["a.b.c.d.e.f"]),
        ("a..b", ["a..b"]),
        ("a\t", ["a\t"]),
    ],
)
def test_expand_paths_are_normalised(text: str, paths: list[str]) -> None:
    assert [".".join(hop.name for hop in path) for path in parse_expand(text)] == paths


def test_both_forms_of_back_relations_are_expanded() -> None:
    assert parse_expand("comments_via_post.author,comments(post),c(d)x,e(f") == (
        (Hop("comments_via_post", BackRelation("comments", "post")), Hop("author")),
        (Hop("comments(post)", BackRelation("comments", "post")),),
        (Hop("c(d)x"),),
        (Hop("e(f"),),
    )
