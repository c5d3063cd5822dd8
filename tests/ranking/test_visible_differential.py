"""What is said to be visible is what PocketBase lists, for rules by the hundred and six kinds of caller."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
import pytest

from hapta.config.feed_tables import RankedFeedConfig
from hapta.model.schema import Collection, Schema
from hapta.ranking.spec import FeedSpec
from hapta.ranking.table import FeatureTable
from hapta.ranking.visible import EVERYTHING, Visible
from tests.filters import conditions as over
from tests.support.pocketbase import PocketBase
from tests.support.seed import row_id

NAME = "sightings"
_ADA, _BEN, _CLEO, _DAN = (row_id("user", number) for number in (1, 2, 3, 4))
_SAM, _MIA = row_id("staff", 1), row_id("member", 1)
_USERS = "_pb_users_auth_"


@dataclass
class Sight:
    """PocketBase, and who asks: guests, an author, one in other fields, one in no row, and two of other
    collections."""

    pocketbase: PocketBase
    callers: dict[str, httpx.Client]

    def schema(self) -> Schema:
        answer = self.pocketbase.admin.get("/api/collections", params={"perPage": 200}).raise_for_status()
        return Schema.of(1, [Collection.parse(each) for each in answer.json()["items"]])

    def listed(self, name: str, auth_id: str) -> set[str] | None:
        """The ids PocketBase lists; ``None`` if it refuses."""
        answer = self.callers[auth_id].get(
            f"/api/collections/{name}/records", params={"perPage": 1000, "fields": "id", "skipTotal": 1}
        )
        if answer.status_code != 200:
            assert answer.status_code in (400, 403), answer.text
            return None
        return {row["id"] for row in answer.json()["items"]}

    def compare(self, name: str, rule: str | None, rows: list[dict[str, Any]]) -> int | None:
        """For how many callers something is said; never anything else than PocketBase lists.

        Returns:
            ``None`` if PocketBase does not take the rule.
        """
        path = f"/api/collections/{name}"
        if self.pocketbase.admin.patch(path, json={"listRule": rule}).status_code != 200:
            return None
        schema = self.schema()
        found = FeedSpec.of("home", RankedFeedConfig(collection=name), schema)
        table = FeatureTable(found)
        for row in rows:
            table.put(found.collection.id, {name: row[name] for name in found.reads[found.collection.id]})
        visible, told = Visible(table, schema), 0
        for auth_id in self.callers:
            seen = visible.of(auth_id)
            if seen is None:
                continue
            told += 1
            slots = range(table.length)
            ids = {table.id_of(slot) for slot in slots if seen is EVERYTHING or seen[slot]}
            assert ids == self.listed(name, auth_id), (rule, auth_id)
        return told


@pytest.fixture(scope="module")
def sight(pocketbase: PocketBase) -> Iterator[Sight]:
    url, callers = pocketbase.url, {"": httpx.Client(base_url=pocketbase.url, timeout=30)}
    for collection, record_id in (
        *(("users", each) for each in (_ADA, _BEN, _DAN)),
        ("staff", _SAM),
        ("members", _MIA),
    ):
        answer = pocketbase.admin.post(
            f"/api/collections/{collection}/impersonate/{record_id}", json={"duration": 3600}
        ).raise_for_status()
        callers[record_id] = httpx.Client(
            base_url=url, timeout=30, headers={"Authorization": answer.json()["token"]}
        )
    yield Sight(pocketbase, callers)
    for client in callers.values():
        client.close()


@pytest.fixture(scope="module")
def sightings(sight: Sight) -> Iterator[list[dict[str, Any]]]:
    """Rows in which callers stand in every way."""
    admin = sight.pocketbase.admin
    relation = {"type": "relation", "collectionId": _USERS}
    fields = [
        {"name": "word", "type": "text"},
        {"name": "public", "type": "bool"},
        {"name": "level", "type": "number"},
        {"name": "secret", "type": "text", "hidden": True},
        {**relation, "name": "author", "maxSelect": 1},
        {**relation, "name": "editor", "maxSelect": 1},
        {**relation, "name": "friends", "maxSelect": 5},
        {"name": "created", "type": "autodate", "onCreate": True},
    ]
    admin.post("/api/collections", json={"name": NAME, "type": "base", "fields": fields}).raise_for_status()
    chance = Random(5)
    words = ["", "a", "0", "null", _ADA, _ADA.upper(), _BEN, _SAM, _MIA, "x" * 255]
    requests = [
        {
            "method": "POST",
            "url": f"/api/collections/{NAME}/records",
            "body": {
                "id": row_id("row", number),
                "word": chance.choice(words),
                "public": chance.random() < 0.5,
                "level": chance.choice([0, 1, 2.5]),
                "secret": chance.choice(words),
                "author": chance.choice(["", _ADA, _ADA, _CLEO]),
                "editor": chance.choice(["", _ADA, _BEN]),
                "friends": chance.sample([_ADA, _BEN, _CLEO], chance.randint(0, 3)),
            },
        }
        for number in range(80)
    ]
    admin.post("/api/batch", json={"requests": requests}).raise_for_status()
    yield sight.pocketbase.rows(NAME)
    admin.delete(f"/api/collections/{NAME}").raise_for_status()


_ME = "@request.auth.id"
_TOLD = [
    "",
    f'{_ME} != ""',
    f'{_ME} = ""',
    f"{_ME} != null",
    f"null = {_ME}",
    f"author = {_ME}",
    f"{_ME} = author",
    f"author.id = {_ME}",
    f"author != {_ME}",
    f"author ?= {_ME}",
    f"author ?!= {_ME}",
    f"public = true || author = {_ME}",
    f"public = true && author = {_ME} || editor = {_ME}",
    f"(public = true || author = {_ME}) && editor != {_ME}",
    f"word = {_ME}",
    f"word != {_ME} && level > 0",
    f"word:lower = {_ME}",
    f"word >= {_ME}",
    f"word < {_ME} || public = true",
    f'{_ME} = "{_BEN}"',
    f'{_ME} != "{_ADA}" && author = {_ME}',
    f"{_ME} > author",
    "author = editor",
    f"author = editor || author = {_ME}",
    f"{_ME} = {_ME}",
    "level >= 1 && public = false",
    "word = 'a' || word = ''",
    "word ~ 'user'",
    f"created > '2020-01-01' && editor = {_ME}",
    "id = id",
    f"id != {_ME}",
]
_UNTOLD = [
    None,
    f"friends ?= {_ME}",
    f"friends.id ?= {_ME}",
    f"secret = {_ME}",
    "secret = ''",
    "@request.auth.name = 'Ada'",
    "@request.auth.collectionName = 'users'",
    "author.name = 'Ada'",
    "@now > created",
    "@request.query.a = ''",
    "@request.headers.a = ''",
    "@request.method = 'GET'",
    "@request.body.a = ''",
    "@collection.topics.name ?= 'Topic 1'",
    "public = true || friends:length > 1",
    "level = word",
]


@pytest.mark.parametrize("rule", _TOLD)
def test_of_a_plain_rule_everything_is_told_to_everybody(
    sight: Sight, sightings: list[dict[str, Any]], rule: str
) -> None:
    assert sight.compare(NAME, rule, sightings) == len(sight.callers) == 6


@pytest.mark.parametrize("rule", _UNTOLD)
def test_of_a_rule_that_looks_further_nothing_is_told(
    sight: Sight, sightings: list[dict[str, Any]], rule: str | None
) -> None:
    assert sight.compare(NAME, rule, sightings) == 0


_LEAVES = [
    *(f"{field} {sign} {_ME}" for field in ("author", "editor", "word", "id") for sign in ("=", "!=", "?=")),
    *("public = true", "level > 0", "author != ''", "word = 'a'", f"{_ME} != ''", f"{_ME} = ''"),
    *("author = editor", f"word ~ '{_ADA}'", f"word:lower = {_ME}", f"{_ME} < word", "word != null"),
]


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.all_modes) for seed in (1, 2, 3))]
)
def test_rules_put_together_are_told_as_pocketbase_lists(
    sight: Sight, sightings: list[dict[str, Any]], seed: int
) -> None:
    chance = Random(seed)
    for _ in range(40):
        rule = over.joined(chance, chance.sample(_LEAVES, chance.randint(2, 4)))
        assert sight.compare(NAME, rule, sightings) == 6


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.all_modes) for seed in (1, 2, 3))]
)
def test_rules_over_every_kind_of_field_are_never_contradicted(sight: Sight, seed: int) -> None:
    admin, chance = sight.pocketbase.admin, Random(seed)
    over.make(admin)
    try:
        rows = sight.pocketbase.rows(over.NAME)
        taken = told = 0
        for number in range(60):
            draw = over.odd if number % 3 == 0 else over.supported
            leaves = [draw(chance, rows, is_client=False) for _ in range(chance.choice([1, 1, 2, 3]))]
            found = sight.compare(over.NAME, over.joined(chance, leaves), rows)
            taken += found is not None
            told += found or 0
        assert taken > 45
        assert told > taken
    finally:
        admin.delete(f"/api/collections/{over.NAME}").raise_for_status()
