"""Collections with listRules of every kind, a feed of each, and who asks for them."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from hapta.app.ranked_feeds import MOST_ASKED
from tests.reload.site import as_toml
from tests.support.hapta import KNOWN_HOOKS, UNLIMITED
from tests.support.pocketbase import ADMIN_EMAIL, PocketBase

SIGNED_IN = '@request.auth.id != ""'
RULES: dict[str, str | None] = {
    "open": "",
    "closed_to_all": None,
    "own": "public = true || author = @request.auth.id",
    "signed_in": SIGNED_IN,
    "of_users": '@request.auth.collectionName = "users"',
    "by_editors": 'author.role = "editor"',
    "read_by": "readers ?= @request.auth.id",
    "granted": "@collection.grants.row ?= id && @collection.grants.who ?= @request.auth.id",
    "back": "notes_via_row.who ?= @request.auth.id",
    "asked": '@request.query.key = "open" || public = true',
    "clubs": '@request.headers.x_club = "blue" || author = @request.auth.id',
    "secret": 'secret = "open"',
    "due": 'due < @now && due != ""',
    "mixed": 'created >= @todayStart && author != @request.auth.id && (title ~ "1" || readers:length > 2)'
    ' && (public = true || @request.auth.role = "editor")',
}
ROWS = 24
USERS, TOPICS = "_pb_users_auth_", "pbc_topics00001"
PERSON_OF_STAFF = "user00000000002"
"""Of the same id as Ben."""


def collections() -> list[dict[str, Any]]:
    """What is imported besides the collections of all tests."""
    people = {"type": "relation", "collectionId": USERS}
    fields: list[dict[str, Any]] = [
        {"name": "title", "type": "text"},
        {"name": "public", "type": "bool"},
        {"name": "draft", "type": "bool"},
        {"name": "views", "type": "number"},
        {"name": "secret", "type": "text", "hidden": True},
        {"name": "due", "type": "date"},
        {"name": "author", **people, "maxSelect": 1},
        {"name": "readers", **people, "maxSelect": 9},
        {"name": "topics", "type": "relation", "collectionId": TOPICS, "maxSelect": 5},
        {"name": "created", "type": "autodate", "onCreate": True},
    ]
    open_to_all = dict.fromkeys(("createRule", "updateRule", "deleteRule"), "")
    made = [
        {
            "id": f"pbc_r{name:_<11}"[:15],
            "name": f"r_{name}",
            "type": "base",
            "listRule": rule,
            "viewRule": "" if name == "by_editors" else rule,  # who may see one row need not list it
            **open_to_all,
            "fields": fields,
        }
        for name, rule in RULES.items()
    ]
    ties = [
        {"id": "pbc_grants00001", "name": "grants", "fields": [{"name": "row", "type": "text"}]},
        {
            "id": "pbc_notes000001",
            "name": "notes",
            "fields": [
                {"name": "row", "type": "relation", "collectionId": "pbc_rback_______"[:15], "maxSelect": 1}
            ],
        },
    ]
    for each in ties:
        each |= {"type": "base", "listRule": "", **open_to_all}
        each["fields"].append({"name": "who", **people, "maxSelect": 1})
    return [*made, *ties]


def rows(name: str) -> list[dict[str, Any]]:
    """Of one of the collections; each field tells other rows apart."""
    return [
        {
            "id": f"{name.replace('_', '')[:4]:0<4}{n:011}",
            "title": f"Row {n}",
            "public": n % 2 == 0,
            "draft": n % 11 == 0,
            "views": n,
            "secret": "open" if n % 3 == 0 else "shut",
            "due": ("2020-01-01 10:00:00.000Z", "2090-01-01 10:00:00.000Z", "")[n % 3],
            "author": f"user{n % 4 + 1:011}",
            "readers": [f"user{reader:011}" for reader in range(1, n % 4 + 1)],
            "topics": [f"topic{n % 3 + 1:010}"],
        }
        for n in range(1, ROWS + 1)
    ]


def furnish(admin: httpx.Client) -> None:
    """Make the collections and their rows."""
    body = {"collections": collections(), "deleteMissing": False}
    admin.put("/api/collections/import", json=body).raise_for_status()
    write(admin, [(f"r_{name}", row) for name in RULES for row in rows(name)])
    ties = [
        ("grants" if name == "granted" else "notes", {"row": row["id"], "who": f"user{n % 3 + 1:011}"})
        for name in ("granted", "back")
        for n, row in enumerate(rows(name))
        if n % 2
    ]
    write(admin, ties)
    password = {"password": "correct-horse-1", "passwordConfirm": "correct-horse-1"}
    person = {"username": "ben", "email": "ben@staff.example.com", **password}
    made = admin.post("/api/collections/staff/records", json=person)
    made.raise_for_status()
    # rows of other tools, or of before there was a check, may have it
    statement = f"UPDATE staff SET id = '{PERSON_OF_STAFF}' WHERE id = '{made.json()['id']}'"
    admin.post("/api/sql", json={"query": statement}).raise_for_status()


def write(client: httpx.Client, made: list[tuple[str, dict[str, Any]]]) -> None:
    """Create rows, in batches."""
    for first in range(0, len(made), 50):
        requests = [
            {"method": "POST", "url": f"/api/collections/{name}/records", "body": row}
            for name, row in made[first : first + 50]
        ]
        client.post("/api/batch", json={"requests": requests}).raise_for_status()


def feeds(**more: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, by dotted key: a feed for each collection, of the name of its rule."""
    found: dict[str, Any] = {}
    tables: dict[str, Mapping[str, Any]] = {
        name: {"collection": f"r_{name}", "preset": "chronological", "filter": "draft = false"}
        for name in RULES
    }
    for name, table in {**tables, **more}.items():
        for key, value in table.items():
            found[f"feeds.{name}.{key}"] = value
    return found


