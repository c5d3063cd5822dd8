"""A check PocketBase has too says the same in the same words."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hapta.builtin.checks import read_checks
from hapta.config.problems import Problems
from tests.support.pocketbase import PocketBase

FIELDS: list[dict[str, Any]] = [
    {"name": "word", "type": "text", "min": 3, "max": 5, "pattern": "^[a-z😀]*$"},
    {"name": "must", "type": "text", "required": True},
    {"name": "amount", "type": "number", "min": 3, "max": 5},
    {"name": "half", "type": "number", "min": 0.5},
    {"name": "kinds", "type": "select", "values": ["a", "b", "c"], "maxSelect": 2},
]


@pytest.fixture(scope="module")
def worded(pocketbase: PocketBase) -> Iterator[httpx.Client]:
    body = {"name": "worded", "type": "base", "fields": FIELDS, "createRule": ""}
    pocketbase.admin.post("/api/collections", json=body).raise_for_status()
    with httpx.Client(base_url=pocketbase.url, timeout=30) as guest:
        yield guest
    pocketbase.admin.delete("/api/collections/worded").raise_for_status()


@pytest.mark.parametrize(
    ("field", "checks", "value"),
    [
        ("word", {"min": 3}, "ab"),
        ("word", {"min": 3}, "😀😀"),
        ("word", {"min": 3}, "😀😀😀"),
        ("word", {"max": 5}, "abcdef"),
        ("word", {"max": 5}, "😀😀😀😀😀"),
        ("word", {"pattern": "^[a-z😀]*$"}, "ABC"),
        ("word", {"pattern": "^[a-z😀]*$", "min": 3}, ""),
        ("must", {"required": True}, ""),
        ("amount", {"min": 3}, 2),
        ("amount", {"max": 5}, 5.5),
        ("amount", {"min": 3, "max": 5}, 4),
        ("half", {"min": 0.5}, 0.25),
        ("kinds", {"max": 2}, ["a", "b", "c"]),
        ("kinds", {"max": 2}, []),
    ],
)
def test_what_is_said_of_a_value_is_what_pocketbase_says(
    worded: httpx.Client, field: str, checks: dict[str, Any], value: Any
) -> None:
    row = {"must": "x", field: value}
    answer = worded.post("/api/collections/worded/records", json=row)
    problems = Problems("validate.worded", {})
    found = read_checks(field, checks, problems).judge(value)
    assert not problems.lines
    said = answer.json()["data"].get(field) if answer.status_code == 400 else None
    assert (None if found is None else found.data()) == said
