"""What PocketBase is asked for members of a shared answer, and what they are never served."""

import asyncio

import pytest

from hapta.cache.tags import record
from hapta.model.exchange import Answer, Exchange
from tests.support.exchanges import fields
from tests.unit.cache.plan_world import CLIENTS, USERS
from tests.unit.stages.cache_world import USERS_LIST, World, caller, page, status_of

HIDDEN = b'{"emailVisibility":false,"id":"%s"}'
OWN = b'{"email":"%s","emailVisibility":false,"id":"%s"}'
LOGGED_IN = {"listRule": "@request.auth.id != ''"}


def listed(*rows: bytes) -> bytes:
    return page().replace(b"[]", b"[" + b",".join(rows) + b"]")


def as_pocketbase(exchange: Exchange) -> bytes:
    """Two users who hide their e-mails; tells each their own."""
    asks = exchange.identity.record.encode() if exchange.identity else b""
    return listed(*(OWN % (id_ + b"@x", id_) if id_ == asks else HIDDEN % id_ for id_ in (b"u1", b"u2")))


EVERYBODYS = listed(HIDDEN % b"u1", HIDDEN % b"u2")
FIRSTS = listed(OWN % (b"u1@x", b"u1"), HIDDEN % b"u2")
SECONDS = listed(HIDDEN % b"u1", OWN % (b"u2@x", b"u2"))


@pytest.fixture
def world() -> World:
    return make()


def make(*, has_overlay: bool = True, users: dict[str, str | None] | None = None) -> World:
    world = World(has_overlay=has_overlay, users=users or {})
    world.pocketbase.body = as_pocketbase
    world.superuser.emails = {"u1": "u1@x", "u2": "u2@x"}
    return world


def bodies(answers: list[Answer]) -> list[object]:
    return [answer.body for answer in answers]


async def test_one_fetch_serves_guests_and_all_members(world: World) -> None:
    readers = (caller("u1"), None, caller("u2"), caller("u3"), caller("u1"))
    answers = [await world.read(USERS_LIST, reader) for reader in readers]
    assert bodies(answers) == [FIRSTS, EVERYBODYS, SECONDS, EVERYBODYS, FIRSTS]
    assert [status_of(answer) for answer in answers] == [
        "fwd=uri-miss; stored; detail=overlay",
        "hit; ttl=300",
        "hit; ttl=300; detail=overlay",
        "hit; ttl=300",
        "hit; ttl=300; detail=overlay",
    ]
    assert len(world.pocketbase.asked) == 1
    assert world.pocketbase.asked[0].identity is None
    assert fields(answers[0], b"cache-control") == [b"private, no-cache"]
    assert fields(answers[1], b"cache-control") == [b"no-cache"]


async def test_members_who_wait_for_one_fetch_each_get_their_own(world: World) -> None:
    world.pocketbase.gate.clear()
    reads = [asyncio.ensure_future(world.read(USERS_LIST, caller(f"u{n}"))) for n in (1, 2, 3)]
    await asyncio.sleep(0.01)
    world.pocketbase.gate.set()
    assert bodies(await asyncio.gather(*reads)) == [FIRSTS, SECONDS, EVERYBODYS]
    assert len(world.pocketbase.asked) == 1


async def test_a_write_during_the_question_for_the_email_leaves_nothing_of_before(world: World) -> None:
    await world.read(USERS_LIST)

    def write() -> None:
        world.superuser.then = lambda: None
        world.superuser.emails["u1"] = "new@x"
        world.generations.move([record(USERS, "u1"), ("any", USERS)])

    world.superuser.then = write
    world.pocketbase.body = listed(OWN % (b"new@x", b"u1"))
    answer = await world.read(USERS_LIST, caller("u1"))
    assert answer.body == listed(OWN % (b"new@x", b"u1"))
    assert "overlay" not in status_of(answer)


async def test_a_stored_answer_that_was_overtaken_is_fetched_for_all_again(world: World) -> None:
    await world.read(USERS_LIST, caller("u1"))
    world.generations.move([("any", USERS)])
    answer = await world.read(USERS_LIST, caller("u1"))
    assert (answer.body, status_of(answer)) == (FIRSTS, "fwd=stale; stored; detail=overlay")
    assert [one.identity for one in world.pocketbase.asked] == [None, None]


async def test_an_email_that_is_not_told_is_fetched_with_the_answer(world: World) -> None:
    world.superuser.emails["u1"] = "u1@x" + "x" * 300
    await world.read(USERS_LIST)
    for status in ("fwd=uri-miss; stored", "hit; ttl=300"):
        answer = await world.read(USERS_LIST, caller("u1"))
        assert (answer.body, status_of(answer)) == (FIRSTS, status)


async def test_an_account_of_another_collection_with_that_id_is_not_given_its_own_email(world: World) -> None:
    await world.read(USERS_LIST)
    answer = await world.read(USERS_LIST, caller("u1", CLIENTS))
    assert (answer.body, status_of(answer)) == (FIRSTS, "fwd=uri-miss; stored")


async def test_what_a_member_fetched_serves_their_whole_class_without_their_email() -> None:
    world = make(users=LOGGED_IN)
    answers = [await world.read(USERS_LIST, caller(f"u{n}")) for n in (1, 3, 2, 1)]
    assert bodies(answers) == [FIRSTS, EVERYBODYS, SECONDS, FIRSTS]
    assert [status_of(answer) for answer in answers] == [
        "fwd=uri-miss; stored; detail=overlay",
        "hit; ttl=300",
        "hit; ttl=300; detail=overlay",
        "hit; ttl=300; detail=overlay",
    ]
    assert [one.identity for one in world.pocketbase.asked] == [caller("u1")]


@pytest.mark.parametrize("order", [(3, 1), (1, 3)])
async def test_what_was_not_vouched_for_is_laid_over_for_nobody(order: tuple[int, int]) -> None:
    world = make(users=LOGGED_IN)
    world.vouches = False
    world.pocketbase.gate.clear()
    reads = [asyncio.ensure_future(world.read(USERS_LIST, caller(f"u{n}"))) for n in order]
    await asyncio.sleep(0.01)
    world.pocketbase.gate.set()
    wanted = {1: FIRSTS, 3: EVERYBODYS}
    assert bodies(await asyncio.gather(*reads)) == [wanted[n] for n in order]
    assert len(world.store) == 0
    assert all(one.identity is not None for one in world.pocketbase.asked)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"items": [{"emailVisibility":false,"id":"u1"}]}', id="another form"),
        pytest.param(b'{"items":[{"id":"u1","emailVisibility":false}]}', id="another order"),
    ],
)
async def test_what_pocketbase_does_not_write_like_that_is_asked_for_each(world: World, body: bytes) -> None:
    world.pocketbase.body = lambda exchange: FIRSTS if exchange.identity else body
    assert (await world.read(USERS_LIST)).body == body
    assert (await world.read(USERS_LIST, caller("u1"))).body == FIRSTS
    assert len(world.pocketbase.asked) == 2


async def test_head_tells_the_length_of_the_own_answer(world: World) -> None:
    await world.read(USERS_LIST)
    answer = await world.read(USERS_LIST, caller("u1"), "HEAD")
    assert (answer.body, answer.length) == (b"", len(FIRSTS))
    (etag,) = fields(await world.read(USERS_LIST, caller("u1")), b"etag")
    assert (await world.read(USERS_LIST, caller("u1"), If_None_Match=etag.decode())).status == 304
