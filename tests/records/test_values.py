"""A value is what PocketBase stores, whichever way it was written, or it is not known."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hapta.model.schema import Collection
from hapta.records.errors import Unsure
from hapta.records.normal import normalise
from hapta.records.resolve import resolve
from tests.records.odd import FIELDS, Odd, comparable, is_same
from tests.support.pocketbase import PocketBase

ODD_TEXTS = [
    "", " ", "a", "b", " a", "1", "0", "-0", "-5", "01", "+5", ".5", "5.", "1e3", "1E-3", "1e400", "0x10",
    "1_000", "inf", "nan", "9007199254740993", "1" * 30, "true", "false", "null", "T", "f", "TRUE", '["a"]',
    ' ["a","b"]', '["a",1]', '["a",null]', "[", "x[", "[1]x", '["[\\"a\\"]"]', "{}", "[]", '{"a":1}',
    '{"a":1,"a":2}', '"x"', '"', "-", "--", "é", "\x00", "\x07", "\x7f", "\u200b", "\ue000", "\U000e0001",
    "\ufeff", "\n", "\t", "\\", "<b>&amp;", "2024-01-02", "2024-01-02 03:04:05", "2024-01-02 03:04:05.1239Z",
    "2024-01-02T03:04:05+05:30", "2024-01-02 03:04:05Z", "2024-01-02T03:04:05,5Z", "2024-01-02 3:04:05",
    "2024-01-02 24:00:00", "2024-02-30", "0000-01-01", "0001-01-01", "9999-12-31T23:59:59-02:00",
    "02 Jan 2024", "Tue, 02 Jan 2024 03:04:05 GMT", "2024", "2024-01-02T03:04:05+24:00",
    "2024-01-02 03:04:05 +0000 UTC", "1700000000", '{"lon":1,"lat":2}', "a@b.cc", "http://a.b/",
]  # fmt: skip
TEXTS = (
    st.sampled_from(ODD_TEXTS) | st.text(max_size=6) | st.text('[]{}",:-.0123456789eE+ TZatrue', max_size=12)
)
NUMBERS = (
    st.sampled_from([0, 1, -1, -0.0, 1e21, 1e-7, 2**53, 1e300, 5e-324, 0.1, 123456789.25])
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
NAMES = st.sampled_from(["lon", "lat", "Lon", "a", ""])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "choice": st.lists(st.sampled_from(["a", "b", "1", 1, True, None, "", '["b"]', '["a","c"]']), max_size=3),
    "choices": st.lists(st.sampled_from(["a", "b", "1", 1, True, None, "", "a"]), max_size=4),
    "place": st.fixed_dictionaries({}, optional={"lon": st.floats(-180, 180), "lat": st.floats(-90, 90)}),
    "date": st.datetimes().map(str) | st.datetimes().map(lambda moment: f"{moment.isoformat()}+02:00"),
    "number": NUMBERS.map(str),
    "json": VALUES.map(lambda value: orjson.dumps(value).decode()),
    "email": st.sampled_from(["a@b.cc", "A@B.cc"]),
    "url": st.sampled_from(["http://a.b/", "HTTP://A.B/x y"]),
}
NAMED = [
    field["name"] for field in FIELDS if field["type"] not in ("file", "autodate") and field["name"] != "slug"
]


@pytest.mark.parametrize("name", NAMED)
def test_a_value_is_what_pocketbase_stores_or_is_not_known(name: str, odd: Odd) -> None:
    known = 0

    @given(VALUES | FITTING.get(name, TEXTS))
    @settings(max_examples=120, suppress_health_check=list(HealthCheck))
    @example("")
    @example(None)
    def check(value: Any) -> None:
        nonlocal known
        resolved = resolve(odd.collection, {name: value}, None, is_superuser=True)
        status, stored = odd.create({name: value})
        again = odd.create({name: resolved.members[name]})
        assert comparable(again) == comparable((status, stored))
        if status == 200 and name in resolved.fields:
            known += 1
            assert is_same(resolved.fields[name], stored[name])

    check()
    assert known >= 10


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_an_odd_text_is_what_pocketbase_stores_in_each_field_or_is_not_known(text: str, odd: Odd) -> None:
    members = {
        name: text for name in NAMED if name not in ("email", "url", "choice", "choices", "post", "posts")
    }
    if (answer := odd.create(members))[0] != 200:  # the place or the JSON is refused
        members = {name: value for name, value in members.items() if name not in ("place", "json", "number")}
        answer = odd.create(members)
    status, stored = answer
    assert status == 200
    for name, value in members.items():
        try:
            expected = normalise(odd.fields[name], value)
        except Unsure:
            continue
        assert is_same(expected, stored[name]), name


@pytest.mark.parametrize(
    "value", ["", None, ["x.txt"], "x.txt", ["", "x.txt", "x.txt"], {"a": 1}, [["x.txt"]], 5]
)
def test_a_record_that_keeps_no_such_file_refuses_its_name_in_both_forms(value: Any, odd: Odd) -> None:
    for name in ("file", "files"):
        resolved = resolve(odd.collection, {name: value}, None, is_superuser=True)
        assert comparable(odd.create({name: value})) == comparable(odd.create(resolved.members))


def test_a_field_of_a_type_nobody_knows_is_not_known() -> None:
    with pytest.raises(Unsure):
        normalise({"name": "x", "type": "vector"}, "1")


@given(st.sampled_from(FIELDS), VALUES)
def test_a_normal_value_is_its_own_normal_value(field: dict[str, Any], value: Any) -> None:
    try:
        once = normalise({**field, "maxSelect": field.get("maxSelect", 1)}, value)
    except (Unsure, KeyError):
        return
    if field["type"] != "json":  # a text is taken for JSON once
        assert is_same(normalise(field, once), once)


def test_a_password_is_known_as_the_text_that_is_hashed(pocketbase: PocketBase) -> None:
    users = Collection.parse(pocketbase.admin.get("/api/collections/users").json())
    sent = {"email": "numeric@example.com", "password": 1234567890, "passwordConfirm": "1234567890"}
    resolved = resolve(users, sent, None, is_superuser=False)
    assert resolved.fields["password"] == "1234567890"
    made = pocketbase.admin.post("/api/collections/users/records", json=dict(resolved.members))
    assert made.status_code == 200
    assert pocketbase.token("users", "numeric@example.com", "1234567890")
    pocketbase.admin.delete(f"/api/collections/users/records/{made.json()['id']}").raise_for_status()
