"""The tables of ranked feeds with a real PocketBase: loading, following, and what happens to the two."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hapta.app.ranked import loading, settle
from hapta.app.ranked import rows as ranked_rows
from hapta.app.ranked.live import FeedLoading, FeedUnusable
from hapta.app.ranked.rows import Row, Rows
from hapta.config.feed_tables import RankedFeedConfig
from hapta.config.feeds import read_feeds
from hapta.model.errors import UpstreamLost
from hapta.model.schema import Schema
from hapta.ranking.spec import FeedSpec
from hapta.ranking.table import FeatureTable
from tests.conftest import MakePocketBase
from tests.feed.conftest import Follow, follow  # noqa: F401
from tests.feed.support import SETTLED_S, holds
from tests.ranking.tables import FOLLOWS, HOME, PLAIN, Tables, add_follows, fresh, picture
from tests.support.pocketbase import PocketBase, from_template

MakeTables = Callable[..., Awaitable[Tables]]
_POSTS, _COMMENTS = "pbc_posts000001", "pbc_comments001"


@pytest.fixture(scope="module")
def served(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    """A PocketBase for all tests here that leave it running and its schema as it is."""
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("tables"))
    add_follows(instance)
    yield instance
    instance.close()


@pytest.fixture
def own(make_pocketbase: MakePocketBase) -> PocketBase:
    """One for this test alone."""
    instance = make_pocketbase()
    add_follows(instance)
    return instance


@pytest.fixture
async def make(follow: Follow) -> AsyncIterator[MakeTables]:  # noqa: F811
    """``await make(pocketbase, {"home": …})``: tables that are loading, stopped after the test."""
    async with AsyncExitStack() as closing:

        async def made(
            pocketbase: PocketBase,
            feeds: dict[str, Any] | None = None,
            *,
            origins: dict[str, str] | None = None,
            is_started: bool = True,
            is_local: bool = True,
            **config: Any,
        ) -> Tables:
            following = await follow(pocketbase, is_local=is_local, **config)
            tables = Tables(following, feeds or {"home": HOME}, origins or {})
            closing.push_async_callback(tables.tables.stop)
            if is_started:
                await tables.start()
            return tables

        yield made


# loading


async def test_a_table_of_several_pages_is_what_its_rows_make_it(
    served: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PAGE", 11)
    monkeypatch.setattr(loading, "BULKY_PAGE", 7)
    monkeypatch.setattr(loading, "_TOLD_EVERY_S", 0.0)
    tables = await make(served)
    table = await tables.complete()
    assert table.rows == len(served.rows("posts"))
    assert tables.reads(_POSTS) == table.rows // 7 + 1
    await tables.agrees()
    loads = [each["rows_read"] for each in tables.told("ranked_feed_loading")]
    assert loads == sorted(loads)
    assert len(loads) > table.rows // 7
    (ready,) = tables.told("ranked_feed_ready")
    assert (ready["rows"], ready["why"]) == (table.rows, "start")


async def test_ids_are_compared_as_they_are_sorted(own: PocketBase, make: MakeTables) -> None:
    identity = {"name": "id", "type": "text", "primaryKey": True, "required": True, "system": True}
    odd = {**identity, "pattern": "^[A-Za-z0-9_\\-+~éß]+$", "min": 1, "max": 20}
    odd["autogeneratePattern"] = "[a-z0-9]{15}"
    body = {"name": "odd", "type": "base", "fields": [odd]}
    own.admin.post("/api/collections", json=body).raise_for_status()
    chosen, ids = random.Random(8), set[str]()
    while len(ids) < 90:
        made = "".join(chosen.choice("abAB019_-+~éßzZ") for _ in range(chosen.randint(1, 6)))
        if own.admin.post("/api/collections/odd/records", json={"id": made}).is_success:
            ids.add(made)
    tables = await make(own, is_started=False)
    rows, found, last = Rows(tables.following.superuser), list[str](), ""
    while page := await rows.page("odd", ["id"], after=last, most=7):
        found += [row["id"] for row in page]
        last = found[-1]
    assert len(found) == len(ids)
    assert set(found) == ids
    again = [await rows.by_ids("odd", each, ["id"]) for each in ranked_rows.portions(found)]
    assert {each for part in again for each in part} == ids


async def test_a_dead_token_is_not_taken_for_a_guests(served: PocketBase, make: MakeTables) -> None:
    tables = await make(served, is_started=False)
    rows = Rows(tables.following.superuser)
    tables.following.superuser._token = "no.token.atall"
    page = await rows.page("posts", ["internal"], after="")
    assert {bool(row["internal"]) for row in page if row["id"].startswith("post0")} == {True}


async def test_two_feeds_read_a_collection_once(served: PocketBase, make: MakeTables) -> None:
    tables = await make(served, {"home": HOME, "plain": PLAIN})
    await tables.complete("home")
    await tables.complete("plain")
    assert tables.reads(_COMMENTS) == 1
    await tables.agrees("home")
    await tables.agrees("plain")


async def test_what_changes_while_it_loads_is_not_overwritten_by_what_was_read_before(
    served: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = await make(served, is_started=False)
    following = tables.following
    changed, gone = await following.write(views=1), await following.write(views=1)
    page, is_read = Rows.page, asyncio.Event()
    may_go_on = asyncio.Event()

    async def slow(self: Rows, collection_id: str, *args: Any, **more: Any) -> Sequence[Row]:
        rows = await page(self, collection_id, *args, **more)
        if collection_id == _POSTS:
            is_read.set()
            await may_go_on.wait()
        return rows

    monkeypatch.setattr(Rows, "page", slow)
    await asyncio.sleep(SETTLED_S)
    await tables.start()
    await is_read.wait()
    await tables.full()
    await following.ask("PATCH", f"/api/collections/posts/records/{changed}", {"views": 2})
    await following.ask("DELETE", f"/api/collections/posts/records/{gone}")
    made = await following.write(views=3)
    assert await following.is_told(made)
    may_go_on.set()
    table = await tables.complete()
    assert tables.tables.reread == 0
    assert table.slot_of(gone) is None
    slots = [table.slot_of(each) for each in (changed, made)]
    assert [table.features().signals["views"][slot] for slot in slots] == [2, 3]
    await tables.agrees()


@pytest.mark.parametrize("seed", range(3))
async def test_a_table_loaded_amid_writes_is_what_the_rows_are_when_all_is_quiet(
    served: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(loading, "PAGE", 5)
    monkeypatch.setattr(loading, "BULKY_PAGE", 3)
    tables = await make(served, is_started=False)
    writing = asyncio.create_task(writes(tables, random.Random(seed), 120))
    await asyncio.sleep(0.05)
    await tables.start(is_certain=False)
    await tables.complete()
    await writing
    await tables.agrees()


async def writes(tables: Tables, chosen: random.Random, count: int) -> None:
    """Of everything the feed reads, several of one row among them."""
    ask, mine = tables.following.ask, dict[str, list[str]](posts=[], comments=[], follows=[])
    for _ in range(count):
        into = chosen.choice(["posts", "posts", "comments", "follows"])
        action = chosen.choice(["create", "update", "update", "delete"])
        records = f"/api/collections/{into}/records"
        if action == "create" or not mine[into]:
            made = await ask("POST", records, fields(into, chosen, mine))
            mine[into].append(made["id"])
        elif action == "update":
            await ask("PATCH", f"{records}/{chosen.choice(mine[into])}", fields(into, chosen, mine))
        else:
            gone = mine[into].pop(chosen.randrange(len(mine[into])))
            await tables.following.admin.delete(f"{records}/{gone}")
            if into == "posts":  # its comments are gone with it
                there = {row["id"] for row in tables.following.pocketbase.rows("comments")}
                mine["comments"] = [each for each in mine["comments"] if each in there]


def fields(into: str, chosen: random.Random, mine: dict[str, list[str]]) -> dict[str, Any]:
    user = f"user{chosen.randint(1, 4):011}"
    if into == "follows":
        return {"who": f"user{chosen.randint(1, 4):011}", "whom": user}
    if into == "comments":
        return {"text": "x", "post": chosen.choice([*mine["posts"], "post00000000001"]), "author": user}
    return {
        "title": "x",
        "views": chosen.randint(0, 99),
        "status": chosen.choice(["draft", "published"]),
        "featured": chosen.random() < 0.2,
        "author": user,
        "tags": chosen.sample(["red", "green", "blue"], chosen.randint(0, 3)),
        "body": chosen.choice(["", "https://example.com"]),
    }


async def test_a_load_that_fails_is_told_once_and_tried_again(
    served: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, failures = Rows.page, [UpstreamLost(), ranked_rows.RowsUnread("no"), TimeoutError()]

    async def failing(self: Rows, *args: Any, **more: Any) -> Sequence[Row]:
        if failures:
            raise failures.pop()
        return await page(self, *args, **more)

    monkeypatch.setattr(Rows, "page", failing)
    tables = await make(served)
    await tables.complete()
    assert len(tables.told("ranked_feed_waits")) == 1
    await tables.agrees()


async def test_who_asks_before_the_table_is_complete_waits_and_is_told_to_come_again(
    served: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, may_go_on = Rows.page, asyncio.Event()

    async def held(self: Rows, *args: Any, **more: Any) -> Sequence[Row]:
        await may_go_on.wait()
        return await page(self, *args, **more)

    monkeypatch.setattr(Rows, "page", held)
    tables = await make(served, {"home": {**HOME, "deadline_s": 0.1}, "slow": {**PLAIN, "deadline_s": 8.0}})
    with pytest.raises(FeedLoading) as refused:
        await tables.live().ready()
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    waiting = asyncio.create_task(tables.live("slow").ready())
    may_go_on.set()
    assert await waiting is tables.live("slow").table
    assert await tables.live().ready() is tables.live().table


# following


async def test_one_event_for_a_row_costs_no_request(served: PocketBase, make: MakeTables) -> None:
    tables = await make(served)
    await tables.complete()
    following = tables.following
    await tables.full()
    before = len([each for each in following.requests if each[0] == "GET"])
    version = tables.live().table.version
    post = await following.write(author="user00000000002", views=7)
    await following.write("comments", text="x", post=post, author="user00000000001")
    assert await holds(lambda: tables.live().table.version >= version + 2)
    await tables.agrees()
    assert len([each for each in following.requests if each[0] == "GET"]) == before
    assert tables.tables.reread == 0


async def test_a_row_whose_events_came_in_the_wrong_order_is_read_again(
    served: PocketBase, make: MakeTables
) -> None:
    tables = await make(served)
    table = await tables.complete()
    following = tables.following
    await tables.full()
    post = await following.write(views=1)
    await following.ask("PATCH", f"/api/collections/posts/records/{post}", {"views": 2})
    assert await holds(lambda: len([each for each in following.changes if each.record_id == post]) == 2)
    created = next(each for each in following.changes if each.record_id == post)
    tables.again(created)
    slot = table.slot_of(post)
    assert table.features().signals["views"][slot] == 1
    await tables.agrees()
    assert table.features().signals["views"][slot] == 2
    await following.ask("DELETE", f"/api/collections/posts/records/{post}")
    assert await holds(lambda: table.slot_of(post) is None)
    tables.again(created)
    assert table.slot_of(post) is not None
    await tables.agrees()
    assert table.slot_of(post) is None


async def test_an_answer_that_is_older_than_an_event_does_not_undo_it(
    served: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = await make(served)
    table = await tables.complete()
    await tables.full()
    following, by_ids, put = tables.following, Rows.by_ids, tables.tables._following._put
    post = await following.write(views=1)
    path = f"/api/collections/posts/records/{post}"
    assert await holds(lambda: table.slot_of(post) is not None)
    answers, puts = list[int](), list[int]()

    async def overtaken(self: Rows, *args: Any) -> Mapping[str, Row]:
        found = await by_ids(self, *args)
        answers.append(found[post]["views"])
        if len(answers) == 1:
            await following.ask("PATCH", path, {"views": 3})
            assert await holds(lambda: puts == [2, 3])
        return found

    def noted(collection_id: str, record_id: str, row: Row | None) -> None:
        assert row is not None
        puts.append(row["views"])
        put(collection_id, record_id, row)

    monkeypatch.setattr(Rows, "by_ids", overtaken)
    monkeypatch.setattr(tables.tables._following, "_put", noted)
    await following.ask("PATCH", path, {"views": 2})
    assert await holds(lambda: len(puts) == 3)
    assert answers == [2, 3]
    assert puts == [2, 3, 3]
    await tables.agrees()


async def test_a_storm_of_writes_on_one_row_ends_with_what_it_is(
    served: PocketBase, make: MakeTables
) -> None:
    tables = await make(served)
    table = await tables.complete()
    post = await tables.following.write(views=0)
    path = f"/api/collections/posts/records/{post}"
    await asyncio.gather(*(tables.following.ask("PATCH", path, {"views": number}) for number in range(1, 60)))
    await tables.agrees()
    assert 0 < tables.tables.reread < 20
    assert table.slot_of(post) is not None


async def test_events_without_the_row_have_it_read(
    served: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = await make(served, is_started=False)
    monkeypatch.setattr(tables.following.feed, "wants_full", lambda *_, **__: None)
    await tables.start()
    table = await tables.complete()
    post = await tables.following.write(views=5)
    assert await holds(lambda: table.slot_of(post) is not None)
    assert tables.tables.reread == 1
    await tables.agrees()


async def test_a_deleted_post_takes_its_comments_along(served: PocketBase, make: MakeTables) -> None:
    tables = await make(served)
    table = await tables.complete()
    following = tables.following
    post = await following.write(author="user00000000001")
    for _ in range(3):
        await following.write("comments", text="x", post=post, author="user00000000003")
    await tables.agrees()
    assert table.slot_of(post) in table.engaged("user00000000003")
    await following.ask("DELETE", f"/api/collections/posts/records/{post}")
    await tables.agrees()


async def test_a_change_that_is_never_told_shows_when_the_table_is_built_anew(
    served: PocketBase, make: MakeTables
) -> None:
    tables = await make(served)
    before = await tables.complete()
    following = tables.following
    post = await following.write(views=5)
    await tables.agrees()
    statement = {"query": f"UPDATE posts SET views = 6 WHERE id = '{post}'"}
    await following.ask("POST", "/api/sql", statement)
    await asyncio.sleep(SETTLED_S)
    assert before.features().signals["views"][before.slot_of(post)] == 5
    tables.tables.rebuild("home")
    assert await holds(lambda: tables.live().table is not before)
    await tables.agrees()
    assert tables.live().builds == {"start": 1, "operator": 1}


# own writes


async def test_a_ranking_after_an_own_write_knows_of_it(
    served: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "WAITED_S", 3600.0)  # it is the event that ends the waiting
    tables = await make(served)
    table = await tables.complete()
    await tables.full()
    for number in range(30):
        post = await tables.following.write(views=number)
        tables.tables.wrote(_POSTS, post)
        await tables.tables.settle("home")
        assert table.slot_of(post) is not None


async def test_an_own_write_whose_event_does_not_come_is_waited_for_once(
    served: PocketBase, make: MakeTables
) -> None:
    tables = await make(served)
    await tables.complete()
    tables.tables.wrote(_POSTS, "nowhere00000000")
    tables.tables.wrote("pbc_closed00001", "nowhere00000000")  # no table reads it
    assert len(tables.tables._own_writes) == 1
    await tables.tables.settle("home")
    assert len(tables.tables._own_writes) == 0


# gaps


async def test_after_a_gap_the_old_table_serves_until_the_new_one_is_there(
    own: PocketBase, make: MakeTables
) -> None:
    tables = await make(own)
    before = await tables.complete()
    kept = picture(before)
    own.kill()
    assert await holds(lambda: not tables.live().is_exact)
    assert tables.live().is_ready
    assert picture(tables.live().table) == kept
    own.start()
    behind = own.admin.post("/api/collections/posts/records", json={"title": "behind"}).json()["id"]
    own.admin.delete("/api/collections/posts/records/post00000000003").raise_for_status()
    await tables.following.gets_live()
    assert await holds(lambda: tables.live().is_exact, 8.0)
    after = tables.live().table
    assert after is not before
    assert after.slot_of(behind) is not None
    assert after.slot_of("post00000000003") is None
    await tables.agrees()
    assert tables.live().builds == {"start": 1, "gap": 1}


async def test_a_gap_while_it_loads_has_it_begin_again(
    own: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, pages = Rows.page, list[str]()

    async def broken(self: Rows, collection_id: str, *args: Any, **more: Any) -> Sequence[Row]:
        rows = await page(self, collection_id, *args, **more)
        pages.append(collection_id)
        if len(pages) == 2:
            own.kill()
            assert await holds(lambda: not tables.following.feed.is_connected)
            own.start()
            own.admin.post("/api/collections/posts/records", json={"title": "x"}).raise_for_status()
        return rows

    monkeypatch.setattr(Rows, "page", broken)
    tables = await make(own)
    table = await tables.complete()
    assert table.rows == len(own.rows("posts"))
    assert len(pages) > len(HOME_READS)
    await tables.agrees()
    assert tables.live().builds == {"start": 1}


HOME_READS = (_POSTS, _COMMENTS, FOLLOWS["id"])


# schema


async def test_only_what_a_feed_reads_has_its_table_built_anew(own: PocketBase, make: MakeTables) -> None:
    tables = await make(own)
    before = await tables.complete()
    await tables.following.write()  # no epoch of the start is still to come
    ask = tables.following.ask
    comments = await ask("GET", "/api/collections/comments")
    more = [*comments["fields"], {"name": "mood", "type": "text"}]
    await ask("PATCH", "/api/collections/comments", {"fields": more})
    await ask("POST", "/api/collections", {"name": "others", "type": "base"})
    assert await holds(lambda: tables.following.schema.snapshot.resolve("others") is not None)
    others = tables.following.schema.snapshot.resolve("others")
    assert others is not None
    assert await holds(lambda: tables.following.feed.covers(others.id))
    await tables.quiet()
    assert tables.live().table is before
    await ask("PATCH", "/api/collections/posts", {"listRule": 'status = "published"'})
    assert await holds(lambda: tables.live().table is not before)
    await tables.agrees()
    assert tables.live().builds == {"start": 1, "schema": 1}
    seen = tables.live().visible.of("")
    assert seen is not None


async def test_a_table_that_is_to_be_replaced_is_kept_current_until_then(
    own: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = await make(own)
    before = await tables.complete()
    await tables.full()
    page, may_go_on = Rows.page, asyncio.Event()

    async def held(self: Rows, *args: Any, **more: Any) -> Sequence[Row]:
        rows = await page(self, *args, **more)
        await may_go_on.wait()
        return rows

    monkeypatch.setattr(Rows, "page", held)
    await tables.following.ask("PATCH", "/api/collections/posts", {"listRule": 'status = "published"'})
    assert await holds(lambda: not tables.live().is_current)
    post = await tables.following.write(status="published")
    assert await holds(lambda: before.slot_of(post) is not None)
    assert tables.live().table is before
    assert tables.live().visible.of("") is None  # the rule is another one
    may_go_on.set()
    assert await holds(lambda: tables.live().table is not before)
    await tables.agrees()


async def test_hapta_s_own_failure_on_a_row_is_no_gap_for_others(
    served: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = await make(served)
    before = await tables.complete()
    await tables.full()
    put, poisoned = type(before).put, list[str]()

    def failing(self: FeatureTable, collection_id: str, row: Row) -> None:
        if row["id"] in poisoned:
            poisoned.clear()
            raise ArithmeticError
        put(self, collection_id, row)

    monkeypatch.setattr(type(before), "put", failing)
    post = await tables.following.write()
    await tables.quiet()
    epoch = tables.following.feed.epoch
    poisoned.append(post)
    await tables.following.ask("PATCH", f"/api/collections/posts/records/{post}", {"views": 3})
    assert await holds(lambda: tables.live().table is not before)
    await tables.agrees()
    assert tables.following.feed.epoch == epoch
    assert tables.live().builds == {"start": 1, "failure": 1}
    assert len(tables.told("ranked_feed_failed")) == 1


async def test_hapta_s_own_failure_on_a_schema_keeps_nobody_from_it(
    own: PocketBase, make: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = await make(own, {"home": HOME, "plain": PLAIN})
    await tables.complete("home")
    fit = FeedSpec.of

    def failing(name: str, config: RankedFeedConfig, schema: Schema) -> FeedSpec:
        if name == "home":
            raise ArithmeticError
        return fit(name, config, schema)

    monkeypatch.setattr(FeedSpec, "of", failing)
    await tables.following.ask("POST", "/api/collections", {"name": "others", "type": "base"})
    assert await holds(lambda: tables.following.schema.snapshot.resolve("others") is not None)
    with pytest.raises(FeedUnusable):
        await tables.live("home").ready()
    await tables.complete("plain")
    monkeypatch.setattr(FeedSpec, "of", fit)
    await tables.following.ask("POST", "/api/collections", {"name": "more", "type": "base"})
    await tables.complete("home")


async def test_a_collection_made_anew_under_its_id_has_lost_its_rows(
    own: PocketBase, make: MakeTables
) -> None:
    tables = await make(own)
    before = await tables.complete()
    await tables.following.ask("DELETE", "/api/collections/follows")
    body = {"collections": [FOLLOWS], "deleteMissing": False}
    await tables.following.ask("PUT", "/api/collections/import", body)
    assert await holds(lambda: tables.live().is_ready and tables.live().table is not before)
    await tables.agrees()
    assert not len(tables.live().table.caller("user00000000001").followed)


async def test_that_it_was_made_anew_is_noticed_by_who_did_not_see_it_go(
    own: PocketBase, make: MakeTables
) -> None:
    tables = await make(own, is_local=False)
    before = await tables.complete()
    await tables.following.ask("DELETE", "/api/collections/follows")
    body = {"collections": [FOLLOWS], "deleteMissing": False}
    await tables.following.ask("PUT", "/api/collections/import", body)
    assert await holds(lambda: tables.live().is_ready)
    assert tables.live().table is before
    await tables.following.schema.confirmed(0.0)
    assert await holds(lambda: tables.live().table is not before)
    await tables.agrees()


async def test_a_feed_that_fits_no_more_answers_503_until_it_does(own: PocketBase, make: MakeTables) -> None:
    tables = await make(own)
    await tables.complete()
    ask = tables.following.ask
    await ask("DELETE", "/api/collections/follows")
    assert await holds(lambda: tables.live().spec is None)
    assert not tables.live().is_ready
    with pytest.raises(FeedUnusable) as refused:
        await tables.live().ready()
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "30")
    await ask("POST", "/api/collections", {"name": "others", "type": "base"})
    assert await holds(lambda: tables.following.schema.snapshot.resolve("others") is not None)
    (told,) = tables.told("ranked_feed_unusable")
    assert "there is no collection follows" in str(told["problems"])
    add_follows(own)
    await tables.complete()
    await tables.agrees()
    assert tables.live().builds == {"start": 1, "schema": 1}


async def test_a_feed_that_does_not_fit_at_the_start_is_told_with_file_and_line(
    own: PocketBase, make: MakeTables
) -> None:
    feeds = {"home": {**HOME, "author": "autor", "created": "title"}}
    origins = {"feeds.home.author": "config.toml:12", "feeds.home.created": "config.toml:13"}
    tables = await make(own, feeds, origins=origins)
    with pytest.raises(FeedUnusable):
        await tables.live().ready()
    messages = [str(each["message"]) for each in tables.told("ranked_feed_unusable")]
    assert any(
        each.startswith("config.toml:12: feeds.home.author: posts has no field autor") for each in messages
    )
    assert any(each.startswith("config.toml:13: feeds.home.created: title of posts") for each in messages)
    posts = await tables.following.ask("GET", "/api/collections/posts")
    users = {"name": "autor", "type": "relation", "collectionId": "_pb_users_auth_", "maxSelect": 1}
    changed = [{**each, "name": "named"} if each["name"] == "title" else each for each in posts["fields"]]
    changed += [users, {"name": "title", "type": "date"}]
    await tables.following.ask("PATCH", "/api/collections/posts", {"fields": changed})
    await tables.complete()
    await tables.agrees()


# configuration


async def test_another_configuration_builds_what_is_new_and_keeps_what_stays(
    served: PocketBase, make: MakeTables
) -> None:
    tables = await make(served, {"home": HOME, "plain": PLAIN, "gone": PLAIN})
    kept, before = await tables.complete("plain"), await tables.complete("home")
    await tables.complete("gone")
    feeds = {"home": {**HOME, "filter": "views > 50"}, "plain": PLAIN, "more": PLAIN}
    tables.tables.configure(read_feeds(feeds, {}), {})
    assert tables.tables.get("gone") is None
    assert tables.live("home").table is before
    assert await holds(lambda: tables.live("home").table is not before)
    await tables.complete("more")
    assert tables.live("plain").table is kept
    for name in feeds:
        await tables.agrees(name)
    assert tables.live("home").builds == {"start": 1, "configuration": 1}


async def test_the_oracle_sees_a_difference(served: PocketBase, make: MakeTables) -> None:
    tables = await make(served)
    table = await tables.complete()
    made = picture(await fresh(served, tables.live().spec))
    assert picture(table) == made
    table.put(_COMMENTS, {"id": "c", "post": "post00000000001", "author": "user00000000001"})
    assert picture(table) != made
