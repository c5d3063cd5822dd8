"""What Hapta asks for itself, answered in PocketBase's form by the upstream double.

Only as much as a start and a quiet life need: a login, the schema with Hapta's collections installed, rows
that are taken, and an event stream that tells of the heartbeat.
"""

import json
import time
from typing import Any

import jwt

from hapta.feed.layout import LAYOUT, META_ID

CLIENT_ID = "x" * 40


def schema() -> list[dict[str, Any]]:
    """As ``GET /api/collections`` shows it."""
    users = {"id": "_pb_users_auth_", "name": "users", "type": "auth", "system": False, "fields": []}
    posts = {"id": "pbc_posts000001", "name": "posts", "type": "base", "system": False, "fields": []}
    rules = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"), "")
    return [{**rules, **collection, "created": "1", "updated": "1"} for collection in (users, posts, *LAYOUT)]


def own_answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
    """Status and JSON body."""
    if path == "/api/health":
        return 200, {"code": 200, "message": "API is healthy.", "data": {}}
    if path.endswith("/_superusers/auth-with-password"):
        claims = {"id": "superuser000001", "type": "auth", "exp": time.time() + 86_400}
        return 200, {"token": jwt.encode(claims, "of the double, thirty-two bytes long"), "record": {}}
    if path == "/api/collections":
        return 200, {"items": schema(), "page": 1, "perPage": 1000, "totalItems": -1, "totalPages": -1}
    if path == "/api/sql":
        return 404, {"data": {}, "message": "The requested resource wasn't found.", "status": 404}
    if path == "/api/realtime":
        return 204, None
    if path == "/api/settings":
        return 200, {"meta": {}, "trustedProxy": {}, "batch": {"enabled": False}}
    if path.endswith("/records"):
        made = {"id": "r" * 15, **json.loads(body)} if method == "POST" else None
        return 200, made or {"items": [], "page": 1, "perPage": 30, "totalItems": 0, "totalPages": 0}
    return 200, {"ok": True, "id": path.rpartition("/")[2]}


def is_heartbeat(method: str, path: str) -> bool:
    """A PATCH of a row of ``hapta_meta``."""
    return method == "PATCH" and path.startswith(f"/api/collections/{META_ID}/records/")


def connected() -> bytes:
    """The first event of a stream."""
    return _event("PB_CONNECT", {"clientId": CLIENT_ID})


def told(record: str) -> bytes:
    """The event of an update in ``hapta_meta``."""
    payload = {"action": "update", "record": {"id": record, "collectionId": META_ID}}
    return _event(f"{META_ID}/*", payload)


def _event(name: str, data: object) -> bytes:
    return f"id:{CLIENT_ID}\nevent:{name}\ndata:{json.dumps(data)}\n\n".encode()
