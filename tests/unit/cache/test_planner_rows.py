"""hapta.cache.planner: the rows an answer shows, their expands and e-mails"""

import pytest

from hapta.cache.plan import Expand
from hapta.cache.tags import all_rows, any_row
from tests.unit.cache.plan_world import (
    COMMENTS,
    TEAMS,
    USERS,
    any_of,
    parts,
    plan,
    planner,
)  # fmt: skip


class TestExpands:
    def test_a_relation_is_followed_in_the_answer(self) -> None:
        found = plan(planner(), "posts/records?expand=author,team.lead")
        assert found.expands == (
            Expand("author", USERS, True, "author"),
            Expand("team", TEAMS, False, "team", (Expand("lead", USERS, True, "lead"),)),
        )
        assert any_of(found) == {"posts"}
        assert {all_rows(USERS), all_rows(TEAMS)} <= found.tags

    def test_paths_with_the_same_beginning_are_one(self) -> None:
        (team,) = plan(planner(), "posts/records?expand=team.lead,team.members,team").expands
        assert [child.field for child in team.children] == ["lead", "members"]

    @pytest.mark.parametrize(
        ("expand", "target"),
        [
            pytest.param("comments_via_post", COMMENTS, id="a back-relation"),
            pytest.param("comments(post)", COMMENTS, id="in the old form"),
            pytest.param("pbc_comments_via_post", COMMENTS, id="by id"),
            pytest.param("comments_via_spy", COMMENTS, id="a hidden back-relation"),
            pytest.param("hush", TEAMS, id="a hidden field"),
        ],
    )
    def test_where_the_answer_does_not_show_the_ids_every_row_counts(self, expand: str, target: str) -> None:
        found = plan(planner(), f"posts/records?expand={expand}")
        assert found.expands == (Expand(expand, target, False, None),)
        assert any_row(target) in found.tags

    def test_beyond_such_a_hop_the_answer_shows_ids_again(self) -> None:
        (comments,) = plan(planner(), "posts/records?expand=comments_via_post.by").expands
        assert comments.children == (Expand("by", USERS, True, "by"),)

    def test_the_view_rule_of_every_hop_counts(self) -> None:
        by = planner(
            teams={"viewRule": "lead = @request.auth.id"},
            users={"viewRule": "@request.headers.x_a = team.name"},
        )
        found = plan(by, "posts/records?expand=team.lead", USERS)
        assert parts(found) == {"auth-record", "header x_a"}
        assert any_of(found) == {"posts", "teams"}
        assert parts(plan(by, "posts/records?expand=team")) == {"guest"}

    @pytest.mark.parametrize(
        "path",
        [
            pytest.param("note", id="a collection only superusers view"),
            pytest.param("note.team", id="on from there"),
            pytest.param("nope", id="no such field"),
            pytest.param("title", id="no relation"),
            pytest.param("lost", id="a relation to nothing"),
            pytest.param("teams_via_lead", id="a back-relation to another collection"),
            pytest.param("gone_via_post", id="a back-relation from nowhere"),
            pytest.param("author)", id="half a parenthesis"),
            pytest.param("...,%20,", id="points and blanks"),
        ],
    )
    def test_a_first_hop_that_leads_nowhere_changes_nothing(self, path: str) -> None:
        found = plan(planner(), f"posts/records?expand={path}")
        assert found.expands == ()
        assert any_of(found) == {"posts"}

    @pytest.mark.parametrize(
        "path", ["team.lead.nope", "team.lead.team.notes_via_team", "team.lead.comments_via_by.nope"]
    )
    def test_a_later_one_makes_the_rows_before_it_count_unseen(self, path: str) -> None:
        found = plan(planner(), f"posts/records?expand={path}")
        assert any_of(found) >= {"posts", "teams", "users"}
        (team,) = found.expands
        assert team.relation is None
        assert team.children[0].relation is None

    def test_a_hop_is_unseen_if_it_is_so_on_one_path(self) -> None:
        for paths in ("team.lead,team.nope", "team.nope,team.lead"):
            (team,) = plan(planner(), f"posts/records?expand={paths}").expands
            assert (team.relation, [child.relation for child in team.children]) == (None, ["lead"])

    def test_hops_after_the_sixth_are_not_there(self) -> None:
        by = planner()
        six = plan(by, "posts/records?expand=" + ".".join(["team", "lead"] * 3))
        assert plan(by, "posts/records?expand=" + ".".join(["team", "lead"] * 4)).expands == six.expands
        assert (
            plan(by, "posts/records?expand=" + ".".join(["team", "lead"] * 3) + ".nope").expands
            == six.expands
        )

    def test_with_fields_every_row_counts_since_ids_may_be_missing(self) -> None:
        found = plan(planner(), "posts/records?expand=team.lead&fields=title,expand.team.name")
        assert found.expands == ()
        assert any_of(found) == {"posts", "teams", "users"}

    def test_a_view_by_id_may_expand_too(self) -> None:
        found = plan(planner(), "posts/records/a?expand=team")
        assert found.expands == (Expand("team", TEAMS, False, "team"),)
        assert any_of(found) == set()


