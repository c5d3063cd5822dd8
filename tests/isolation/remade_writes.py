"""Writes to single rows, in all the forms PocketBase takes them, by everybody."""

import json
from typing import Any

from tests.isolation.asks import Ask
from tests.isolation.callers import Caller, Doors
from tests.isolation.changes import Change
from tests.isolation.tables import Field, Table
from tests.isolation.world import LOGGED_IN, World
from tests.support.pocketbase import PASSWORD

DIRECT = 0.12
"""Share of those behind Hapta's back."""
_WORDS = (*("posts",) * 6, "comments", "comments", "people", "people", "teams")
_TELLING = ("level", "public", "likes", "title", "owner", "n", "active", "emailVisibility", "name", "slug")
"""Fields that rules, filters and sorts read."""
_BOUNDARY = "isolation"
_ANSWERS = ("", "", "", "", "?expand=owner", "?fields=id,title", "?expand=post.owner")


class OwnWrites:
    """Draws and makes writes of a world."""

    def __init__(self, world: World, doors: Doors, superuser: Caller) -> None:
        self._world, self._doors, self._superuser = world, doors, superuser
        self._rng = world.rng
        self._born = 0
        self._last: tuple[Table, str] | None = None
        self._child: tuple[Table, str] | None = None

    async def make(self) -> Change:
        """One write."""
        rng = self._rng
        direct = rng.random() < DIRECT
        caller = rng.choice((self._superuser, self._superuser, *self._world.callers))
        if rng.random() < 0.06:
            requests = [self._write() for _ in range(rng.choice((1, 2, 3)))]
            parts = [
                {"method": method, "url": target} | ({"body": body} if body else {})
                for method, target, body in requests
            ]
            return await self._send(direct, self._superuser, "POST", "/api/batch", {"requests": parts})
        method, target, body = self._write()
        if method != "DELETE":
            target += rng.choice(_ANSWERS)
        return await self._send(direct, caller, method, target, body)

    def views(self) -> list[Ask]:
        """A read of the row that was born last, and of that which was changed last."""
        rows = [row for row in (self._child, self._last) if row is not None]
        return [
            Ask("GET", f"/api/collections/{table.name}/records/{row}", (), table.word) for table, row in rows
        ]

    def _write(self) -> tuple[str, str, dict[str, Any] | None]:
        rng, world = self._rng, self._world
        table = world.tables[rng.choice(_WORDS)]
        again = self._last if rng.random() < 0.35 else None
        if again is not None:
            table = again[0]
        ids = world.ids[table.word]
        target = f"/api/collections/{rng.choice((table.name, table.name, table.id))}/records"
        drawn = rng.random()
        if drawn < 0.2:
            return "POST", target, self._new(table)
        spared = ids[LOGGED_IN.get(table.word, 0) :]
        if drawn < 0.3 and spared:
            return "DELETE", f"{target}/{rng.choice(spared)}", None
        row = again[1] if again is not None else rng.choice(ids)
        self._last = (table, row)
        return "PATCH", f"{target}/{row}", self._some_fields(table)

    def _new(self, table: Table) -> dict[str, Any]:
        rng, world = self._rng, self._world
        row: dict[str, Any] = world.row(table)
        if rng.random() < 0.4:
            row = {name: row[name] for name in rng.sample(sorted(row), len(row) // 2)}
        if rng.random() < 0.6:
            self._born += 1
            row["id"] = f"new{self._born:012}"
            world.ids[table.word].append(row["id"])
        if table.type == "auth":
            email = world.email(row.get("id") or f"nobody{rng.randrange(10**6)}")
            row |= {"email": email, "password": PASSWORD, "passwordConfirm": PASSWORD}
        return row

    def _some_fields(self, table: Table) -> dict[str, Any]:
        rng = self._rng
        fields = [f for f in table.fields if f.kind not in ("email", "autodate")]
        chosen = rng.sample(fields, rng.choice((1, 1, 1, 2)))
        if rng.random() < 0.7:
            chosen = [rng.choice([f for f in fields if f.name in _TELLING])]
        return dict(self._member(field) for field in chosen)

    def _member(self, field: Field) -> tuple[str, Any]:
        """A field and its value, or what is to be added or taken away."""
        rng, value = self._rng, self._world.value(field)
        if (field.kind == "number" or field.is_many) and rng.random() < 0.6:
            name = rng.choice((f"{field.name}+", f"{field.name}-", f"+{field.name}" if field.is_many else ""))
            return name or f"{field.name}+", value
        return field.name, value

    async def _send(self, direct: bool, caller: Caller, method: str, target: str, body: Any) -> Change:
        send = self._doors.direct if direct else self._doors.through
        sent = body
        headers: dict[str, str] = {}
        if method in ("POST", "PATCH") and "requests" not in body and self._rng.random() < 0.2:
            sent, headers = self._multipart(body)
        answer = await send(caller, method, target, headers, sent)
        if method == "POST" and answer.status == 200 and isinstance(found := answer.json(), dict):
            self._note_born(target, found.get("id"))
        way = "direct" if direct else "through"
        form = " multipart" if headers else ""
        text = f"{way} as {caller.name}: {method} {target}{form} {body or ''}: {answer.status}"
        return Change(text, direct, status=answer.status)

    def _note_born(self, target: str, row: str | None) -> None:
        name = target.split("/")[3]
        for table in self._world.tables.values():
            if name in (table.name, table.id) and row:
                self._child = (table, row)
                if row not in self._world.ids[table.word]:
                    self._world.ids[table.word].append(row)

    def _multipart(self, body: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        """As a form: member by member, or all of them in one part."""
        parts: list[tuple[str, str]] = []
        if self._rng.random() < 0.4:
            parts.append(("@jsonPayload", json.dumps(body)))
        else:
            for name, value in body.items():
                several = value if isinstance(value, list) else [value]
                parts += [(name, each if isinstance(each, str) else json.dumps(each)) for each in several]
        lines = []
        for name, text in parts:
            lines += [f"--{_BOUNDARY}", f'Content-Disposition: form-data; name="{name}"', "", text]
        content = "\r\n".join([*lines, f"--{_BOUNDARY}--", ""]).encode()
        return content, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
