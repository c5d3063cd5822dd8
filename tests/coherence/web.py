"""A schema of collections related to each other in every way, drawn by a seed, with views over them."""

import random
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.coherence.own import records
from tests.support.pocketbase import PASSWORD

COLLECTIONS = 5
ROWS = 50
_OPEN = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"), "")


@dataclass(frozen=True)
class Way:
    """A relation field."""

    name: str
    target: int
    is_multiple: bool


@dataclass
class Web:
    """Attributes:
    ways: the relations of each collection, by its number.
    views: names.
    rows: ids in each collection.
    reads: targets that together look at all of it.
    """

    rng: random.Random
    ways: list[list[Way]] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=lambda: [[] for _ in range(COLLECTIONS)])
    reads: list[str] = field(default_factory=list)

    def build(self, superuser: httpx.Client) -> None:
        """Make it, straight at PocketBase. The first collection is one of accounts."""
        made = {"collections": [self._collection(n) for n in range(COLLECTIONS)], "deleteMissing": False}
        superuser.put("/api/collections/import", json=made).raise_for_status()
        for number in range(4):
            view = {"name": f"web_view{number}", "type": "view", "listRule": "", "viewRule": ""}
            superuser.post("/api/collections", json={**view, "viewQuery": self._query()}).raise_for_status()
            self.views.append(str(view["name"]))
        for _ in range(ROWS):
            number = self.rng.randrange(COLLECTIONS)
            answer = superuser.post(records(f"web{number}"), json=self.row(number)).raise_for_status()
            self.rows[number].append(answer.json()["id"])
        self.reads = [records(view) + "?perPage=200" for view in self.views]
        for number in range(COLLECTIONS):
            self._look_at(number)

    def row(self, number: int) -> dict[str, Any]:
        """What a new row may hold."""
        row: dict[str, Any] = {"n": self.rng.randrange(6)}
        if number == 0:
            row |= {"password": PASSWORD, "passwordConfirm": PASSWORD}
            row |= {"email": f"{self.rng.getrandbits(60):x}@example.com", "emailVisibility": True}
        return row | {way.name: self.value(way) for way in self.ways[number] if self.rows[way.target]}

    def value(self, way: Way) -> str | list[str]:
        """What a relation may hold."""
        there = self.rows[way.target]
        if not way.is_multiple:
            return self.rng.choice(there) if there else ""
        return self.rng.sample(there, min(len(there), self.rng.randrange(4)))

    def _collection(self, number: int) -> dict[str, Any]:
        rng = self.rng
        ways = [
            Way(f"r{n}", rng.randrange(COLLECTIONS), rng.random() < 0.35) for n in range(rng.randrange(4))
        ]
        self.ways.append(ways)
        fields: list[dict[str, Any]] = [{"name": "n", "type": "number"}]
        for way in ways:
            of = {"collectionId": f"pbc_web00000{way.target:03d}", "cascadeDelete": rng.random() < 0.4}
            fields.append(
                {"name": way.name, "type": "relation", "maxSelect": 5 if way.is_multiple else 1, **of}
            )
        kind = {"type": "auth", "authAlert": {"enabled": False}} if number == 0 else {"type": "base"}
        return {"id": f"pbc_web00000{number:03d}", "name": f"web{number}", **kind, **_OPEN, "fields": fields}

    def _query(self) -> str:
        rng = self.rng
        number, other = rng.randrange(COLLECTIONS), rng.randrange(COLLECTIONS)
        queries = [f"SELECT c.id, c.n, (SELECT COUNT(*) FROM web{other}) AS k FROM web{number} c"]
        for way in self.ways[number]:
            to = f"web{way.target}"
            each = f"SELECT MAX(x.n) FROM {to} x, json_each(c.{way.name}) j WHERE j.value = x.id"
            joined = f"SELECT c.id, t.n AS tn FROM web{number} c LEFT JOIN {to} t ON t.id = c.{way.name}"
            queries += [f"SELECT c.id, ({each}) AS m FROM web{number} c" if way.is_multiple else joined] * 2
        if self.views:
            under = f"SELECT 1 FROM {rng.choice(self.views)} w WHERE w.id = c.id"
            queries += [f"SELECT c.id, EXISTS({under}) AS e FROM web{number} c"] * 2
        return rng.choice(queries)

    def _look_at(self, number: int) -> None:
        back = [
            (f"web{other}_via_{way.name}", other)
            for other, ways in enumerate(self.ways)
            for way in ways
            if way.target == number
        ]
        hops = [*((way.name, way.target) for way in self.ways[number]), *back]
        far = [f"{name}.{way.name}" for name, at in hops for way in self.ways[at]]
        target = records(f"web{number}")
        queries = ["perPage=200", "filter=n>2&sort=n,id&perPage=200"]
        queries += [f"filter={name}.n?>2&perPage=200" for name, _ in hops]
        expands = [",".join(names[:8]) for names in ([name for name, _ in hops], far) if names]
        queries += [f"perPage=200&expand={expand}" for expand in expands]
        self.reads += [f"{target}?{query}" for query in queries]
        for row in self.rows[number][:3]:
            self.reads += [f"{target}/{row}", *(f"{target}/{row}?expand={expand}" for expand in expands)]
