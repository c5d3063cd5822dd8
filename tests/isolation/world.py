"""A world at PocketBase: collections and rules imported through Hapta, rows written, callers logged in."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.isolation.asks import Ask, Asks
from tests.isolation.callers import Caller, Doors, nobodies
from tests.isolation.rules import Grammar
from tests.isolation.tables import Field, Table, draw_tables
from tests.support.pocketbase import PASSWORD

PEOPLE, CREW = 5, 3
LOGGED_IN = {"people": 4, "crew": 2}
"""How many of them read; the others may be deleted."""
ROWS = {"teams": 4, "memberships": 7, "posts": 9, "comments": 12, "notes": 6, "settings": 4}
RULES = {
    "base": ("listRule", "viewRule", "createRule", "updateRule", "deleteRule"),
    "view": ("listRule", "viewRule"),
}


class World:
    """Everything of one world.

    Args:
        seed: of the run.
        number: of the world within the run.
    """

    def __init__(self, seed: int, number: int) -> None:
        self.rng = Random(f"{seed}/{number}")
        self.number = number
        self.tables: dict[str, Table] = draw_tables(self.rng, number)
        self.ids = {word: [f"row{n:012}" for n in range(count)] for word, count in ROWS.items()}
        self.ids["people"] = [f"people{n:09}" for n in range(PEOPLE)]
        self.ids["crew"] = [f"crew{n:011}" for n in range(CREW)]
        self.grammar = Grammar(self.rng, self.tables, self.ids, theme=number)
        for table in self.tables.values():
            self.draw_rules(table)
        self.callers: list[Caller] = []
        self.asks: list[Ask] = []
        self._asks = Asks(self.rng, self.tables, self.ids, self.grammar)
        now = datetime.now(UTC)
        days = (
            now - timedelta(days=1),
            now + timedelta(days=1),
            now.replace(year=2020),
            now.replace(year=2040),
        )
        self._dates = ["", *(day.strftime("%Y-%m-%d 12:00:00.000Z") for day in days)]

    def draw_rules(self, table: Table) -> None:
        """New rules for one collection."""
        names = RULES["view"] if table.type == "view" else RULES["base"]
        table.rules = {name: self.grammar.rule(table) for name in names}
        if table.type == "auth":
            table.rules["manageRule"] = self.grammar.rule(table) if self.rng.random() < 0.7 else None
            if table.rules["manageRule"] == "":
                table.rules["manageRule"] = None  # PocketBase refuses an open one

    def draw_ask(self) -> Ask:
        """A new read."""
        return self._asks.draw()

    def row(self, table: Table) -> dict[str, Any]:
        """Random values of one row; an account's e-mail and password are not among them."""
        return {f.name: self.value(f) for f in table.fields if f.kind not in ("email", "autodate")}

    def value(self, field: Field) -> Any:
        """A random value, often none."""
        rng = self.rng
        if field.kind == "relation":
            targets = self.ids[field.target]
            if field.is_many:
                return rng.sample(targets, rng.randrange(min(4, len(targets) + 1)))
            return "" if rng.random() < 0.25 else rng.choice(targets)
        if field.is_many:
            return rng.sample(list(field.values), rng.randrange(len(field.values)))
        if field.kind == "date":
            return rng.choice(self._dates)
        if field.kind == "select":
            return rng.choice(["", *field.values])
        return rng.choice(field.values)

    def email(self, row: str) -> str:
        """Of an account."""
        return f"{row}@example.com"

    async def build(self, doors: Doors, superuser: Caller) -> None:
        """Import, write, log in.

        Raises:
            AssertionError: PocketBase refused something of it.
        """
        await self._import(doors, superuser)
        await self._write_rows(doors, superuser)
        self.callers = [*nobodies(), superuser]
        for word, count in LOGGED_IN.items():
            for row in self.ids[word][:count]:
                caller = Caller(row[: len(word)] + str(int(row[len(word) :])), row)
                await doors.log_in(caller, self.tables[word].name, self.email(row))
                self.callers.append(caller)

    async def _import(self, doors: Doors, superuser: Caller) -> None:
        """All collections at once; where a rule is refused, one by one without the refused ones."""
        for rules in (True, False):
            collections = [self.definition(t, rules) for t in self.tables.values()]
            body = {"collections": collections, "deleteMissing": True}
            answer = await doors.through(superuser, "PUT", "/api/collections/import", body=body)
            if answer.status == 204:
                break
        assert answer.status == 204, answer
        if not rules:
            for table in self.tables.values():
                await self.put_rules(doors.through, superuser, table)

    async def put_rules(self, send: Any, superuser: Caller, table: Table) -> None:
        """Give a collection its rules, each on its own if need be; a refused one becomes open."""
        target = f"/api/collections/{table.name}"
        if (await send(superuser, "PATCH", target, body=table.rules)).status == 200:
            return
        for name in table.rules:
            answer = await send(superuser, "PATCH", target, body={name: table.rules[name]})
            if answer.status != 200:
                table.rules[name] = None if name == "manageRule" else ""
                answer = await send(superuser, "PATCH", target, body={name: table.rules[name]})
                assert answer.status == 200, answer

    def definition(self, table: Table, with_rules: bool) -> dict[str, Any]:
        """The collection as PocketBase imports it."""
        given: dict[str, Any] = {"id": table.id, "name": table.name, "type": table.type}
        given |= table.rules if with_rules else {}
        if table.type == "view":
            return given | {"viewQuery": table.sql}
        own = ("email", "verified", "emailVisibility") if table.type == "auth" else ()
        fields = [self._field(f) for f in table.fields if f.name not in own]
        if table.type == "auth":
            given |= {"authAlert": {"enabled": False}, "authRule": ""}
            fields.append(
                {
                    "name": "password",
                    "type": "password",
                    "cost": 4,
                    "hidden": True,
                    "required": True,
                    "system": True,
                }
            )
        return given | {"fields": fields} | ({"indexes": table.indexes} if table.indexes else {})

    def _field(self, field: Field) -> dict[str, Any]:
        options = dict(field.options)
        if field.target:
            options["collectionId"] = self.tables[field.target].id
        return {"name": field.name, "type": field.kind, "hidden": field.is_hidden, **options}

    async def _write_rows(self, doors: Doors, superuser: Caller) -> None:
        """Rows first without relations, for they point at each other, then with them."""
        rows = [(t, row, self.row(t)) for t in self.tables.values() for row in self.ids.get(t.word, ())]
        twins = [values for t, _, values in rows if t.word == "people"]
        twins[1] |= twins[0]  # two accounts with equal values
        created, updated = [], []
        for table, row, values in rows:
            plain = {n: v for n, v in values.items() if not table.field(n).target}
            account = (
                {"email": self.email(row), "password": PASSWORD, "passwordConfirm": PASSWORD}
                if table.type == "auth"
                else {}
            )
            url = f"/api/collections/{table.name}/records"
            created.append({"method": "POST", "url": url, "body": {"id": row, **plain, **account}})
            linked = {n: v for n, v in values.items() if table.field(n).target}
            if linked:
                updated.append({"method": "PATCH", "url": f"{url}/{row}", "body": linked})
        answer = await doors.direct(superuser, "POST", "/api/batch", body={"requests": created + updated})
        assert answer.status == 200, answer
