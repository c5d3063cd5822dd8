"""The database that is a dictionary answers as PocketBase does, as far as it goes."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from hapta.plugins import BatchWrite, DatabaseError
from hapta.testing import MemoryDatabase

ROWS = [
    {"id": "a", "title": "Alpha", "views": 3, "is_open": True, "tags": ["x", "y"]},
    {"id": "b", "title": "beta", "views": 10, "is_open": False, "owner": "ada"},
    {"id": "c", "title": "it's \\ 'quoted'", "views": 0},
]


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase({"posts": ROWS})


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("", "abc"),
        ("title = 'beta'", "b"),
        ("title != 'beta'", "ac"),
        ("views > 2", "ab"),
        ("views >= 10", "b"),
        ("views = 0", "c"),
        ("is_open = true", "a"),
        ("is_open = false", "bc"),
        ("owner = ''", "ac"),
        ("owner = null", "ac"),
        ("owner != ''", "b"),
        ("title ~ 'ALPH'", "a"),
        ("title !~ 'a'", "c"),
        ("tags ?= 'y'", "a"),
        ("views = 0 || views = 3 && is_open = false", "c"),
        ("(views = 0 || views = 3) && is_open = true", "a"),
    ],
)
async def test_filters(database: MemoryDatabase, filter: str, found: str) -> None:
    assert "".join(row["id"] for row in await database.list("posts", filter=filter)) == found


async def test_values_are_put_into_a_filter(database: MemoryDatabase) -> None:
    params = {"title": "it's \\ 'quoted'"}
    (row,) = await database.list("posts", filter="title = {:title}", params=params)
    assert row["id"] == "c"


@pytest.mark.parametrize(
    "filter", ["owner.name = 1", "created > @now", "length(title) = 1", "tags:each = 'x'"]
)
async def test_what_it_does_not_understand_it_does_not_guess(database: MemoryDatabase, filter: str) -> None:
    with pytest.raises((ValueError, DatabaseError)):
        await database.list("posts", filter=filter)
    with pytest.raises(ValueError, match="expand"):
        await database.view("posts", "a", expand="owner")


async def test_a_filter_pocketbase_refuses_is_refused(database: MemoryDatabase) -> None:
    with pytest.raises(DatabaseError):
        await database.list("posts", filter="title = ")


async def test_sorts_and_pages(database: MemoryDatabase) -> None:
    found = await database.list("posts", sort="-views", page=1, per_page=2)
    assert [row["id"] for row in found] == ["b", "a"]
    assert [row["id"] for row in await database.list("posts", sort="-views", page=2, per_page=2)] == ["c"]
    assert [row["id"] for row in await database.list("posts", sort="owner,-title")] == ["c", "a", "b"]


async def test_texts_sort_behind_numbers_and_both_behind_nothing() -> None:
    database = MemoryDatabase({"odd": [{"v": "b"}, {"v": 2}, {}, {"v": ""}, {"v": True}, {"v": ["a"]}]})
    found = [row.get("v") for row in await database.list("odd", sort="v")]
    assert found == [None, True, 2, "", ["a"], "b"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"views+": 2}, {"views": 5}),
        ({"views-": 2}, {"views": 1}),
        ({"tags+": "z"}, {"tags": ["x", "y", "z"]}),
        ({"+tags": ["z", "x"]}, {"tags": ["z", "x", "y"]}),
        ({"tags-": ["x"]}, {"tags": ["y"]}),
        ({"new+": 1}, {"new": 1}),
    ],
)
async def test_modifiers(database: MemoryDatabase, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    row = await database.update("posts", "a", fields)
    assert {name: row[name] for name in expected} == expected
    assert row["title"] == "Alpha"


async def test_a_batch_is_done_whole_or_not_at_all(database: MemoryDatabase) -> None:
    rows = await database.batch(
        [
            BatchWrite("create", "posts", fields={"id": "d"}),
            BatchWrite("upsert", "posts", fields={"id": "d", "title": "D"}),
            BatchWrite("update", "posts", "a", {"title": "A"}),
            BatchWrite("delete", "posts", "b"),
        ]
    )
    assert [row and row["id"] for row in rows] == ["d", "d", "a", None]
    before = database.all("posts")
    with pytest.raises(DatabaseError) as caught:
        await database.batch(
            [BatchWrite("delete", "posts", "a"), BatchWrite("create", "posts", fields={"id": "d"})]
        )
    assert caught.value.status == 400
    assert database.all("posts") == before
    with pytest.raises(DatabaseError) as caught:
        await MemoryDatabase(has_batch=False).batch([])
    assert caught.value.status == 403


async def test_ids_and_unique_indexes_are_held(database: MemoryDatabase) -> None:
    with pytest.raises(DatabaseError) as caught:
        await database.create("posts", {"id": "a"})
    assert caught.value.data["id"]["code"] == "validation_not_unique"
    index = "CREATE UNIQUE INDEX `idx_k` ON `hapta_k` (`one`, `two`)"
    await database.ensure_collection({"name": "hapta_k", "indexes": [index]})
    await database.create("hapta_k", {"one": 1, "two": 1})
    await database.create("hapta_k", {"one": 1, "two": 2})
    with pytest.raises(DatabaseError):
        await database.create("hapta_k", {"one": 1, "two": 2})
    with pytest.raises(ValueError, match="hapta_"):
        await database.ensure_collection({"name": "other"})
    assert database.requests[-4:] == ["ensure hapta_k", *["create hapta_k"] * 3]


async def test_what_it_gives_out_is_not_what_it_keeps(database: MemoryDatabase) -> None:
    row = dict(await database.view("posts", "a") or {})
    row["title"] = "changed"
    assert (await database.view("posts", "a") or {})["title"] == "Alpha"
    assert await database.view("posts", "nobody") is None


async def test_moments_come_back_as_pocketbase_writes_them_and_can_be_compared(
    database: MemoryDatabase,
) -> None:
    moment = datetime(2030, 1, 2, 3, 4, 5, 678000, timezone(timedelta(hours=1)))
    row = await database.create("posts", {"due": moment, "meta": {"tags": ("x",)}})
    assert (row["due"], row["meta"]) == ("2030-01-02 02:04:05.678Z", {"tags": ["x"]})
    later = {"now": moment + timedelta(milliseconds=1)}
    assert await database.list("posts", filter="due < {:now} && due != ''", params=later) == [row]
    assert await database.list("posts", filter="due < {:now}", params={"now": moment}) == []
