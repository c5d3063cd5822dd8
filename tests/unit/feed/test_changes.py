"""hapta.feed.changes"""

import json
from urllib.parse import unquote

import pytest

from hapta.feed.changes import Change, GarbledEvent, parse_change, topic
from hapta.feed.sse import SseEvent

FULL, SLIM = topic("pbc_1", is_full=True), topic("pbc_1", is_full=False)
RECORD = {"id": "r1", "collectionId": "pbc_1", "collectionName": "posts", "title": "x"}


def event(name: str, payload: object) -> SseEvent:
    return SseEvent(name, json.dumps(payload).encode(), "client")


def test_a_full_topic_is_the_collection_by_id() -> None:
    assert FULL == "pbc_1/*"


def test_a_slim_topic_asks_for_three_fields_in_escaped_json() -> None:
    path, _, options = SLIM.partition("?options=")
    assert path == "pbc_1/*"
    assert json.loads(unquote(options)) == {"query": {"fields": "id,collectionId,collectionName"}}
    assert not set(options) & set('{}":,& ')


def test_an_event_of_a_full_topic_carries_its_record() -> None:
    change = parse_change(event(FULL, {"action": "create", "record": RECORD}), 5.0)
    assert change == Change("pbc_1", "posts", "r1", "create", RECORD, 5.0)


def test_an_event_of_a_slim_topic_carries_none() -> None:
    change = parse_change(event(SLIM, {"action": "delete", "record": RECORD}), 5.0)
    assert change == Change("pbc_1", "posts", "r1", "delete", None, 5.0)


@pytest.mark.parametrize("name", ["PB_CONNECT", "message", "@oauth2", "pbc_1/abc"])
def test_other_events_are_no_changes(name: str) -> None:
    assert parse_change(SseEvent(name, b"{}", ""), 1.0) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"null", b"[]", b"7", b"{}", b'{"record":{}}', b'{"action":"create"}',
        b'{"action":"create","record":null}', b'{"action":"create","record":{}}',
        b'{"action":"create","record":{"id":""}}', b'{"action":"create","record":{"id":7}}',
        b'{"action":"upsert","record":{"id":"a"}}', b'{"action":"create","record":[]}',
        b'{"action":["create"],"record":{"id":"a"}}',
    ],
)  # fmt: skip
def test_an_event_that_does_not_say_what_changed_is_garbled(data: bytes) -> None:
    with pytest.raises(GarbledEvent):
        parse_change(SseEvent(FULL, data, ""), 1.0)
