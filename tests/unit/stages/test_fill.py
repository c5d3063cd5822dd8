"""One fetch for all who may share it: who may, and what is kept of it."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from hapta.cache.tags import any_row, births, record
from hapta.model.errors import HaptaError, Overloaded, UpstreamLost, UpstreamUnavailable
from hapta.model.exchange import Answer
from hapta.model.identity import Identity
from tests.support.exchanges import fields
from tests.unit.cache.plan_world import CLIENTS, POSTS, USERS
from tests.unit.stages.cache_world import (
    JSON,
    POSTS_LIST,
    USERS_LIST,
    World,
    caller,
    page,
    refusal,
    status_of,
    turns,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MEMBERS = {"listRule": "@request.auth.id != ''"}
ROLE = {"listRule": "@request.auth.role = 'editor'"}


async def together(world: World, *identities: Identity | None, target: str = POSTS_LIST) -> list[Answer]:
    """Reads that all wait while the first one is fetched."""
    world.pocketbase.gate.clear()
    reads = [asyncio.ensure_future(world.read(target, identity)) for identity in identities]
    await turns()
    world.pocketbase.gate.set()
    return await asyncio.gather(*reads)


async def test_five_hundred_readers_of_what_is_not_stored_are_one_fetch() -> None:
    world = World()
    answers = await together(world, *[caller(f"u{number}") for number in range(500)])
    assert len(world.pocketbase.asked) == 1
    assert {answer.body for answer in answers} == {page()}
    states = [status_of(answer) for answer in answers]
    assert states.count("fwd=uri-miss; stored") == 1
    assert states.count("fwd=uri-miss; collapsed") == 499


async def test_a_joiner_is_not_given_the_answer_that_is_the_leaders_own() -> None:
    world = World(users=MEMBERS)
    world.pocketbase.body = lambda asked: page(
        {"id": "u1", **({"email": "u1@x.test"} if asked.identity == caller("u1") else {})}
    )
    first, second = await together(world, caller("u1"), caller("u2"), target=USERS_LIST)
    assert (first.body, second.body) == (page({"id": "u1", "email": "u1@x.test"}), page({"id": "u1"}))
    assert len(world.pocketbase.asked) == 2


async def test_a_joiner_who_is_shown_in_the_answer_gets_one_of_their_own() -> None:
    world = World()
    world.pocketbase.body = lambda asked: page({"id": "u2", "for": asked.identity and asked.identity.record})
    first, second = await together(world, caller("u1"), caller("u2"), target=USERS_LIST)
    assert first.body == page({"id": "u2", "for": None})
    assert second.body == page({"id": "u2", "for": "u2"})


@pytest.mark.parametrize("error", [Overloaded, UpstreamUnavailable])
async def test_a_joiner_asks_again_where_the_leader_had_no_share_left(error: type[HaptaError]) -> None:
    world = World()
    errors: list[Callable[[], BaseException]] = [error]

    async def then() -> None:
        world.pocketbase.error = errors.pop() if errors else None

    world.pocketbase.then = then
    world.pocketbase.gate.clear()
    reads = [asyncio.ensure_future(world.read()) for _ in range(3)]
    await turns()
    world.pocketbase.gate.set()
    first, *others = await asyncio.gather(*reads, return_exceptions=True)
    assert isinstance(first, error)
    assert all(isinstance(answer, Answer) and answer.status == 200 for answer in others)
    assert len(world.pocketbase.asked) == 2


async def test_a_joiner_gets_a_copy_of_a_loss_and_nothing_that_is_written_into_the_leaders() -> None:
    world = World()
    world.pocketbase.error = UpstreamLost
    world.pocketbase.gate.clear()

    async def read(name: str) -> dict[str, str]:
        try:
            await world.read()
        except UpstreamLost as error:
            error.headers.setdefault("RateLimit", name)  # as the limit stage does
            return error.headers
        raise AssertionError("it was lost")

    reads = [asyncio.ensure_future(read(name)) for name in ("one", "two", "three")]
    await turns()
    world.pocketbase.gate.set()
    assert [headers["RateLimit"] for headers in await asyncio.gather(*reads)] == ["one", "two", "three"]
    assert len(world.pocketbase.asked) == 1


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_a_joiner_is_not_given_what_concerns_whoever_asked_first(status: int) -> None:
    world = World()

    async def then() -> None:
        is_first = len(world.pocketbase.asked) == 1
        world.pocketbase.status = status if is_first else 200

    world.pocketbase.then = then
    answers = await together(world, None, None, None)
    assert [answer.status for answer in answers] == [status, 200, 200]


async def test_a_refusal_of_everybody_is_shared_and_not_kept() -> None:
    world = World()
    world.pocketbase.status, world.pocketbase.body = 400, refusal(400)
    answers = await together(world, None, caller("u1"))
    assert [answer.status for answer in answers] == [400, 400]
    assert len(world.pocketbase.asked) == 1
    assert len(world.store) == 0


@pytest.mark.parametrize("status", [200, 400])
async def test_a_cookie_for_the_leader_reaches_no_joiner(status: int) -> None:
    world = World()
    world.pocketbase.status = status

    async def then() -> None:
        number = len(world.pocketbase.asked)
        world.pocketbase.headers = [JSON, (b"Set-Cookie", b"visitor=%d" % number)]

    world.pocketbase.then = then
    answers = await together(world, None, None, None)
    assert len({tuple(fields(answer, b"set-cookie")) for answer in answers}) == 3


async def test_a_callers_answer_in_a_form_nobody_knows_reaches_no_joiner() -> None:
    world = World(users=MEMBERS)
    world.pocketbase.body = lambda asked: b'{"items":[{"of":"%s"}]}' % str(asked.identity).encode()
    one, other = await together(world, caller("u1"), caller("u2"), target=USERS_LIST)
    assert one.body != other.body


async def test_the_leader_may_leave_and_the_others_get_the_answer() -> None:
    world = World()
    world.pocketbase.gate.clear()
    leader = asyncio.ensure_future(world.read())
    await turns()
    joiner = asyncio.ensure_future(world.read())
    await turns()
    leader.cancel()
    world.pocketbase.gate.set()
    assert (await joiner).status == 200
    assert len(world.pocketbase.asked) == 1
    assert len(world.store) == 1


async def test_a_read_after_a_write_joins_no_fetch_from_before_it() -> None:
    world = World()
    world.pocketbase.gate.clear()
    early = asyncio.ensure_future(world.read())
    await turns()
    world.generations.move([any_row(POSTS)])
    late = asyncio.ensure_future(world.read())
    await turns()
    assert len(world.pocketbase.asked) == 2
    world.pocketbase.gate.set()
    assert [status_of(answer) for answer in await asyncio.gather(early, late)] == [
        "fwd=uri-miss",
        "fwd=uri-miss; stored",
    ]


async def test_an_expanded_row_that_changed_during_the_fetch_is_not_stored() -> None:
    world = World()
    world.pocketbase.body = page(
        {"id": "p1", "author": "u1", "expand": {"author": {"id": "u1", "name": "old"}}}
    )

    async def then() -> None:
        world.generations.move([record(USERS, "u1")])

    world.pocketbase.then = then
    assert status_of(await world.read(POSTS_LIST + "?expand=author")) == "fwd=uri-miss"
    world.pocketbase.then = None
    assert status_of(await world.read(POSTS_LIST + "?expand=author")) == "fwd=uri-miss; stored"


async def test_a_joiner_is_not_given_an_expanded_row_older_than_a_write_it_began_after() -> None:
    world = World()
    target = POSTS_LIST + "?expand=author"
    old, new = (
        page({"id": "p1", "author": "u1", "expand": {"author": {"id": "u1", "name": name}}})
        for name in ("old", "new")
    )
    bodies = [new, old]
    world.pocketbase.body = lambda _: bodies.pop()
    world.pocketbase.gate.clear()
    leader = asyncio.ensure_future(world.read(target))
    await turns()
    world.generations.move([record(USERS, "u1")])  # a write to the author is answered
    joiner = asyncio.ensure_future(world.read(target))
    await turns()
    assert len(world.pocketbase.asked) == 1, "it joined"
    world.pocketbase.gate.set()
    assert [answer.body for answer in await asyncio.gather(leader, joiner)] == [old, new]


async def test_what_pocketbase_does_not_vouch_for_goes_to_its_own_caller_only() -> None:
    world = World(posts=MEMBERS)
    world.vouches = False
    world.pocketbase.body = lambda asked: page({"id": str(asked.identity and asked.identity.record)})
    answers = await together(world, caller("u1"), caller("u2"))
    assert [answer.body for answer in answers] == [page({"id": "u1"}), page({"id": "u2"})]


async def test_a_token_about_to_end_fetches_for_nobody_else() -> None:
    world = World(posts=MEMBERS)
    world.token_end = world.clock.now() + 10
    world.pocketbase.body = lambda asked: page({"id": str(asked.identity and asked.identity.record)})
    answers = await together(world, caller("u1"), caller("u2"))
    assert [answer.body for answer in answers] == [page({"id": "u1"}), page({"id": "u2"})]


async def test_callers_of_different_classes_share_nothing() -> None:
    world = World(posts=ROLE)
    world.superuser.roles = {"u1": "editor", "u2": "reader", "u3": "editor"}
    world.pocketbase.body = lambda asked: page({"id": str(asked.identity and asked.identity.record)})
    bodies = [
        (await world.read(identity=one)).body
        for one in (caller("u1"), caller("u2"), caller("u3"), caller("c1", CLIENTS), None)
    ]
    assert bodies == [page({"id": name}) for name in ("u1", "u2", "u1", "c1", "None")]


async def test_a_caller_whose_record_changes_meanwhile_is_asked_for_uncached() -> None:
    world = World(posts=ROLE)
    world.superuser.then = lambda: world.auth_records.record_changed(USERS, "u1")
    assert status_of(await world.read(identity=caller("u1"))) == "fwd=bypass; detail=write"


async def test_a_plan_of_a_schema_that_went_by_is_made_anew() -> None:
    world = World(posts=ROLE)
    changes = [{"listRule": "@request.auth.id != ''"}]
    world.superuser.then = lambda: world.change_schema(posts=changes.pop()) if changes else None
    await world.read(identity=caller("u1"))
    (asked,) = world.pocketbase.asked
    assert asked.identity == caller("u1")
    ((key, _),) = world.store.responses()
    assert "none" not in str(key)  # the value of its role stands in no key any more


async def test_nothing_is_served_on_the_word_of_a_feed_that_died_while_a_record_was_asked_for() -> None:
    world = World(posts=ROLE)
    await world.read(identity=caller("u1"))
    world.auth_records.forget_all()

    def dies() -> None:
        world.feed.is_live = False

    world.superuser.then = dies
    assert status_of(await world.read(identity=caller("u1"))) == "fwd=bypass; detail=feed"


async def test_fetches_leave_nothing_behind() -> None:
    world = World()
    await together(world, None, None)
    world.pocketbase.error = lambda: ValueError("a bug")
    with pytest.raises(ValueError, match="a bug"):
        await world.read(USERS_LIST)
    assert len(world.filler._flights) == 0
    assert world.generations._fetching == 0
    world.generations.check_invariants()
    await world.filler.close()


async def test_a_view_of_what_is_there_outlives_the_births_of_others_and_a_view_of_nothing_does_not() -> None:
    world = World()
    view = f"{POSTS_LIST}/post00000000001"
    for status, body, is_kept in ((200, page(), True), (404, refusal(404), False)):
        world.generations.move_everything()
        world.pocketbase.status, world.pocketbase.body = status, lambda _, body=body: body
        await world.read(view)
        world.generations.move((births(POSTS), any_row(POSTS)))
        again = await world.read(view)
        assert status_of(again).startswith("hit") is is_kept, status