def config(settings: Mapping[str, Any]) -> str:
    """A ``config.toml``; without metrics, whose port there is but one of."""
    return as_toml({"metrics.enabled": False, **UNLIMITED, **KNOWN_HOOKS, **settings})


PEOPLE: dict[str, tuple[str, str] | None] = {
    "guest": None,
    "ada": ("users", "ada@example.com"),
    "ben": ("users", "ben@example.com"),
    "cleo": ("users", "cleo@example.com"),
    "ben of staff": ("staff", "ben@staff.example.com"),
    "superuser": ("_superusers", ADMIN_EMAIL),
}
"""Ada is an editor; rows are private to each of the users."""


class Person:
    """Somebody who asks through Hapta, and directly.

    Attributes:
        through: a client at Hapta, with a session of Hapta's.
        direct: one at PocketBase, with a token of its own.
    """

    def __init__(self, url: str, direct_url: str, account: tuple[str, str] | None) -> None:
        self.through = signed_in(url, account)
        self.direct = signed_in(direct_url, account)

    def close(self) -> None:
        self.through.close()
        self.direct.close()


def signed_in(url: str, account: tuple[str, str] | None) -> httpx.Client:
    """A client with a new token."""
    client = httpx.Client(base_url=url, timeout=30)
    if account is not None:
        body = {"identity": account[1], "password": "correct-horse-1"}
        path = f"/api/collections/{account[0]}/auth-with-password"
        answer = httpx.post(url + path, json=body, timeout=30)  # the client is opened by whoever closes it
        answer.raise_for_status()
        client.headers["Authorization"] = answer.json()["token"]
    return client


def forms(name: str, collection: str) -> tuple[tuple[str, dict[str, str]], ...]:
    """Both ways to ask for a feed: path, and what the query says besides."""
    return (f"/api/hapta/feeds/{name}", {}), (f"/api/collections/{collection}/records", {"feed": name})


def pages(client: httpx.Client, path: str, query: Mapping[str, Any], **more: Any) -> Iterator[httpx.Response]:
    """One after the other, until one is short or is none."""
    per_page, page = int(query.get("perPage", 30)), 1
    while True:
        answer = client.get(path, params={**query, "page": page}, **more)
        yield answer
        if answer.status_code != 200 or len(answer.json()["items"]) < per_page:
            return
        page += 1


def walk(client: httpx.Client, path: str, query: Mapping[str, Any], **more: Any) -> list[dict[str, Any]]:
    """All rows of all pages."""
    found: list[dict[str, Any]] = []
    for answer in pages(client, path, query, **more):
        answer.raise_for_status()
        found += answer.json()["items"]
    return found


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [each["id"] for each in items]


def listed(
    client: httpx.Client, collection: str, headers_: Mapping[str, str] | None = None, **query: Any
) -> httpx.Response:
    """What PocketBase lists to a caller, in one page."""
    assert MOST_ASKED >= 1000
    params = {"filter": "draft = false", "perPage": 1000, **query}
    return client.get(f"/api/collections/{collection}/records", params=params, headers=headers_)


def furnished(pocketbase: PocketBase) -> PocketBase:
    furnish(pocketbase.admin)
    return pocketbase
