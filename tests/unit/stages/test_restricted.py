"""Lists of rows with one value, through the stages: which writes leave them stored."""

from typing import Any
from urllib.parse import quote

import orjson
import pytest

from hapta.cache.plan import HooksMode
from hapta.model.errors import UpstreamLost
from hapta.model.exchange import Exchange
from tests.unit.cache.plan_world import POSTS
from tests.unit.stages.cache_world import POSTS_LIST, World, status_of

MINE, OTHER = POSTS_LIST + "?filter=author%3D'u1'", POSTS_LIST + "?filter=author%3D'u2'"
ROW = POSTS_LIST + "/p1"


class Site:
    """Two restricted lists over a table of posts, both stored."""

    def __init__(self) -> None:
        self.world = World()
        self.authors = {"p1": "u1", "p2": "u2"}
        self.shown: dict[str, Any] = {}
        self.world.pocketbase.body = self.answer

    def answer(self, exchange: Exchange) -> bytes:
        if exchange.method != "GET":
            return orjson.dumps(self.shown)
        author = "u1" if "u1" in exchange.target.raw else "u2"
        rows = [{"id": each, "author": by} for each, by in self.authors.items() if by == author]
        return orjson.dumps({"page": 1, "items": rows})

    async def fill(self) -> "Site":
        for target in (MINE, OTHER):
            await self.world.read(target)
            assert await self.is_stored(target)
        return self

    async def is_stored(self, target: str) -> bool:
        return status_of(await self.world.read(target)).startswith("hit")

    async def write(self, method: str, target: str, shown: dict[str, Any] | None, status: int = 200) -> None:
        self.world.pocketbase.status, self.shown = status, shown or {}
        await self.world.write(method, target)
        self.world.pocketbase.status = 200


async def test_a_row_that_stays_leaves_the_other_list_stored() -> None:
    site = await Site().fill()
    await site.write("PATCH", ROW, {"id": "p1", "author": "u1"})
    assert not await site.is_stored(MINE)
    assert await site.is_stored(OTHER)


async def test_a_row_that_moves_concerns_where_it_was_and_where_it_is() -> None:
    site = await Site().fill()
    await site.write("PATCH", ROW, {"id": "p1", "author": "u2"})
    assert not await site.is_stored(MINE)
    assert not await site.is_stored(OTHER)


async def test_a_new_row_concerns_the_lists_it_is_in() -> None:
    site = await Site().fill()
    await site.write("POST", POSTS_LIST, {"id": "p3", "author": "u2"})
    assert await site.is_stored(MINE)
    assert not await site.is_stored(OTHER)


async def test_a_deleted_row_concerns_the_lists_it_was_in() -> None:
    site = await Site().fill()
    await site.write("DELETE", ROW, None, status=204)
    assert not await site.is_stored(MINE)
    assert await site.is_stored(OTHER)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        pytest.param(POSTS_LIST + "/p9", {"id": "p9", "author": "u3"}, id="a row never seen"),
        pytest.param(ROW, {"id": "p1"}, id="the answer does not show the field"),
        pytest.param(ROW, {"id": "p2", "author": "u1"}, id="the answer shows another row"),
        pytest.param(ROW + "?fields=id,author:excerpt(2)", {"id": "p1", "author": "u1"}, id="fields"),
        pytest.param(ROW + "?f%69elds=*", {"id": "p1", "author": "u1"}, id="fields, escaped"),
    ],
)
async def test_in_doubt_both_are_concerned(target: str, shown: dict[str, Any]) -> None:
    site = await Site().fill()
    await site.write("PATCH", target, shown)
    assert not await site.is_stored(MINE)
    assert not await site.is_stored(OTHER)


async def test_where_hooks_may_be_no_answer_is_believed() -> None:
    site = await Site().fill()
    site.world.hooks = HooksMode.AUTH
    await site.write("PATCH", ROW, {"id": "p1", "author": "u1"})
    site.world.hooks = HooksMode.NONE
    assert not await site.is_stored(OTHER)


async def test_a_batch_concerns_all_of_them() -> None:
    site = await Site().fill()
    await site.world.write("POST", "/api/batch", quote("{").encode())
    assert not await site.is_stored(OTHER)


async def test_a_refused_write_concerns_none() -> None:
    site = await Site().fill()
    await site.write("PATCH", ROW, None, status=404)
    assert await site.is_stored(MINE)
    assert await site.is_stored(OTHER)


async def test_a_lost_write_leaves_all_of_them_in_doubt() -> None:
    site = await Site().fill()
    site.world.pocketbase.error = UpstreamLost
    with pytest.raises(UpstreamLost):
        await site.world.write("PATCH", ROW)
    site.world.pocketbase.error = None
    for target in (MINE, OTHER):
        await site.world.read(target)
        assert not await site.is_stored(target)


async def test_rows_that_do_not_show_what_was_asked_for_are_not_stored() -> None:
    site = Site()
    site.world.pocketbase.body = orjson.dumps({"items": [{"id": "p1", "author": "u2"}]})
    await site.world.read(MINE)
    assert not await site.is_stored(MINE)


async def test_an_event_with_the_row_concerns_its_lists_only() -> None:
    site = await Site().fill()
    site.world.clock.advance(11.0)
    tags = site.world.write_tags.changed(POSTS, "p1", "update")
    site.world.rows.told(tags, POSTS, "p1", "update", {"id": "p1", "author": "u1"})
    assert not await site.is_stored(MINE)
    assert await site.is_stored(OTHER)


@pytest.mark.parametrize("row", [None, {"id": "p1"}], ids=["only the id", "not the field"])
async def test_an_event_without_it_concerns_all_of_them(row: dict[str, Any] | None) -> None:
    site = await Site().fill()
    site.world.clock.advance(11.0)
    tags = site.world.write_tags.changed(POSTS, "p1", "update")
    site.world.rows.told(tags, POSTS, "p1", "update", row)
    assert not await site.is_stored(OTHER)
