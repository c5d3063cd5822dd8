"""Where e-mails are missing in an answer, and the owner's answer made of everybody's."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.cache.overlay import MAX_BYTES, own_answer
from hapta.cache.overlay import find_places as find
from hapta.cache.plan import Expand, Plan
from hapta.cache.reading import read_answer
from hapta.cache.stored import Places, etag_of
from tests.unit.cache.plan_world import CLIENTS, POSTS, USERS, plan, planner
from tests.unit.cache.support import stored

EVE, MIA = (USERS, "eve"), (USERS, "mia")
BOSS = Expand("boss", USERS, True, "boss")
NESTED = (Expand("author", USERS, True, "author", (BOSS,)),)


def reading(
    *expands: Expand, record: str | None = None, collection: str = POSTS, can_overlay: bool = True
) -> Plan:
    return Plan(
        collection,
        record,
        "/target",
        (),
        frozenset(),
        expands=expands,
        has_auth_rows=collection in (USERS, CLIENTS),
        shows_own_email=True,
        can_overlay=can_overlay,
    )


def user(key: str, **more: Any) -> dict[str, Any]:
    return {"collectionId": USERS, "emailVisibility": False, "id": key, "name": "", **more}


def written(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def listed(*rows: Any) -> bytes:
    return written({"items": rows, "page": 1, "perPage": 30, "totalItems": len(rows), "totalPages": 1})


def find_places(plan: Plan, body: bytes) -> Places | None:
    """As a guest was answered."""
    found = find(plan, body)
    assert found is None or found.body == body
    return None if found is None else found.places


def laid_over(places: Places, body: bytes, row: tuple[str, str], email: str) -> bytes:
    return own_answer(stored(body=body, places=places), row, email).body


class TestPlaces:
    def test_a_view_of_the_row_itself(self) -> None:
        body = b'{"collectionId":"pbc_users","emailVisibility":false,"id":"eve"}'
        places = find_places(reading(record="eve", collection=USERS), body)
        assert places == {EVE: (body.index(b'"emailVisibility'),)}
        assert laid_over(places, body, EVE, "e@x.org") == (
            b'{"collectionId":"pbc_users","email":"e@x.org","emailVisibility":false,"id":"eve"}'
        )

    def test_a_row_of_the_list_and_of_expands_at_any_depth_has_all_its_places(self) -> None:
        eve = user("eve", boss="eve")
        plan_ = reading(
            Expand("boss", USERS, True, "boss", (Expand("boss", USERS, True, "boss"),)),
            Expand("users_via_boss", USERS, True, None),
            collection=USERS,
        )
        row = eve | {
            "expand": {"boss": eve | {"expand": {"boss": eve}}, "users_via_boss": [eve, user("mia")]}
        }
        body = listed(row, user("mia"), row)
        places = find_places(plan_, body)
        assert places is not None
        assert {row: len(offsets) for row, offsets in places.items()} == {EVE: 8, MIA: 3}
        assert laid_over(places, body, EVE, "e").count(b'"email":"e","emailVisibility":false') == 8

    def test_the_email_goes_before_the_first_name_that_sorts_after_it(self) -> None:
        body = written(user("eve", emailAddress="", aaa=1, emai="", email_2=""))
        places = find_places(reading(record="eve", collection=USERS), body)
        assert places is not None
        assert b'"email":"e","emailAddress":""' in laid_over(places, body, EVE, "e")

    def test_a_row_that_shows_its_email_needs_nothing(self) -> None:
        body = listed(user("eve", email=""), user("mia"))
        places = find_places(reading(collection=USERS), body)
        assert places is not None
        assert places[EVE] == ()
        assert len(places[MIA]) == 1

    def test_what_only_looks_like_a_row_is_none(self) -> None:
        decoy = {"author": user("eve"), "expand": {"author": user("eve")}, "items": [user("eve")]}
        post = {"data": decoy, "expand": {"author": user("mia", data=decoy), "other": user("eve")}, "id": "p"}
        assert set(find_places(reading(*NESTED), listed(post)) or ()) == {MIA}

    def test_rows_without_expands_and_empty_ones_are_passed_over(self) -> None:
        empty = {"expand": {}, "id": "p"}
        rows = [empty, {"id": "q"}, {"expand": {"author": user("eve", expand={})}, "id": "r"}]
        assert set(find_places(reading(*NESTED), listed(*rows)) or ()) == {EVE}
        assert find_places(reading(*NESTED), listed()) == {}

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b'{"items":[{"id":"eve"} ],"page":1}', id="a space in a list"),
            pytest.param(b'{"items":[{"emailVisibility":false, "id":"eve"}]}', id="a space in a row"),
            pytest.param(b'{"items":[{"emailVisibility": false,"id":"eve"}]}', id="a space before a value"),
            pytest.param(b' {"items":[{"emailVisibility":false,"id":"eve"}]}', id="a space in front"),
            pytest.param(b'{"items":[{"id":"eve","emailVisibility":false}]}', id="not sorted"),
            pytest.param(b'{"items":[{"a":1,"a":2,"id":"eve"}]}', id="a name twice"),
            pytest.param(b'{"items":[{"\\u0061":1,"id":"eve"}]}', id="a name with an escape"),
            pytest.param('{"items":[{"ä":1,"id":"eve"}]}'.encode(), id="a name no field can have"),
            pytest.param(b'{"items":[{"name":""}]}', id="a row without an id"),
            pytest.param(b'{"items":[{"id":7}]}', id="an id that is no text"),
            pytest.param(b'{"items":{"id":"eve"}}', id="no list"),
            pytest.param(b'{"items":[ ]}', id="a space in an empty list"),
            pytest.param(b'{"rows":[]}', id="no items"),
            pytest.param(b"[]", id="no object"),
            pytest.param(b'{"items":[{"id":"eve"}]', id="cut short"),
            pytest.param(b"", id="nothing"),
            pytest.param(b'{"items":[{"data":' + b"[" * 9_999 + b"]" * 9_999 + b',"id":"eve"}]}', id="deep"),
        ],
    )
    def test_what_is_not_in_pocketbases_form_has_none(self, body: bytes) -> None:
        assert find_places(reading(collection=USERS), body) is None

    def test_what_is_large_has_none(self) -> None:
        body = listed(user("eve"))
        large = body.replace(b'"name":""', b'"name":"%s"' % (b"x" * (MAX_BYTES - len(body))))
        assert find_places(reading(collection=USERS), large) is not None
        assert find_places(reading(collection=USERS), large.replace(b"xx", b"xxx", 1)) is None

    def test_an_id_in_two_auth_collections_is_not_understood(self) -> None:
        expands = (Expand("author", USERS, True, "author"), Expand("client", CLIENTS, True, "client"))
        post = {"expand": {"author": user("eve"), "client": user("eve")}, "id": "p"}
        assert find_places(reading(*expands), listed(post)) is None


class TestOwnAnswer:
    def test_each_has_an_etag_of_their_own(self) -> None:
        body = listed(user("eve"), user("mia"))
        places = find_places(reading(collection=USERS), body)
        assert places is not None
        shared = stored(body=body, places=places)
        etags = [own_answer(shared, row, email).etag for row in (EVE, MIA) for email in ("a", "b")]
        assert len({*etags, shared.etag}) == 5
        assert own_answer(shared, EVE, "a").etag == etags[0]
        other = stored(body=body + b" ", places=places)
        assert own_answer(other, EVE, "a").etag != etags[0]

    @pytest.mark.parametrize(
        ("email", "told"),
        [
            pytest.param("", b'""', id="none"),
            pytest.param('"a\\b"@x.org', rb'"\"a\\b\"@x.org"', id="quotes"),
            pytest.param("<&'/>@x.org", b'"<&\'/>@x.org"', id="not as for HTML"),
            pytest.param("\u2028\x7f\U0001f600ü", '"\u2028\x7f\U0001f600ü"'.encode(), id="as it is"),
            pytest.param("\b\f\n\r\t\x00\x1f", rb'"\b\f\n\r\t\u0000\u001f"', id="control characters"),
        ],
    )
    def test_the_email_is_escaped_as_pocketbase_does(self, email: str, told: bytes) -> None:
        body = written(user("eve"))
        shared = stored(body=body, places=find_places(reading(record="eve", collection=USERS), body) or {})
        assert b'"email":' + told + b',"emailVisibility"' in own_answer(shared, EVE, email).body


class TestReading:
    BODY = listed(user("eve"), user("mia", email="m", emailVisibility=True), user("leo", email="l"))

    def read(self, can_overlay: bool = True, **more: Any) -> tuple[set[str], set[str]]:
        found = read_answer(reading(collection=USERS, can_overlay=can_overlay), 200, self.BODY, **more)
        return set(found.members), {row for _, row in found.places}

    def test_whose_email_all_can_see_is_no_member(self) -> None:
        assert self.read(is_overlaid=True) == ({"eve"}, {"eve"})

    def test_what_the_leader_alone_was_shown_is_cut_out(self) -> None:
        leader = (USERS, "leo")
        found = read_answer(reading(collection=USERS), 200, self.BODY, leader=leader, is_overlaid=True)
        assert found.body == self.BODY.replace(b'"email":"l",', b"")
        assert found.members == {"eve", "leo"}
        assert laid_over(found.places, found.body, leader, "l") == self.BODY
        assert b'"email":"e",' in laid_over(found.places, found.body, EVE, "e")

    def test_what_the_leader_shows_to_all_stays(self) -> None:
        found = read_answer(reading(collection=USERS), 200, self.BODY, leader=MIA, is_overlaid=True)
        assert (found.body, found.members) == (self.BODY, {"eve"})

    def test_where_it_is_not_told_who_sees_the_leaders_email_it_is_theirs_alone(self) -> None:
        body = listed({"email": "l", "id": "leo"}, {"id": "eve"})
        found = read_answer(reading(collection=USERS), 200, body, leader=(USERS, "leo"), is_overlaid=True)
        assert (found.members, found.places, found.body) == ({"eve", "leo"}, {}, None)

    def test_where_managers_see_more_all_rows_are_members_and_none_has_a_place(self) -> None:
        assert self.read(can_overlay=False, is_overlaid=True) == ({"eve", "mia", "leo"}, set())

    def test_switched_off_all_rows_are_members_and_none_has_a_place(self) -> None:
        assert self.read(is_overlaid=False) == ({"eve", "mia", "leo"}, set())

    def test_another_form_gives_each_member_an_answer_of_their_own(self) -> None:
        body = self.BODY.replace(b",", b" ,")
        found = read_answer(reading(collection=USERS), 200, body, is_overlaid=True)
        assert (found.members, dict(found.places)) == ({"eve", "mia", "leo"}, {})


class TestPlanning:
    @pytest.mark.parametrize(
        "path", ["users/records", "posts/records?expand=author", "posts/records/p1?expand=team.lead"]
    )
    def test_open_reads_that_show_accounts_can_be_laid_over(self, path: str) -> None:
        assert plan(planner(), path, USERS).can_overlay
        assert plan(planner(), path).can_overlay

    @pytest.mark.parametrize("rule", ["", "role = 'x'", "@request.auth.role = 'admin'"])
    def test_not_where_a_manage_rule_shows_more(self, rule: str) -> None:
        by = planner(users={"manageRule": rule})
        assert not plan(by, "posts/records?expand=author", USERS).can_overlay
        assert plan(by, "posts/records?expand=client", USERS).can_overlay
        assert not plan(by, "posts/records?expand=client,author", USERS).can_overlay

    def test_not_with_fields_that_may_show_emails(self) -> None:
        assert not plan(planner(), "users/records?fields=*", USERS).can_overlay

    def test_not_without_accounts(self) -> None:
        assert not plan(planner(), "posts/records", USERS).can_overlay


TEXTS = st.text(max_size=6) | st.sampled_from(['"', "\\", '{"id":"eve"}', '"expand":{', "\u2028", "[,]"])
WORDS = st.sampled_from(["id", "email", "expand", "author", "items", "a b"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["eve", "mia", "leo"])


@st.composite
def rows(draw: st.DrawFn, depth: int = 0) -> dict[str, Any]:
    """A row of users; whether it shows its e-mail goes by its name, so that all its copies agree."""
    name = draw(NAMES)
    row = user(name, data=draw(JSON), name=draw(TEXTS))
    if draw(st.booleans()):
        row["emailAddress"] = draw(TEXTS)
    if name == "leo":
        row |= {"email": "l", "emailVisibility": True}
    if depth < 2 and draw(st.booleans()):
        row["expand"] = {}
        if draw(st.booleans()):
            row["expand"]["boss"] = draw(rows(depth + 1))
        if draw(st.booleans()):
            row["expand"]["users_via_boss"] = draw(st.lists(rows(depth + 1), max_size=3))
    return row


BACK = Expand("users_via_boss", USERS, True, None)
DEEP = (
    Expand("boss", USERS, True, "boss", (BOSS, BACK)),
    Expand("users_via_boss", USERS, True, None, (BOSS, BACK)),
)


def accounts(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield row
        expand = row.get("expand", {})
        yield from accounts([expand["boss"]] if "boss" in expand else [])
        yield from accounts(expand.get("users_via_boss", []))


@given(content=st.lists(rows(), max_size=4), email=TEXTS, name=NAMES)
def test_the_owners_answer_is_what_would_have_been_written_for_them(
    content: list[dict[str, Any]], email: str, name: str
) -> None:
    body = listed(*content)
    places = find_places(reading(*DEEP, collection=USERS), body)
    assert places is not None
    assert {row for _, row in places} == {row["id"] for row in accounts(content)}
    for row in accounts(content):
        if row["id"] == name != "leo":
            row["email"] = email
    if places.get((USERS, name)):
        assert laid_over(places, body, (USERS, name), email) == listed(*content)
    else:
        assert body == listed(*content)
    for_leader = find(reading(*DEEP, collection=USERS), listed(*content), (USERS, name))
    assert for_leader is not None
    assert (for_leader.body, for_leader.places) == (body, places)


@given(
    content=st.lists(rows(), min_size=1, max_size=3), at=st.integers(0, 10**6), blank=st.sampled_from(" \n\t")
)
def test_a_blank_anywhere_is_refused_or_does_no_harm(
    content: list[dict[str, Any]], at: int, blank: str
) -> None:
    body = listed(*content)
    at %= len(body) + 1
    changed = body[:at] + blank.encode() + body[at:]
    places = find_places(reading(*DEEP, collection=USERS), changed)
    if not places or not places.get(EVE):
        return
    meant = orjson.loads(changed)
    for row in accounts(meant["items"]):
        if row["id"] == "eve":
            row["email"] = "e"
    assert orjson.loads(laid_over(places, changed, EVE, "e")) == meant


def test_a_validator_of_the_same_length_as_others() -> None:
    body = written(user("eve"))
    shared = stored(body=body, places=find_places(reading(record="eve", collection=USERS), body) or {})
    assert len(own_answer(shared, EVE, "e").etag) == len(etag_of(body))
