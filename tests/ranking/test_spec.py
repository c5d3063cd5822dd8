"""A feed held against a schema: all that does not fit is told at once."""

from typing import Any

import pytest

from hapta.ranking.features import Recipe
from hapta.ranking.spec import UnusableFeed
from tests.ranking.schema import EVERYTHING_ABOUT_POSTS, spec


def unusable(table: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(UnusableFeed) as caught:
        spec(table)
    return list(caught.value.problems)


def test_a_feed_with_everything_says_what_has_to_be_read() -> None:
    found = spec(EVERYTHING_ABOUT_POSTS, rule="public = true || author = @request.auth.id")
    assert found.author_collections == {"USERS"}
    assert found.authors_sign_in
    assert found.topics == (("topics", "TOPICS"), ("kinds", "select kinds"))
    assert found.topics_width == 5
    assert found.reads == {
        "POSTS": {
            *("id", "created", "author", "pinned", "topics", "kinds", "views", "title", "fans", "body"),
            *("parent", "draft", "public"),
        },
        "USERS": {"id", "fame", "following"},
        "COMMENTS": {"id", "post"},
        "LISTED": {"id", "posts"},
        "LIKES": {"id", "user", "post"},
        "BLOCKS": {"id", "who", "whom"},
    }
    assert found.rule is not None
    assert found.rule.fields == ("author", "public")


def test_a_feed_of_next_to_nothing_needs_next_to_nothing() -> None:
    found = spec({"preset": "hot", "weights": {"follow": 2}, "depth": 7})
    assert found.reads == {"POSTS": {"id", "created"}}
    assert found.author_collections == frozenset()
    assert found.topics_width == 0
    assert found.recipe == Recipe("hot", {"follow": 2.0}, depth=7)


def test_everything_that_does_not_fit_is_told_at_once() -> None:
    found = unusable(
        {
            "created": "creatd",
            "author": "title",
            "pinned": "views",
            "topics": ["title", "topics"],
            "signals": {"likes": {"collection": "like", "relation": "post"}},
            "filter": "x = 1",
        }
    )
    assert found == [
        ("created", "posts has no field creatd; did you mean created?"),
        ("pinned", "views of posts is of type number: expected a bool"),
        ("author", "title of posts is of type text: expected a relation"),
        ("topics", "title of posts is of type text: expected a relation or a select"),
        ("signals.likes.collection", "there is no collection like; did you mean likes?"),
        ("filter", found[-1][1]),
    ]
    assert found[-1][1].startswith(
        "whether a row passes cannot be told from the row alone (comparison at char"
    )


def _signal(**signal: Any) -> dict[str, Any]:
    return {"author": "author", "spam_domains": ["a.b"], "signals": {"s": signal}}


def _edge(kind: str, source: str, begin: str, end: str, **more: Any) -> dict[str, Any]:
    return {"author": "author", kind: {"e": {"collection": source, "from": begin, "to": end, **more}}}


@pytest.mark.parametrize(
    ("table", "key", "problem"),
    [
        ({"collection": "nothing"}, "collection", "there is no collection nothing"),
        ({"collection": "joined"}, "collection", "joined is a view: PocketBase does not tell when its rows"),
        ({"collection": "_superusers"}, "collection", "_superusers is one of PocketBase's own collections"),
        (_signal(field="place"), "signals.s.field", "place of posts is of type geoPoint"),
        (
            _signal(field="views", has="link"),
            "signals.s.field",
            "views of posts is of type number: expected a t",
        ),
        (_signal(field="password", of="author"), "signals.s.field", "password of users is of type password"),
        (_signal(field="views", of="author"), "signals.s.field", "users has no field views"),
        (
            _signal(collection="comments", relation="writer"),
            "signals.s.relation",
            "writer of comments leads to users: expected a relation to posts, whose rows are ranked",
        ),
        (
            _signal(collection="comments", relation="post", of="author"),
            "signals.s.relation",
            "post of comments leads to posts: expected a relation to users, whose rows are the authors",
        ),
        (
            _signal(collection="comments", relation="id"),
            "signals.s.relation",
            "id of comments is of type text",
        ),
        (_signal(collection="joined", relation="post"), "signals.s.collection", "joined is a view"),
        (_edge("follows", "likes", "user", "post"), "follows.e.to", "post of likes leads to posts"),
        (_edge("engaged", "likes", "user", "post2"), "engaged.e.to", "likes has no field post2"),
        (
            _edge("engaged", "comments", "created", "post"),
            "engaged.e.from",
            "created of comments is of type auto",
        ),
        (
            _edge("engaged", "posts", "parent", "id"),
            "engaged.e.from",
            "parent of posts leads to posts: expected a",
        ),
        (
            _edge("engaged", "comments", "id", "post"),
            "engaged.e.from",
            "id leads to comments: expected a collec",
        ),
        (
            _edge("follows", "posts", "fans", "id"),
            "follows.e.to",
            "id is a row of posts: expected one of users",
        ),
        (
            _edge("follows", "users", "following", "following2"),
            "follows.e.to",
            "users has no field following2; d",
        ),
        ({"filter": "title = "}, "filter", "cannot be read: "),
        ({"filter": "kinds ?= 'a'"}, "filter", "whether a row passes cannot be told"),
        ({"filter": "views = '5'"}, "filter", "whether a row passes cannot be told"),
        ({"filter": "title > 5"}, "filter", "whether a row passes cannot be told"),
        ({"filter": "public = 'yes'"}, "filter", "whether a row passes cannot be told"),
        ({"filter": "author.fame > 1"}, "filter", "whether a row passes cannot be told"),
        ({"filter": "created > @now"}, "filter", "whether a row passes cannot be told"),
        ({"filter": "author = @request.auth.id"}, "filter", "whether a row passes cannot be told"),
        (
            {"filter": "title = 'a' || nothing = 'b'"},
            "filter",
            "whether a row passes cannot be told from the row alone (comparison at character 16)",
        ),
    ],
)
def test_what_does_not_fit_is_told(table: dict[str, Any], key: str, problem: str) -> None:
    ((where, what),) = unusable(table)
    assert where == key
    assert what.startswith(problem)


def test_one_end_of_several_values_is_fine_and_two_are_too_many() -> None:
    assert spec(_edge("follows", "posts", "fans", "author")).edges[0].from_ == "fans"
    assert spec(_edge("engaged", "posts", "fans", "id")).edges[0].to == "id"
    problem = "from and to both hold several values: only one of them may"
    assert unusable(_edge("engaged", "listed", "members", "posts")) == [("engaged.e", problem)]


def test_only_users_can_be_tied_both_ways() -> None:
    follows = {"e": {"collection": "comments", "from": "writer", "to": "post", "both": True}}
    problem = "users and posts are not the same collection"
    assert unusable({"author": "parent", "follows": follows}) == [("follows.e.both", problem)]
    assert spec(_edge("hides", "blocks", "who", "whom", both=True)).edges[0].both


@pytest.mark.parametrize(
    "text",
    [
        "title = '' || views >= 1 && public = true",
        "created > '2026-01-01' && title ~ 'a'",
        "author = '' && views != null && title:lower = 'x'",
        "parent.id = author",
    ],
)
def test_a_filter_about_the_row_itself_is_taken(text: str) -> None:
    assert spec({"filter": text}).condition.unsure == ()


def test_a_filter_may_read_a_hidden_field() -> None:
    found = spec({"filter": "draft = false"})
    assert found.condition.holds({"draft": False}, "") is True
    assert found.condition.holds({"draft": True}, "") is False
    assert found.condition.holds({}, "") is None


@pytest.mark.parametrize(
    ("rule", "caller_fields"),
    [
        ("", "no rule"),
        (None, "no rule"),
        ("public = true", set()),
        ("@request.auth.id != '' && title != null", set()),
        ("@request.auth.id != null", set()),
        ("author = @request.auth.id || @request.auth.id ?= parent.id", {"author", "parent"}),
        ("author:lower = @request.auth.id", None),
        ("author < @request.auth.id", None),
        ("@request.auth.id = 'abc'", None),
        ("@request.auth.id = 5", None),
        ("@request.auth.id = true", None),
        ("fans ?= @request.auth.id", "not told"),
        ("draft = false", "not told"),
        ("@request.auth.fame > 1", "not told"),
        ("author.fame > 1", "not told"),
        ("@collection.likes.user ?= @request.auth.id", "not told"),
        ("comments_via_post.id != ''", "not told"),
        ("created < @now", "not told"),
        ("@request.query.a = ''", "not told"),
        ("title = ", "not told"),
        ("title != '" + "x" * 3500 + "'", "not told"),
    ],
)
def test_of_a_rule_is_known_what_rows_tell(rule: str | None, caller_fields: Any) -> None:
    found = spec({}, rule=rule).rule
    if isinstance(caller_fields, str):
        assert found is None
    else:
        assert found is not None
        assert found.caller_fields == caller_fields
