"""hapta.cache.planner: what of the data an answer depends on"""

import pytest

from hapta.cache.plan import Reason, ViewReads
from hapta.cache.tags import EVERYTHING, all_rows, any_row, births, record
from tests.unit.cache.plan_world import (
    ORIGINS,
    POSTS,
    STATS,
    USERS,
    any_of,
    parts,
    plan,
    planner,
    reason,
)  # fmt: skip


def test_a_list_depends_on_its_collection() -> None:
    found = plan(planner(), "posts/records")
    assert found.tags == {EVERYTHING, any_row(POSTS)}
    assert (found.collection, found.record) == (POSTS, None)


def test_a_view_depends_on_its_record_and_on_its_birth() -> None:
    found = plan(planner(posts={"viewRule": "n > 1"}), "posts/records/abc")
    assert found.tags == {EVERYTHING, record(POSTS, "abc"), all_rows(POSTS), births(POSTS)}
    assert (found.collection, found.record) == (POSTS, "abc")


@pytest.mark.parametrize(
    ("rule", "others"),
    [
        pytest.param("author != 'x'", set(), id="a relation field itself"),
        pytest.param("author.id = 'x'", set(), id="the id of a single relation"),
        pytest.param("author.name = 'x'", {"users"}, id="a single relation"),
        pytest.param("author.id:lower = 'x'", {"users"}, id="its id with a modifier"),
        pytest.param("readers.id ?= 'x'", {"users"}, id="ids of many"),
        pytest.param("author.team.id = 'x'", {"users"}, id="the id at the end of a way"),
        pytest.param("author.team.name = 'x'", {"users", "teams"}, id="two hops"),
        pytest.param("comments_via_post.id ?= 'x'", {"comments"}, id="a back-relation"),
        pytest.param("comments_via_post.by.name ?= 'x'", {"comments", "users"}, id="on from a back-relation"),
        pytest.param("COMMENTS_via_post.id ?= 'x'", {"comments"}, id="a back-relation in another case"),
        pytest.param("hush.name = 'x'", {"teams"}, id="a hidden relation"),
        pytest.param("@collection.notes.body = 'x'", {"notes"}, id="another collection"),
        pytest.param("@collection.notes:a.body = 'x'", {"notes"}, id="another collection with an alias"),
        pytest.param("@collection.pbc_notes.body = 'x'", {"notes"}, id="another collection by id"),
        pytest.param(
            "@collection.Notes.team.name = 'x'", {"notes", "teams"}, id="on from another collection"
        ),
        pytest.param("strftime('%Y', author.born) = '1'", {"users"}, id="within a function"),
        pytest.param(
            "geoDistance(at.lon, at.lat, author.age, 1) < 1", {"users"}, id="within another function"
        ),
        pytest.param("title = (author.name = 'x')", {"users"}, id="what stands before a group is forgotten"),
    ],
)
def test_a_way_in_a_rule_depends_on_every_row_it_may_pass(rule: str, others: set[str]) -> None:
    by = planner(posts={"listRule": rule, "viewRule": rule})
    assert any_of(plan(by, "posts/records")) == {"posts"} | others
    assert any_of(plan(by, "posts/records/a")) == others


def test_ways_in_rules_bring_no_rules_of_others() -> None:
    by = planner(posts={"listRule": "team.name = 'x'"}, teams={"listRule": "lead = @request.auth.id"})
    assert plan(by, "posts/records", USERS).parts == ()


