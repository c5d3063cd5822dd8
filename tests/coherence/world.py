"""The collections and rows the coherence tests read and write, and the model of what is in them.

``people`` (auth) · ``notes`` (open; owner a person) · ``replies`` (to a note, deleted with it) · ``diary``
(each row its owner's alone) · ``board`` (view: notes and how many replies) · ``thread`` (view: replies joined
with their notes) · ``club``, ``keys``, ``along``, ``answered`` (rules that read the caller's record, another
collection, a relation, a back-relation) · ``bells`` and ``echoes`` (a hook writes to the second what is
written to the first).

Every row carries its number of versions in ``rev``. What a row's other fields are is drawn, remembered in its
version, and must be shown with exactly that ``rev``.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.coherence.ledger import Fields, Ledger, Row, Step, Version
from tests.support.pocketbase import PASSWORD
from tests.support.seed import row_id

PEOPLE = tuple(row_id("person", n) for n in range(5))
NOTES = tuple(row_id("note", n) for n in range(30))
REPLIES_EACH = 3
DIARY = tuple(row_id("diary", n) for n in range(15))
ROOMS = ("attic", "cellar", "porch")
NOTES_AT_FIRST = 24
"""The others, as some replies and diary rows, are made later."""
GUEST, SUPERUSER = "", "superuser"

_OPEN = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"), "")
_OWN = dict.fromkeys(_OPEN, "owner = @request.auth.id")
_REV = {"name": "rev", "type": "number", "required": True}


def _text(name: str) -> dict[str, Any]:
    return {"name": name, "type": "text"}


def _relation(name: str, collection: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "relation", "collectionId": collection, "maxSelect": 1, **more}


COLLECTIONS: tuple[dict[str, Any], ...] = (
    {
        "id": "pbc_people00001",
        "name": "people",
        "type": "auth",
        "listRule": "",
        "viewRule": "",
        "createRule": None,
        "updateRule": "id = @request.auth.id",
        "deleteRule": None,
        "authAlert": {"enabled": False},
        "fields": [_REV, _text("name")],
    },
    {
        "id": "pbc_notes000001",
        "name": "notes",
        "type": "base",
        **_OPEN,
        "fields": [
            _REV,
            _text("room"),
            _relation("owner", "pbc_people00001"),
            {"name": "hits", "type": "number"},
        ],
    },
    {
        "id": "pbc_replies0001",
        "name": "replies",
        "type": "base",
        **_OPEN,
        "fields": [_REV, _text("text"), _relation("note", "pbc_notes000001", cascadeDelete=True)],
    },
    {
        "id": "pbc_diary000001",
        "name": "diary",
        "type": "base",
        **_OWN,
        "fields": [_REV, _relation("owner", "pbc_people00001", required=True)],
    },
    {"id": "pbc_bells000001", "name": "bells", "type": "base", **_OPEN, "fields": [_REV, _text("target")]},
    {"id": "pbc_echoes00001", "name": "echoes", "type": "base", **_OPEN, "fields": [_REV]},
    {
        "id": "pbc_club0000001",
        "name": "club",
        "type": "base",
        **_OPEN,
        "listRule": "@request.auth.name = 'member'",
        "viewRule": "@request.auth.name = 'member'",
        "fields": [_REV],
    },
    {
        "id": "pbc_keys0000001",
        "name": "keys",
        "type": "base",
        **_OPEN,
        "viewRule": "@collection.notes.id ?= note && @collection.notes.room ?= 'own'",
        "fields": [_REV, _text("note")],
    },
    {
        "id": "pbc_along000001",
        "name": "along",
        "type": "base",
        **_OPEN,
        "viewRule": "note.owner = @request.auth.id",
        "fields": [_REV, _relation("note", "pbc_notes000001")],
    },
    {
        "id": "pbc_answered001",
        "name": "answered",
        "type": "base",
        **_OPEN,
        "viewRule": "note.replies_via_note.text ?= 'yes'",
        "fields": [_REV, _relation("note", "pbc_notes000001")],
    },
    {
        "id": "pbc_board000001",
        "name": "board",
        "type": "view",
        "listRule": "",
        "viewRule": "",
        "fields": [],
        "viewQuery": "SELECT n.id, n.rev, n.room, COUNT(r.id) AS replies FROM notes n "
        "LEFT JOIN replies r ON r.note = n.id GROUP BY n.id",
    },
    {
        "id": "pbc_thread00001",
        "name": "thread",
        "type": "view",
        "listRule": "",
        "viewRule": "",
        "fields": [],
        "viewQuery": "SELECT r.id, r.rev, r.note, n.rev AS note_rev, n.room FROM replies r "
        "JOIN notes n ON n.id = r.note",
    },
)

HOOKS = """
/// What is written to a bell is written on to its echo, after the bell's own write is committed.
onRecordAfterUpdateSuccess((e) => {
  e.next();
  const echo = $app.findRecordById("echoes", e.record.get("target"));
  echo.set("rev", e.record.get("rev"));
  $app.save(echo);
}, "bells");

