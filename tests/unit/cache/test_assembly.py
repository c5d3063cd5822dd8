"""Records replaced where they stand, and rows composed of records."""

from typing import Any

import orjson
import pytest

from hapta.cache.assembly import MAX_COMPOSED, Refused, compose, put, seen
from hapta.cache.canonical import Fields, OddBody
from hapta.cache.plan import Expand
from hapta.cache.raw_rows import parse_row, render_row

PEOPLE, TEAMS, POSTS = "people", "teams", "posts"
TEAM = Expand("team", TEAMS, False, "team")
AUTHOR = Expand("author", PEOPLE, True, "author", (TEAM,))
READERS = Expand("readers", PEOPLE, True, "readers")
BACK = Expand("posts_via_author", POSTS, False, None)
HUSH = Expand("hush", TEAMS, False, None)


def fields(**members: Any) -> Fields:
    return parse_row(orjson.dumps(members, option=orjson.OPT_SORT_KEYS))


def plain(row: Fields | None) -> Any:
    return None if row is None else orjson.loads(render_row(row))


RED, EVE = {"id": "red", "name": "Red"}, {"id": "eve", "name": "Eve", "team": "red"}
SHOWN_EVE = EVE | {"expand": {"team": RED}}
POST = {
    "author": "eve",
    "id": "p1",
    "readers": ["mia", "eve"],
    "expand": {"author": SHOWN_EVE, "readers": [{"id": "mia", "team": ""}, EVE]},
}


class TestPut:
    def test_it_is_replaced_in_every_place_and_keeps_its_expand(self) -> None:
        new = EVE | {"name": "Eva"}
        row, places = put(fields(**POST), (AUTHOR, READERS), POSTS, (PEOPLE, "eve"), fields(**new))
        assert places == 2
        expanded = {"author": new | {"expand": {"team": RED}}, "readers": [{"id": "mia", "team": ""}, new]}
        assert plain(row) == POST | {"expand": expanded}
        assert list(row) == sorted(row)

    def test_the_row_itself_and_a_hop_of_a_hop(self) -> None:
        new = {"author": "eve", "id": "p1", "readers": ["mia", "eve"], "title": "t"}
        row, places = put(fields(**POST), (AUTHOR, READERS), POSTS, (POSTS, "p1"), fields(**new))
        assert (places, plain(row)) == (1, new | {"expand": POST["expand"]})
        row, places = put(fields(**POST), (AUTHOR,), POSTS, (TEAMS, "red"), fields(id="red", name="R"))
        assert places == 1
        assert plain(row)["expand"]["author"]["expand"] == {"team": {"id": "red", "name": "R"}}

    @pytest.mark.parametrize("target", [(PEOPLE, "p1"), (TEAMS, "eve"), (PEOPLE, "zoe")])
    def test_a_record_that_is_not_there_changes_nothing(self, target: tuple[str, str]) -> None:
        before = fields(**POST)
        assert put(before, (AUTHOR, READERS), POSTS, target, fields(id="x")) == (before, 0)

    def test_what_looks_like_a_record_but_is_no_place_of_the_plan_stays(self) -> None:
        row = POST | {"data": {"id": "eve"}}
        assert put(fields(**row), (TEAM,), POSTS, (PEOPLE, "eve"), fields(id="eve"))[1] == 0

    @pytest.mark.parametrize("new", [EVE | {"team": "blue"}, {"id": "eve"}])
    def test_another_relation_is_refused_where_it_is_followed(self, new: dict[str, Any]) -> None:
        with pytest.raises(Refused):
            put(fields(**POST), (AUTHOR,), POSTS, (PEOPLE, "eve"), fields(**new))
        assert put(fields(**POST), (READERS,), POSTS, (PEOPLE, "eve"), fields(**new))[1] == 1

    def test_where_no_ids_are_named_rows_may_come_and_go(self) -> None:
        row: dict[str, Any] = EVE | {"expand": {}}
        with pytest.raises(Refused):  # also for a post that is not there yet
            put(fields(**row), (BACK,), PEOPLE, (POSTS, "p9"), fields(id="p9"))
        assert put(fields(**row), (BACK,), PEOPLE, (PEOPLE, "eve"), fields(**EVE))[1] == 1

    def test_a_hidden_relation_may_have_changed(self) -> None:
        with pytest.raises(Refused):
            put(fields(**EVE), (HUSH,), PEOPLE, (PEOPLE, "eve"), fields(**EVE))

    @pytest.mark.parametrize(
        "row",
        [b'{"name":"x"}', b'{"id":1}', b'{"expand":[],"id":"p2"}', b'{"expand":{"author":1},"id":"p2"}'],
    )
    def test_rows_of_another_form(self, row: bytes) -> None:
        with pytest.raises(OddBody):
            put(parse_row(row), (AUTHOR,), POSTS, (POSTS, "p1"), fields(id="p1"))
        with pytest.raises(OddBody):
            list(seen(parse_row(row), (AUTHOR,), POSTS))


def test_all_records_are_seen_without_their_expands() -> None:
    found = [(*ids, plain(row)) for *ids, row in seen(fields(**POST), (AUTHOR, READERS), POSTS)]
    post = {name: value for name, value in POST.items() if name != "expand"}
    assert found == [
        (POSTS, "p1", post),
        (PEOPLE, "eve", EVE),
        (TEAMS, "red", RED),
        (PEOPLE, "mia", {"id": "mia", "team": ""}),
        (PEOPLE, "eve", EVE),
    ]


ROWS = {(TEAMS, "red"): RED, (PEOPLE, "eve"): EVE, (PEOPLE, "mia"): {"id": "mia", "team": ""}}


class TestCompose:
    def find(self, collection: str, record: str) -> Fields | None:
        row = ROWS.get((collection, record))
        return None if row is None else fields(**row)

    def test_a_row_is_composed_of_what_it_names(self) -> None:
        post = {name: value for name, value in POST.items() if name != "expand"}
        row = compose(fields(**post), (READERS, AUTHOR), self.find)
        assert row is not None
        assert render_row(row) == render_row(fields(**POST))

    def test_without_expands_it_is_the_row_itself(self) -> None:
        assert plain(compose(fields(**EVE), (), self.find)) == EVE

    @pytest.mark.parametrize("expand", [BACK, HUSH, READERS])
    def test_what_the_row_does_not_name_is_not_known(self, expand: Expand) -> None:
        assert compose(fields(**EVE), (expand,), self.find) is None

    @pytest.mark.parametrize("ids", [["eve", "zoe"], ["eve", "eve"], "zoe", None, 1, [1], {}])
    def test_nor_is_what_nobody_knows_or_no_relation_says(self, ids: Any) -> None:
        assert compose(fields(id="p", readers=ids), (READERS,), self.find) is None

    def test_a_row_that_grows_without_end_is_given_up(self) -> None:
        friends = Expand("friends", PEOPLE, True, "friends")
        for _ in range(5):
            friends = Expand("friends", PEOPLE, True, "friends", (friends,))
        asked = []

        def find(collection: str, record: str) -> Fields:
            asked.append(record)
            return fields(friends=[f"f{number}" for number in range(50)], id=record)

        assert compose(find(PEOPLE, "f0"), (friends,), find) is None
        assert len(asked) <= MAX_COMPOSED + 1
