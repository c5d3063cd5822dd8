"""Answers made of stored ones, of own writes and of lists: for whom, how long, and when not."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from hapta.cache.plan import HooksMode
from hapta.model.exchange import Answer, Exchange
from tests.support.exchanges import exchange, fields
from tests.unit.cache.plan_world import FIELDS, POSTS
from tests.unit.stages.cache_world import POSTS_LIST, USERS_LIST, World, caller, status_of, turns

WRITABLE = {"createRule": "", "updateRule": "", "deleteRule": ""}
HIDDEN = {field["name"] for field in FIELDS[POSTS] if field["hidden"]}
BY_N = POSTS_LIST + "?sort=n"
ALL = POSTS_LIST + "?sort=id"


def post(name: str, n: int = 1, **more: Any) -> dict[str, Any]:
    """All that everybody is shown of a post."""
    empty = dict.fromkeys({str(field["name"]) for field in FIELDS[POSTS]} - HIDDEN, "")
    always = {"id": name, "collectionId": POSTS, "collectionName": "posts"}
    return dict(sorted({**empty, "tags": [], "readers": [], "meta": None, **always, "n": n, **more}.items()))


class Rows:
    """Posts at PocketBase, and what it answers."""

    def __init__(self, *rows: Mapping[str, Any]) -> None:
        self.rows = {row["id"]: dict(row) for row in rows}
        self.next: dict[str, Any] = {}

    def __call__(self, one: Exchange) -> bytes:
        record = one.operation.record
        if one.method == "DELETE":
            self.rows.pop(record or "")
            return b""
        if one.method in ("POST", "PATCH"):
            return orjson.dumps(self._written(one.method, record))
        if record is not None:
            return orjson.dumps(self.rows[record])
        rows = sorted(self.rows.values(), key=lambda row: (row["n"], row["id"]))
        if "sort=n" not in one.target.raw:
            rows.sort(key=lambda row: str(row["id"]))
        if "filter=n%3E2" in one.target.raw or "filter=n>2" in one.target.raw:
            rows = [row for row in rows if row["n"] > 2]
        figures = {"page": 1, "perPage": 30, "totalItems": len(rows), "totalPages": 1 if rows else 0}
        return orjson.dumps({"items": rows, **figures})

    def _written(self, method: str, record: str | None) -> dict[str, Any]:
        row = self.next
        if method == "PATCH":
            assert record is not None
            row = {**self.rows[record], **row}
        self.rows[row["id"]] = row
        return row


class Site:
    """A world with posts."""

    def __init__(self, *rows: Mapping[str, Any], is_remade: bool = True, **rules: Any) -> None:
        posts = {**WRITABLE, **rules.pop("posts", {})}
        self.world = World(200_000, is_remade=is_remade, posts=posts, **rules)
        self.rows = Rows(*rows)
        self.world.pocketbase.body = self.rows

    async def change(self, name: str, **members: Any) -> Answer:
        self.rows.next = members
        return await self.world.write("PATCH", f"{POSTS_LIST}/{name}", orjson.dumps(members))

    async def create(self, row: Mapping[str, Any]) -> Answer:
        self.rows.next = dict(row)
        return await self.world.write("POST", POSTS_LIST, orjson.dumps(row))

    async def delete(self, name: str) -> Answer:
        self.world.pocketbase.status = 204
        try:
            return await self.world.write("DELETE", f"{POSTS_LIST}/{name}")
        finally:
            self.world.pocketbase.status = 200

    async def read(self, target: str = BY_N, **more: Any) -> tuple[str, Any]:
        answer = await self.world.read(target, **more)
        self.world.generations.check_invariants()
        self.world.echoes.check_invariants()
        assert isinstance(answer.body, bytes)
        return status_of(answer), answer.body

    async def is_right(self, target: str = BY_N, **more: Any) -> str:
        """What the cache did; its answer is PocketBase's."""
        status, body = await self.read(target, **more)
        assert body == self.rows(exchange("GET", target)), body
        return status


