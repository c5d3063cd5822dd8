"""What the tests make for themselves, and how it goes away again.

Two collections with a random name: records with a file and rules, and the users those rules speak of. They
go with everything in them, also after a failure or an interruption; what a killed run left behind goes with
the next run, once it is old enough not to be another run under way.
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

from hapta.selftest.installation import Failed, Installation, explained, parsed

LEFTOVER: Final = re.compile(r"hapta_test_[0-9a-f]{12}(_users)?")
LEFTOVER_AGE: Final = timedelta(hours=1)

_OWNER: Final = 'owner = @request.auth.id && @request.auth.id != ""'


def schemas(collection: str) -> list[dict[str, Any]]:
    """Both collections; users first, because deleting goes the other way round."""
    users = {
        "name": f"{collection}_users",
        "type": "auth",
        "authRule": "",
        "authAlert": {"enabled": False},
        "passwordAuth": {"enabled": True, "identityFields": ["email"]},
    }
    records = {
        "name": collection,
        "type": "base",
        "fields": [
            {"name": "title", "type": "text"},
            {"name": "owner", "type": "text"},
            {"name": "is_open", "type": "bool"},
            {"name": "file", "type": "file", "maxSelect": 1, "maxSize": 1 << 20},
        ],
        "listRule": f"is_open = true || ({_OWNER})",
        "viewRule": f"is_open = true || ({_OWNER})",
        "createRule": _OWNER,
        "updateRule": _OWNER,
        "deleteRule": _OWNER,
    }
    return [users, records]


async def create(installation: Installation) -> None:
    """Make both collections and one user."""
    installation.has_written = True
    for schema in schemas(installation.collection):
        made = await installation.expect(
            200, "POST", "/api/collections", token=installation.superuser, json=schema
        )
        if made["type"] == "auth":
            installation.users_id = made["id"]
    user = await installation.expect(
        200,
        "POST",
        f"/api/collections/{installation.users}/records",
        token=installation.superuser,
        json={
            "email": f"{installation.collection}@example.com",
            "password": installation.password,
            "passwordConfirm": installation.password,
        },
    )
    installation.user_id = user["id"]


async def remove(installation: Installation) -> None:
    """Remove both collections, and the sessions of those who logged in; what was never made is no fault.

    Raises:
        Failed: one of them is still there, named in the text.
    """
    left = []
    for name in (installation.collection, installation.users):
        try:
            answer = await installation.ask(
                "DELETE", f"/api/collections/{name}", token=installation.superuser
            )
        except Failed as exc:
            left.append(f"{name} ({exc})")
            continue
        if answer.status_code not in {204, 404}:
            left.append(f"{name} ({explained(answer)})")
    await _forget_sessions(installation)
    if left:
        raise Failed(
            f"left behind: {'; '.join(left)}: delete them in the dashboard, or run `hapta test` in an hour"
        )


async def _forget_sessions(installation: Installation) -> None:
    """Delete what Hapta wrote down of those who logged in; the superuser logged in first and goes last.

    What cannot be deleted goes by itself once it has expired; PocketBase's own address has nothing of it.
    """
    rows = [f"hapta_sessions/records/{session}" for session in reversed(installation.sessions)]
    for collection in ("hapta_audit", "hapta_sessions") if installation.users_id else ():
        query = urlencode({"filter": f"collection = '{installation.users_id}'", "fields": "id"})
        path = f"/api/collections/{collection}/records?{query}"
        answer = await installation.ask("GET", path, token=installation.superuser)
        if answer.status_code == 200:
            rows = [*(f"{collection}/records/{item['id']}" for item in parsed(answer)["items"]), *rows]
    for row in dict.fromkeys(rows):
        await installation.ask("DELETE", f"/api/collections/{row}", token=installation.superuser)


async def remove_leftovers(installation: Installation) -> None:
    """Remove what runs that were killed more than :data:`LEFTOVER_AGE` ago left behind.

    Ages are told by PocketBase's own clock, so a wrong clock here removes nothing of a run under way.
    """
    query = urlencode({"filter": "name ~ 'hapta_test_'", "perPage": 500, "fields": "name,created"})
    answer = await installation.ask("GET", f"/api/collections?{query}", token=installation.superuser)
    if answer.status_code != 200:
        raise Failed(f"GET /api/collections: expected 200, got {explained(answer)}")
    now = _date(answer.headers.get("Date", ""))
    found = [
        entry["name"]
        for entry in parsed(answer)["items"]
        if LEFTOVER.fullmatch(entry["name"]) and now - datetime.fromisoformat(entry["created"]) > LEFTOVER_AGE
    ]
    for name in sorted(found):  # records before their users
        await installation.ask("DELETE", f"/api/collections/{name}", token=installation.superuser)


def _date(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