/// A route of the app's own that writes.
routerAdd("POST", "/api/custom/stamp/{id}/{rev}", (e) => {
  const echo = $app.findRecordById("echoes", e.request.pathValue("id"));
  echo.set("rev", parseInt(e.request.pathValue("rev")));
  $app.save(echo);
  return e.json(200, { stamped: echo.id });
});
"""


def create(collection: str, identifier: str, fields: Fields) -> dict[str, Any]:
    """The creation of a row, as one request of a batch."""
    body: dict[str, Any] = {"id": identifier, **fields}
    if collection == "people":
        email = f"{identifier}@example.com"
        body |= {"email": email, "password": PASSWORD, "passwordConfirm": PASSWORD, "verified": True}
    return {"method": "POST", "url": f"/api/collections/{collection}/records", "body": body}


@dataclass
class World:
    """The model: rows, and one lock for all rows that a single write may change together."""

    ledger: Ledger
    notes: tuple[Row, ...]
    replies: Mapping[str, tuple[Row, ...]]
    diary: tuple[Row, ...]
    people: tuple[Row, ...]
    locks: Mapping[str, asyncio.Lock]

    @property
    def all_replies(self) -> Iterable[Row]:
        return (row for note in self.notes for row in self.replies[note.id])


def make_world(admin: httpx.Client) -> World:
    """Make collections and first rows in PocketBase, and the model of them."""
    answer = admin.put("/api/collections/import", json={"collections": COLLECTIONS, "deleteMissing": False})
    assert answer.status_code == 204, answer.text
    ledger = Ledger()
    notes = tuple(ledger.row("notes", note) for note in NOTES)
    replies = {
        note.id: tuple(
            ledger.row("replies", row_id("reply", n * REPLIES_EACH + k)) for k in range(REPLIES_EACH)
        )
        for n, note in enumerate(notes)
    }
    diary = tuple(ledger.row("diary", row) for row in DIARY)
    people = tuple(ledger.row("people", person) for person in PEOPLE)
    steps: list[Step] = [(row, {"rev": 1, "emailVisibility": True}) for row in people]
    for n, note in enumerate(notes[:NOTES_AT_FIRST]):
        owner = PEOPLE[n % len(PEOPLE)]
        steps.append((note, {"rev": 1, "room": ROOMS[n % 3], "owner": owner, "hits": 0}))
        steps += [(reply, {"rev": 1, "note": note.id}) for reply in replies[note.id][: n % 3]]
    steps += [(row, {"rev": 1, "owner": PEOPLE[n % len(PEOPLE)]}) for n, row in enumerate(diary[:10])]
    ledger.begin(steps)
    write_directly(admin, [create(row.collection, row.id, fields) for row, fields in steps if fields])
    ledger.acknowledge(steps)
    locks = {row.id: asyncio.Lock() for row in (*notes, *diary, *people)}
    return World(ledger, notes, replies, diary, people, locks)


def write_directly(admin: httpx.Client, requests: list[dict[str, Any]]) -> None:
    """Carry out the requests as batches."""
    for start in range(0, len(requests), 50):
        answer = admin.post("/api/batch", json={"requests": requests[start : start + 50]})
        assert answer.status_code == 200, answer.text


def belongs_to(caller: str, version: Version) -> bool:
    """Whether ``caller`` sees this version of a diary row."""
    return version is not None and caller in (SUPERUSER, version["owner"])
