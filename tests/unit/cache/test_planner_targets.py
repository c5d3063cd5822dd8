"""hapta.cache.planner: which targets are understood, and their canonical form"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hapta.cache.plan import Bypass, HooksMode, Plan, Reason
from hapta.cache.planner import MAX_EXPANDS, MAX_TARGET
from hapta.model.errors import HaptaError
from hapta.model.operation import Operation, OperationClass, classify
from hapta.model.schema import Collection, Schema
from hapta.model.target import parse_target
from tests.unit.cache.plan_world import POSTS, USERS, look, plan, plan_with, planner, reason, schema

LIST = "/api/collections/posts/records"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        pytest.param("posts/records", LIST, id="as it is"),
        pytest.param("POSTS/records", LIST, id="another case"),
        pytest.param("pbc_posts/records", LIST, id="the id"),
        pytest.param("p%6Fsts/r%65cords", LIST, id="escaped letters"),
        pytest.param("po%C5%BFts/records", LIST, id="the long s is an s"),
        pytest.param("posts/records?", LIST, id="an empty query"),
        pytest.param("posts/records?page=2&perPage=3", f"{LIST}?page=2&perPage=3", id="known parameters"),
        pytest.param("posts/records?perPage=3&pag%65=2", f"{LIST}?page=2&perPage=3", id="in one order"),
        pytest.param("posts/records?page=2&page=3", f"{LIST}?page=2", id="the first counts"),
        pytest.param("posts/records?page=2;a&page=3", f"{LIST}?page=3", id="a semicolon drops a pair"),
        pytest.param("posts/records?sort=%zz&page=3", f"{LIST}?page=3", id="so does a bad escape"),
        pytest.param("posts/records?x=1&_=123&Page=9", LIST, id="unknown parameters do not count"),
        pytest.param("posts/records?filter=title+=+%27a%26b%27", f"{LIST}?filter=title%20%3D%20%27a%26b%27",
                     id="one way to escape"),
        pytest.param("posts/records?filter=title='é'", f"{LIST}?filter=title%3D%27%C3%A9%27", id="UTF-8"),
        pytest.param("posts/records?sort=&filter=&page=", f"{LIST}?page=&sort=&filter=", id="empty values"),
        pytest.param("Posts/records/abc?fields=id&expand=team&page=1", f"{LIST}/abc?expand=team&fields=id",
                     id="a record"),
        pytest.param("posts/records/%61bc", f"{LIST}/abc", id="a record with an escape"),
        pytest.param("/%61pi/collections/posts/records", LIST, id="an escape in front"),
    ],
)  # fmt: skip
def test_a_target_has_one_canonical_form(path: str, target: str) -> None:
    assert plan(planner(), path).target == target


def test_a_parameter_a_rule_reads_stays_whatever_it_is() -> None:
    by = planner(posts={"listRule": "@request.query.key = 'a' || @request.query.filter:isset = true"})
    assert plan(by, "posts/records?b=1&key=x&a=2").target == f"{LIST}?key=x"
    by = planner(posts={"viewRule": "@request.query.page = 1"})
    assert plan(by, "posts/records/a?page=1&perPage=2").target == f"{LIST}/a?page=1"


def test_a_parameter_that_the_rule_of_an_expanded_row_reads_stays_too() -> None:
    by = planner(teams={"viewRule": "@request.query.key = 'a'"})
    assert plan(by, "posts/records?expand=team&key=x").target == f"{LIST}?expand=team&key=x"
    assert plan(by, "posts/records?key=x").target == LIST


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("posts%2Frecords", id="an escaped slash is no slash"),
        pytest.param("posts/records/", id="a slash at the end"),
        pytest.param("/api//collections/posts/records", id="two slashes"),
        pytest.param("/api/collections/x/../posts/records", id="a way up"),
        pytest.param("/API/collections/posts/records", id="capitals where they count"),
        pytest.param("posts/Records", id="capitals where they count, behind"),
        pytest.param("posts/records/a/b", id="more segments"),
        pytest.param("posts/records/a%2Fb", id="a slash in an id"),
        pytest.param("posts/records/..", id="a way up for an id"),
        pytest.param("posts/records/%2e%2E", id="the same in disguise"),
        pytest.param("posts/records/.", id="a point for an id"),
        pytest.param("posts/records/a%00", id="a NUL in an id"),
        pytest.param("posts/records/%FF", id="no UTF-8 in an id"),
        pytest.param("posts/records/é", id="letters ids do not have"),
        pytest.param("posts/records/a;b", id="a semicolon in an id"),
        pytest.param("posts/records/" + "a" * 256, id="a huge id"),
        pytest.param("posts/records?filter=%FF", id="no UTF-8 in the query"),
        pytest.param("posts/records?x=%FF", id="no UTF-8 in what does not count"),
        pytest.param("posts/records?%00=1", id="a NUL in the query"),
        pytest.param("posts/records?x=" + "a" * 20_000, id="a huge query"),
        pytest.param("posts/records?fields=" + "(" * (MAX_TARGET // 3), id="a huge value, escaped"),
        pytest.param("posts/records?" + "a&" * 100, id="many pairs"),
        pytest.param("/api/health", id="another route"),
    ],
)
def test_a_target_in_another_form_is_a_bypass(path: str) -> None:
    assert reason(planner(), path) is Reason.TARGET


@pytest.mark.parametrize("name", ["gone", "posts%20", "posts%FF", "p%C3%B6sts", "%00", "PBC_POSTS"])
def test_an_unknown_collection_is_a_bypass(name: str) -> None:
    assert reason(planner(), f"{name}/records") is Reason.COLLECTION


def test_too_many_expands_are_a_bypass() -> None:
    many = ",".join(f"a{n}" for n in range(MAX_EXPANDS + 1))
    assert reason(planner(), f"posts/records?expand={many}") is Reason.LANGUAGE


def test_a_name_that_is_another_ones_id_is_not_guessed_at() -> None:
    base = schema()
    odd = Collection.parse({**base.by_id[USERS].raw, "name": "pbc_posts"})
    by = plan_with(Schema.of(2, [*base.by_id.values(), odd]))
    assert reason(by, "pbc_posts/records") is Reason.COLLECTION
    assert plan(by, "posts/records").collection == POSTS


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(Operation(OperationClass.RECORD_WRITE, "create", "posts"), id="a write"),
        pytest.param(Operation(OperationClass.RECORD_READ, "list", "users"), id="another collection"),
        pytest.param(Operation(OperationClass.RECORD_READ, "view", "posts", "a"), id="a record of a list"),
    ],
)
def test_target_and_operation_must_agree(operation: Operation) -> None:
    found = planner().plan(parse_target(LIST, "here"), operation, None)
    assert isinstance(found, Bypass)
    assert found.reason is Reason.TARGET


RULES = {
    "posts": {"listRule": "@request.query.key = 'a' && author.name != '' && @request.auth.role = 'a'"},
    "teams": {"listRule": "@request.auth.id != ''", "viewRule": "lead = @request.auth.id"},
    "users": {"manageRule": "@request.auth.verified = true"},
}
PIECES = st.sampled_from(
    ["filter=", "sort=", "expand=", "fields=", "key=", "&", "=", ";", "%", "%2", "%FF", "%00", "+", "team",
     "lead", ".", ",", "(", ")", "'", '"', "name", "author", "_via_", "comments", "@random", "@now",
     "@request.", "||", "&&", "~", "?=", ":each", "-", "*", "email", "expand.", "id", "1", "é", "strftime(",
     "//", " "]
)  # fmt: skip
BY = planner(**RULES)
BY_HOOKS = planner(hooks={"posts": HooksMode.AUTH}, **RULES)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=80)),
    st.sampled_from(["posts/records", "posts/records/abc", "users/records", "teams/records"]),
    st.sampled_from([None, USERS]),
)
def test_no_query_raises_and_every_plan_is_the_same_twice(
    query: str, path: str, audience: str | None
) -> None:
    try:
        target = parse_target(f"/api/collections/{path}?{query}", "here")
    except HaptaError:
        return
    for by in (BY, BY_HOOKS):
        found = by.plan(target, classify("GET", target.segments), audience)
        again = planner(hooks={"posts": HooksMode.AUTH} if by is BY_HOOKS else {}, **RULES).plan(
            target, classify("GET", target.segments), audience
        )
        assert again == found
        if isinstance(found, Plan):
            assert isinstance(again, Plan)
            assert again.why == found.why
            canonical = look(by, found.target, audience)
            assert canonical == found


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_in_a_query_raise(query: bytes) -> None:
    try:
        target = parse_target(LIST + "?filter=" + query.decode("utf-8", "surrogateescape"), "here")
    except HaptaError:
        return
    assert BY.plan(target, classify("GET", target.segments), None)