class TestClientFilters:
    @pytest.mark.parametrize("query", ["filter=team.name='x'", "sort=team.name", "sort=-title,%2Bteam.name"])
    def test_a_way_brings_the_list_rule_of_every_collection_it_passes(self, query: str) -> None:
        by = planner(teams={"listRule": "lead.age > 3 && lead = @request.auth.id"})
        found = plan(by, f"posts/records?{query}", USERS)
        assert parts(found) == {"auth-record"}
        assert any_of(found) == {"posts", "teams", "users"}
        assert any("listRule of teams" in why for why in found.why)
        assert parts(plan(by, f"posts/records?{query}")) == {"guest"}

    def test_a_back_relation_and_every_hop_count(self) -> None:
        by = planner(
            comments={"listRule": "@request.auth.role = 'a'"},
            users={"listRule": "@request.auth.verified = true"},
        )
        found = plan(by, "posts/records?filter=comments_via_post.by.name='x'", USERS)
        assert parts(found) == {"auth-field role", "auth-field verified"}

    @pytest.mark.parametrize(
        "query", ["filter=team.id='x'", "filter=team!='x'", "sort=team.id", "filter=title!='x'"]
    )
    def test_the_id_of_a_single_relation_brings_none(self, query: str) -> None:
        by = planner(teams={"listRule": "lead = @request.auth.id"})
        found = plan(by, f"posts/records?{query}", USERS)
        assert found.parts == ()
        assert any_of(found) == {"posts"}

    @pytest.mark.parametrize(
        "query",
        [
            "filter=note.body='x'",
            "filter=notes_via_post.id?='x'",
            "sort=note.body",
            "filter=note.team.id='x'",
        ],
    )
    def test_a_list_rule_for_superusers_alone_closes_the_way(self, query: str) -> None:
        assert reason(planner(), f"posts/records?{query}", USERS) is Reason.RULE

    @pytest.mark.parametrize(
        "query",
        [
            pytest.param("filter=title='@request.'", id="within quotes"),
            pytest.param("filter=@request.auth.id!=''", id="the caller"),
            pytest.param("filter=@collection.notes.body='x'", id="another collection"),
            pytest.param("sort=@request.auth.id", id="in a sort"),
            pytest.param("filter=title='%40collection.'", id="escaped"),
        ],
    )
    def test_words_only_superusers_may_write_are_refused(self, query: str) -> None:
        assert reason(planner(), f"posts/records?{query}", USERS) is Reason.RULE

    def test_a_view_has_no_filter(self) -> None:
        by = planner(teams={"listRule": None})
        found = plan(by, "posts/records/a?filter=@request.x&sort=@random&page=7")
        assert found.target == "/api/collections/posts/records/a"
        assert any_of(found) == set()

    @pytest.mark.parametrize(
        "query",
        [
            pytest.param("filter=secret='x'", id="a hidden field"),
            pytest.param("filter=author.plan='x'", id="a hidden field of another"),
            pytest.param("filter=hush.name='x'", id="a hidden relation"),
            pytest.param("filter=comments_via_spy.id='x'", id="a hidden back-relation"),
            pytest.param("sort=secret", id="sorting by a hidden field"),
            pytest.param("filter=nope='x'", id="no such field"),
            pytest.param("filter=title.x='x'", id="a text is no relation"),
            pytest.param("filter=nope_via_post.id='x'", id="no such collection"),
            pytest.param("filter=teams_via_lead.id='x'", id="a back-relation to another collection"),
            pytest.param("filter=lost.name='x'", id="a relation to nothing"),
            pytest.param("filter=title", id="half a comparison"),
            pytest.param("filter=%20", id="a blank"),
            pytest.param("filter=title='x", id="an open quote"),
            pytest.param("filter=title:nope='x'", id="an unknown modifier"),
            pytest.param("filter=nope(title)=1", id="an unknown function"),
            pytest.param("filter=@nope=1", id="an unknown macro"),
            pytest.param("filter=" + "(" * 3500, id="3,500 parentheses"),
            pytest.param("filter=title='" + "x" * 3500 + "'", id="too long"),
            pytest.param("filter=" + "%7C%7C".join(["n=1"] * 201), id="too many comparisons"),
            pytest.param("sort=" + ",".join("n" * 1 for _ in range(9)), id="too many sorts"),
            pytest.param("sort=title,", id="an empty sort"),
            pytest.param("sort=@now", id="sorting by a clock"),
            pytest.param("filter=" + ".".join(["team.lead"] * 4) + ".name='x'", id="too many hops"),
        ],
    )
    def test_what_pocketbase_refuses_or_we_cannot_read_is_a_bypass(self, query: str) -> None:
        by = planner()
        assert reason(by, f"posts/records?{query}", USERS) is Reason.LANGUAGE
        assert by.warnings == []

    def test_a_filter_on_an_email_reads_nothing_of_the_caller(self) -> None:
        found = plan(planner(), "posts/records?filter=author.email='a@b.c'", USERS)
        assert found.parts == ()
        assert any_of(found) == {"posts", "users"}

    def test_sorting_by_row_id_is_no_chance(self) -> None:
        assert plan(planner(), "posts/records?sort=-@rowid").parts == ()
        assert reason(planner(), "stats/records?sort=@rowid") is Reason.LANGUAGE

    @pytest.mark.parametrize("sort", ["@random", "-@random", "title,@random"])
    def test_chance_is_never_stored(self, sort: str) -> None:
        assert reason(planner(), f"posts/records?sort={sort}") is Reason.RANDOM


