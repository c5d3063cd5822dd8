"""Checks of records: written, read, found, changed, refused, deleted."""

from typing import Any
from urllib.parse import urlencode

from hapta.selftest.installation import Failed, Installation, Skipped, explained, parsed


def _records(installation: Installation) -> str:
    return f"/api/collections/{installation.collection}/records"


def _record(installation: Installation, which: str) -> str:
    return f"{_records(installation)}/{installation.records[which]}"


def _same(record: Any, expected: dict[str, Any], where: str) -> None:
    if not isinstance(record, dict):
        raise Failed(f"{where} is not a record")
    for name, value in expected.items():
        if record.get(name) != value:
            raise Failed(f"{where}: {name} is {record.get(name)!r}, not {value!r}")


async def create(installation: Installation) -> None:
    """A user creates an open and a private record."""
    for which, is_open in (("open", True), ("private", False)):
        fields = {"title": which, "owner": installation.user_id, "is_open": is_open}
        made = await installation.expect(
            200, "POST", _records(installation), token=installation.user, json=fields
        )
        _same(made, fields, "the created record")
        installation.records[which] = made["id"]


async def view(installation: Installation) -> None:
    """The owner sees the private record, a guest the open one."""
    for which, token in (("private", installation.user), ("open", "")):
        seen = await installation.expect(200, "GET", _record(installation, which), token=token)
        _same(seen, {"id": installation.records[which], "title": which}, "the viewed record")


async def list_(installation: Installation) -> None:
    """A list shows to each caller what its rule allows, a filter what it asks for."""
    titles = urlencode({"filter": "title = 'open' || title = 'private'", "sort": "title"})
    one = urlencode({"filter": "title = 'private'"})
    for query, token, expected in (
        (titles, installation.user, ["open", "private"]),
        (titles, "", ["open"]),
        (one, installation.user, ["private"]),
    ):
        found = await installation.expect(200, "GET", f"{_records(installation)}?{query}", token=token)
        seen = [item.get("title") for item in found["items"]]
        if seen != expected:
            who = "the owner" if token else "a guest"
            raise Failed(f"{who} sees {seen} in the list, not {expected}")


async def update(installation: Installation) -> None:
    """A change is in its own answer and in the reads after it."""
    path, fields = _record(installation, "open"), {"title": "changed"}
    changed = await installation.expect(200, "PATCH", path, token=installation.user, json=fields)
    _same(changed, fields, "the answer to the change")
    for token in (installation.user, ""):
        _same(await installation.expect(200, "GET", path, token=token), fields, "the record after the change")
    query = urlencode({"filter": "title = 'changed'"})
    found = await installation.expect(200, "GET", f"{_records(installation)}?{query}")
    if len(found["items"]) != 1:
        raise Failed("the list does not show the change")


async def refused(installation: Installation) -> None:
    """Rules hold: what they do not allow is refused, and nothing happens."""
    private = _record(installation, "private")
    attempts: tuple[tuple[str, int, str, str, dict[str, Any] | None], ...] = (
        ("a guest views a private record", 404, "GET", private, None),
        ("a guest changes a record", 404, "PATCH", private, {"title": "taken"}),
        ("a guest deletes a record", 404, "DELETE", private, None),
        ("a guest creates a record", 400, "POST", _records(installation), {"owner": ""}),
        ("a guest lists the users", 403, "GET", f"/api/collections/{installation.users}/records", None),
    )
    for what, status, method, path, fields in attempts:
        answer = await installation.ask(method, path, json=fields)
        if answer.status_code != status:
            raise Failed(f"{what}: expected {status}, got {explained(answer)}")
    seen = await installation.expect(200, "GET", private, token=installation.user)
    _same(seen, {"title": "private"}, "the private record, after a guest tried to change it")


async def batch(installation: Installation) -> None:
    """Several writes in one request."""
    fields = {"title": "batch", "owner": installation.user_id}
    requests = [{"method": "POST", "url": _records(installation), "body": fields} for _ in range(2)]
    answer = await installation.ask(
        "POST", "/api/batch", token=installation.user, json={"requests": requests}
    )
    if answer.status_code == 403:
        raise Skipped("batch is off in PocketBase's settings")
    if answer.status_code != 200:
        raise Failed(f"expected 200, got {explained(answer)}")
    for made in parsed(answer):
        _same(made, {"status": 200}, "an answer of the batch")
        _same(made["body"], fields, "a record of the batch")


async def delete(installation: Installation) -> None:
    """A deleted record is gone, for its owner too."""
    path = _record(installation, "private")
    await installation.expect(204, "DELETE", path, token=installation.user)
    await installation.expect(404, "GET", path, token=installation.user)
