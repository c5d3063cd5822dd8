"""Where records are found again, and when no more."""

from typing import Any

import orjson
import pytest

from tests.unit.cache.plan_world import COMMENTS, POSTS
from tests.unit.stages.cache_world import POSTS_LIST, caller
from tests.unit.stages.test_remake import ALL, BY_N, FROM_LIST, Site, post

INDEX = {"indexes": ["CREATE UNIQUE INDEX `i` ON `posts` (`title`)"]}
BY_TITLE = POSTS_LIST + "?filter=title%3D'x'"


@pytest.fixture
def site() -> Site:
    return Site(post("a", 1), post("b", 3))


def title(site: Site, record: str, collection: str = POSTS) -> Any:
    """As the shelf has it."""
    found = site.world.shelf.find(collection, record)
    return None if found is None else orjson.loads(bytes(found.fields["title"]))


async def test_a_record_is_found_where_it_is_shown_and_not_when_that_may_not_be_served(site: Site) -> None:
    assert title(site, "a") is None
    await site.read()
    assert title(site, "a") == ""
    assert title(site, "z") is None
    site.world.clock.advance(301)
    assert title(site, "a") is None
    await site.read()
    assert title(site, "a") == ""
    site.world.generations.move(site.world.write_tags.changed(POSTS, "b", "update"))
    assert title(site, "a") is None


async def test_what_was_written_last_is_found_until_the_row_moves_again(site: Site) -> None:
    await site.read()
    await site.change("a", title="new")
    found = site.world.shelf.find(POSTS, "a")
    assert found is not None
    assert found.is_written
    assert title(site, "a") == "new"
    await site.change("b", title="x")
    assert title(site, "a") == "new"
    site.world.generations.move(site.world.write_tags.changed(POSTS, "a", "update"))
    assert title(site, "a") is None


async def test_a_deleted_record_is_not_found(site: Site) -> None:
    await site.change("a", title="new")
    await site.delete("a")
    assert title(site, "a") is None


async def test_only_what_guests_share_is_noted() -> None:
    site = Site(post("a", 1), posts={"listRule": "author = '' || author = @request.auth.id"})
    await site.read(identity=caller("u1"))
    assert title(site, "a") is None


async def test_expanded_records_are_found() -> None:
    site = Site()
    comment = {"id": "c1", "post": "a", "by": "", "expand": {"post": post("a", title="t")}}
    listed = {"items": [dict(sorted(comment.items()))], "page": 1, "perPage": 30}
    body = orjson.dumps({**listed, "totalItems": 1, "totalPages": 1})
    site.world.pocketbase.body = body
    await site.world.read("/api/collections/comments/records?expand=post")
    assert title(site, "a") == "t"
    assert site.world.shelf.find(COMMENTS, "c1") is not None


async def test_a_list_that_shows_all_is_told_until_it_does_no_more(site: Site) -> None:
    two = ALL + "&perPage=2"
    page = {"page": 1, "perPage": 2, "totalItems": 2, "totalPages": 1}
    site.world.pocketbase.body = orjson.dumps({"items": list(site.rows.rows.values()), **page})
    await site.world.read(two)
    site.world.pocketbase.body = site.rows
    assert site.world.shelf.whole(POSTS) is not None
    assert await site.is_right(BY_N) == FROM_LIST
    await site.create(post("c", 5))
    await site.world.read(two)
    assert await site.is_right(POSTS_LIST + "?sort=n&filter=n>2") == "fwd=uri-miss; stored"
    assert site.world.shelf.whole(POSTS) is None


@pytest.mark.parametrize(
    ("target", "figures", "is_whole"),
    [
        (ALL, {"page": 1, "perPage": 30, "totalItems": 2, "totalPages": 1}, True),
        (ALL, {"page": 1, "perPage": 2, "totalItems": 3, "totalPages": 2}, False),
        (ALL + "&page=2&perPage=2", {"page": 2, "perPage": 2, "totalItems": 4, "totalPages": 2}, False),
        (ALL + "&skipTotal=1", {"page": 1, "perPage": 30, "totalItems": -1, "totalPages": -1}, True),
        (ALL + "&skipTotal=1", {"page": 1, "perPage": 2, "totalItems": -1, "totalPages": -1}, False),
        (ALL + "&filter=n>0", {"page": 1, "perPage": 30, "totalItems": 2, "totalPages": 1}, False),
    ],
)
async def test_a_list_shows_all_if_nothing_is_left_for_another_page(
    site: Site, target: str, figures: dict[str, int], is_whole: bool
) -> None:
    site.world.pocketbase.body = orjson.dumps({"items": list(site.rows.rows.values()), **figures})
    await site.world.read(target)
    assert (site.world.shelf.whole(POSTS) is not None) is is_whole


async def test_a_list_by_a_value_no_two_records_have_is_made_of_the_one_that_has_it() -> None:
    site = Site(post("a", 1, title="x"), post("b", 3, title="y"), posts=INDEX)
    await site.read(POSTS_LIST + "?sort=n&filter=n>2")
    wanted = POSTS_LIST + "?filter=title%3D'y'"
    answer = await site.world.read(wanted)
    found = orjson.loads(answer.body)  # type: ignore[arg-type]
    assert [row["id"] for row in found["items"]] == ["b"]
    assert found["totalItems"] == 1
    assert site.world.meter.seen[-1] == "hit from-list"


async def test_the_one_that_had_it_may_have_another_value_now() -> None:
    site = Site(post("a", 1, title="x"), posts=INDEX)
    await site.read()
    await site.change("a", title="y")
    await site.read()
    site.world.pocketbase.body = orjson.dumps(
        {"items": [], "page": 1, "perPage": 30, "totalItems": 0, "totalPages": 0}
    )
    asked = len(site.world.pocketbase.asked)
    answer = await site.world.read(BY_TITLE)
    assert orjson.loads(answer.body)["items"] == []  # type: ignore[arg-type]
    assert len(site.world.pocketbase.asked) == asked + 1


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"1", b'{"items":1}', b'{"items":[1]}', b'{"items":[{}]}', b'{"items":[{"id":1}]}']
)
async def test_what_pocketbase_never_answers_shows_nothing(site: Site, body: bytes) -> None:
    site.world.pocketbase.body = body
    assert (await site.world.read(BY_N)).body == body
    assert len(site.world.shelf) == 0
