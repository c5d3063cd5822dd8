"""When an answer that is no longer good is given all the same, and when it must not be."""

import orjson
import pytest

from hapta.cache.stale import StaleLimits
from hapta.cache.tags import any_row, births
from hapta.model.errors import Overloaded, RateLimited, UpstreamLost, UpstreamRefused
from hapta.model.identity import Identity
from tests.support.exchanges import fields
from tests.unit.cache.plan_world import POSTS, TEAMS, USERS
from tests.unit.stages.cache_world import (
    POSTS_LIST,
    USERS_LIST,
    World,
    caller,
    page,
    refusal,
    status_of,
    turns,
)

POST = {"id": "p1", "collectionId": POSTS, "title": "old", "author": "u1", "team": "t1"}
USER = {"id": "u1", "collectionId": USERS, "emailVisibility": False}
PUBLIC = {"posts": {"listRule": "title != 'hidden'"}}
TOO_OLD_S, CHANGED_S = 310.0, 20.0


async def stored(
    world: World, target: str = POSTS_LIST, identity: Identity | None = None, row: dict[str, object] = POST
) -> None:
    """One answer is stored, and PocketBase would now give another."""
    world.pocketbase.body = page(row)
    assert "stored" in status_of(await world.read(target, identity))
    world.pocketbase.body = page({**row, "title": "new"})


def change(world: World, collection: str = POSTS) -> None:
    world.generations.move({any_row(collection)})


def fail(world: World) -> None:
    world.pocketbase.error = UpstreamRefused


def a_world(**rules: dict[str, str | None]) -> World:
    world = World(**rules)
    world.stale_limits = StaleLimits(60.0, 0.0)
    return world


@pytest.mark.parametrize("error", [UpstreamRefused, UpstreamLost, Overloaded])
async def test_what_is_too_old_is_given_and_marked_when_pocketbase_fails(error: type[Exception]) -> None:
    world = a_world(**PUBLIC)
    await stored(world)
    world.clock.advance(TOO_OLD_S)
    world.pocketbase.error = error
    for method, body in (("GET", page(POST)), ("HEAD", b"")):
        answer = await world.read(method=method)
        assert (answer.status, answer.body) == (200, body)
        assert status_of(answer) == "hit; ttl=-10; detail=stale-if-error"
        assert fields(answer, b"age") == [b"310"]
    world.clock.advance(50.0)
    assert status_of(await world.read()) == "hit; ttl=-60; detail=stale-if-error"
    world.clock.advance(0.5)
    with pytest.raises(error):
        await world.read()


async def test_what_changed_is_given_where_everybody_may_see_all_counted_from_the_fetch() -> None:
    world = a_world()
    await stored(world)
    world.clock.advance(CHANGED_S)
    change(world)
    fail(world)
    assert status_of(await world.read()) == "hit; ttl=-20; detail=stale-if-error"
    world.clock.advance(41.0)
    with pytest.raises(UpstreamRefused):
        await world.read()


async def test_without_the_option_nothing_stale_is_given() -> None:
    world = World()
    await stored(world)
    change(world)
    assert status_of(await world.read()).startswith("fwd=stale")
    change(world)
    fail(world)
    with pytest.raises(UpstreamRefused):
        await world.read()
    world.clock.advance(TOO_OLD_S)
    with pytest.raises(UpstreamRefused):
        await world.read()


async def test_an_answer_of_pocketbase_s_own_and_a_limit_are_no_failure() -> None:
    world = a_world()
    await stored(world)
    change(world)
    world.pocketbase.status = 500
    assert (await world.read()).status == 500
    world.pocketbase.error = lambda: RateLimited("Slowly.", 1.0)
    with pytest.raises(RateLimited):
        await world.read()


@pytest.mark.parametrize(
    ("rules", "target", "moved"),
    [
        pytest.param(PUBLIC, POSTS_LIST, POSTS, id="a rule of its own"),
        pytest.param({"posts": {"viewRule": "title = 'old'"}}, POSTS_LIST, POSTS, id="the other rule"),
        pytest.param({}, f"{POSTS_LIST}?fields=title", POSTS, id="fields"),
        pytest.param({}, f"{POSTS_LIST}?expand=author", POSTS, id="an expanded auth collection"),
        pytest.param(
            {"teams": {"viewRule": "name = 'x'"}}, f"{POSTS_LIST}?expand=team", POSTS, id="an expanded rule"
        ),
        pytest.param(
            {"notes": {"listRule": "body = 'x'"}},
            f"{POSTS_LIST}?filter=notes_via_post.body='a'",
            POSTS,
            id="a filter over a rule",
        ),
        pytest.param({}, USERS_LIST, USERS, id="an auth collection"),
    ],
)
async def test_what_may_have_been_made_private_is_not_given(
    rules: dict[str, dict[str, str | None]], target: str, moved: str
) -> None:
    world = a_world(**rules)
    await stored(world, target, row={**POST, "collectionId": moved})
    change(world, moved)
    fail(world)
    with pytest.raises(UpstreamRefused):
        await world.read(target)


