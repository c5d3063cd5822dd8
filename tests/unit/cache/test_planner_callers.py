"""hapta.cache.planner: for whom an answer may be reused"""

import pytest

from hapta.cache.plan import HooksMode, Reason
from hapta.model.schema import Collection, Schema
from tests.unit.cache.plan_world import (
    CLIENTS,
    SUPERUSERS,
    TEAMS,
    USERS,
    any_of,
    field,
    parts,
    plan,
    plan_with,
    planner,
    reason,
    schema,
)

AUDIENCES = [
    pytest.param(None, id="guests"),
    pytest.param(USERS, id="users"),
    pytest.param(CLIENTS, id="clients"),
]


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize(
    "rule",
    [
        pytest.param("", id="open"),
        pytest.param("title != 'x' && n > 3", id="own fields"),
        pytest.param("@request.context = 'default'", id="the context"),
        pytest.param("@request.body.title:isset = false", id="the body, which is empty"),
        pytest.param("@request.body.title:changed = false", id="a changed field"),
        pytest.param("@request.body.author.name = ''", id="a way from the body"),
        pytest.param("title = '@request.auth.id'", id="only a text"),
        pytest.param("title = null || title = true", id="words"),
        pytest.param("secret != ''", id="a hidden field"),
        pytest.param("tags:each ~ 'a' && tags:length > 1 && title:lower = 'b'", id="modifiers"),
        pytest.param("meta.a.b.0 = 1 && at.lon > 3", id="within a value"),
        pytest.param("geoDistance(at.lon, at.lat, 1, 2) < 5", id="a distance"),
        pytest.param("title = 1 // @request.auth.id", id="a comment"),
    ],
)
def test_what_reads_nothing_of_the_caller_is_shared_by_all(rule: str, audience: str | None) -> None:
    found = plan(planner(posts={"listRule": rule, "viewRule": rule}), "posts/records", audience)
    assert found.parts == ()
    assert found.is_shared_with_guests
    assert plan(planner(posts={"viewRule": rule}), "posts/records/abc", audience).parts == ()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param("@request.auth.id != ''", {"any-auth"}, id="logged in"),
        pytest.param("'' != @request.auth.id", {"any-auth"}, id="logged in, the other way round"),
        pytest.param("@request.auth.id ?!= ''", {"any-auth"}, id="logged in, any"),
        pytest.param("@request.auth.id = null", {"any-auth"}, id="not logged in"),
        pytest.param("@request.auth.id = NULL", {"any-auth"}, id="not logged in, loudly"),
        pytest.param("@request.auth.id != '' && n = 1 || title = 'x'", {"any-auth"}, id="among others"),
        pytest.param("@request.auth.id != 'x'", {"auth-record"}, id="id against a text"),
        pytest.param("@request.auth.id != ' '", {"auth-record"}, id="id against a blank"),
        pytest.param("@request.auth.id > ''", {"auth-record"}, id="id with another operator"),
        pytest.param("@request.auth.id != 0", {"auth-record"}, id="id against a number"),
        pytest.param("@request.auth.id:lower != ''", {"auth-record"}, id="id with a modifier"),
        pytest.param("author = @request.auth.id", {"auth-record"}, id="owner"),
        pytest.param("@request.auth.id != '' && author = @request.auth.id", {"auth-record"}, id="both"),
        pytest.param("readers ?= @request.auth.id", {"auth-record"}, id="one of many"),
        pytest.param("readers.id ?= @request.auth.id", {"auth-record"}, id="one of many, joined"),
        pytest.param("@request.auth.collectionName = 'users'", {"auth-collection"}, id="collection by name"),
        pytest.param("@request.auth.collectionId != ''", {"auth-collection"}, id="collection by id"),
        pytest.param("@request.auth.role = 'staff'", {"auth-field role"}, id="a single select"),
        pytest.param("@request.auth.role:lower = 'staff'", {"auth-field role"}, id="lower is harmless"),
        pytest.param("@request.auth.role:length > 0", {"auth-record"}, id="other modifiers are not trusted"),
        pytest.param("@request.auth.verified = true", {"auth-field verified"}, id="verified"),
        pytest.param("@request.auth.email ~ '@a.b'", {"auth-field email"}, id="the e-mail"),
        pytest.param("@request.auth.plan = 'pro'", {"auth-field plan"}, id="a hidden field"),
        pytest.param("team = @request.auth.team", {"auth-field team"}, id="a single relation"),
        pytest.param("team = @request.auth.team.id", {"auth-field team"}, id="its id is the field itself"),
        pytest.param("@request.auth.age > 3 && @request.auth.role = 'a'",
                     {"auth-field age", "auth-field role"}, id="two fields"),
        pytest.param("@request.auth.tags ~ 'a'", {"auth-record"}, id="many values"),
        pytest.param("@request.auth.meta.a = 1", {"auth-record"}, id="within JSON"),
        pytest.param("@request.auth.meta = 1", {"auth-record"}, id="JSON"),
        pytest.param("@request.auth.bio = ''", {"auth-record"}, id="long texts"),
        pytest.param("@request.auth.tokenKey = 'x'", {"auth-record"}, id="what no API tells"),
        pytest.param("@request.auth.team.name = 'x'", {"auth-record"}, id="two hops"),
        pytest.param("@request.auth.teams.id ?= team", {"auth-record"}, id="ids of many"),
        pytest.param("@request.auth.nope = 'x'", {"auth-collection"}, id="no such field"),
        pytest.param("@request.auth.nope.deep = 'x'", {"auth-collection"}, id="no such way"),
        pytest.param("@request.auth.role = 'a' && author = @request.auth.id", {"auth-record"},
                     id="the record holds its fields"),
        pytest.param("((@request.auth.role = 'a'))", {"auth-field role"}, id="parentheses"),
        pytest.param("title ~ 'x' || (n = 1 && (n = 2 || @request.auth.role ?= 'a'))", {"auth-field role"},
                     id="deep down"),
    ],
)  # fmt: skip
def test_each_auth_operand_tells_apart_what_it_reads(rule: str, expected: set[str]) -> None:
    by = planner(posts={"listRule": rule})
    found = plan(by, "posts/records", USERS)
    assert parts(found) == expected
    assert not found.is_shared_with_guests
    guests = plan(by, "posts/records")
    assert parts(guests) == {"guest"}
    assert guests.is_shared_with_guests
    assert all(any(text in why for why in found.why) for text in ("listRule of posts",))


