"""What a restricted tag rests on: rows PocketBase lets through ``field = constant`` show the constant."""

from collections.abc import Iterator
from itertools import chain

import httpx
import pytest

from hapta.cache.lookup import Lookup
from hapta.cache.restrictions import demands, normal_form
from hapta.filters.parser import parse
from hapta.model.schema import Collection, Schema
from tests.filters.support import quote
from tests.support.pocketbase import PocketBase

_TEXTS = [
    "",
    " ",
    "a",
    "A",
    "a ",
    "á",
    "a%",
    "_",
    "'",
    '"',
    "\\",
    "1",
    "1.0",
    "01",
    "true",
    "null",
    "ß",
    "SS",
]
_TEXTS += ["x" * 300, "x" * 301, "@now", "2024-01-01 00:00:00.000Z"]
_NUMBERS = ["0", "-0", "1", "1.0", "-1", "1.5", "0.1", "0.3", "123456789012345"]
_RAW_NUMBERS = [
    "0",
    "-0.0",
    "1",
    "1.0",
    "'1'",
    "'1.0'",
    "'a'",
    "''",
    "0.1",
    "0.3",
    "0.1 + 0.2",
    "x'31'",
    "1.5",
]
_RAW_NUMBERS += ["123456789012345", "9007199254740993", "-1", "true"]
_RAW_BOOLS = ["0", "1", "true", "false", "2", "'1'", "'true'", "''", "'t'", "1.0", "0.5", "x'31'"]
_RAW_TEXTS = ["''", "' '", "'a'", "'A'", "'a '", "1", "1.0", "'01'", "x'61'", "x''", "'true'", "true", "'ß'"]
_RAW_TEXTS += ["cast(x'ff' as text)", "cast(x'61ff' as text)", "'a' || char(0)", "'a' || char(0) || 'b'"]
_CONSTANTS = {
    "word": [quote(text) for text in _TEXTS],
    "link": [quote(text) for text in ("", "https://a.example", "https://A.example", "a")],
    "mail": [quote(text) for text in ("", "a@example.com", "A@example.com")],
    "kind": [quote(text) for text in ("", "a", "A", "b", "1")],
    "one": [quote(text) for text in ("", "first0000000000", "FIRST0000000000", "0")],
    "amount": _NUMBERS,
    "flag": ["true", "false", "TRUE", "False"],
}


@pytest.fixture(scope="module")
def things(pocketbase: PocketBase) -> Iterator[httpx.Client]:
    """A collection with every kind of field, its rows written past PocketBase where that shows more."""
    admin = pocketbase.admin
    users = admin.get("/api/collections/users").json()["id"]
    fields = [
        {"name": "word", "type": "text"},
        {"name": "link", "type": "url"},
        {"name": "mail", "type": "email"},
        {"name": "kind", "type": "select", "values": ["a", "A", "b", "1"], "maxSelect": 1},
        {"name": "one", "type": "relation", "collectionId": users, "maxSelect": 1},
        {"name": "amount", "type": "number"},
        {"name": "flag", "type": "bool"},
    ]
    body = {"id": "pbc_equality000", "name": "equality", "type": "base", "fields": fields, "listRule": ""}
    admin.post("/api/collections", json=body).raise_for_status()
    values: dict[str, list[str]] = {
        "word": [*(_sql(text) for text in _TEXTS), *_RAW_TEXTS],
        "link": [*map(_sql, ("https://a.example", "https://A.example", "a")), *_RAW_TEXTS],
        "mail": [*map(_sql, ("a@example.com", "A@example.com")), *_RAW_TEXTS],
        "kind": [*map(_sql, ("a", "A", "b", "1")), *_RAW_TEXTS, "'[\"a\"]'"],
        "one": [*map(_sql, ("first0000000000", "FIRST0000000000")), *_RAW_TEXTS, "0"],
        "amount": _RAW_NUMBERS,
        "flag": _RAW_BOOLS,
    }
    rows = list(chain.from_iterable([(name, each) for each in found] for name, found in values.items()))
    for start in range(0, len(rows), 20):
        statements = [
            f"INSERT INTO equality (id, {name}) VALUES ('{start + at:015d}', {value})"
            for at, (name, value) in enumerate(rows[start : start + 20])
        ]
        for statement in statements:
            admin.post("/api/sql", json={"query": statement}).raise_for_status()
    yield admin
    admin.delete("/api/collections/equality").raise_for_status()


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _collection(admin: httpx.Client) -> Collection:
    return Collection.parse(admin.get("/api/collections/equality").json())


@pytest.mark.parametrize("name", _CONSTANTS)
def test_rows_that_pass_show_the_constant(things: httpx.Client, name: str) -> None:
    collection = _collection(things)
    lookup = Lookup(Schema.of(1, [collection]))
    passed = 0
    for constant in _CONSTANTS[name]:
        for text in (f"{name} = {constant}", f"{constant}={name} && (id != 'x')"):
            found = demands(lookup, collection, parse(text), is_client=True)
            assert [each.field for each in found] == [name], text
            with httpx.Client(base_url=things.base_url, timeout=30) as guest:
                answer = guest.get(
                    "/api/collections/equality/records", params={"filter": text, "perPage": 500}
                )
            assert answer.status_code == 200, answer.text
            for row in answer.json()["items"]:
                passed += 1
                assert normal_form(found[0].kind, row[name]) == found[0].value, (text, row[name])
    assert passed > 10


def test_a_rule_with_the_callers_id_lets_guests_see_what_is_nobodys(
    things: httpx.Client, pocketbase: PocketBase
) -> None:
    things.patch("/api/collections/equality", json={"listRule": "word = @request.auth.id"}).raise_for_status()
    try:
        for headers in ({}, {"Authorization": pocketbase.token("users", "ada@example.com")}):
            with httpx.Client(base_url=things.base_url, timeout=30, headers=headers) as client:
                rows = client.get("/api/collections/equality/records", params={"perPage": 500}).json()[
                    "items"
                ]
            assert bool(rows) == (not headers)
            assert all(row["word"] == "" for row in rows)
    finally:
        things.patch("/api/collections/equality", json={"listRule": ""}).raise_for_status()


def test_a_filter_with_an_or_does_not_lift_what_the_rule_demands(things: httpx.Client) -> None:
    things.patch("/api/collections/equality", json={"listRule": "word = 'a'"}).raise_for_status()
    try:
        with httpx.Client(base_url=things.base_url, timeout=30) as guest:
            query = {"filter": "flag = true || flag = false", "perPage": 500}
            rows = guest.get("/api/collections/equality/records", params=query).json()["items"]
        assert rows
        assert {row["word"] for row in rows} == {"a"}
    finally:
        things.patch("/api/collections/equality", json={"listRule": ""}).raise_for_status()
