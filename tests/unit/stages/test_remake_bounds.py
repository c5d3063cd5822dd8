"""Answers made without PocketBase: how much is made at once, how much is kept for it, and until when."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.unit.cache.plan_world import POSTS, schema
from tests.unit.stages.cache_world import POSTS_LIST, World, page, status_of

ALL = f"{POSTS_LIST}?perPage=500&sort=id"


def row(record: str, **more: Any) -> Mapping[str, Any]:
    """A post as everybody sees it."""
    names = {str(field["name"]) for field in schema().by_id[POSTS].fields if not field.get("hidden")}
    found = dict.fromkeys(["collectionId", "collectionName", *names], "") | {"id": record, **more}
    return dict(sorted(found.items()))


def whole(*rows: Mapping[str, Any]) -> bytes:
    return page(*rows).replace(b'"perPage":30', b'"perPage":500')


async def filled(*rows: Mapping[str, Any]) -> World:
    """A world in which a list of all posts is stored."""
    world = World(max_body_bytes=2_000_000, is_remade=True)
    world.pocketbase.body = whole(*rows)
    assert status_of(await world.read(ALL)) == "fwd=uri-miss; stored"
    return world


@pytest.mark.parametrize(
    ("terms", "is_made"), [pytest.param(1, True, id="short"), pytest.param(40, False, id="long")]
)
async def test_a_long_filter_over_long_rows_is_left_to_pocketbase(terms: int, is_made: bool) -> None:
    world = await filled(row("p1", title="é" * 100_000), row("p2", title="b"))
    world.pocketbase.body = whole(row("p2", title="b"))
    text = "||".join(["title~'b'", *(f"title~'é{number}'" for number in range(1, terms))])
    answer = await world.read(f"{ALL}&filter={text}")
    assert ("from-list" in status_of(answer)) is is_made
    assert answer.body == whole(row("p2", title="b"))


@pytest.mark.parametrize(
    ("terms", "is_noted"), [pytest.param(1, True, id="short"), pytest.param(60, False, id="long")]
)
async def test_where_records_stand_is_kept_of_short_targets_only(terms: int, is_noted: bool) -> None:
    """With a place stands the key of an answer: twenty thousand long ones would be all there is."""
    world = World(is_remade=True)
    world.pocketbase.body = page(row("p1"))
    text = "&&".join(f"title!='{number}'" for number in range(terms))
    await world.read(f"{POSTS_LIST}?filter={quote(text)}")
    assert (len(world.shelf) > 0) is is_noted


async def test_what_stands_where_is_forgotten_with_the_schema() -> None:
    """Under the same key another schema may show rows of another collection with the same ids."""
    world = await filled(row("p1"))
    assert len(world.shelf) == 1
    world.change_schema()
    assert len(world.shelf) == 0
    world.pocketbase.body = orjson.dumps(row("p1"))
    assert status_of(await world.read(f"{POSTS_LIST}/p1")) == "fwd=uri-miss; stored"


async def test_what_a_batch_did_meanwhile_is_not_undone_by_the_answer_to_a_single_write() -> None:
    """The batch was committed later and answered earlier; its event is still to come."""
    world = World(is_remade=True)
    world.pocketbase.body = orjson.dumps(row("p2"))
    await world.read(f"{POSTS_LIST}/p2")
    world.pocketbase.body = orjson.dumps(row("p1", title="first"))
    body = {"requests": [{"method": "PATCH", "url": f"{POSTS_LIST}/p1", "body": {"title": "second"}}]}

    async def meanwhile() -> None:
        world.pocketbase.then = None
        await world.write("POST", "/api/batch", orjson.dumps(body), **{"Content-Type": "application/json"})

    world.pocketbase.then = meanwhile
    await world.write(
        "PATCH", f"{POSTS_LIST}/p1", b'{"title":"first"}', **{"Content-Type": "application/json"}
    )
    world.pocketbase.body = orjson.dumps(row("p1", title="second"))
    answer = await world.read(f"{POSTS_LIST}/p1")
    assert answer.body == orjson.dumps(row("p1", title="second"))


async def test_a_view_is_made_of_the_answer_to_a_write_that_was_alone() -> None:
    world = World(is_remade=True)
    world.pocketbase.body = orjson.dumps(row("p2"))
    await world.read(f"{POSTS_LIST}/p2")
    world.pocketbase.body = orjson.dumps(row("p1", title="first"))
    await world.write(
        "PATCH", f"{POSTS_LIST}/p1", b'{"title":"first"}', **{"Content-Type": "application/json"}
    )
    assert "refilled" in status_of(await world.read(f"{POSTS_LIST}/p1"))
