"""Changes of a schema, and the reads that must notice."""

from collections.abc import Callable
from itertools import count
from typing import Any

import httpx

from tests.coherence.lag import Shows
from tests.coherence.line import Answer
from tests.coherence.own import holds_ids, is_gone, plain, records
from tests.coherence.site import Site
from tests.coherence.world import PEOPLE

_NUMBERS = count(1)
ROW = "schemarow000001"


class Collection:
    """A fresh collection with one row.

    Args:
        writes_through: who changes it later; a superuser straight at PocketBase if not given.
    """

    def __init__(self, site: Site, writes_through: httpx.Client | None = None) -> None:
        self._client = site.admin
        self.name = f"changing{next(_NUMBERS)}"
        self.url = f"/api/collections/{self.name}"
        self.ask("POST", "/api/collections", plain(self.name))
        self.fill()
        self._client = writes_through or site.admin

    def fill(self) -> None:
        fields = {"id": ROW, "rev": 1, "secret": "s", "owner": PEOPLE[0]}
        self.ask("POST", records(self.name), fields)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def change(self, **fields: Any) -> None:
        self.ask("PATCH", self.url, fields)

    def change_field(self, of: str, **more: Any) -> None:
        fields = self.ask("GET", self.url)["fields"]
        self.change(fields=[{**field, **more} if field["name"] == of else field for field in fields])

    def drop(self) -> None:
        self.ask("DELETE", self.url)

    def replace(self, *, keeps_id: bool) -> None:
        """Drop it and make another one of that name."""
        more = {"id": self.ask("GET", self.url)["id"]} if keeps_id else {"id": f"pbc_new{next(_NUMBERS):08}"}
        self.drop()
        self.ask("POST", "/api/collections", plain(self.name, **more))

    def import_with(self, **fields: Any) -> None:
        collection = {**self.ask("GET", self.url), **fields}
        body = {"collections": [collection], "deleteMissing": False}
        self.ask("PUT", "/api/collections/import", body)


def is_refused(answer: Answer) -> bool:
    return answer.status in (403, 404)


def lacks(name: str) -> Shows:
    return lambda answer: answer.status == 200 and all(name not in item for item in items(answer))


def items(answer: Answer) -> list[dict[str, Any]]:
    return list(answer.json["items"]) if "items" in answer.json else [answer.json]


CASES: dict[str, tuple[str, Shows, Callable[[Collection], object]]] = {
    "view rule taken away": (f"/{ROW}", is_refused, lambda c: c.change(viewRule=None)),
    "list rule taken away": ("", is_refused, lambda c: c.change(listRule=None)),
    "view rule narrowed": (f"/{ROW}", is_gone, lambda c: c.change(viewRule="@request.auth.id != ''")),
    "list rule narrowed": ("", holds_ids(), lambda c: c.change(listRule="rev > 1")),
    "rule changed by an import": (f"/{ROW}", is_refused, lambda c: c.import_with(viewRule=None)),
    "field hidden": (f"/{ROW}", lacks("secret"), lambda c: c.change_field("secret", hidden=True)),
    "field hidden, in a list": ("", lacks("secret"), lambda c: c.change_field("secret", hidden=True)),
    "field renamed": ("", lacks("secret"), lambda c: c.change_field("secret", name="open")),
    "collection renamed": (f"/{ROW}", is_gone, lambda c: c.change(name=f"{c.name}x")),
    "collection dropped": (f"/{ROW}", is_gone, Collection.drop),
    "collection made anew": (f"/{ROW}", is_gone, lambda c: c.replace(keeps_id=False)),
    "collection made anew, list": ("", holds_ids(), lambda c: c.replace(keeps_id=False)),
    "collection made anew with its id": (f"/{ROW}", is_gone, lambda c: c.replace(keeps_id=True)),
}
