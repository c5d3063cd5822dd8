"""Random expressions of PocketBase's filter language that mean something in a world: rules, and the filters a
client may send. What they compare is drawn from few values, so that both outcomes are frequent."""

from dataclasses import dataclass
from random import Random

from tests.isolation.tables import ROLES, TEXTS, Field, Table

HEADERS = (
    *("x_tenant", "x_tenant", "x_tenant", "x_flag", "accept_language"),
    *("user_agent", "accept", "accept_encoding", "origin", "cookie", "referer", "cache_control"),
)
"""The second line: what something on the way may write, or take away."""
PARAMETERS = ("key", "tenant", "page", "expand", "fields", "filter")
_DATES = ("2020-01-01 00:00:00.000Z", "2040-01-01 00:00:00.000Z")
_TRUE_BY_CLOCK = (
    "@now > '2020-01-01'",
    "@todayStart <= @now",
    "@year > 2000",
    "@hour >= 0",
    "@weekday <= 6",
    "@yesterday < @tomorrow",
    "@monthEnd > '2020-01-01 00:00:00'",
)


THEMES = 7
"""Kinds of worlds: one for each kind of comparison, and one for all."""


@dataclass(frozen=True)
class Path:
    """A way from a collection to a value.

    Attributes:
        text: as it is written in an expression.
        is_many: can name several values.
    """

    text: str
    field: Field
    is_many: bool


