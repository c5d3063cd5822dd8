"""The collections of a world: a fixed society (people, crew, teams, posts …) with random details.

Names are the same words in every world, with the world's number behind them, so that what is stored of one
world has the chance to answer for another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

TEXTS = ("", "a", "b", "c")
ROLES = ("reader", "editor", "admin")
TAGS = ("red", "green", "blue")
NUMBERS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        kind: as PocketBase names it.
        target: word of the collection a relation points to.
        is_many: holds several values.
        values: what its values are drawn from.
        options: further options for PocketBase.
        is_hidden: only superusers see it.
    """

    name: str
    kind: str
    target: str = ""
    is_many: bool = False
    values: Sequence[Any] = ()
    options: dict[str, Any] = field(default_factory=dict)
    is_hidden: bool = False


@dataclass
class Table:
    """One collection; ``word`` names it within its world. What a view's SQL may be narrowed down with, by a
    table it did not read before, is ``narrower``."""

    word: str
    name: str
    id: str
    type: str
    fields: list[Field]
    sql: str = ""
    narrower: str = ""
    rules: dict[str, str | None] = field(default_factory=dict)
    indexes: list[str] = field(default_factory=list)

    def field(self, name: str) -> Field:
        """The field of this name."""
        return next(f for f in self.fields if f.name == name)


def text(name: str, values: Sequence[str] = TEXTS, hidden: bool = False) -> Field:
    return Field(name, "text", values=values, is_hidden=hidden)


def select(name: str, values: Sequence[str], many: bool = False) -> Field:
    options = {"values": list(values), "maxSelect": len(values) if many else 1}
    return Field(name, "select", is_many=many, values=values, options=options)


def number(name: str) -> Field:
    return Field(name, "number", values=NUMBERS)


def flag(name: str) -> Field:
    return Field(name, "bool", values=(True, False))


def relation(name: str, target: str, many: bool = False, cascade: bool = False) -> Field:
    options = {"maxSelect": 5 if many else 1, "cascadeDelete": cascade}
    return Field(name, "relation", target, many, options=options)


EMAIL = Field("email", "email")
_ACCOUNT = (EMAIL, flag("verified"), flag("emailVisibility"))


def draw_tables(rng: Random, number_of_world: int) -> dict[str, Table]:
    """All collections of a world by word, views last; without rules."""

    def chance(share: float) -> bool:
        return rng.random() < share

    account = rng.choice(("people", "people", "crew"))
    fields: dict[str, tuple[str, list[Field]]] = {
        "people": (
            "auth",
            [
                *_ACCOUNT,
                text("name"),
                select("role", ROLES),
                text("plan"),
                number("level"),
                flag("active"),
                relation("team", "teams"),
                relation("teams", "teams", many=True),
                relation("boss", "people"),
                select("tags", TAGS, many=True),
                text("secret", hidden=True),
            ],
        ),
        "crew": (
            "auth",
            [*_ACCOUNT, text("name"), select("role", ROLES), number("level"), relation("team", "teams")],
        ),
        "teams": (
            "base",
            [
                text("name"),
                relation("lead", "people"),
                relation("members", "people", many=True),
                flag("public"),
                text("secret", hidden=chance(0.5)),
            ],
        ),
        "memberships": (
            "base",
            [
                relation("user", account),
                relation("team", "teams", cascade=chance(0.5)),
                select("role", ROLES),
            ],
        ),
        "posts": (
            "base",
            [
                text("title"),
                relation("owner", "people"),
                relation("editors", "people", many=True),
                relation("team", "teams"),
                relation("crewer", "crew"),
                select("status", ROLES),
                select("tags", TAGS, many=True),
                number("level"),
                flag("public"),
                Field("due", "date"),
                Field("meta", "json", values=({"a": 1}, {"a": "b"}, {"a": [1, 2]}, None)),
                Field("updated", "autodate", options={"onCreate": True, "onUpdate": True}),
                text("tenant"),
                text("secret", hidden=chance(0.7)),
            ],
        ),
        "comments": (
            "base",
            [
                text("title"),
                relation("post", "posts", cascade=chance(0.7)),
                relation("author", account),
                relation("likers", "people", many=True),
                flag("public"),
            ],
        ),
        "notes": (
            "base",
            [
                text("title"),
                relation("comment", "comments", cascade=chance(0.7)),
                relation("owner", rng.choice(("people", "crew"))),
                flag("public"),
            ],
        ),
        "settings": ("base", [text("key"), text("value"), flag("public")]),
    }
    if chance(0.5):
        fields["people"][1][:] = [f for f in fields["people"][1] if f.name != "boss"]
    tables = {}
    for word, (kind, content) in fields.items():
        tables[word] = Table(word, f"{word}_{number_of_world}", f"pbc_{rng.randrange(10**10)}", kind, content)
    for view in _draw_views(rng, tables, number_of_world):
        tables[view.word] = view
    return tables


