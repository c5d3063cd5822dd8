"""Whoever an expression lets pass here, PocketBase lets pass too, and the other way round."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
import pytest

from hapta.builtin.expression import compile_expression
from tests.filters.support import quote
from tests.support.pocketbase import PASSWORD, PocketBase

ROWS, PEOPLE = "guarded_rows", "guarded_people"
TEXTS = ["", "a", "A", "b", "ab", "á", "a%", "1", "true", "staff", "Staff", "x" * 40, "person000000001"]
NUMBERS = [0, 1, -1, 1.5, 7, 10, 1e21, 123456789012345]
DATES = ["", "2024-01-01 00:00:00.000Z", "2024-06-30 12:34:56.789Z"]
VALUES: dict[str, list[Any]] = {
    "role": TEXTS,
    "word": TEXTS,
    "level": NUMBERS,
    "score": NUMBERS,
    "flag": [True, False],
    "on": [True, False],
    "day": DATES,
    "meta": [None, "", "a", 1, {"a": 1}, ["a"], True],
    "kinds": [[], ["a"], ["a", "b"]],
    "owner": [""],
}
_COMPARED = ("=", "!=", "<", "<=", ">", ">=", "?=", "?!=", "?<")
_LIKED = ("~", "!~", "?~", "?!~")
_OF_ROWS = (
    *("role", "word", "level", "score", "flag", "on", "day", "owner", "id", "role:lower", "word:lower"),
    *("meta", "kinds"),
)
_OF_CALLERS = (
    *("id", "role", "word", "level", "score", "flag", "on", "day", "email", "verified", "collectionName"),
    *("role:lower", "collectionId", "emailVisibility", "nick", "kinds", "meta", "email:lower", "id:lower"),
)
_CONSTANTS = [
    "''",
    "null",
    "true",
    "FALSE",
    "0",
    "1",
    "-1",
    "1.5",
    "7",
    *map(quote, TEXTS),
    *map(quote, DATES),
]
_CONSTANTS += [quote(PEOPLE), "'p1@example.com'", "'%@example.com'"]


@dataclass
class World:
    """Rows, people, and PocketBase asked who sees which row."""

    admin: httpx.Client
    callers: list[tuple[dict[str, Any], httpx.Client]]
    rows: dict[str, dict[str, Any]]

    def seen(self, client: httpx.Client) -> set[str]:
        answer = client.get(f"/api/collections/{ROWS}/records", params={"perPage": 500, "fields": "id"})
        answer.raise_for_status()
        return {row["id"] for row in answer.json()["items"]}

    def set_rule(self, text: str) -> bool:
        return self.admin.patch(f"/api/collections/{ROWS}", json={"listRule": text}).status_code == 200


def _fields() -> list[dict[str, Any]]:
    return [
        *({"name": name, "type": "text"} for name in ("role", "word")),
        *({"name": name, "type": "number"} for name in ("level", "score")),
        *({"name": name, "type": "bool"} for name in ("flag", "on")),
        {"name": "day", "type": "date"},
        {"name": "meta", "type": "json"},
        {"name": "kinds", "type": "select", "values": ["a", "b"], "maxSelect": 2},
    ]


@pytest.fixture(scope="module")
def world(pocketbase: PocketBase) -> Iterator[World]:
    admin, chance = pocketbase.admin, Random(7)
    people = {"name": PEOPLE, "type": "auth", "fields": [*_fields(), {"name": "nick", "type": "text"}]}
    made = admin.post("/api/collections", json=people)
    assert made.status_code == 200, made.text
    owner = {"name": "owner", "type": "relation", "collectionId": made.json()["id"], "maxSelect": 1}
    rows = {"name": ROWS, "type": "base", "fields": [*_fields(), owner], "listRule": ""}
    admin.post("/api/collections", json=rows).raise_for_status()
    callers: list[tuple[dict[str, Any], httpx.Client]] = []
    guest = httpx.Client(base_url=pocketbase.url, timeout=30)
    wanted = {name.partition(":")[0] for name in _OF_CALLERS}
    callers.append((dict.fromkeys(wanted), guest))
    for number in range(1, 6):
        row = {name: chance.choice(values) for name, values in VALUES.items() if name != "owner"}
        row |= {"id": f"person{number:09d}", "email": f"p{number}@example.com", "verified": number % 2 == 0}
        row |= {"password": PASSWORD, "passwordConfirm": PASSWORD, "nick": "n", "emailVisibility": number > 2}
        answer = admin.post(f"/api/collections/{PEOPLE}/records", json=row)
        assert answer.status_code == 200, answer.text
        token = pocketbase.token(PEOPLE, row["email"])
        client = httpx.Client(base_url=pocketbase.url, timeout=30, headers={"Authorization": token})
        shown = {name: value for name, value in answer.json().items() if value is not None}
        callers.append((shown, client))
    of_ada = {"Authorization": pocketbase.token("users", "ada@example.com")}
    ada = httpx.Client(base_url=pocketbase.url, timeout=30, headers=of_ada)
    record = next(row for row in pocketbase.rows("users") if row["email"] == "ada@example.com")
    callers.append(({name: record.get(name) for name in wanted}, ada))
    for number in range(60):
        row = {name: chance.choice(values) for name, values in VALUES.items()}
        row |= {"id": f"guarded{number:08d}", "owner": chance.choice(["", "person000000001"])}
        answer = admin.post(f"/api/collections/{ROWS}/records", json=row)
        assert answer.status_code == 200, answer.text
    yield World(admin, callers, {row["id"]: row for row in pocketbase.rows(ROWS)})
    for _, client in callers:
        client.close()
    for name in (ROWS, PEOPLE):
        admin.delete(f"/api/collections/{name}").raise_for_status()


def _comparison(chance: Random) -> str:
    callers = [f"@request.auth.{name}" for name in _OF_CALLERS]
    own = _OF_ROWS
    if chance.random() < 0.2:
        return f"{chance.choice([*callers, *own])} {chance.choice(_LIKED)} {chance.choice(_CONSTANTS[9:])}"
    left = chance.choice([chance.choice(callers), chance.choice(own)])
    right = chance.choice([chance.choice(callers), chance.choice(own), *[chance.choice(_CONSTANTS)] * 3])
    pair = [left, right]
    chance.shuffle(pair)
    return f"{pair[0]} {chance.choice(_COMPARED)} {pair[1]}"


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.all_modes) for n in (1, 2, 4, 7))])
def test_an_expression_lets_pass_whom_the_same_rule_lets_see(world: World, seed: int) -> None:
    """What is not known is refused here: nobody passes whom PocketBase would not let pass."""
    chance, decided, agreed, tried = Random(seed), 0, 0, 0
    for _ in range(150):
        parts = [_comparison(chance) for _ in range(chance.choice([1, 1, 1, 2, 3]))]
        text = parts[0]
        for part in parts[1:]:
            text = f"{text} {chance.choice(['&&', '||'])} {part}"
        if not world.set_rule(text):
            continue
        tried += 1
        expression = compile_expression(text)
        for auth, client in world.callers:
            seen = world.seen(client)
            for id_, row in world.rows.items():
                holds = expression.holds(auth, row)
                assert not holds or id_ in seen, (
                    text,
                    auth,
                    {name: row.get(name) for name in expression.own},
                )
                decided += 1
                agreed += holds is (id_ in seen)
            if expression.holds(auth, None):
                assert seen == world.rows.keys(), (text, auth)
    assert tried > 120
    assert agreed > 0.7 * decided, agreed / decided  # half of them compare texts with numbers


@pytest.mark.parametrize(
    "text",
    [
        "@request.auth.role = 'staff'",
        "@request.auth.role != 'staff'",
        "@request.auth.id != ''",
        "@request.auth.id = ''",
        "owner = @request.auth.id",
        "id = @request.auth.id",
        "@request.auth.verified = true",
        "@request.auth.collectionName = 'guarded_people'",
        "@request.auth.email ~ '%@example.com'",
        "@request.auth.level >= level",
        "@request.auth.role = role || flag = true",
        "(word = '' || score > 1) && @request.auth.on = true",
        "word ~ 'a' && day > '2024-01-01'",
        "@request.auth.nick = null",
    ],
)
def test_expressions_people_write_mean_exactly_what_they_mean_to_pocketbase(world: World, text: str) -> None:
    assert world.set_rule(text)
    expression = compile_expression(text)
    for auth, client in world.callers:
        seen = world.seen(client)
        lacks_some = any(auth.get(name) is None for name in expression.auth)
        for id_, row in world.rows.items():
            holds = expression.holds(auth, row)
            if lacks_some and any(row[name] == "" for name in expression.own):
                assert not holds or id_ in seen, "no guest owns a record without owner"
            else:
                assert holds is (id_ in seen), (auth, row)


@pytest.mark.all_modes
@pytest.mark.parametrize("operator", ["=", "!=", "<", ">=", "~", "!~", "?!="])
def test_no_operand_compared_with_any_kind_of_constant_lets_too_many_pass(
    world: World, operator: str
) -> None:
    asked = 0
    for name in (*_OF_ROWS, *(f"@request.auth.{name}" for name in _OF_CALLERS)):
        for constant in ("''", "'a'") if "~" in operator else ("''", "null", "true", "0", "1", "'a'"):
            texts = [f"{name} {operator} {constant}", f"{constant} {operator} {name}"]
            for text in texts[:1] if "~" in operator else texts:
                if not world.set_rule(text):
                    continue
                expression = compile_expression(text)
                for auth, client in world.callers[::2]:
                    passing = {id_ for id_, row in world.rows.items() if expression.holds(auth, row)}
                    assert passing <= world.seen(client), (text, auth)
                    asked += 1
    assert asked > 200