class TestEmails:
    @pytest.mark.parametrize(
        ("path", "has_auth_rows"),
        [
            ("users/records", True), ("users/records/a", True), ("posts/records?expand=author", False),
            ("posts/records?expand=comments_via_post.by", False), ("clients/records", True),
        ],
    )  # fmt: skip
    def test_auth_rows_show_their_own_email_to_members_alone(self, path: str, has_auth_rows: bool) -> None:
        found = plan(planner(), path, USERS)
        assert found.parts == ()
        assert found.shows_own_email
        assert found.has_auth_rows is has_auth_rows
        assert any("e-mail" in why for why in found.why)

    @pytest.mark.parametrize("path", ["users/records", "users/records/a", "posts/records?expand=author"])
    def test_members_are_sought_in_what_a_guest_fetched_too_since_users_share_it(self, path: str) -> None:
        assert plan(planner(), path).shows_own_email

    def test_what_is_for_guests_alone_has_no_members(self) -> None:
        by = planner(users={"listRule": "@request.auth.id = ''"})
        assert not plan(by, "users/records").shows_own_email
        assert plan(by, "users/records", USERS).shows_own_email
        assert not plan(planner(), "users/records?fields=*").shows_own_email

    @pytest.mark.parametrize(
        "path", ["posts/records", "posts/records?expand=team", "posts/records?expand=nope.author"]
    )
    def test_rows_that_are_no_auth_records_have_none(self, path: str) -> None:
        assert not plan(planner(), path, USERS).shows_own_email

    def test_a_row_that_a_broken_path_may_take_away_counts_as_shown(self) -> None:
        assert plan(planner(), "posts/records?expand=author.nope", USERS).shows_own_email

    @pytest.mark.parametrize("fields", ["id,name", "name", "items,id"])
    def test_a_list_of_fields_without_it_needs_nothing(self, fields: str) -> None:
        found = plan(planner(), f"users/records?fields={fields}", USERS)
        assert found.parts == ()
        assert not found.shows_own_email

    @pytest.mark.parametrize("fields", ["*", "id,email", "id,name:excerpt(3)", ",", "id,expand.team"])
    def test_a_list_of_fields_that_may_show_it_is_each_users_own(self, fields: str) -> None:
        path = f"users/records?expand=team.lead&fields={fields}"
        found = plan(planner(), path, USERS)
        assert parts(found) == {"auth-record"}
        assert not found.shows_own_email
        assert plan(planner(), path).parts == ()

    def test_an_own_answer_needs_no_look_at_its_rows(self) -> None:
        by = planner(users={"listRule": "id = @request.auth.id"})
        found = plan(by, "users/records", USERS)
        assert parts(found) == {"auth-record"}
        assert not found.shows_own_email

    def test_a_class_by_value_still_shows_each_member_their_own(self) -> None:
        by = planner(users={"listRule": "@request.auth.role = 'a'"})
        found = plan(by, "users/records", USERS)
        assert parts(found) == {"auth-field role"}
        assert found.shows_own_email

    @pytest.mark.parametrize("path", ["users/records", "users/records/a", "posts/records?expand=author"])
    def test_managers_see_more_so_the_manage_rule_counts(self, path: str) -> None:
        by = planner(users={"manageRule": "team.lead = @request.auth.id && @request.headers.x_a = 'b'"})
        found = plan(by, path, USERS)
        assert parts(found) == {"auth-record", "header x_a"}
        assert "teams" in any_of(found)
        assert parts(plan(by, path)) == {"guest", "header x_a"}

    def test_where_no_email_shows_no_manager_sees_more(self) -> None:
        by = planner(users={"manageRule": "team.lead = @request.auth.id"})
        assert plan(by, "users/records?fields=id,name", USERS).parts == ()

    def test_an_empty_manage_rule_is_none(self) -> None:
        assert plan(planner(users={"manageRule": ""}), "users/records", USERS).parts == ()
