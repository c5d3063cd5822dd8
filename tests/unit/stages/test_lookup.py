"""Where the answer to a read belongs, and which reads have no such place."""

from typing import Any

import pytest

from hapta.cache.plan import Bypass, Reason
from hapta.model.identity import SUPERUSERS_ID, Identity
from hapta.stages.lookup import Look, Lookup
from tests.support.exchanges import exchange
from tests.unit.cache.plan_world import USERS
from tests.unit.stages.cache_world import POSTS_LIST, USERS_LIST, World, caller

ROLE = {"listRule": "@request.auth.role = 'editor'"}
OWN = {"listRule": "author = @request.auth.id"}


async def look(
    world: World,
    identity: Identity | None = None,
    target: str = POSTS_LIST,
    *,
    is_own: bool = False,
    authorization: str | None = None,
    **more: Any,
) -> Look | Bypass:
    one = exchange("GET", target, **more)
    one.identity = identity
    one.authorization = authorization if identity is None else identity.upstream_token
    return await Lookup(world.book, world.feed, world.auth_records).look_up(one, is_own=is_own)


async def found(world: World, *arguments: Any, **more: Any) -> Look:
    answer = await look(world, *arguments, **more)
    assert isinstance(answer, Look), answer
    return answer


async def test_what_guests_may_see_has_one_place_for_everybody_and_is_fetched_as_a_guest() -> None:
    world = World()
    looks = [await found(world, one) for one in (None, caller("u1"), caller("u2"))]
    assert len({one.slot for one in looks}) == 1
    assert {one.caller for one in looks} == {None}
    assert not any(one.is_private for one in looks)


async def test_what_is_ones_own_has_a_place_of_its_own() -> None:
    world = World(posts=OWN)
    one, other = await found(world, caller("u1")), await found(world, caller("u2"))
    assert one.slot != other.slot
    assert one.is_private
    assert one.caller == caller("u1")
    guest = await found(world)
    assert (guest.caller, guest.is_private) == (None, False)


async def test_an_own_answer_stands_beside_the_one_others_share() -> None:
    world = World()
    shared = await found(world, caller("u1"), USERS_LIST)
    own = await found(world, caller("u1"), USERS_LIST, is_own=True)
    assert own.slot[:-1] == shared.slot
    assert own.slot[-1] == ("own", USERS, "u1")
    assert (own.caller, own.is_private) == (caller("u1"), True)
    assert await found(world, None, USERS_LIST, is_own=True) == await found(world, None, USERS_LIST)


async def test_a_class_is_its_fields_value() -> None:
    world = World(posts=ROLE)
    world.superuser.roles = {"u1": "editor", "u2": "reader", "u3": "editor"}
    one, other, third = [await found(world, caller(name)) for name in ("u1", "u2", "u3")]
    assert one.slot == third.slot != other.slot
    assert one.auth_fields == {"role": "editor"}
    assert one.caller == caller("u1")
    assert not one.is_private


@pytest.mark.parametrize(
    ("arguments", "more", "reason"),
    [
        pytest.param((caller("s", SUPERUSERS_ID),), {}, Reason.SUPERUSER, id="superuser"),
        pytest.param((None,), {"body": b"{}"}, Reason.BODY, id="a GET with a body"),
        pytest.param((None,), {"authorization": "Basic x"}, Reason.HEADER, id="an odd Authorization"),
        pytest.param((None, POSTS_LIST + "?sort=@random"), {}, Reason.RANDOM, id="chance"),
    ],
)
async def test_a_read_that_is_never_stored_says_why(arguments: Any, more: Any, reason: Reason) -> None:
    answer = await look(World(), *arguments, **more)
    assert isinstance(answer, Bypass)
    assert answer.reason is reason


async def test_every_read_touches_the_feed() -> None:
    world = World()
    await look(world)
    assert world.feed.touched == 1


async def test_a_schema_that_never_rests_is_waited_for_so_long() -> None:
    world = World(posts=ROLE)
    world.superuser.then = lambda: (world.auth_records.forget_all(), world.change_schema(posts=ROLE))[0]
    answer = await look(world, caller("u1"))
    assert isinstance(answer, Bypass)
    assert answer.reason in (Reason.SCHEMA, Reason.WRITE)
    world.superuser.then = lambda: world.change_schema(posts=ROLE)
    answer = await look(world, caller("u2"))
    assert isinstance(answer, Look), "known by then, so nothing is waited for"
