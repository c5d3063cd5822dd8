"""hapta.cache.key"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from hapta.cache.key import MAX_VALUE, Key, cache_key
from hapta.cache.plan import Bypass, Part, PartKind, Plan, Reason
from hapta.model.identity import SUPERUSERS_ID, Identity

ANNA, BERT, CLIENT = (
    Identity("users", "anna", "t", "s"),
    Identity("users", "bert", "t", "s"),
    Identity("clients", "anna", "t", "s"),
)
GUEST_PART, ANY, OWN = Part(PartKind.GUEST), Part(PartKind.ANY_AUTH), Part(PartKind.AUTH_RECORD)
COLLECTION, ROLE = Part(PartKind.AUTH_COLLECTION), Part(PartKind.AUTH_FIELD, "role")
TOKEN, QUERY = Part(PartKind.HEADER, "x_token"), Part(PartKind.QUERY, "key")


def no_field(name: str) -> object:
    raise KeyError(name)


def key(
    *parts: Part,
    caller: Identity | None = ANNA,
    field: Callable[[str], object] = no_field,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    query: Mapping[str, str] = {},
    method: str = "GET",
    target: str = "/t",
    collection: str = "posts",
) -> Key | Bypass:
    plan = Plan(collection, None, target, parts, frozenset())
    return cache_key(
        plan, method=method, headers=CIMultiDict(headers), query=query, caller=caller, auth_field=field
    )


def refused(found: Key | Bypass) -> Reason | None:
    return found.reason if isinstance(found, Bypass) else None


def test_without_parts_everybody_has_the_same() -> None:
    assert (
        key()
        == key(caller=None)
        == key(caller=CLIENT, headers={"X-Token": "a"}, query={"key": "1"}, method="HEAD")
    )
    assert len({key(), key(target="/u"), key(collection="users")}) == 3


@pytest.mark.parametrize(
    ("part", "same", "different"),
    [
        pytest.param(ANY, [ANNA, BERT, CLIENT], [], id="all who are logged in"),
        pytest.param(COLLECTION, [ANNA, BERT], [CLIENT], id="one collection"),
        pytest.param(OWN, [ANNA], [BERT, CLIENT], id="one record"),
    ],
)
def test_callers_share_what_the_part_says(
    part: Part, same: list[Identity], different: list[Identity]
) -> None:
    assert {key(part, caller=each) for each in same} == {key(part)}
    assert len({key(part, caller=each) for each in [ANNA, *different]}) == 1 + len(different)


def test_guests_have_a_key_of_their_own() -> None:
    keys = [key(), key(GUEST_PART, caller=None), key(ANY), key(COLLECTION), key(OWN)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("part", [ANY, COLLECTION, OWN, ROLE])
def test_a_plan_for_others_gives_no_key(part: Part) -> None:
    assert refused(key(part, caller=None)) is Reason.SCHEMA
    superuser = Identity(SUPERUSERS_ID, "root", "t", None)
    assert refused(key(part, caller=superuser)) is Reason.SCHEMA
    assert refused(key(GUEST_PART)) is Reason.SCHEMA


VALUES: list[Any] = [
    "1",
    1,
    1.5,
    True,
    "true",
    False,
    0,
    "0",
    None,
    "",
    "null",
    "None",
    "a",
    "A",
    " a",
    "é",
    "e\u0301",
    -1,
]


def test_values_of_another_type_are_other_values() -> None:
    keys = {key(ROLE, field=lambda name, value=value: value) for value in VALUES}
    assert len(keys) == len(VALUES)
    assert all(isinstance(each, tuple) for each in keys)


def test_members_of_a_class_share_and_other_collections_do_not() -> None:
    assert key(ROLE, field=lambda name: "a") == key(ROLE, caller=BERT, field=lambda name: "a")
    assert key(ROLE, field=lambda name: "a") != key(ROLE, caller=CLIENT, field=lambda name: "a")
    assert key(ROLE, field={"role": "a"}.__getitem__) == key(ROLE, field=lambda name: "a")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(["a"], Reason.SCHEMA, id="a list"),
        pytest.param({"a": 1}, Reason.SCHEMA, id="an object"),
        pytest.param(float("nan"), Reason.SCHEMA, id="no number"),
        pytest.param(float("inf"), Reason.SCHEMA, id="no finite number"),
        pytest.param(b"a", Reason.SCHEMA, id="no JSON"),
        pytest.param("a" * (MAX_VALUE + 1), Reason.SIZE, id="too long"),
        pytest.param("a\ufffd", Reason.SIZE, id="bytes JSON could not show"),
    ],
)
def test_what_is_no_single_known_value_gives_no_key(value: object, expected: Reason) -> None:
    assert refused(key(ROLE, field=lambda name: value)) is expected


def test_an_unknown_value_gives_no_key() -> None:
    assert refused(key(ROLE)) is Reason.SCHEMA


class TestHeaders:
    @pytest.mark.parametrize("name", ["X-Token", "x-token", "X_Token", "X.Token", "X--Token-"])
    def test_a_header_counts_by_the_name_rules_know(self, name: str) -> None:
        assert key(TOKEN, headers={name: "a"}) == key(TOKEN, headers={"x-token": "a"})

    def test_absent_empty_and_other_values_differ(self) -> None:
        keys = {key(TOKEN, headers=h) for h in ({}, {"X-Token": ""}, {"X-Token": "a"}, {"X-Token": "A"})}  # type: ignore[var-annotated]
        assert len(keys) == 4

    def test_other_headers_do_not_count(self) -> None:
        assert key(TOKEN, headers={"X-Token2": "b", "Token": "c"}) == key(TOKEN)

    @pytest.mark.parametrize(
        "headers",
        [
            pytest.param([("X-Token", "a"), ("X-Token", "b")], id="twice"),
            pytest.param([("X-Token", "a"), ("x-token", "a")], id="twice the same"),
            pytest.param([("X-Token", "a"), ("X_Token", "b")], id="two names that become one"),
            pytest.param([("X-Token", "a"), ("Connection", "close, X-Token")], id="meant for one hop"),
            pytest.param([("Connection", "x_token")], id="meant for one hop, absent"),
            pytest.param([("X-Token", "é")], id="not ASCII"),
            pytest.param([("X-Token", "a\tb")], id="a tab"),
            pytest.param([("X-Token", "\udcff")], id="not UTF-8"),
            pytest.param([("X-Token", "a" * (MAX_VALUE + 1))], id="too long"),
        ],
    )
    def test_what_pocketbase_may_read_in_two_ways_gives_no_key(self, headers: list[tuple[str, str]]) -> None:
        assert refused(key(TOKEN, headers=headers)) is Reason.HEADER


def test_presence_and_value_of_a_parameter_count() -> None:
    keys = {key(QUERY, query=q) for q in ({}, {"key": ""}, {"key": "a"}, {"Key": "a", "key": "A"})}  # type: ignore[var-annotated]
    assert len(keys) == 4
    assert refused(key(QUERY, query={"key": "a" * (MAX_VALUE + 1)})) is Reason.TARGET


def test_the_method_counts_only_if_it_is_read() -> None:
    assert key(Part(PartKind.METHOD)) != key(Part(PartKind.METHOD), method="HEAD")


WORDS = st.text(alphabet="ab\"',()|:=&\\\x1f ", max_size=6)


@given(st.tuples(WORDS, WORDS, WORDS), st.tuples(WORDS, WORDS, WORDS))
def test_no_value_passes_for_another_part(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    def of(values: tuple[str, str, str]) -> Key | Bypass:
        header, query, role = values
        parts = (ROLE, TOKEN, QUERY)
        headers = {"X-Token": header} if header.isprintable() else {}
        return key(*parts, headers=headers, query={"key": query}, field=lambda name: role)

    same = one[1:] == other[1:] and (
        one[0] == other[0] or not (one[0].isprintable() or other[0].isprintable())
    )
    assert (of(one) == of(other)) is same