@pytest.fixture
def site() -> Site:
    return Site(post("a", 1), post("b", 3), post("c", 5))


PATCHED = "hit; ttl=300; detail=patched"
REFILLED = "hit; ttl=300; detail=refilled"
FROM_LIST = "hit; ttl=300; detail=from-list"
FETCHED = "fwd=stale; stored"


async def test_a_list_is_brought_up_to_date_after_each_kind_of_write(site: Site) -> None:
    await site.read()
    await site.change("b", title="new")
    assert await site.is_right() == PATCHED
    assert await site.is_right() == "hit; ttl=300"
    await site.change("b", n=9)
    assert await site.is_right() == PATCHED
    await site.create(post("d", 4))
    assert await site.is_right() == PATCHED
    await site.delete("c")
    assert await site.is_right() == PATCHED
    assert len([one for one in site.world.pocketbase.asked if one.method == "GET"]) == 1


async def test_several_writes_are_carried_out_in_order(site: Site) -> None:
    await site.read()
    await site.create(post("d", 4))
    await site.change("d", n=0, title="x")
    await site.change("a", n=7)
    assert await site.is_right() == PATCHED


async def test_with_both_switches_off_nothing_is_made() -> None:
    site = Site(post("a", 1), post("b", 3), is_remade=False)
    await site.read()
    await site.change("b", title="new")
    assert await site.is_right() == FETCHED
    assert await site.is_right(f"{POSTS_LIST}/b") == "fwd=uri-miss; stored"


async def test_a_view_is_made_of_what_was_written_or_seen(site: Site) -> None:
    await site.read()
    assert await site.is_right(f"{POSTS_LIST}/a") == FROM_LIST
    await site.create(post("d", 4))
    assert await site.is_right(f"{POSTS_LIST}/d") == REFILLED
    await site.change("d", n=6)
    assert await site.is_right(f"{POSTS_LIST}/d") == PATCHED


async def test_no_view_is_made_that_its_rule_would_refuse() -> None:
    site = Site(post("a", 1), post("b", 3), posts={"viewRule": "n > 2"})
    await site.read()
    assert await site.is_right(f"{POSTS_LIST}/b") == FROM_LIST
    status, _ = await site.read(f"{POSTS_LIST}/a")
    assert status == "fwd=uri-miss; stored"


async def test_a_list_is_made_of_one_that_shows_all_while_that_does(site: Site) -> None:
    await site.read(ALL)
    assert await site.is_right(POSTS_LIST + "?sort=n&filter=n>2") == FROM_LIST
    assert await site.is_right(BY_N) == FROM_LIST
    await site.create(post("d", 4))
    assert await site.is_right(POSTS_LIST + "?sort=n&filter=n>2&perPage=30") == FROM_LIST


async def test_a_filtered_list_does_not_show_all(site: Site) -> None:
    await site.read(POSTS_LIST + "?sort=n&filter=n>2")
    assert await site.is_right(BY_N) == "fwd=uri-miss; stored"


async def test_a_write_to_the_row_behind_our_back_ends_it(site: Site) -> None:
    await site.read()
    await site.change("b", title="new")
    site.rows.rows["b"]["title"] = "foreign"
    site.world.generations.move(site.world.write_tags.changed(POSTS, "b", "update"))
    assert await site.is_right() == FETCHED
    await site.change("b", title="newer")
    assert await site.is_right() == PATCHED


async def test_a_write_that_began_before_the_fetch_was_over_is_not_carried_out_on_it(site: Site) -> None:
    """The fetch may have shown its outcome already."""
    target = POSTS_LIST + "?sort=n"
    world = site.world
    world.pocketbase.gate.clear()
    read = asyncio.ensure_future(world.read(target))
    await turns()
    write = asyncio.ensure_future(site.create(post("d", 4)))
    await turns()
    world.pocketbase.gate.set()
    await asyncio.gather(read, write)
    assert await site.is_right(target) != PATCHED


