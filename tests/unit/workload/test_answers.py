"""Which answers are equal, and which say too much."""

from typing import Any

import orjson
import pytest

from hapta.workload.answers import Answer, is_equal, private_facts
from hapta.workload.calls import GUEST, SUPERUSER


def _json(body: Any, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(body), is_json=True)


def test_the_order_of_keys_does_not_matter_and_that_of_items_does() -> None:
    assert is_equal(_json({"a": 1, "b": [1, 2]}), _json({"b": [1, 2], "a": 1}))
    assert not is_equal(_json({"items": [1, 2]}), _json({"items": [2, 1]}))
    assert not is_equal(_json({"seen": True}), _json({"seen": 1}))


def test_another_status_or_another_file_is_another_answer() -> None:
    assert not is_equal(_json({}), _json({}, 404))
    assert not is_equal(Answer(200, b"\x89PNG1", is_json=False), Answer(200, b"\x89PNG2", is_json=False))


@pytest.mark.parametrize(
    ("record", "caller", "fact"),
    [
        pytest.param(
            {"collectionName": "posts", "author": "u1", "visibility": "private"},
            "u2",
            "private post",
            id="post",
        ),
        pytest.param(
            {"collectionName": "notifications", "recipient": "u1"}, GUEST, "notification", id="notification"
        ),
        pytest.param({"collectionName": "users", "email": "a@example.com"}, "u2", "e-mail", id="e-mail"),
        pytest.param({"collectionName": "comments", "remark": ""}, "u2", "hidden field remark", id="hidden"),
    ],
)
def test_what_the_rules_hide_is_a_fact_wherever_it_stands(
    record: dict[str, Any], caller: str, fact: str
) -> None:
    record = {"id": "r1", **record}
    expanded = _json({"items": [{"expand": {"author": record}}]})
    (found,) = private_facts(expanded, caller)
    assert fact in found
    assert private_facts(expanded, SUPERUSER) == set()


@pytest.mark.parametrize(
    "record",
    [
        {"collectionName": "posts", "author": "u1", "visibility": "private"},
        {"collectionName": "posts", "author": "u2", "visibility": "public"},
        {"collectionName": "notifications", "recipient": "u1"},
        {"collectionName": "users", "id": "u1", "email": "a@example.com"},
    ],
)
def test_what_is_public_or_the_callers_own_is_none(record: dict[str, Any]) -> None:
    assert private_facts(_json({"id": "r1", **record}), "u1") == set()