def _draw_views(rng: Random, tables: dict[str, Table], number_of_world: int) -> list[Table]:
    name = {word: table.name for word, table in tables.items()}
    posts, people, memberships = tables["posts"], tables["people"], tables["memberships"]

    def of(table: Table, *names: str) -> list[Field]:
        return [table.field(n) for n in names]

    choices = {
        "counted": (
            f"SELECT p.id, p.title, p.owner, p.team, p.public, "
            f"(SELECT COUNT(*) FROM {name['comments']} c WHERE c.post = p.id) AS n FROM {name['posts']} p",
            [*of(posts, "title", "owner", "team", "public"), number("n")],
        ),
        "joined": (
            f"SELECT m.id, m.user, m.team, m.role, t.name, t.public FROM {name['memberships']} m "
            f"LEFT JOIN {name['teams']} t ON t.id = m.team",
            [*of(memberships, "user", "team", "role"), text("name"), flag("public")],
        ),
        "contacts": (
            f"SELECT id, name, email, role, team FROM {name['people']} "
            f"WHERE id IN (SELECT lead FROM {name['teams']}) OR active = TRUE",
            of(people, "name", "email", "role", "team"),
        ),
        "union": (
            f"SELECT (ROW_NUMBER() OVER ()) AS id, x.title FROM (SELECT title FROM {name['posts']} UNION ALL "
            f"SELECT title FROM {name['comments']}) x",
            [text("title")],
        ),
        "shares": (
            f"WITH big AS (SELECT team, COUNT(*) AS n FROM {name['posts']} GROUP BY team) "
            f"SELECT t.id, t.lead, t.name, b.n FROM {name['teams']} t LEFT JOIN big b ON b.team = t.id",
            [relation("lead", "people"), text("name"), number("n")],
        ),
    }
    narrower = {
        "counted": f" WHERE p.id IN (SELECT post FROM {name['comments']})",
        "joined": f" WHERE t.id IN (SELECT team FROM {name['posts']})",
        "contacts": f" AND id NOT IN (SELECT user FROM {name['memberships']})",
    }
    views = []
    for word in rng.sample(sorted(choices), 2):
        sql, fields = choices[word]
        identifier = f"pbc_{rng.randrange(10**10)}"
        view = Table(word, f"{word}_{number_of_world}", identifier, "view", fields, sql)
        view.narrower = narrower.get(word, "")
        views.append(view)
    if views[0].word in ("counted", "joined") and rng.random() < 0.7:
        below = views[0]
        column = "owner" if below.word == "counted" else "user"
        sql = f"SELECT v.id, v.{column}, v.team, v.public FROM {below.name} v WHERE v.team != ''"
        fields = of(below, column, "team", "public")
        identifier = f"pbc_{rng.randrange(10**10)}"
        views.append(Table("twice", f"twice_{number_of_world}", identifier, "view", fields, sql))
    return views