async def test_what_is_made_keeps_its_age_and_vary(site: Site) -> None:
    await site.read()
    site.world.clock.advance(100)
    await site.change("b", title="new")
    assert await site.is_right() == "hit; ttl=200; detail=patched"
    answer = await site.world.read(BY_N)
    assert b"Origin" in b",".join(fields(answer, b"vary"))
    site.world.clock.advance(200)
    assert (await site.is_right()).startswith("fwd=stale")


async def test_a_private_list_is_brought_up_to_date_for_its_caller_alone() -> None:
    rule = {"listRule": "author = @request.auth.id || author = ''"}
    site = Site(post("a", 1), post("b", 3), posts=rule)
    await site.read(identity=caller("u1"))
    await site.create(post("d", 4, author="u1"))
    assert await site.is_right(identity=caller("u1")) == PATCHED
    status, _ = await site.read(identity=caller("u2"))
    assert status == "fwd=uri-miss; stored"
    await site.create(post("e", 5, author="u2"))
    status, body = await site.read(identity=caller("u1"))
    assert status == PATCHED
    assert b'"id":"e"' not in body


async def test_the_callers_own_record_is_never_put_in() -> None:
    """It is shown to them with their e-mail."""
    rule = {"viewRule": "id = @request.auth.id || name != ''"}
    world = World(200_000, is_remade=True, users={**WRITABLE, **rule})
    shown = {"emailVisibility": False, "id": "u1", "name": "a"}
    world.pocketbase.body = lambda one: orjson.dumps(
        shown if one.identity is None else {"email": "x@y", **shown}
    )
    target = f"{USERS_LIST}/u1"
    await world.read(target, caller("u1"))
    await world.write("PATCH", target, b'{"name":"a"}')
    answer = await world.read(target, caller("u1"))
    assert status_of(answer).startswith("fwd=")
    assert b"x@y" in answer.body  # type: ignore[operator]


async def test_a_change_that_hooks_may_add_to_is_no_ground(site: Site) -> None:
    await site.read()
    site.world.hooks = HooksMode.REQUEST
    await site.change("b", title="new")
    status, _ = await site.read()
    assert "patched" not in status


async def test_an_answer_with_fields_says_nothing_of_the_row(site: Site) -> None:
    await site.read()
    site.rows.next = {"title": "new"}
    await site.world.write("PATCH", f"{POSTS_LIST}/b?fields=id", b'{"title":"new"}')
    assert await site.is_right() == FETCHED


async def test_a_lost_write_ends_it(site: Site) -> None:
    await site.read()

    def refuse() -> BaseException:
        return ConnectionError()

    site.world.pocketbase.error = refuse
    with pytest.raises(ConnectionError):
        await site.change("b", title="new")
    site.world.pocketbase.error = None
    status, _ = await site.read()
    assert "hit" not in status


async def test_what_a_write_told_counts_once_the_rules_of_then_are_confirmed(site: Site) -> None:
    await site.read()
    feed = site.world.feed
    feed.is_sure, feed.on_asked = False, lambda: setattr(feed, "is_sure", True)
    await site.change("a", title="new")
    assert await site.is_right() == PATCHED
    assert feed.asked_since == [site.world.journal.told_at]


async def test_rules_that_changed_before_the_write_are_heard_of_in_time(site: Site) -> None:
    await site.read()
    feed = site.world.feed
    await site.change("a", title="new")

    def closed() -> None:
        feed.is_sure = True
        site.world.change_schema(posts={**WRITABLE, "listRule": None})

    feed.is_sure, feed.on_asked = False, closed
    status, _ = await site.read()
    assert status == "fwd=bypass; detail=rule"


async def test_as_long_as_pocketbase_does_not_confirm_them_nothing_is_made(site: Site) -> None:
    await site.read()
    site.world.feed.is_sure = False
    await site.change("a", title="new")
    assert await site.is_right() == "fwd=stale; stored"
    assert len(site.world.feed.asked_since) == 1