def test_a_field_of_another_auth_collection_is_null_there() -> None:
    by = planner(posts={"listRule": "@request.auth.role = 'staff'"})
    assert parts(plan(by, "posts/records", USERS)) == {"auth-field role"}
    assert parts(plan(by, "posts/records", CLIENTS)) == {"auth-collection"}


@pytest.mark.parametrize(
    ("rule", "reads"),
    [
        pytest.param("@request.auth.id = author", False, id="id"),
        pytest.param("@request.auth.collectionName = 'users'", False, id="collection"),
        pytest.param("@request.auth.nope = 1", False, id="nothing"),
        pytest.param("@request.auth.role = 'a'", True, id="a field"),
        pytest.param("@request.auth.tags ~ 'a'", True, id="many values"),
        pytest.param("@request.auth.team.name = 'a'", True, id="a way"),
    ],
)
def test_a_plan_says_whether_the_callers_record_is_read(rule: str, reads: bool) -> None:
    assert plan(planner(posts={"listRule": rule}), "posts/records", USERS).reads_auth_record is reads


def test_a_way_from_the_callers_record_depends_on_every_row_it_may_pass() -> None:
    by = planner(posts={"listRule": "@request.auth.teams.lead.name = 'x'"})
    assert any_of(plan(by, "posts/records", USERS)) == {"posts", "teams", "users"}
    assert any_of(plan(by, "posts/records")) == {"posts"}


def test_a_back_relation_of_the_callers_record_is_followed() -> None:
    by = planner(posts={"listRule": "@request.auth.teams_via_lead.name ?= 'x'"})
    found = plan(by, "posts/records", USERS)
    assert parts(found) == {"auth-record"}
    assert any_of(found) == {"posts", "teams"}


