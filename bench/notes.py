"""A collection of five fields, and a body for it."""

from typing import Any

import httpx

from bench.pocketbase import PocketBase
from hapta.model.schema import Collection

COLLECTION: dict[str, Any] = {
    "name": "notes",
    "type": "base",
    "createRule": "",
    "fields": [
        {"name": "title", "type": "text", "required": True, "max": 200},
        {"name": "body", "type": "editor"},
        {"name": "kind", "type": "select", "values": ["a", "b"]},
        {"name": "likes", "type": "number", "min": 0},
        {"name": "tags", "type": "json"},
    ],
}
IN_ORDER = {"title": "Hello", "body": "<p>lorem ipsum</p>" * 10, "kind": "a", "likes": 4, "tags": ["x", "y"]}
PATH = "/api/collections/notes/records"


def make(upstream: PocketBase) -> Collection:
    """Have the collection made."""
    headers = {"Authorization": upstream.token}
    made = httpx.post(f"{upstream.url}/api/collections", json=COLLECTION, headers=headers, timeout=30)
    return Collection.parse(made.raise_for_status().json())
