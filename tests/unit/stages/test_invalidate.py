"""Every way a write can end, and what is served afterwards."""

import asyncio
from collections.abc import Callable

import pytest

from hapta.cache.plan import HooksMode
from hapta.model.errors import (
    HaptaError,
    Overloaded,
    RateLimited,
    UpstreamLost,
    UpstreamRefused,
    UpstreamUnavailable,
)
from hapta.model.schema import Schema
from tests.unit.cache.plan_world import OPEN, schema
from tests.unit.stages.cache_world import POSTS_LIST, USERS_LIST, World, refusal, status_of, turns

BATCH = "/api/batch"
NOTES_LIST = "/api/collections/notes/records"
ROW = POSTS_LIST + "/p1"


async def filled(target: str = POSTS_LIST) -> World:
    """A world in which this list is stored."""
    world = World()
    await world.read(target)
    assert await is_good(world, target)
    return world


async def is_good(world: World, target: str = POSTS_LIST) -> bool:
    """Whether it is still served from the store."""
    asked = len(world.pocketbase.asked)
    status = status_of(await world.read(target))
    assert status.startswith("hit") is (len(world.pocketbase.asked) == asked)
    world.generations.check_invariants()
    return status.startswith("hit")


async def is_settled(world: World, target: str = POSTS_LIST) -> bool:
    """Whether a fetch may be stored now."""
    world.store.clear()
    return status_of(await world.read(target)) == "fwd=uri-miss; stored"


async def test_what_a_write_changed_is_not_served_once_it_is_answered() -> None:
    world = await filled()
    await world.write()
    assert not await is_good(world)
    assert await is_settled(world)


async def test_nothing_is_served_from_the_store_while_a_write_is_under_way() -> None:
    world = await filled()
    world.pocketbase.gate.clear()
    write = asyncio.ensure_future(world.write())
    await turns()
    world.pocketbase.gate.set()
    assert status_of(await world.read()) == "fwd=bypass; detail=write"
    await write


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_write_to_a_row_leaves_other_collections_alone(method: str) -> None:
    world = await filled(USERS_LIST)
    await world.write(method, ROW)
    assert await is_good(world, USERS_LIST)


async def test_a_refusal_changes_nothing_where_there_are_no_hooks() -> None:
    world = await filled()
    world.pocketbase.status = 404
    await world.write("PATCH", ROW)
    world.pocketbase.status = 200
    assert await is_good(world)


async def test_a_refusal_may_hide_a_commit_where_there_may_be_hooks() -> None:
    world = await filled()
    world.hooks, world.pocketbase.status = HooksMode.AUTH, 400
    await world.write("PATCH", ROW)
    world.pocketbase.status = 200
    assert not await is_good(world)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_error_may_hide_a_commit(status: int) -> None:
    world = await filled()
    world.pocketbase.status = status
    await world.write("PATCH", ROW)
    world.pocketbase.status = 200
    assert not await is_good(world)


@pytest.mark.parametrize(
    ("target", "status", "is_kept"),
    [
        pytest.param("users/auth-with-otp", 400, True, id="a code that is wrong"),
        pytest.param("users/auth-with-otp", 401, False, id="a second factor is asked for, the first counted"),
        pytest.param("users/auth-with-otp", 403, False, id="an authRule is not met, but verified is set"),
        pytest.param("users/confirm-verification", 400, True, id="a token that is none"),
        pytest.param("users/auth-with-password", 401, True, id="rows of nobody's business"),
    ],
)
async def test_a_login_that_failed_may_have_changed_the_user(target: str, status: int, is_kept: bool) -> None:
    world = await filled(USERS_LIST)
    world.pocketbase.status, world.pocketbase.body = status, refusal(status)
    await world.write("POST", f"/api/collections/{target}")
    world.pocketbase.status = 200
    assert await is_good(world, USERS_LIST) is is_kept


@pytest.mark.parametrize(("status", "is_kept"), [(404, True), (405, True), (400, False), (403, False)])
async def test_only_a_route_that_is_not_there_did_nothing(status: int, is_kept: bool) -> None:
    world = await filled()
    world.pocketbase.status = status
    await world.write("POST", "/api/custom")
    world.pocketbase.status = 200
    assert await is_good(world) is is_kept


async def test_a_refused_delete_counts_where_rows_of_another_collection_might_have_hooks() -> None:
    world = await filled()
    modes: dict[str | None, HooksMode] = {None: HooksMode.AUTH, "posts": HooksMode.NONE}
    world.hooks_of = modes.__getitem__  # type: ignore[method-assign]
    world.pocketbase.status = 400
    await world.write("PATCH", ROW)
    world.pocketbase.status = 200
    assert await is_good(world)
    world.pocketbase.status = 400
    await world.write("DELETE", ROW)
    world.pocketbase.status = 200
    assert not await is_good(world)


