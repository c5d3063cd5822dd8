"""Random reads: list and view of any collection with every parameter PocketBase knows, unknown and repeated
ones, odd encodings, and the headers that rules may read."""

import re
from dataclasses import dataclass, replace
from random import Random
from urllib.parse import quote

from tests.isolation.rules import Grammar
from tests.isolation.tables import TEXTS, Table

_UNBORN = ("new000000000001", "new000000000002", "new000000000003", "x", "people000000000")
"""Ids of rows that are not there, or not yet, or in another collection."""
_HEADER = re.compile(r"@request\.headers\.(\w+)")
_PARAMETER = re.compile(r"@request\.query\.(\w+)")
_SAFE = "()=!~<>?'\"|@.,:*-_$"


@dataclass(frozen=True)
class Ask:
    """One read.

    Attributes:
        headers: those that rules may read.
        collection: word of the collection.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    collection: str

    @property
    def is_projected(self) -> bool:
        """It has ``fields``, which shuffles the keys of every answer."""
        return "fields=" in self.target or "%66ields=" in self.target

    def __str__(self) -> str:
        sent = "".join(f" -H '{name}: {value}'" for name, value in self.headers)
        return f"{self.method} {self.target}{sent}"


class Asks:
    """Draws reads of a world."""

    def __init__(
        self, rng: Random, tables: dict[str, Table], ids: dict[str, list[str]], grammar: Grammar
    ) -> None:
        self._rng, self._tables, self._ids, self._grammar = rng, tables, ids, grammar
        self._drawn: list[Ask] = []

    def draw(self) -> Ask:
        """One read, new or a variant of an earlier one."""
        earlier = self._drawn[-20:]
        variant = earlier and self._rng.random() < 0.35
        ask = self._variant(self._rng.choice(earlier)) if variant else self._draw()
        self._drawn.append(ask)
        return ask

    def _variant(self, ask: Ask) -> Ask:
        """The same read but for one thing that may stand in a key, or must not."""
        rng, table = self._rng, self._tables[ask.collection]
        path, _, query = ask.target.partition("?")
        pairs = query.split("&") if query else []
        rules = " ".join(filter(None, table.rules.values()))
        weights = {"headers": 3, "method": 2, "name": 1, "drop": 2 if pairs else 0, "add": 3}
        weights["headers"] += 6 * ("@request.headers." in rules)
        weights["method"] += 6 * ("@request.method" in rules)
        weights["add"] += 6 * ("@request.query." in rules)
        match rng.choices(list(weights), list(weights.values()))[0]:
            case "headers":
                return replace(ask, headers=self._headers(_HEADER.findall(rules)))
            case "method":
                return replace(ask, method="HEAD" if ask.method == "GET" else "GET")
            case "name":
                other = rng.choice((table.name, table.id))
                return replace(ask, target=ask.target.replace(path.split("/")[3], other))
            case "drop":
                pairs.pop(rng.randrange(len(pairs)))
            case _:
                name = rng.choice(_PARAMETER.findall(rules) or ["key", "tenant", "page", "perPage", "_"])
                value = rng.choice(TEXTS) if name in ("key", "tenant") else rng.choice("123")
                pairs.insert(rng.randrange(len(pairs) + 1), f"{name}={value}")
        return replace(ask, target="?".join(filter(None, (path, "&".join(pairs)))))

    def _draw(self) -> Ask:
        rng = self._rng
        table = self._tables[rng.choice(sorted(self._tables))]
        is_list = rng.random() < 0.62
        pairs = self._pairs(table, is_list)
        query = "&".join(pairs)
        target = self._path(table, is_list) + (f"?{query}" if query else "")
        method = "HEAD" if rng.random() < 0.06 else "GET"
        return Ask(method, target, self._headers(), table.word)

    def _path(self, table: Table, is_list: bool) -> str:
        rng = self._rng
        name = rng.choice((table.name, table.name, table.name, table.id, table.name.upper()))
        if rng.random() < 0.03:
            name = f"%{ord(name[0]):02x}{name[1:]}"
        records = "%72ecords" if rng.random() < 0.02 else "records"
        path = f"/api/collections/{name}/{records}"
        if is_list:
            return path + ("/" if rng.random() < 0.01 else "")
        known = self._ids.get(table.word) or self._ids["posts"]
        drawn = rng.random()
        row = rng.choice(known) if drawn < 0.85 else rng.choice(_UNBORN)
        if drawn < 0.03:
            row = f"%{ord(row[0]):02X}{row[1:]}"
        return f"{path}/{row}"

    def _headers(self, read: list[str] | None = None) -> tuple[tuple[str, str], ...]:
        """Some headers, and often one of those that rules read."""
        rng = self._rng
        headers = {}
        own = [name for name in read or () if name not in ("x_tenant", "accept_encoding", "origin")]
        if own and rng.random() < 0.5:
            headers[rng.choice(own).replace("_", "-")] = rng.choice(TEXTS)
        if rng.random() < 0.35:
            name = "X_Tenant" if rng.random() < 0.1 else "X-Tenant"  # one to rules; both at once are chance
            headers[name] = rng.choice(TEXTS)
            if name == "X-Tenant" and rng.random() < 0.05:
                headers["x-tenant"] = rng.choice(TEXTS)
        if rng.random() < 0.15:
            headers[rng.choice(("X-Flag", "x-flag"))] = rng.choice(TEXTS)
        if rng.random() < 0.2:
            headers["Accept-Language"] = rng.choice(("a", "b", "de-DE"))
        if rng.random() < 0.1:
            headers["Origin"] = rng.choice(("https://one.example", "https://two.example"))
        if rng.random() < 0.15:
            headers["Accept-Encoding"] = "gzip"
        if rng.random() < 0.2:
            name = rng.choice(("User-Agent", "Accept", "Cookie", "Referer", "Cache-Control", "Pragma"))
            headers[name] = rng.choice(TEXTS[1:])
        return tuple(headers.items())

    def _pairs(self, table: Table, is_list: bool) -> list[str]:
        rng = self._rng
        pairs = []

        def add(share: float, name: str, value: str) -> None:
            if rng.random() < share:
                pairs.append(f"{self._name(name)}={self._value(value)}")

        add(0.5, "expand", self.expands(table))
        add(0.2, "fields", self._fields(table))
        if is_list:
            add(0.4, "filter", self._filter(table))
            add(0.35, "sort", self._sort(table))
            add(0.2, "page", rng.choice(("1", "2", "2", "3", "0", "-1", "x")))
            add(0.25, "perPage", rng.choice(("1", "2", "3", "5", "1000", "2000", "0")))
            add(0.2, "skipTotal", rng.choice(("1", "1", "true", "0", "f", "maybe")))
        else:
            add(0.03, "filter", self._filter(table))
        add(0.12, "key", rng.choice(TEXTS))
        add(0.12, "tenant", rng.choice(TEXTS))
        add(0.08, "_", str(rng.randrange(3)))
        if pairs and rng.random() < 0.06:  # of a repeated parameter the first counts
            name = rng.choice(pairs).partition("=")[0]
            pairs.insert(rng.randrange(len(pairs) + 1), f"{name}={rng.choice(('1', '2', 'a', ''))}")
        if rng.random() < 0.04:
            odd = ("a=%zz", "key=a;tenant=b", "key", "=", "", "tenant=%00", "expand", "key=%C3%28")
            pairs.insert(rng.randrange(len(pairs) + 1), rng.choice(odd))
        if rng.random() < 0.3:
            rng.shuffle(pairs)
        return pairs

    def _name(self, name: str) -> str:
        return f"%{ord(name[0]):02x}{name[1:]}" if self._rng.random() < 0.02 else name

    def _value(self, value: str) -> str:
        drawn = self._rng.random()
        if drawn < 0.1:
            return quote(value, safe="").replace("%20", "+").replace("%2C", "%2c")
        if drawn < 0.2:
            return quote(value, safe=_SAFE).replace("%20", "+")
        return quote(value, safe=_SAFE if drawn < 0.5 else "")

    def _filter(self, table: Table) -> str:
        rng = self._rng
        drawn = rng.random()
        if drawn < 0.03:
            return rng.choice(("", "title =", "nothing = 1", "(title='a'", "title='a' title='b'", "'a'='a'"))
        if drawn < 0.08:
            return self._grammar.expression(table, is_rule=True)  # 403 for all but superusers, mostly
        return self._grammar.expression(table, is_rule=False)

    def _sort(self, table: Table) -> str:
        rng = self._rng
        terms = []
        for _ in range(rng.choice((1, 1, 2))):
            path = self._grammar.path(table, hops=rng.choice((0, 0, 0, 1, 2)))
            name = path.text if path and not path.is_many else "id"
            terms.append(rng.choice(("", "-", "+")) + name)
        if rng.random() < 0.1:
            terms.insert(0, rng.choice(("@rowid", "-@rowid", "nothing")))
        return ",".join([*terms, "id"])  # ties have no order of their own

    def expands(self, table: Table) -> str:
        """An expand of one to three ways, back-relations in both of their forms."""
        rng = self._rng
        return ",".join(self._expand(table) for _ in range(rng.choice((1, 1, 2, 3))))

    def _expand(self, table: Table) -> str:
        rng = self._rng
        hops: list[str] = []
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 3, 7))):
            onward = [(f.name, f.target) for f in table.fields if f.kind == "relation"]
            back = [
                (
                    rng.choice((f"{t.name}_via_{f.name}", f"{t.name}_via_{f.name}", f"{t.name}({f.name})")),
                    t.word,
                )
                for t in self._tables.values()
                if t.type != "view" and table.type != "view"
                for f in t.fields
                if f.target == table.word
            ]
            steps = onward + (rng.sample(back, min(len(back), 2)) if back else [])
            if not steps:
                break
            name, word = rng.choice(steps)
            hops.append(name)
            table = self._tables[word]
        return (
            ".".join(hops) if hops and rng.random() > 0.03 else rng.choice(("nothing", "", "owner.nothing"))
        )

    def _fields(self, table: Table) -> str:
        rng = self._rng
        names = ["id", "*", "email", "collectionId", "expand", "expand.*", *(f.name for f in table.fields)]
        names += [f"expand.{f.name}.{rng.choice(('id', 'email', '*'))}" for f in table.fields if f.target]
        names += [
            "expand.*.expand.*.email",
            "expand.*.email",
            "*:excerpt(2)",
            "expand.owner.expand.team.lead",
        ]
        names += [f"{f.name}:excerpt(1,true)" for f in table.fields if f.kind == "text"]
        return ",".join(rng.sample(names, rng.choice((1, 2, 3, 5))))
