"""Rows of one test's own, and the words for what an answer shows of them."""

from itertools import count
from typing import Any

import httpx

from tests.coherence.lag import Shows
from tests.coherence.line import Answer
from tests.coherence.site import Site
from tests.coherence.world import PEOPLE

_NUMBERS = count(1)


class Own:
    """A fresh note with two replies, a diary row, a bell and its echo, all of this test alone."""

    def __init__(self, site: Site, writes_through: httpx.Client | None = None) -> None:
        """
        Args:
            writes_through: who changes the rows later; a superuser straight at PocketBase if not given.
        """
        self.site = site
        self._client = site.admin
        number = next(_NUMBERS)
        words = ("ownnotea", "ownreply", "ownreplz", "owndiary", "ownbells", "ownechos")
        self.note, self.reply, self.other_reply, self.diary, self.bell, self.echo = (
            f"{word}{number:07}" for word in words
        )
        self.make("notes", self.note, room="own", owner=PEOPLE[0])
        self.make("replies", self.reply, note=self.note)
        self.make("replies", self.other_reply, note=self.note)
        self.make("diary", self.diary, owner=PEOPLE[1])
        self.make("echoes", self.echo)
        self.make("bells", self.bell, target=self.echo)
        self.club, self.key, self.along, self.answered = (
            f"{word}{number:07}" for word in ("ownclubs", "ownkeysx", "ownalong", "ownanswe")
        )
        self.make("club", self.club)
        self.make("keys", self.key, note=self.note)
        self.make("along", self.along, note=self.note)
        self.make("answered", self.answered, note=self.note)
        self.ask("PATCH", records("people", PEOPLE[4]), {"name": "member"})
        self._client = writes_through or site.admin

    def make(self, collection: str, identifier: str, **fields: Any) -> None:
        self.ask("POST", records(collection), {"id": identifier, "rev": 1, **fields})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """As superuser."""
        answer = self._client.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def sql(self, query: str) -> Any:
        return self.ask("POST", "/api/sql", {"query": query})


def records(collection: str, identifier: str = "") -> str:
    return f"/api/collections/{collection}/records" + (f"/{identifier}" if identifier else "")


def rev_is(rev: int) -> Shows:
    return lambda answer: answer.status == 200 and answer.json["rev"] == rev


def is_gone(answer: Answer) -> bool:
    return answer.status == 404


def holds_ids(*ids: str) -> Shows:
    return lambda answer: {item["id"] for item in answer.json["items"]} == set(ids)


def batch(*requests: tuple[str, str, Any]) -> dict[str, Any]:
    return {"requests": [{"method": m, "url": u, "body": b} for m, u, b in requests]}


def has_id(identifier: str) -> Shows:
    return lambda answer: identifier in {item["id"] for item in answer.json["items"]}


def lacks_id(identifier: str) -> Shows:
    return lambda answer: identifier not in {item["id"] for item in answer.json["items"]}


def plain(name: str, **more: Any) -> dict[str, Any]:
    """A collection open to everybody."""
    rules = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"), "")
    fields = [{"name": "rev", "type": "number"}, {"name": "secret", "type": "text"}]
    return {"name": name, "type": "base", **rules, "fields": fields, **more}