class TestClocks:
    @pytest.mark.parametrize("macro", ["@now", "@yesterday", "@tomorrow", "@second", "@minute", "@hour"])
    def test_a_clock_that_moves_within_the_day_is_a_bypass(self, macro: str) -> None:
        assert reason(planner(posts={"listRule": f"created < {macro}"}), "posts/records") is Reason.CLOCK
        assert reason(planner(), f"posts/records?filter=created<{macro}") is Reason.CLOCK

    @pytest.mark.parametrize(
        "macro",
        ["@day", "@weekday", "@month", "@year", "@todayStart", "@todayEnd", "@monthStart", "@monthEnd",
         "@yearStart", "@yearEnd"],
    )  # fmt: skip
    def test_a_clock_that_moves_at_midnight_ends_the_answer_there(self, macro: str) -> None:
        assert plan(planner(posts={"listRule": f"created < {macro}"}), "posts/records").ends_at_midnight
        assert plan(planner(), f"posts/records?filter=created<{macro}").ends_at_midnight
        by = planner(teams={"listRule": f"name != {macro}", "viewRule": f"name != {macro}"})
        assert plan(by, "posts/records?filter=team.name='x'").ends_at_midnight
        assert plan(by, "posts/records?expand=team").ends_at_midnight
        assert not plan(by, "posts/records").ends_at_midnight

    @pytest.mark.parametrize(
        "call",
        [
            pytest.param("strftime('%Y')", id="one argument"),
            pytest.param("strftime('%Y', 'now')", id="now"),
            pytest.param("strftime('%Y', text)", id="a text that may be now"),
            pytest.param("strftime('%Y', meta.when)", id="JSON that may be now"),
            pytest.param("strftime('%Y', author.name)", id="a text of another"),
            pytest.param("strftime('%Y', '2026-01-01')", id="a constant, to be safe"),
            pytest.param("strftime('%Y', @now)", id="a macro"),
            pytest.param("strftime('%Y', @todayStart)", id="a macro of the day, to be safe"),
            pytest.param("strftime('%Y', created, 'localtime')", id="local time"),
            pytest.param("strftime('%Y', created, 'LocalTime')", id="local time in another case"),
            pytest.param("strftime('%Y', created, 'utc')", id="UTC"),
            pytest.param("strftime('%Y', created, '+1 day', 'utc')", id="UTC behind another"),
            pytest.param("strftime('%Y', created, 'auto')", id="a modifier that is not known"),
            pytest.param("strftime('%Y', created:lower)", id="a modifier on the field"),
            pytest.param("strftime('%Y', stat.day)", id="the date of a view"),
        ],
    )
    def test_strftime_is_a_clock_unless_proven_not_to_be(self, call: str) -> None:
        by = planner(posts={"listRule": f"{call} = '2026'"})
        assert reason(by, "posts/records") is Reason.CLOCK
        assert by.warnings == []

    @pytest.mark.parametrize(
        "call",
        [
            "strftime('%Y', created)", "strftime('%Y', due)", "strftime('%Y', author.born)",
            "strftime('%Y', due, 'start of month', '+1 month', '-1 day')", "strftime('%w', due, 'weekday 0')",
        ],
    )  # fmt: skip
    def test_strftime_of_a_date_is_none(self, call: str) -> None:
        assert plan(planner(posts={"listRule": f"{call} = '2026'"}), "posts/records")


