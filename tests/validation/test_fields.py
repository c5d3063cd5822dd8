"""Each field type's values, one table a type: what is known of them, and that PocketBase says just that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hapta.model.schema import Collection
from hapta.validation import Checkers, Refusal, body, compile_checker
from tests.support.pocketbase import PocketBase, from_template

VALID, LEFT = "valid", "left to PocketBase"
REQUIRED = "validation_required"
MIN, MAX, FORMAT = (
    "validation_min_text_constraint",
    "validation_max_text_constraint",
    "validation_invalid_format",
)
ABSENT = object()

Row = tuple[Any, str]


def _text(**options: Any) -> dict[str, Any]:
    return {"type": "text", **options}


def _all(finding: str, *values: Any) -> list[Row]:
    return [(value, finding) for value in values]


TABLES: dict[str, tuple[dict[str, Any], list[Row]]] = {
    "a text that must be there": (
        _text(required=True, min=2, max=4),
        [
            *_all(REQUIRED, ABSENT, None, "", [], {}, ["ab"]),
            *_all(MIN, "a", "é", " ", 5, 0),
            *_all(VALID, "ab", "éééé", "😀😀", "  ", 12, 1.5, True),
            *_all(MAX, "abcde", "ééééé", 12345, False),
            *_all(LEFT, 1e20, -0.0, 1e-5),
        ],
    ),
    "a text of the default length": (_text(), [("é" * 5000, VALID), ("a" * 5001, MAX), (None, VALID)]),
    "a pattern": (
        _text(pattern="^[a-z]+$"),
        [
            ("ab", VALID),
            ("aB", FORMAT),
            ("a\n", FORMAT),
            ("é", FORMAT),
            ("", VALID),
            (True, VALID),
            (5, FORMAT),
        ],
    ),
    "a pattern of Unicode's tables": (
        _text(pattern=r"^\p{L}+$"),
        [("ab", VALID), ("a1", FORMAT), ("é", LEFT)],
    ),
    "a text that is generated": (
        _text(autogeneratePattern="[a-z]{5}", required=True, min=3),
        [(ABSENT, VALID), ("", VALID), ("ab", MIN)],
    ),
    "a text that is generated in a way not known": (
        _text(autogeneratePattern="[a-z]{3,5}x"),
        [(ABSENT, LEFT), ("", LEFT), ("abc", VALID)],
    ),
    "a hidden field": (_text(hidden=True, required=True), [("x", REQUIRED), (ABSENT, REQUIRED)]),
    "a number": (
        {"type": "number", "min": -2.5, "max": 1e6, "required": True},
        [
            *_all(REQUIRED, 0, None, "", "abc", False, [], {}, -0.0, " "),
            *_all("validation_min_number_constraint", -3, "-7", -1e300),
            *_all("validation_max_number_constraint", 1000001, 1e300),
            *_all(VALID, 1, -2.5, "5", "1.25", True, 1e6),
            *_all(LEFT, "1e3", "NaN", "inf", "1_0", "0x1", " 5", "05"),
        ],
    ),
    "a number with large bounds": (
        {"type": "number", "min": -2_500_000, "max": 123_456_789},
        [
            (-3e6, "validation_min_number_constraint"),
            (2e8, "validation_max_number_constraint"),
            (-2_500_000, VALID),
        ],
    ),
    "a number with bounds of a million and a part": (
        {"type": "number", "max": 1_000_000.5},
        [(1e9, LEFT), (1e6, VALID)],
    ),
    "a number that need not be there": (
        {"type": "number", "min": 2},
        [(0, VALID), (1, "validation_min_number_constraint")],
    ),
    "a whole number": (
        {"type": "number", "onlyInt": True},
        [
            (1.5, "validation_only_int_constraint"),
            (2.0, VALID),
            ("1.5", "validation_only_int_constraint"),
            (1e19, LEFT),
        ],
    ),
    "a truth": (
        {"type": "bool", "required": True},
        [
            *_all(VALID, True, 1, -1, 0.5, "true", "t", "1", "TRUE"),
            *_all(REQUIRED, False, None, 0, "", "yes", "0", [], {}, ["true"], "tRUE"),
        ],
    ),
    "a choice": (
        {"type": "select", "values": ["a", "b", "1", "true"], "maxSelect": 1, "required": True},
        [
            *_all(VALID, "a", ["z", "a"], ["a", ""], 1, True, [1]),
            *_all(REQUIRED, None, "", [], {}, [None], [{}], ["", ""], {"a": 1}, [["a"]]),
            *(
                (value, "validation_invalid_value")
                for value in ("z", ["a", "z"], 5, "z.", "z ", "é<&>", '"\\', " ?")
            ),
            *_all(LEFT, '["a"]', "[", ["["], "z\n", "\u2028", "\x7f"),
        ],
    ),
    "some choices": (
        {"type": "select", "values": ["a", "b", "c"], "maxSelect": 2},
        [
            *_all(VALID, "a", ["a", "b"], ["a", "a", "b"], [], None, ""),
            *_all("validation_too_many_values", ["a", "b", "c"], ["x", "y", "z"]),
            *_all("validation_invalid_value", ["z"], ["a", "z"], "z"),
        ],
    ),
    "a relation": (
        {"type": "relation", "collectionId": "TARGET", "maxSelect": 1, "required": True},
        [(None, REQUIRED), ([], REQUIRED), ({}, REQUIRED), ("nobody", LEFT), (["a", "b"], LEFT)],
    ),
    "relations": (
        {"type": "relation", "collectionId": "TARGET", "minSelect": 2, "maxSelect": 3},
        [
            *_all(VALID, None, "", [], [""]),
            *_all("validation_not_enough_values", "x", ["x"], ["x", "x"]),
            (["x", "y", "z", "w"], "validation_too_many_values"),
            (["x", "y"], LEFT),
        ],
    ),
    "a file": (
        {"type": "file", "maxSelect": 1, "required": True},
        [
            *_all(REQUIRED, ABSENT, None, "", [], {}),
            *_all(LEFT, "x.png", 0, False),
        ],
    ),
    "an address of mail": (
        {"type": "email", "required": True, "exceptDomains": ["bad.com"]},
        [
            *_all(REQUIRED, None, "", []),
            *_all("validation_is_email", "a", "a@", "@b.de", 5, "a b"),
            *_all(VALID, "a@b.de", "a.b+c@x-y.example.com", "A_1@bad.org"),
            ("a@bad.com", "validation_email_domain_not_allowed"),
            *(
                (value, LEFT)
                for value in ("ü@b.de", "a..b@c.de", "a@localhost", "a@b.123", "'a@b.de", "a@b@c.de")
            ),
        ],
    ),
    "an address of the web": (
        {"type": "url", "required": True, "onlyDomains": ["example.com"]},
        [
            *_all(REQUIRED, None, "", {}),
            *_all("validation_invalid_url", "example", "a b", 5, True, "-"),
            *_all(VALID, "http://example.com", "https://example.com/a/b"),
            ("http://example.org/x", "validation_url_domain_not_allowed"),
            *(
                (value, LEFT)
                for value in ("example.com", "http://EXAMPLE.com", "ftp://example.com", "http://", "//x")
            ),
        ],
    ),
    "a date": (
        {"type": "date", "required": True, "min": "2020-01-01", "max": "2030-01-01 12:30:00.120Z"},
        [
            *_all(REQUIRED, None, "", "never", "0001-01-01 00:00:00.000Z"),
            *_all(VALID, "2020-01-01 00:00:00.000Z", "2030-01-01T12:30:00.120Z"),
            ("2019-12-31 23:59:59.999Z", "validation_min_greater_equal_than_required"),
            ("2030-01-01 12:30:00.121Z", "validation_max_less_equal_than_required"),
            *(
                (value, LEFT)
                for value in ("2019-12-31", 0, True, "2025-02-30 00:00:00.000Z", [], "2019-01-01T00:00:00Z")
            ),
        ],
    ),
    "a JSON value": (
        {"type": "json", "required": True, "maxSize": 20},
        [
            *_all(REQUIRED, None, "", [], {}, "{}", "[]", "null", '""'),
            *_all(VALID, "abc", "a" * 18, 1, True, False, 0, [1], "true"),
            ("a" * 19, "validation_json_size_limit"),
            *(
                (value, LEFT)
                for value in ("{ }", "\x7f", "é", [1, 2, 3, 4, 5, 6, 7, 8, 9, 0], "12", {"a": "<>"})
            ),
        ],
    ),
    "rich text": (
        {"type": "editor", "required": True, "maxSize": 5},
        [
            *_all(REQUIRED, None, "", []),
            *_all(VALID, "abcde", "éé", 5, True),
            *_all("validation_content_size_limit", "abcdef", "ééé", 123456),
        ],
    ),
    "a point": (
        {"type": "geoPoint", "required": True},
        [
            *_all(REQUIRED, None, "", {}, {"lat": 0, "lon": 0}),
            *_all(VALID, {"lat": 90, "lon": -180}, {"lat": 2}),
            ({"lat": 90.1, "lon": 181}, "validation_invalid_latitude"),
            ({"lat": 90, "lon": 180.1}, "validation_invalid_longitude"),
            *(
                (value, LEFT)
                for value in ("x", 5, [1, 2], {"lat": "1"}, {"lat": None}, {"Lat": 1}, {"lat": True})
            ),
        ],
    ),
    "a password": (
        {"type": "password", "required": True, "min": 3, "max": 5},
        [
            (None, REQUIRED),
            ("", REQUIRED),
            ("a", MIN),
            ("abc", VALID),
            ("ééé", VALID),
            ("abcdef", MAX),
            ("x" * 73, LEFT),
        ],
    ),
    "a date of its own": ({"type": "autodate", "onCreate": True}, [("x", VALID), (ABSENT, VALID)]),
}


@pytest.fixture(scope="module")
def instance(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    found = from_template(pocketbase_template, tmp_path_factory.mktemp("fields"))
    yield found
    found.close()


@pytest.mark.parametrize("name", TABLES)
def test_what_is_known_of_a_value_is_what_pocketbase_says(instance: PocketBase, name: str) -> None:
    options, rows = TABLES[name]
    target = str(instance.admin.get("/api/collections/users").raise_for_status().json()["id"])
    field = {"name": "f", **options}
    if "collectionId" in field:
        field["collectionId"] = target
    instance.admin.delete("/api/collections/made")
    setup = {"name": "made", "type": "base", "fields": [field], "createRule": ""}
    made = instance.admin.post("/api/collections", json=setup)
    checker = compile_checker(Collection.parse(made.raise_for_status().json()))
    assert checker is not None
    with httpx.Client(base_url=instance.url, timeout=30) as guest:
        for value, expected in rows:
            members = {} if value is ABSENT else {"f": value}
            verdict = checker.verdict(members)
            answer = guest.post(
                "/api/collections/made/records",
                content=json.dumps(members).encode(),
                headers={"Content-Type": "application/json"},
            )
            if expected is VALID:
                assert (answer.status_code, verdict) == (200, None), value
            elif expected is LEFT:
                assert verdict is None, value
            else:
                assert isinstance(verdict, Refusal), value
                assert verdict.kinds() == [("f", expected)], value
                assert (answer.status_code, answer.content) == (400, body(verdict))


IDS = [
    pytest.param("a", MIN, id="short"),
    pytest.param("a" * 16, MAX, id="long"),
    pytest.param("ABCDEFGHIJKLMNO", FORMAT, id="capitals"),
    pytest.param("a" * 14 + "/", FORMAT, id="a slash"),
    pytest.param(5, MIN, id="a number"),
]


@pytest.mark.parametrize(("record", "code"), IDS)
def test_an_id_of_another_form_is_refused_with_what_else_is_wrong(
    instance: PocketBase, record: Any, code: str
) -> None:
    checker = _checker(instance, {"name": "f", "type": "text", "required": True})
    verdict = checker.verdict({"id": record})
    assert verdict is not None
    assert verdict.kinds() == [("id", code), ("f", REQUIRED)]
    answer = httpx.post(f"{instance.url}/api/collections/made/records", json={"id": record})
    assert (answer.status_code, answer.content) == (400, body(verdict))


def test_an_id_that_is_taken_is_no_matter_of_the_schema(instance: PocketBase) -> None:
    checker = _checker(instance, {"name": "f", "type": "text"})
    record = {"id": "abcdefghijklmno"}
    assert checker.verdict(record) is None
    sent = [httpx.post(f"{instance.url}/api/collections/made/records", json=record) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [200, 400]


def test_an_id_of_another_pattern_is_left_to_pocketbase(instance: PocketBase) -> None:
    own = {"name": "id", "type": "text", "primaryKey": True, "required": True, "pattern": "^[A-Za-z]+$"}
    checker = _checker(instance, own, {"name": "f", "type": "text", "required": True})
    assert checker.verdict({"id": "1"}) is None
    assert checker.verdict({}) is None


@pytest.mark.parametrize("depth", [200, 300, 900])
def test_a_value_nested_deeply_is_valid_or_left_to_pocketbase(instance: PocketBase, depth: int) -> None:
    checker = _checker(instance, {"name": "f", "type": "json"}, {"name": "g", "type": "text"})
    nested = json.loads("[" * depth + "]" * depth)
    assert checker.verdict({"f": nested}) is None
    assert checker.verdict({"g": nested}) is None


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**20, float("inf")])
def test_numbers_beyond_measure_are_left_to_pocketbase(instance: PocketBase, value: float) -> None:
    checker = _checker(
        instance,
        *({"name": name, "type": name, "required": True} for name in ("text", "email", "editor", "json")),
        {"name": "number", "type": "number", "onlyInt": True},
    )
    for name in ("text", "email", "editor", "number"):
        assert checker.verdict({name: value}) is None


def test_a_modifier_may_change_any_field(instance: PocketBase) -> None:
    checker = _checker(instance, {"name": "f", "type": "number", "required": True})
    assert checker.verdict({"f+": 1}) is None
    assert checker.verdict({"g": 1}) is not None


def test_what_another_release_may_have_leaves_the_collection_to_pocketbase() -> None:
    raw = {"id": "x", "name": "x", "type": "base", "system": False, "fields": [], "updated": ""}
    known = {"name": "f", "type": "bool", "hidden": False, "required": True}
    for field, is_known in (
        (known, True),
        ({**known, "type": "holo"}, False),
        ({**known, "onlyFalse": False}, False),
        ({**known, "name": "expand"}, False),
        ({"name": "f", "type": "bool", "hidden": False}, False),
    ):
        checker = compile_checker(Collection.parse({**raw, "fields": [field]}))
        assert (checker is not None) is is_known, field
    assert compile_checker(Collection.parse({**raw, "type": "view"})) is None


def test_a_collection_is_compiled_once_until_it_is_another() -> None:
    raw = {"id": "x", "name": "x", "type": "base", "system": False, "fields": [], "updated": ""}
    collection, checkers = Collection.parse(raw), Checkers()
    first = checkers.of(collection)
    assert first is not None
    assert checkers.of(collection) is first
    required = {"name": "f", "type": "bool", "hidden": False, "required": True}
    second = checkers.of(Collection.parse({**raw, "fields": [required]}))
    assert second is not None
    assert first.verdict({}) is None
    assert second.verdict({}) is not None


def _checker(instance: PocketBase, *fields: dict[str, Any]) -> Any:
    instance.admin.delete("/api/collections/made")
    setup = {"name": "made", "type": "base", "fields": list(fields), "createRule": ""}
    made = instance.admin.post("/api/collections", json=setup)
    assert made.status_code == 200, made.text
    return compile_checker(Collection.parse(made.json()))