def test_a_field_named_null_is_no_null() -> None:
    base = schema(teams={"listRule": "@request.auth.id != null"})
    raw = base.by_id[TEAMS].raw
    odd = Collection.parse({**raw, "fields": [*raw["fields"], field("null")]})
    by = plan_with(Schema.of(2, [*base.by_id.values(), odd]))
    assert parts(plan(by, "teams/records", USERS)) == {"auth-record"}


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param("@request.headers.x_token = 'a'", {"header x_token"}, id="a header"),
        pytest.param("@request.headers.x_token:isset = true", {"header x_token"}, id="a header's presence"),
        pytest.param(
            "@request.headers.accept_language ~ 'de'", {"header accept_language"}, id="a common header"
        ),
        pytest.param("@request.query.key = 'a'", {"query key"}, id="a query parameter"),
        pytest.param("@request.query.key:isset = true", {"query key"}, id="its presence"),
        pytest.param("@request.query.filter = 'a'", {"query filter"}, id="a parameter with a meaning"),
        pytest.param("@request.method = 'GET'", {"method"}, id="the method"),
    ],
)
def test_what_a_rule_reads_of_the_request_is_a_part(
    rule: str, expected: set[str], audience: str | None
) -> None:
    assert parts(plan(planner(posts={"viewRule": rule}), "posts/records/a", audience)) == expected


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "cookie",
        "host",
        "x_forwarded_for",
        "x_hapta_client_ip",
        "if_none_match",
        "X_Token",
        "a.b",
    ],
)
def test_a_header_that_cannot_stand_in_a_key_is_a_bypass(name: str) -> None:
    by = planner(posts={"listRule": f"@request.headers.{name} != ''"})
    assert reason(by, "posts/records") is Reason.HEADER
    assert by.warnings == []


def test_superusers_have_no_plan() -> None:
    assert reason(planner(), "posts/records", SUPERUSERS) is Reason.SUPERUSER


@pytest.mark.parametrize("audience", ["pbc_posts", "pbc_gone", ""])
def test_an_audience_must_be_an_auth_collection(audience: str) -> None:
    assert reason(planner(), "posts/records", audience) is Reason.SCHEMA


@pytest.mark.parametrize("path", ["posts/records", "posts/records/a"])
def test_a_rule_for_superusers_alone_is_a_bypass(path: str) -> None:
    by = planner(posts={"listRule": None, "viewRule": None})
    assert reason(by, path, USERS) is Reason.RULE


def test_list_and_view_have_rules_of_their_own() -> None:
    by = planner(posts={"listRule": None, "viewRule": "author = @request.auth.id"})
    assert parts(plan(by, "posts/records/a", USERS)) == {"auth-record"}


class TestHooks:
    @pytest.mark.parametrize("path", ["posts/records", "posts/records/a", "notes/records?expand=post"])
    def test_hooks_that_read_the_request_are_a_bypass(self, path: str) -> None:
        by = planner(hooks={"posts": HooksMode.REQUEST}, notes={"listRule": ""})
        assert reason(by, path) is Reason.HOOKS

    def test_hooks_that_read_the_caller_give_each_an_own_answer_and_guests_one(self) -> None:
        by = planner(hooks={"posts": HooksMode.AUTH})
        found = plan(by, "posts/records", USERS)
        assert parts(found) == {"auth-record"}
        assert found.reads_auth_record
        assert parts(plan(by, "posts/records")) == {"guest"}

    def test_nothing_is_read_out_of_an_answer_that_hooks_shaped(self) -> None:
        by = planner(hooks={"posts": HooksMode.AUTH})
        found = plan(by, "posts/records?expand=author,team", USERS)
        assert found.expands == ()
        assert any_of(found) == {"posts", "users", "teams"}

    def test_hooks_of_an_expanded_collection_count_too(self) -> None:
        found = plan(planner(hooks={"users": HooksMode.AUTH}), "posts/records?expand=author,team", USERS)
        assert parts(found) == {"auth-record"}
        assert found.expands == ()

    def test_hooks_of_a_collection_a_rule_joins_count_too(self) -> None:
        by = planner(hooks={"teams": HooksMode.AUTH}, posts={"listRule": "team.name = 'x'"})
        assert parts(plan(by, "posts/records", USERS)) == {"auth-record"}

    def test_hooks_may_read_unknown_parameters_so_they_are_kept(self) -> None:
        by = planner(hooks={"posts": HooksMode.AUTH})
        assert (
            plan(by, "posts/records?z=1&page=2&b=3").target == "/api/collections/posts/records?page=2&b=3&z=1"
        )

    @pytest.mark.parametrize("query", ["a=1&a=2", "a=1;b", "a=%zz"])
    def test_hooks_may_read_what_a_canonical_query_leaves_out(self, query: str) -> None:
        assert reason(planner(hooks={"posts": HooksMode.AUTH}), f"posts/records?{query}") is Reason.TARGET
        assert plan(planner(), f"posts/records?{query}")
