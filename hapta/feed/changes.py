"""What PocketBase is asked to tell, and what it tells: topics out, changes in.

A topic names the collection by id, because a subscription by name goes dead when the collection is renamed. A
slim topic asks for three fields only; the event is named like its topic, so which of the two it was stands in
the name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from hapta.feed.sse import SseEvent

MAX_TOPICS: Final = 1000
"""PocketBase refuses a subscription of more (``apis/realtime.go``)."""

_SLIM = "?options=" + quote('{"query":{"fields":"id,collectionId,collectionName"}}', safe="")
_ACTIONS = ("create", "update", "delete")


class GarbledEvent(ValueError):
    """An event of a subscribed topic from which it cannot be seen what changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a record: it "changed". Neither order nor values may be concluded from it.

    Attributes:
        collection_id: the record's collection.
        collection_name: its name at that moment.
        record_id: the record.
        action: ``create``, ``update`` or ``delete``.
        record: the full payload as a superuser sees it, where :meth:`ChangeFeed.wants_full` asked for it; of
            a delete the row before it. Not "the newest value".
        received_at: monotonic seconds.
    """

    collection_id: str
    collection_name: str
    record_id: str
    action: str
    record: Mapping[str, Any] | None
    received_at: float


def topic(collection_id: str, *, is_full: bool) -> str:
    """The subscription for all records of a collection."""
    return f"{collection_id}/*" if is_full else f"{collection_id}/*{_SLIM}"


def parse_change(event: SseEvent, received_at: float) -> Change | None:
    """The change an event tells of; ``None`` for an event of no subscribed topic.

    Raises:
        GarbledEvent: it is one of ours and cannot be read.
    """
    collection_id, slash, rest = event.name.partition("/*")
    if not slash:
        return None
    try:
        payload = orjson.loads(event.data)
        record, action = payload["record"], payload["action"]
        record_id, name = record["id"], record.get("collectionName", "")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as exc:
        raise GarbledEvent(f"an event of {collection_id} cannot be read") from exc
    if not isinstance(record_id, str) or not record_id or action not in _ACTIONS:
        raise GarbledEvent(f"an event of {collection_id} names no record or no known action")
    return Change(collection_id, str(name), record_id, action, None if rest else record, received_at)