async def test_nothing_is_given_after_everything_moved_or_while_rules_are_not_confirmed() -> None:
    world = a_world()
    await stored(world)
    world.clock.advance(TOO_OLD_S)
    fail(world)
    world.feed.is_live = False
    with pytest.raises(UpstreamRefused):
        await world.read()
    world.feed.is_live = True
    assert (await world.read()).status == 200
    world.generations.move_everything()
    with pytest.raises(UpstreamRefused):
        await world.read()


async def test_nothing_is_given_under_another_rule() -> None:
    world = a_world()
    await stored(world)
    world.clock.advance(TOO_OLD_S)
    fail(world)
    world.change_schema(posts={"listRule": "title = 'new'"})
    with pytest.raises(UpstreamRefused):
        await world.read()


async def test_a_feed_that_is_lost_during_the_wait_ends_it() -> None:
    world = a_world()
    await stored(world)
    world.clock.advance(TOO_OLD_S)
    fail(world)

    async def lost() -> None:
        world.feed.is_live = False

    world.pocketbase.then = lost
    with pytest.raises(UpstreamRefused):
        await world.read()


@pytest.mark.parametrize(
    "rule",
    [
        "@request.auth.id != ''",
        "author = @request.auth.id",
        "@request.auth.role = 'none'",
        "@request.auth.collectionName = 'users'",
        "due > @todayStart",
    ],
)
async def test_what_depends_on_who_asks_or_on_the_day_is_not_given(rule: str) -> None:
    world = a_world(posts={"listRule": rule})
    await stored(world, identity=caller("u1"))
    world.clock.advance(TOO_OLD_S)
    fail(world)
    with pytest.raises(UpstreamRefused):
        await world.read(identity=caller("u1"))


async def test_whose_row_is_in_it_is_given_nothing_and_others_are() -> None:
    world = a_world()
    await stored(world, USERS_LIST, row=USER)
    world.clock.advance(TOO_OLD_S)
    fail(world)
    assert "stale-if-error" in status_of(await world.read(USERS_LIST, caller("u2")))
    with pytest.raises(UpstreamRefused):
        await world.read(USERS_LIST, caller("u1"))


async def test_while_it_is_fetched_anew_once_everybody_is_given_the_stale_one() -> None:
    world = a_world()
    world.stale_limits = StaleLimits(0.0, 60.0)
    await stored(world)
    world.clock.advance(CHANGED_S)
    change(world)
    world.pocketbase.gate.clear()
    for _ in range(3):
        answer = await world.read()
        assert answer.body == page(POST)
        assert status_of(answer) == "hit; ttl=-20; detail=stale-while-revalidate"
        await turns()
    assert len(world.pocketbase.asked) == 2
    assert world.meter.seen[-1] == "hit stale-while-revalidate"
    world.pocketbase.gate.set()
    await turns()
    answer = await world.read()
    assert answer.body == page({**POST, "title": "new"})
    assert status_of(answer).startswith("hit; ttl=300")
    assert len(world.pocketbase.asked) == 2


async def test_a_refresh_that_fails_is_tried_again_until_the_time_is_over() -> None:
    world = a_world()
    world.stale_limits = StaleLimits(0.0, 60.0)
    await stored(world)
    change(world)
    fail(world)
    for asked in (2, 3):
        assert "stale-while-revalidate" in status_of(await world.read())
        await turns()
        assert len(world.pocketbase.asked) == asked
    world.clock.advance(61.0)
    with pytest.raises(UpstreamRefused):
        await world.read()


async def test_a_refresh_ends_with_hapta() -> None:
    world = a_world()
    world.stale_limits = StaleLimits(0.0, 60.0)
    await stored(world)
    change(world)
    world.pocketbase.gate.clear()
    await world.read()
    await turns()
    await world.stale.close()
    await world.filler.close()
    world.pocketbase.gate.set()
    await turns()
    assert status_of(await world.read()).endswith("stale-while-revalidate")
    await world.stale.close()
    await world.filler.close()


async def test_a_refresh_is_planned_under_the_rules_of_when_it_begins() -> None:
    world = World()
    world.stale_limits = StaleLimits(0.0, 60.0)
    await stored(world)
    change(world)
    assert "detail=stale-while-revalidate" in status_of(await world.read())
    world.change_schema(posts={"listRule": "team.name = 'public'"})  # before its first turn
    await turns()
    world.generations.move({any_row(TEAMS)})
    world.pocketbase.body = page()
    assert (await world.read()).body == page(), "a row that the rule shows no more"


async def test_that_a_record_is_not_there_is_not_said_when_it_may_be() -> None:
    world = World()
    world.stale_limits = StaleLimits(60.0, 60.0)
    world.pocketbase.status, world.pocketbase.body = 404, refusal(404)
    assert "stored" in status_of(await world.read(f"{POSTS_LIST}/p1"))
    world.generations.move({births(POSTS)})
    world.pocketbase.status, world.pocketbase.body = 200, orjson.dumps(POST)
    assert (await world.read(f"{POSTS_LIST}/p1")).status == 200
