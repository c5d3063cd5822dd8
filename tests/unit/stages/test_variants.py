"""Who gets which form of a stored response, and for which there is but one."""

import gzip

import pytest

from hapta.model.exchange import Answer
from tests.support.exchanges import fields
from tests.unit.cache.plan_world import USERS
from tests.unit.stages.cache_world import POSTS_LIST, USERS_LIST, World, caller, page, status_of

TAKES = "gzip, deflate, br"
ROWS = page(*({"id": f"p{number:04}", "title": "a title"} for number in range(100)))
CODED = [b"gzip"]


@pytest.fixture
def world() -> World:
    world = World()
    world.pocketbase.body = ROWS
    return world


async def coded(world: World, target: str = POSTS_LIST) -> Answer:
    for _ in range(3):
        answer = await world.read(target, Accept_Encoding=TAKES)
        assert fields(answer, b"content-encoding") == []
    await world.variants.settled()
    return await world.read(target, Accept_Encoding=TAKES)


def etag(answer: Answer) -> str:
    (value,) = fields(answer, b"etag")
    return value.decode()


async def test_the_variant_says_the_same_in_fewer_bytes(world: World) -> None:
    answer, plain = await coded(world), await world.read()
    assert fields(answer, b"content-encoding") == CODED
    assert isinstance(answer.body, bytes)
    assert gzip.decompress(answer.body) == plain.body == ROWS
    assert fields(plain, b"content-encoding") == []
    assert fields(answer, b"vary") == fields(plain, b"vary") == [b"Origin, Accept-Encoding"]
    assert etag(answer) != etag(plain)
    assert world.meter.variants == 1
    assert world.meter.saved_bytes == len(ROWS) - len(answer.body)
    world.store.check_invariants()


async def test_one_that_is_asked_for_twice_is_not_coded(world: World) -> None:
    for _ in range(2):
        await world.read(Accept_Encoding=TAKES)
    await world.variants.settled()
    assert world.meter.variants == 0


async def test_clients_that_do_not_take_it_occasion_none(world: World) -> None:
    for _ in range(5):
        await world.read(Accept_Encoding="gzip;q=0, *")
    await world.variants.settled()
    assert world.meter.variants == 0


async def test_head_has_the_length_of_the_variant(world: World) -> None:
    answer = await coded(world)
    head = await world.read(method="HEAD", Accept_Encoding=TAKES)
    assert isinstance(answer.body, bytes)
    assert (head.body, head.length) == (b"", len(answer.body))
    assert fields(head, b"content-encoding") == CODED
    assert etag(head) == etag(answer)


async def test_whoever_takes_gzip_holds_it_by_either_tag(world: World) -> None:
    tags = etag(await coded(world)), etag(await world.read())
    for tag in tags:
        answer = await world.read(Accept_Encoding=TAKES, If_None_Match=tag)
        assert (answer.status, etag(answer), answer.body) == (304, tag, b"")
        assert fields(answer, b"vary") == [b"Origin, Accept-Encoding"]
    everything = await world.read(Accept_Encoding=TAKES, If_None_Match="*")
    assert (everything.status, etag(everything)) == (304, tags[0])
    none = await world.read(Accept_Encoding=TAKES, If_None_Match='"other"')
    assert (none.status, etag(none)) == (200, tags[0])


async def test_whoever_does_not_is_never_told_to_use_it(world: World) -> None:
    coded_tag, plain_tag = etag(await coded(world)), etag(await world.read())
    answer = await world.read(If_None_Match=coded_tag)
    assert (answer.status, answer.body, etag(answer)) == (200, ROWS, plain_tag)
    answer = await world.read(If_None_Match=f"{coded_tag}, {plain_tag}")
    assert (answer.status, etag(answer)) == (304, plain_tag)


