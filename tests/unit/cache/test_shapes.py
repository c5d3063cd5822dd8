"""Reads of rows that plugins shape: who shares them, what makes them wrong, what is not done with them."""

from collections.abc import Mapping

import pytest

from hapta.cache.book import Circumstances, PlanBook
from hapta.cache.key import cache_key
from hapta.cache.plan import HooksMode, Plan
from hapta.cache.planner import Planner
from hapta.cache.shapes import Shape, Shapes
from hapta.model.identity import Identity
from hapta.model.operation import classify
from hapta.model.target import parse_target
from tests.unit.cache.plan_world import CLIENTS, POSTS, USERS, VIEWS, any_of, parts, plan, schema

BY_ROLE = {"posts": Shape(frozenset({"auth.role"}), frozenset({"teams", "nowhere"}))}
NOBODY = Identity(USERS, "u1", "token", None)


def shapes(version: int, by_name: Mapping[str, Shape]) -> Shapes:
    return Shapes(version, lambda collection: by_name.get(collection.name))


def planner(by_name: Mapping[str, Shape] = BY_ROLE, **rules: Mapping[str, str | None]) -> Planner:
    return Planner(
        schema(**rules), VIEWS, lambda _: HooksMode.NONE, lambda _: True, shapes=shapes(7, by_name)
    )


@pytest.mark.parametrize(
    ("depends_on", "audience", "expected"),
    [
        (set(), None, set()),
        (set(), USERS, set()),
        ({"auth"}, None, {"guest"}),
        ({"auth"}, USERS, {"any-auth"}),
        ({"auth.id"}, None, {"guest"}),
        ({"auth.id"}, USERS, {"auth-record"}),
        ({"auth.collectionName"}, USERS, {"auth-collection"}),
        ({"auth.collectionId"}, USERS, {"auth-collection"}),
        ({"auth.role"}, USERS, {"auth-field role"}),
        ({"auth.role"}, CLIENTS, {"auth-collection"}),
        ({"auth.tags"}, USERS, {"auth-record"}),
        ({"auth.tokenKey"}, USERS, {"auth-record"}),
        ({"auth", "auth.role"}, USERS, {"any-auth", "auth-field role"}),
        ({"auth.role", "auth.id"}, USERS, {"auth-record"}),
    ],
)
def test_what_a_hook_depends_on_stands_in_the_key(
    depends_on: set[str], audience: str | None, expected: set[str]
) -> None:
    by = planner({"posts": Shape(frozenset(depends_on), frozenset())})
    assert parts(plan(by, "posts/records", audience)) == expected
    assert parts(plan(by, "posts/records/p1", audience)) == expected
    assert parts(plan(by, "comments/records?expand=post", audience)) == expected
    assert parts(plan(by, "comments/records", audience)) == set()


def test_what_a_hook_reads_is_a_tag_where_it_is_a_collection() -> None:
    assert any_of(plan(planner(), "posts/records/p1")) == {"teams"}
    assert any_of(plan(planner(), "comments/records/c1?expand=post")) == {"teams"}


def test_nothing_is_worked_out_from_shaped_rows() -> None:
    for path in ("posts/records", "posts/records/p1", "comments/records?expand=post"):
        shown, shaped = plan(planner({}), path), plan(planner(), path)
        assert (shown.local is not None, shown.tells_rows, shown.shaped_by) == (True, True, 0), path
        assert (shaped.local, shaped.tells_rows, shaped.shaped_by) == (None, False, 7), path
        assert shaped.restriction is None


def test_a_relation_is_not_read_out_of_a_shaped_row() -> None:
    found = plan(planner(), "posts/records/p1?expand=team", USERS)
    assert found.expands[0].relation is None
    assert "teams" in any_of(found)
    plain = plan(planner(), "comments/records/c1?expand=post")
    assert plain.expands[0].relation == "post"


def test_members_of_a_shaped_answer_get_their_own_from_pocketbase() -> None:
    by = planner({"users": Shape(frozenset(), frozenset())})
    found = plan(by, "users/records", USERS)
    assert found.shows_own_email
    assert not found.can_overlay


def test_other_hooks_have_other_keys_and_void_all_plans() -> None:
    now = Circumstances(schema(), VIEWS, 0, shapes(1, BY_ROLE))
    book = PlanBook(
        lambda: now,
        hooks=lambda _: HooksMode.NONE,
        is_enabled=lambda _: True,
        custom_routes_write=(),
        on_warning=lambda _: None,
    )
    target = parse_target("/api/collections/posts/records", "here")
    operation = classify("GET", target.segments)
    keys, versions, targets = set(), set(), set()
    for shaped in (shapes(1, BY_ROLE), shapes(2, BY_ROLE), shapes(3, {})):
        now = Circumstances(now.schema, VIEWS, 0, shaped)
        found = book.plan(target, operation, USERS)
        assert isinstance(found, Plan)
        key = cache_key(
            found, method="GET", headers={}, query={}, caller=NOBODY, auth_field={"role": "x"}.__getitem__
        )
        keys.add(key)
        versions.add(book.version)
        targets.add(found.target)
    assert len(keys) == len(versions) == 3
    assert {(POSTS, target) for target in targets} <= keys, "without a shape the key is what it always was"