class Grammar:
    """Draws expressions over the collections of a world.

    Args:
        rng: the source of all choices.
        tables: the world's collections.
        ids: ids of rows by word.
        theme: which kind of comparison its rules are mostly made of.
    """

    def __init__(
        self, rng: Random, tables: dict[str, Table], ids: dict[str, list[str]], theme: int = 0
    ) -> None:
        self._rng, self._tables, self._ids = rng, tables, ids
        self._kinds = (
            self._comparison,
            self._about_owner,
            self._about_caller,
            self._about_others,
            self._about_request,
            self._about_time,
        )
        self._weights = [5, 5, 5, 3, 2, 1]
        if theme % THEMES < len(self._kinds):  # else all of them
            self._weights[theme % THEMES] += 12

    def rule(self, table: Table) -> str | None:
        """A rule, open or closed ones included."""
        drawn = self._rng.random()
        if drawn < 0.25:
            return ""
        return None if drawn < 0.28 else self.expression(table, is_rule=True)

    def expression(self, table: Table, is_rule: bool, depth: int = 2) -> str:
        """Some comparisons joined; clients (``is_rule=False``) may name fields alone."""
        rng = self._rng
        count = rng.choice((1, 1, 1, 2, 2, 3))
        parts = []
        for _ in range(count):
            if depth and count > 1 and rng.random() < 0.3:
                parts.append(f"({self.expression(table, is_rule, depth - 1)})")
            else:
                parts.append(self._atom(table, is_rule))
        text = parts[0]
        for part in parts[1:]:
            text += rng.choice((" && ", " || ", "||")) + part
        return f"{text} // why\n" if is_rule and rng.random() < 0.03 else text

    def _atom(self, table: Table, is_rule: bool) -> str:
        rng = self._rng
        if not is_rule:
            return self._comparison(table, is_rule)
        return rng.choices(self._kinds, self._weights)[0](table, is_rule)

    def path(self, table: Table, wanted: str = "", hops: int = 2) -> Path | None:
        """A random way; ``wanted`` is the kind its end must have."""
        rng = self._rng
        text, many = "", False
        for left in range(hops, -1, -1):
            ends = [f for f in table.fields if not wanted or f.kind == wanted]
            onward = [f for f in table.fields if f.kind == "relation"]
            back = self._pointing_at(table) if table.type != "view" else []
            if ends and (not left or rng.random() < 0.55 or not (onward or back)):
                end = rng.choice(ends)
                within = ".a" if end.kind == "json" and rng.random() < 0.7 else ""
                return Path(text + end.name + within, end, many or end.is_many)
            if not left or not (onward or back):
                return None
            if onward and (not back or rng.random() < 0.7):
                hop = rng.choice(onward)
                text, many = f"{text}{hop.name}.", many or hop.is_many
                table = self._tables[hop.target]
            else:
                table, hop = rng.choice(back)
                text, many = f"{text}{table.name}_via_{hop.name}.", True
        return None

    def _pointing_at(self, target: Table) -> list[tuple[Table, Field]]:
        return [
            (table, f)
            for table in self._tables.values()
            if table.type != "view"
            for f in table.fields
            if f.target == target.word
        ]

    def literal(self, field: Field) -> str:
        """A value to compare a field with."""
        rng = self._rng
        if field.kind == "relation":
            return rng.choice(("''", f"'{rng.choice(self._ids[field.target])}'"))
        if field.kind == "number":
            return str(rng.choice(field.values))
        if field.kind == "bool":
            return rng.choice(("true", "false"))
        if field.kind == "json":
            return rng.choice(("1", "'b'", "null"))
        if field.kind in ("date", "autodate"):
            return f"'{rng.choice(_DATES)}'"
        if field.kind == "email":
            return rng.choice(("'people1'", "'@example'", "''"))
        return f'"{rng.choice(field.values)}"'

    def _operator(self, path: Path) -> str:
        rng = self._rng
        by_kind = {"number": "= != < <= > >=", "date": "< > <= !=", "autodate": "< >", "email": "~ ~ = !~"}
        operator = rng.choice(by_kind.get(path.field.kind, "= = != ~").split())
        return "?" + operator if path.is_many and rng.random() < 0.6 else operator

    def _comparison(self, table: Table, is_rule: bool) -> str:
        rng = self._rng
        path = self.path(table, hops=rng.choice((0, 0, 1, 2)))
        if path is None:
            return f"id != '{rng.choice(self._ids['posts'])}'"
        operator = self._operator(path)
        if path.field.is_many and rng.random() < 0.25:
            if rng.random() < 0.5:
                return f"{path.text}:length > {rng.choice((0, 1))}"
            return f"{path.text}:each {operator} {self.literal(path.field)}"
        if path.field.kind == "text" and rng.random() < 0.1:
            return f"{path.text}:lower {operator} {self.literal(path.field)}"
        if is_rule and path.field.kind == "date" and rng.random() < 0.6:
            return f"{path.text} {rng.choice('<>')} {rng.choice(('@now', '@todayStart', '@todayEnd'))}"
        if path.field.kind == "date" and rng.random() < 0.3:
            return f"strftime('%Y', {path.text}) = '2040'"
        return f"{path.text} {operator} {self.literal(path.field)}"

    def _about_owner(self, table: Table, is_rule: bool) -> str:
        rng = self._rng
        path = self.path(table, "relation", rng.choice((0, 0, 0, 1, 2)))
        if table.type == "auth" and (path is None or rng.random() < 0.5):
            return "id = @request.auth.id"
        if path is None:
            return "@request.auth.id != ''"
        operator = (
            rng.choice(("=", "=", "!=", "~")) if not path.is_many else rng.choice(("?=", "?=", "~", "="))
        )
        ending = rng.choice(("", "", ".id"))
        comparison = f"{path.text}{ending} {operator} @request.auth.id"
        if rng.random() < 0.1 and operator.endswith("="):
            comparison = f"@request.auth.id {operator} {path.text}{ending}"
        return f"({comparison} && @request.auth.id != '')" if rng.random() < 0.3 else comparison

    def _about_caller(self, table: Table, is_rule: bool) -> str:
        rng = self._rng
        account = self._tables[rng.choice(("people", "people", "people", "crew"))]
        drawn = rng.random()
        if drawn < 0.15:
            operator, nothing = rng.choice(("!=", "=", "?!=")), rng.choice(("''", "null"))
            return f"@request.auth.id {operator} {nothing}"
        if drawn < 0.28:
            what = rng.choice(
                (
                    f"Name = '{account.name}'",
                    f"Id = '{account.id}'",
                    "Name != ''",
                    f"Name != '{account.name}'",
                )
            )
            return f"@request.auth.collection{what}"
        if drawn < 0.45:
            own = self.path(table, hops=1)
            if own is not None and own.field.kind not in ("date", "email", "autodate", "json"):
                same = [
                    f for f in account.fields if f.kind == own.field.kind and f.target == own.field.target
                ]
                if same:
                    operator = rng.choice(("?=", "~") if own.is_many else ("=", "=", "!="))
                    return f"{own.text} {operator} @request.auth.{rng.choice(same).name}"
        path = self.path(account, hops=rng.choice((0, 0, 0, 1, 2)))
        if path is None:
            return "@request.auth.verified = true"
        name, operator = f"@request.auth.{path.text}", self._operator(path)
        if path.field.is_many and rng.random() < 0.3:
            if rng.random() < 0.5:
                return f"{name}:length > 0"
            return f"{name}:each {operator} {self.literal(path.field)}"
        if path.field.kind == "text" and rng.random() < 0.15:
            name += ":lower"
        return f"{name} {operator} {self.literal(path.field)}"

    def _about_others(self, table: Table, is_rule: bool) -> str:
        """Memberships and settings, through ``@collection``."""
        rng = self._rng
        alias = rng.choice(("", "", ":m", ":other"))
        if rng.random() < 0.3:
            settings = f"@collection.{self._tables['settings'].name}{alias}"
            public = rng.choice(("true", "false"))
            return f"({settings}.key ?= '{rng.choice(TEXTS)}' && {settings}.public ?= {public})"
        rows = f"@collection.{self._tables['memberships'].name}{alias}"
        team = next((f for f in table.fields if f.target == "teams" and not f.is_many), None)
        where = f"{rows}.team ?= {team.name if team else '@request.auth.team'}"
        extra = rng.choice(("", f" && {rows}.role ?= '{rng.choice(ROLES)}'"))
        who = rng.choice(("user", "user", "user.id"))
        return f"({rows}.{who} ?= @request.auth.id && {where}{extra})"

    def _about_request(self, table: Table, is_rule: bool) -> str:
        rng = self._rng
        drawn = rng.random()
        texts = [f for f in table.fields if f.kind == "text"]
        value = rng.choice(texts).name if texts and rng.random() < 0.5 else f"'{rng.choice(TEXTS)}'"
        if drawn < 0.35:
            name = f"@request.headers.{rng.choice(HEADERS)}"
            return (
                f"{name}:isset = true" if rng.random() < 0.15 else f"{name} {rng.choice(('=', '!='))} {value}"
            )
        if drawn < 0.6:
            name = f"@request.query.{rng.choice(PARAMETERS)}"
            return (
                f"{name}:isset = {rng.choice(('true', 'false'))}"
                if rng.random() < 0.3
                else f"{name} = {value}"
            )
        return rng.choice(
            (
                "@request.method = 'GET'",
                "@request.method = 'GET'",
                "@request.method = 'HEAD'",
                "@request.method != 'HEAD'",
                "@request.context = 'expand'",
                "@request.context != 'expand'",
                "@request.body.title:isset = false",
                "@request.body.title = ''",
            )
        )

    def _about_time(self, table: Table, is_rule: bool) -> str:
        clock = self._rng.choice(_TRUE_BY_CLOCK)
        return self._rng.choice(
            (clock, f"({clock} && {self._comparison(table, is_rule)})", "1 = 1", "'a' != \"b\"")
        )
