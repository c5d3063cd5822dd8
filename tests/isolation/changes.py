"""What changes between rounds: rows, accounts, whole collections, rules; through Hapta or behind its back."""

from dataclasses import dataclass, replace
from typing import Any

from tests.isolation.callers import SUPERUSER, Caller, Doors
from tests.isolation.tables import Table
from tests.isolation.world import LOGGED_IN, World

_WRITTEN = (
    "people",
    "people",
    "crew",
    "teams",
    "memberships",
    "memberships",
    "posts",
    "posts",
    "comments",
    "notes",
    "settings",
)


@dataclass(frozen=True)
class Change:
    """What was done, for a report.

    Attributes:
        is_direct: Hapta has to hear of it from PocketBase.
        is_of_schema: a rule, a field, a name or a view changed.
        status: of the answer, if it was one request.
    """

    text: str
    is_direct: bool
    is_of_schema: bool = False
    status: int = 0


class Changes:
    """Draws and makes changes of a world."""

    def __init__(self, world: World, doors: Doors, superuser: Caller) -> None:
        self._world, self._doors, self._superuser = world, doors, superuser
        self._rng = world.rng
        self._born = 0

    async def make(self) -> Change:
        """One change."""
        rng = self._rng
        direct = rng.random() < 0.35
        drawn = rng.random()
        if drawn < 0.05:
            return await self._change_rules(direct)
        if drawn < 0.07:
            return await self._hide(direct)
        if drawn < 0.09:
            return await self._rename(direct)
        if drawn < 0.11:
            return await self._narrow(direct)
        if drawn < 0.14:
            return await self._refresh()
        if drawn < 0.21:
            return await self._batch(direct)
        if drawn < 0.23:
            name = self._world.tables[rng.choice(("comments", "notes", "settings"))].name
            return await self._send(direct, self._superuser, "DELETE", f"/api/collections/{name}/truncate")
        method, target, body = self._write()
        others = [c for c in self._world.callers if c.name != SUPERUSER]
        caller = rng.choice(others) if rng.random() < 0.3 else self._superuser
        return await self._send(direct, caller, method, target, body)

    def _write(self) -> tuple[str, str, dict[str, Any] | None]:
        """One write of a row: mostly of a few fields."""
        rng, world = self._rng, self._world
        table = world.tables[rng.choice(_WRITTEN)]
        target = f"/api/collections/{table.name}/records"
        drawn = rng.random()
        if table.type == "base" and drawn < 0.15:
            row = rng.choice(world.ids[table.word])  # perhaps one that was deleted
            if drawn < 0.1:
                self._born += 1
                row = f"new{self._born:012}"
                world.ids[table.word].append(row)
            return "POST", target, {"id": row, **world.row(table)}
        if drawn < 0.3:
            spared = LOGGED_IN.get(table.word, 0)
            rows = world.ids[table.word][spared:]
            if rows:
                return "DELETE", f"{target}/{rng.choice(rows)}", None
        return "PATCH", f"{target}/{rng.choice(world.ids[table.word])}", self._some_fields(table)

    def _some_fields(self, table: Table) -> dict[str, Any]:
        fields = [f for f in table.fields if f.kind not in ("email", "autodate")]
        chosen = self._rng.sample(fields, self._rng.choice((1, 1, 2)))
        return {f.name: self._world.value(f) for f in chosen}

    async def _batch(self, direct: bool) -> Change:
        requests = []
        for _ in range(3):
            method, target, body = self._write()
            requests.append({"method": method, "url": target} | ({"body": body} if body else {}))
        return await self._send(direct, self._superuser, "POST", "/api/batch", {"requests": requests})

    async def _change_rules(self, direct: bool) -> Change:
        world = self._world
        table = world.tables[self._rng.choice(sorted(world.tables))]
        world.draw_rules(table)
        send = self._doors.direct if direct else self._doors.through
        await world.put_rules(send, self._superuser, table)
        return Change(
            f"{'direct' if direct else 'through'}: rules of {table.name}: {table.rules}", direct, True
        )

    async def _hide(self, direct: bool) -> Change:
        """Hide a field of a collection from all but superusers, or show it again."""
        world = self._world
        table = world.tables[self._rng.choice(("people", "teams", "posts"))]
        chosen = self._rng.choice([f for f in table.fields if f.name in ("secret", "name", "team", "title")])
        changed = replace(chosen, is_hidden=not chosen.is_hidden)
        table.fields[table.fields.index(chosen)] = changed
        body = {"collections": [world.definition(table, with_rules=True)], "deleteMissing": False}
        change = await self._send(direct, self._superuser, "PUT", "/api/collections/import", body)
        return replace(change, is_of_schema=True)

    async def _rename(self, direct: bool) -> Change:
        """Give a collection another name; rules and asks go on to use the old one."""
        table = self._world.tables[self._rng.choice(sorted(self._world.tables))]
        name = table.name.removesuffix("x") if table.name.endswith("x") else f"{table.name}x"
        target = f"/api/collections/{table.id}"
        change = await self._send(direct, self._superuser, "PATCH", target, {"name": name})
        if change.status == 200:
            table.name = name
        return replace(change, is_of_schema=True)

    async def _narrow(self, direct: bool) -> Change:
        """Have a view read one more table, or one less."""
        views = [t for t in self._world.tables.values() if t.narrower]
        if not views:
            return await self._refresh()
        view = self._rng.choice(views)
        is_narrow = view.sql.endswith(view.narrower)
        sql = view.sql.removesuffix(view.narrower) if is_narrow else view.sql + view.narrower
        target = f"/api/collections/{view.id}"
        change = await self._send(direct, self._superuser, "PATCH", target, {"viewQuery": sql})
        if change.status == 200:
            view.sql = sql
        return replace(change, is_of_schema=True)

    async def _refresh(self) -> Change:
        """A caller gets a new token of Hapta."""
        caller = self._rng.choice([c for c in self._world.callers if c.row])
        word = "people" if caller.row.startswith("people") else "crew"
        target = f"/api/collections/{self._world.tables[word].id}/auth-refresh"
        answer = await self._doors.through(caller, "POST", target)
        if answer.status == 200:
            caller.through = answer.json()["token"]
        return Change(f"through as {caller.name}: POST {target}: {answer.status}", False)

    async def _send(self, direct: bool, caller: Caller, method: str, target: str, body: Any = None) -> Change:
        send = self._doors.direct if direct else self._doors.through
        answer = await send(caller, method, target, body=body)
        way = "direct" if direct else "through"
        text = f"{way} as {caller.name}: {method} {target} {body or ''}: {answer.status}"
        return Change(text, direct, status=answer.status)