async def test_after_a_write_the_new_bytes_come_and_no_older_variant(world: World) -> None:
    before = etag(await coded(world))
    newer = ROWS.replace(b"a title", b"another")
    world.pocketbase.body = newer
    await world.write()
    for _ in range(4):
        answer = await world.read(Accept_Encoding=TAKES, If_None_Match=before)
        assert answer.status == 200
        is_coded = fields(answer, b"content-encoding") == CODED
        assert isinstance(answer.body, bytes)
        assert (gzip.decompress(answer.body) if is_coded else answer.body) == newer
        await world.variants.settled()
    assert is_coded


async def test_whoever_holds_a_variant_gets_304_before_it_is_made_again(world: World) -> None:
    tag = etag(await coded(world))
    world.generations.move_everything()
    answer = await world.read(Accept_Encoding=TAKES, If_None_Match=tag)
    assert (answer.status, etag(answer)) == (304, tag)


async def test_a_response_written_meanwhile_does_not_get_it(world: World) -> None:
    for _ in range(3):
        await world.read(Accept_Encoding=TAKES)
    world.pocketbase.body = newer = ROWS.replace(b"a title", b"another")
    await world.write()
    await world.read()
    await world.variants.settled()
    answer = await world.read(Accept_Encoding=TAKES)
    assert answer.body == newer


async def test_an_answer_of_one_caller_alone_has_none() -> None:
    world = World(posts={"listRule": "author = @request.auth.id"})
    world.pocketbase.body = body = ROWS.replace(b'{"id"', b'{"author":"u1","id"')
    for _ in range(5):
        answer = await world.read(POSTS_LIST, caller("u1"), Accept_Encoding=TAKES)
        await world.variants.settled()
        assert answer.body == body
        assert b"Accept-Encoding" not in b"".join(fields(answer, b"vary"))
    assert status_of(answer) == "hit; ttl=300"
    assert fields(answer, b"cache-control") == [b"private, no-cache"]
    assert world.meter.variants == 0


async def test_one_with_the_callers_own_email_has_none_though_the_others_have() -> None:
    ids = [b"u%03d" % number for number in range(100)]
    rows = b",".join(b'{"emailVisibility":false,"id":"%s"}' % each for each in ids)
    own = rows.replace(b'{"emailVisibility":false,"id":"u001"}',
                       b'{"email":"u001@x","emailVisibility":false,"id":"u001"}')  # fmt: skip
    world = World(100_000, has_overlay=True, users={})
    world.pocketbase.body = page().replace(b"[]", b"[%s]" % rows)
    world.superuser.emails = {"u001": "u001@x"}
    for _ in range(5):
        others = await world.read(USERS_LIST, caller("x"), Accept_Encoding=TAKES)
        mine = await world.read(USERS_LIST, caller("u001", USERS), Accept_Encoding=TAKES)
        await world.variants.settled()
        assert mine.body == page().replace(b"[]", b"[%s]" % own)
        assert fields(mine, b"content-encoding") == []
    assert fields(others, b"content-encoding") == CODED
    assert world.meter.variants == 1


async def test_what_is_small_or_missing_has_none(world: World) -> None:
    world.pocketbase.body = page({"id": "p1"})
    for _ in range(5):
        answer = await world.read(Accept_Encoding=TAKES)
        await world.variants.settled()
    assert fields(answer, b"vary") == [b"Origin"]
    assert world.meter.variants == 0


async def test_the_line_is_bounded_and_what_was_left_has_its_turn_later(world: World) -> None:
    targets = [f"{POSTS_LIST}?page={number}" for number in range(1, 31)]
    for target in targets:
        for _ in range(2):
            await world.read(target)
    for target in targets:
        await world.read(target, Accept_Encoding=TAKES)
    await world.variants.settled()
    assert 16 <= world.meter.variants < 30
    for target in targets:
        await world.read(target, Accept_Encoding=TAKES)
    await world.variants.settled()
    assert world.meter.variants == 30


async def test_closing_ends_what_is_made(world: World) -> None:
    for _ in range(3):
        await world.read(Accept_Encoding=TAKES)
    await world.variants.close()
    assert world.meter.variants == 0