@pytest.mark.parametrize("error", [UpstreamRefused, UpstreamUnavailable, Overloaded])
async def test_what_was_never_sent_moves_nothing(error: type[HaptaError]) -> None:
    world = await filled()
    world.pocketbase.error = error
    with pytest.raises(error):
        await world.write()
    world.pocketbase.error = None
    assert await is_good(world)
    assert await is_settled(world)


@pytest.mark.parametrize("error", [UpstreamRefused, UpstreamUnavailable, Overloaded, UpstreamLost])
async def test_an_error_after_pocketbases_answer_is_no_sign_that_nothing_was_sent(
    error: type[HaptaError],
) -> None:
    """A session could not be made of a login, say: the login took place."""
    world = await filled(USERS_LIST)

    async def then() -> None:
        world.pocketbase.asked[-1].is_answered = True

    world.pocketbase.then, world.pocketbase.error = then, error
    with pytest.raises(error):
        await world.write("POST", "/api/collections/users/auth-with-oauth2")
    world.pocketbase.then = world.pocketbase.error = None
    assert not await is_good(world, USERS_LIST)
    assert await is_settled(world, USERS_LIST), "it is over: no doubt is left"


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(UpstreamLost, id="lost"),
        pytest.param(asyncio.CancelledError, id="cancelled"),
        pytest.param(lambda: KeyError("a bug"), id="a bug of ours"),
    ],
)
async def test_a_write_without_an_answer_is_in_doubt_until_it_cannot_land_any_more(
    error: Callable[[], BaseException],
) -> None:
    world = await filled()
    world.pocketbase.error = error
    with pytest.raises(type(error())):
        await world.write()
    world.pocketbase.error = None
    assert not await is_good(world)
    assert not await is_settled(world)
    world.clock.advance(299)
    assert not await is_settled(world)
    world.clock.advance(1.1)
    assert await is_settled(world)


async def test_an_error_of_ours_on_the_way_closes_the_write() -> None:
    world = await filled()
    world.pocketbase.error = lambda: RateLimited("too many", 1.0)
    with pytest.raises(RateLimited):
        await world.write()
    world.pocketbase.error = None
    assert not await is_good(world)
    assert await is_settled(world)


async def test_a_batch_moves_what_its_requests_would_and_all_if_it_cannot_be_read() -> None:
    batch = b'{"requests":[{"method":"POST","url":"/api/collections/posts/records","body":{}}]}'
    for body, is_kept in ((batch, True), (b'{"requests":', False)):
        for target in (POSTS_LIST, USERS_LIST):
            world = await filled(target)
            await world.write("POST", BATCH, body, **{"Content-Type": "application/json"})
            assert await is_good(world, target) is (is_kept and target == USERS_LIST)


async def test_a_write_to_what_nobody_knows_moves_nothing() -> None:
    world = await filled()
    await world.write("POST", "/api/collections/nope/records")
    assert await is_good(world)


async def while_notes_come_to_be_known(world: World) -> None:
    """A write to a collection that is not known; it comes to be, and is read, before PocketBase answers."""
    known = schema(notes=OPEN)
    world.schema = Schema.of(1, [one for one in known.by_id.values() if one.name != "notes"])

    async def then() -> None:
        world.pocketbase.then = None
        world.schema = Schema.of(2, known.by_id.values())
        world.generations.move_everything()
        error, world.pocketbase.error = world.pocketbase.error, None
        assert status_of(await world.read(NOTES_LIST)) == "fwd=uri-miss; stored"
        world.pocketbase.error = error

    world.pocketbase.then = then
    await world.write("POST", NOTES_LIST)


async def test_a_collection_that_comes_to_be_known_during_a_write_is_written_to() -> None:
    world = World()
    await while_notes_come_to_be_known(world)
    assert not await is_good(world, NOTES_LIST)


async def test_a_collection_that_comes_to_be_known_during_a_write_that_is_lost_is_in_doubt() -> None:
    world = World()
    world.pocketbase.error = UpstreamLost
    with pytest.raises(UpstreamLost):
        await while_notes_come_to_be_known(world)
    world.pocketbase.error = None
    assert not await is_good(world, NOTES_LIST)
    assert not await is_settled(world, NOTES_LIST)
    world.clock.advance(300.1)
    assert await is_settled(world, NOTES_LIST)


async def test_reads_of_posts_and_harmless_administration_are_no_writes() -> None:
    world = await filled()
    for method, target in (
        ("GET", "/api/custom"),
        ("OPTIONS", POSTS_LIST),
        ("POST", "/api/backups"),
        ("POST", "/api/realtime"),
    ):
        await world.write(method, target)
    assert await is_good(world)


async def test_a_request_nobody_knows_lets_the_store_serve_until_it_is_answered() -> None:
    world = await filled()
    world.pocketbase.gate.clear()
    write = asyncio.ensure_future(world.write("POST", "/api/custom"))
    await turns()
    assert await is_good(world)
    world.pocketbase.gate.set()
    await write
    assert not await is_good(world)
