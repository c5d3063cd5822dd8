"""A collection with a field of each type, and writes to it straight at PocketBase."""

from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from hapta.model.schema import Collection
from tests.support.pocketbase import PocketBase

RECORDS = "/api/collections/odd/records"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XX"
CHOICES = ["a", "b", "c", "1", "true"]
FIELDS: list[dict[str, Any]] = [
    {"name": "text", "type": "text"},
    {"name": "editor", "type": "editor"},
    {"name": "email", "type": "email"},
    {"name": "url", "type": "url"},
    {"name": "number", "type": "number"},
    {"name": "bool", "type": "bool"},
    {"name": "date", "type": "date"},
    {"name": "choice", "type": "select", "values": CHOICES, "maxSelect": 1},
    {"name": "choices", "type": "select", "values": CHOICES, "maxSelect": 5},
    {"name": "post", "type": "relation", "collectionId": "pbc_posts000001", "maxSelect": 1},
    {"name": "posts", "type": "relation", "collectionId": "pbc_posts000001", "maxSelect": 5},
    {"name": "json", "type": "json"},
    {"name": "place", "type": "geoPoint"},
    {"name": "made", "type": "autodate", "onCreate": True},
    {"name": "file", "type": "file", "maxSelect": 1},
    {"name": "files", "type": "file", "maxSelect": 9},
    {"name": "hidden", "type": "text", "hidden": True},
    {"name": "slug", "type": "text", "autogeneratePattern": "[a-z]{5}"},
]


class Odd:
    """The collection ``odd``, open to everybody."""

    def __init__(self, pocketbase: PocketBase) -> None:
        self.admin = pocketbase.admin
        self.guest = httpx.Client(base_url=pocketbase.url, timeout=30)
        rules = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"), "")
        odd = {"id": "pbc_odd00000001", "name": "odd", "type": "base", "fields": FIELDS, **rules}
        answer = self.admin.put(
            "/api/collections/import", json={"collections": [odd], "deleteMissing": False}
        )
        assert answer.status_code == 204, answer.text
        self.collection = Collection.parse(self.admin.get("/api/collections/odd").json())
        self.fields = {field["name"]: field for field in self.collection.fields}
        self.posts = [row["id"] for row in pocketbase.rows("posts")[:4]]

    def send(
        self,
        content: bytes,
        content_type: str = JSON,
        query: str = "",
        *,
        to: str = RECORDS,
        method: str = "POST",
        client: httpx.Client | None = None,
    ) -> tuple[int, Any]:
        """Status and body of the answer to a write."""
        target = f"{to}?{query}" if query else to
        answer = (client or self.admin).request(
            method, target, content=content, headers={"Content-Type": content_type}
        )
        return answer.status_code, orjson.loads(answer.content) if answer.content else None

    def create(self, members: Mapping[str, Any], client: httpx.Client | None = None) -> tuple[int, Any]:
        """The same for a create in JSON."""
        return self.send(orjson.dumps(dict(members)), client=client)

    def update(
        self, record: str, members: Mapping[str, Any], client: httpx.Client | None = None
    ) -> tuple[int, Any]:
        """The same for an update in JSON."""
        return self.send(orjson.dumps(dict(members)), to=f"{RECORDS}/{record}", method="PATCH", client=client)

    def stored(self, record: str) -> dict[str, Any]:
        """A record as a superuser sees it."""
        return dict(self.admin.get(f"{RECORDS}/{record}").raise_for_status().json())

    def contents(self, record: Mapping[str, Any]) -> list[tuple[str, bytes]]:
        """Its files, by the ends of their names: the rest is random."""
        names = [*record["files"], *([record["file"]] if record["file"] else [])]
        found = []
        for name in names:
            answer = self.admin.get(f"/api/files/odd/{record['id']}/{name}").raise_for_status()
            found.append((name.rpartition(".")[2], answer.content))
        return found


def comparable(answer: tuple[int, Any]) -> Any:
    """An answer to a write without what differs each time."""
    status, body = answer
    if status != 200:
        return answer
    files = [len(body["files"]), bool(body["file"])]
    random = ("id", "made", "slug", "files", "file")
    return {name: value for name, value in body.items() if name not in random}, files


def is_same(one: Any, other: Any) -> bool:
    """Equal as JSON: numbers by their double, and no boolean is a number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return float(one) == float(other)
    return bool(one == other)


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    """One part of a multipart body."""
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return b"--XX\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    """A whole one."""
    return b"".join(parts) + b"--XX--\r\n"