class TestViews:
    def test_a_view_depends_on_its_tables(self) -> None:
        found = plan(planner(), "stats/records")
        assert any_of(found) == {"stats", "posts", "comments"}
        assert all_rows(STATS) in found.tags

    def test_so_does_a_record_of_it(self) -> None:
        found = plan(planner(), "stats/records/a")
        assert any_of(found) == {"stats", "posts", "comments"}
        assert record(STATS, "a") in found.tags

    @pytest.mark.parametrize(
        "path",
        [
            pytest.param("posts/records?expand=stat", id="expanded"),
            pytest.param("posts/records?expand=stats_via_post", id="expanded from behind"),
            pytest.param("posts/records?filter=stat.total>1", id="joined by a filter"),
            pytest.param("notes/records", id="joined by a rule"),
            pytest.param("teams/records", id="read by a rule"),
        ],
    )
    def test_wherever_a_view_is_touched_its_tables_count(self, path: str) -> None:
        rules = {
            "notes": {"listRule": "post.stat.total > 1"},
            "teams": {"listRule": "@collection.stats.total > 1"},
        }
        found = plan(planner(**rules), path)
        assert any_of(found) >= {"stats", "posts", "comments"}
        views = {STATS: ViewReads(frozenset(), "it calls random()")}
        assert reason(planner(views, **rules), path) is Reason.VIEW
        assert reason(planner({}, **rules), path) is Reason.VIEW

    def test_no_record_tag_is_read_out_of_an_expanded_view(self) -> None:
        (expand,) = plan(planner(), "posts/records?expand=stat").expands
        assert (expand.target, expand.relation) == (STATS, None)

    @pytest.mark.parametrize(
        ("reads", "expected"),
        [
            pytest.param({ORIGINS}, Reason.COLLECTION, id="a system collection"),
            pytest.param({"pbc_gone"}, Reason.VIEW, id="an unknown one"),
        ],
    )
    def test_a_view_of_what_cannot_be_followed_is_a_bypass(self, reads: set[str], expected: Reason) -> None:
        assert reason(planner({STATS: ViewReads(frozenset(reads))}), "stats/records") is expected

    def test_a_rule_for_superusers_comes_first(self) -> None:
        assert reason(planner({}, stats={"listRule": None}), "stats/records") is Reason.RULE


class TestWhatCannotBeFollowed:
    @pytest.mark.parametrize(
        "path",
        [
            pytest.param("_origins/records", id="the target"),
            pytest.param("_superusers/records", id="superusers"),
            pytest.param("posts/records?expand=origin", id="an expand"),
            pytest.param("posts/records?expand=_origins_via_post", id="an expand from behind"),
            pytest.param("posts/records?filter=origin.post='x'", id="a filter"),
            pytest.param("teams/records", id="a rule"),
            pytest.param("notes/records", id="a way in a rule"),
        ],
    )
    def test_system_collections_are_never_stored(self, path: str) -> None:
        by = planner(
            teams={"listRule": "@collection._origins.id = 'x'"}, notes={"listRule": "post.origin.post = 'x'"}
        )
        assert reason(by, path) is Reason.COLLECTION

    @pytest.mark.parametrize(
        "path", ["teams/records", "posts/records?expand=team", "posts/records/a?expand=team"]
    )
    def test_what_the_operator_switched_off_is_not_stored(self, path: str) -> None:
        assert reason(planner(off=("teams",)), path) is Reason.COLLECTION

    def test_a_rule_may_read_what_is_switched_off(self) -> None:
        assert plan(planner(off=("teams",), posts={"listRule": "team.name = 'x'"}), "posts/records")

    @pytest.mark.parametrize(
        ("rule", "warning"),
        [
            ("title = ", "collection posts, listRule, position "),
            ("n = 1 && nope = 2", "collection posts, listRule, position 9: posts has no field nope"),
            ("n = 1 && foo(n) = 2", "collection posts, listRule, position 9: unknown function 'foo'"),
            ("n = 1 && @collection.gone.x = 2", "collection posts, listRule, position 9: no collection gone"),
            ("n = 1 && @later = 2", "collection posts, listRule, position 9: unknown identifier '@later'"),
        ],
    )
    def test_a_rule_that_cannot_be_read_is_told_once(self, rule: str, warning: str) -> None:
        by = planner(posts={"listRule": rule})
        for audience in (None, USERS, None):
            assert reason(by, "posts/records", audience) is Reason.LANGUAGE
        assert reason(by, "comments/records?filter=post.title='x'") is Reason.LANGUAGE
        assert len(by.warnings) == 1
        assert by.warnings[0].startswith(warning)
        assert plan(by, "posts/records/a")

    def test_a_rule_over_the_clients_limit_is_refused_where_pocketbase_refuses_it(self) -> None:
        rule = " || ".join(["title = 'some longer text than others'"] * 120)
        by = planner(posts={"listRule": rule, "viewRule": rule})
        assert reason(by, "posts/records") is Reason.LANGUAGE
        assert plan(by, "posts/records/a")

    def test_a_thousand_parentheses_in_a_rule_are_a_bypass(self) -> None:
        by = planner(posts={"viewRule": "(" * 1000 + "n=1" + ")" * 1000})
        assert reason(by, "posts/records/a") is Reason.LANGUAGE
        assert len(by.warnings) == 1
