"""What an answer tells of what it depends on."""

from typing import Any

import orjson
import pytest

from hapta.cache.reading import NOTHING, OddAnswer, read_answer
from hapta.cache.tags import births, record
from tests.unit.cache.plan_world import COMMENTS, TEAMS, USERS, plan, planner


def read(path: str, *rows: Any, status: int = 200) -> Any:
    body = orjson.dumps(rows[0] if "records/" in path else {"items": list(rows)})
    return read_answer(plan(planner(), path), status, body)


def test_rows_that_are_expanded_are_tagged_and_auth_rows_are_members() -> None:
    author = {"id": "u1", "team": "t1", "expand": {"team": {"id": "t1"}}}
    found = read(
        "posts/records?expand=author.team", {"id": "p1", "author": "u1", "expand": {"author": author}}
    )
    assert found.tags == {record(USERS, "u1"), record(TEAMS, "t1")}
    assert found.members == {"u1"}


def test_a_row_that_was_asked_for_and_not_shown_is_tagged_and_may_be_born() -> None:
    rows = [{"id": "p1", "author": "u1"}, {"id": "p2", "author": ""}]
    found = read("posts/records?expand=author", *rows)
    assert found.tags == {record(USERS, "u1"), births(USERS)}
    assert found.members == frozenset()


def test_several_relations_at_once_are_all_tagged() -> None:
    row = {"id": "p1", "readers": ["u1", "u2"], "expand": {"readers": [{"id": "u2"}]}}
    found = read("posts/records/p1?expand=readers", row)
    assert found.tags == {record(USERS, "u1"), record(USERS, "u2"), births(USERS)}
    assert found.members == {"u2"}


def test_rows_behind_a_back_relation_are_members_by_their_own_expand() -> None:
    comment = {"id": "c1", "by": "u1", "expand": {"by": {"id": "u1"}}}
    row = {"id": "p1", "expand": {"comments_via_post": [comment]}}
    found = read("posts/records?expand=comments_via_post.by", row)
    assert record(USERS, "u1") in found.tags
    assert found.members == {"u1"}
    assert COMMENTS not in {tag[1] for tag in found.tags}, "any change of them counts already"


def test_the_rows_of_an_auth_collection_are_members() -> None:
    assert read("users/records", {"id": "u1"}, {"id": "u2"}).members == {"u1", "u2"}
    assert read("users/records/u1", {"id": "u1"}).members == {"u1"}


def test_a_refusal_shows_nobody() -> None:
    assert read("users/records/u1", {"status": 404}, status=404) is NOTHING
    assert read("posts/records", {"id": 5}) is NOTHING, "nothing is looked for in it"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"items":5}',
        b'{"items":[5]}',
        b'{"items":[{"author":"u1"}]}',
        b'{"items":[{"id":"p1"}]}',
        b'{"items":[{"id":"p1","author":5}]}',
        b'{"items":[{"id":"p1","author":["u1",5]}]}',
        b'{"items":[{"id":"p1","author":"u1","expand":{"author":{"id":5}}}]}',
        b'{"items":[{"id":"p1","author":"u1","expand":{"author":"u1"}}]}',
        b'{"items":[{"id":"p1","author":"u1","expand":[]}]}',
    ],
)
def test_an_answer_in_another_form_is_odd(body: bytes) -> None:
    wanted = plan(planner(), "posts/records?expand=author")
    if body == b'{"items":[{"author":"u1"}]}':
        wanted = plan(planner(), "users/records")
    with pytest.raises(OddAnswer):
        read_answer(wanted, 200, body)
