"""What a read gets: from the store, from a fetch, or from PocketBase as it was asked."""

from datetime import UTC, datetime

from hapta.model.errors import UpstreamLost
from tests.support.exchanges import exchange, fields
from tests.unit.stages.cache_world import (
    POSTS_LIST,
    USERS_LIST,
    VARY,
    Stream,
    World,
    caller,
    page,
    refusal,
    status_of,
)

ROW = {"id": "p1", "title": "One"}
VIEW = POSTS_LIST + "/p1"


async def test_a_second_read_is_answered_from_the_store_with_the_same_bytes() -> None:
    world = World()
    world.pocketbase.body = page(ROW)
    first = await world.read()
    second = await world.read(identity=caller("u1"))
    assert (status_of(first), status_of(second)) == ("fwd=uri-miss; stored", "hit; ttl=300")
    assert first.body == second.body == page(ROW)
    assert len(world.pocketbase.asked) == 1
    assert world.meter.seen == ["uri-miss", "hit"]


async def test_a_client_that_holds_the_bytes_gets_no_body_on_a_hit_and_on_a_miss() -> None:
    world = World()
    (etag,) = fields(await world.read(), b"etag")
    hit = await world.read(If_None_Match=etag.decode())
    world.store.clear()
    miss = await world.read(If_None_Match=etag.decode())
    for answer in (hit, miss):
        assert (answer.status, answer.body) == (304, b"")
        assert fields(answer, b"etag") == [etag]
        assert fields(answer, b"content-type") == []


async def test_head_is_answered_from_the_store_and_never_fills_it() -> None:
    world = World()
    world.pocketbase.body = page(ROW)
    assert status_of(await world.read(method="HEAD")) == "fwd=uri-miss"
    assert len(world.store) == 0
    await world.read()
    answer = await world.read(method="HEAD")
    assert (answer.status, answer.body, answer.length) == (200, b"", len(page(ROW)))
    assert [one.method for one in world.pocketbase.asked] == ["HEAD", "GET"]


async def test_a_page_gets_the_cors_lines_of_its_own_origin_and_no_other() -> None:
    world = World()
    first = await world.read(Origin="https://a.test")  # not known yet: passed on
    assert status_of(first) == "fwd=bypass; detail=origin"
    for origin, expected in (("https://a.test", [b"https://a.test"]), ("https://evil.test", [])):
        await world.read(Origin=origin)
        answer = await world.read(Origin=origin)
        assert status_of(answer).startswith("hit")
        assert fields(answer, b"access-control-allow-origin") == expected
        assert fields(answer, b"vary") == [b"Origin"]
    assert fields(await world.read(), b"access-control-allow-origin") == []


async def test_a_fetch_takes_nothing_of_the_client_but_what_the_key_names() -> None:
    world = World()
    await world.read(Cookie="a=b", Accept_Language="de", User_Agent="x", X_Forwarded_Host="evil.test")
    (asked,) = world.pocketbase.asked
    assert dict(asked.headers) == {"Host": "pocketbase.test"}
    assert (asked.identity, asked.authorization, asked.charges) == (None, None, None)


async def test_a_read_is_passed_on_while_the_feed_is_deaf_and_comes_back_with_a_confirmation() -> None:
    world = World()
    await world.read()
    world.feed.is_live = False
    assert status_of(await world.read()) == "fwd=bypass; detail=feed"
    world.feed.comes_back = True
    assert status_of(await world.read()).startswith("hit")


async def test_nothing_is_fetched_for_the_store_of_a_collection_whose_changes_are_not_told() -> None:
    world = World()
    world.feed.uncovered = {"pbc_posts"}
    assert status_of(await world.read()) == "fwd=bypass; detail=feed"
    assert len(world.store) == 0


async def test_what_is_fetched_as_a_caller_needs_the_changes_of_that_callers_collection() -> None:
    world = World(posts={"listRule": "@request.auth.id != ''"})
    world.feed.uncovered = {"pbc_users"}
    assert status_of(await world.read(identity=caller("u1"))) == "fwd=bypass; detail=feed"


async def test_a_read_under_an_open_write_goes_to_pocketbase_and_is_good_again_after_a_refusal() -> None:
    world = World()
    await world.read()
    write = world.generations.begin([("any", "pbc_posts")])
    assert status_of(await world.read()) == "fwd=bypass; detail=write"
    write.close(has_changed=False)
    assert status_of(await world.read()).startswith("hit")


async def test_a_member_gets_an_answer_of_their_own_and_others_share_a_guests() -> None:
    world = World()
    world.pocketbase.body = lambda asked: page(
        {"id": "u1", "email": "one@x.test"} if asked.identity else {"id": "u1"}
    )
    guest = await world.read(USERS_LIST)
    own = await world.read(USERS_LIST, caller("u1"))
    other = await world.read(USERS_LIST, caller("u2"))
    assert own.body == page({"id": "u1", "email": "one@x.test"})
    assert guest.body == other.body == page({"id": "u1"})
    assert fields(own, b"cache-control") == [b"private, no-cache"]
    assert fields(own, b"vary") == [b"Origin, Authorization"]
    assert status_of(await world.read(USERS_LIST, caller("u1"))).startswith("hit")
    assert status_of(other).startswith("hit")


async def test_a_member_who_asks_first_leaves_a_guests_answer_for_the_others() -> None:
    world = World()
    world.pocketbase.body = lambda asked: page(
        {"id": "u1", "email": "one@x.test"} if asked.identity else {"id": "u1"}
    )
    own = await world.read(USERS_LIST, caller("u1"))
    assert own.body == page({"id": "u1", "email": "one@x.test"})
    other = await world.read(USERS_LIST, caller("u2"))
    assert (other.body, status_of(other).split(";")[0]) == (page({"id": "u1"}), "hit")


async def test_what_a_guest_was_answered_in_a_form_nobody_knows_goes_to_no_user() -> None:
    world = World()
    world.pocketbase.body = lambda asked: b'{"items":"odd"}' if asked.identity is None else page(ROW)
    assert (await world.read(USERS_LIST, caller("u1"))).body == page(ROW)
    assert (await world.read(USERS_LIST)).body == b'{"items":"odd"}'


async def test_a_guests_large_answer_is_not_passed_to_a_user_whose_own_would_show_more() -> None:
    world = World(max_body_bytes=100)
    streams: list[Stream] = []

    def answer(_: object) -> Stream:
        streams.append(Stream(b"x" * 80, b"y" * 80))
        return streams[-1]

    world.pocketbase.body = answer
    got = await world.read(USERS_LIST, caller("u1"))
    assert [one.identity for one in world.pocketbase.asked] == [None, caller("u1")]
    assert streams[0].is_aborted
    assert not isinstance(got.body, bytes)
    assert b"".join([piece async for piece in got.body.chunks()]) == b"x" * 80 + b"y" * 80


async def test_a_too_large_answer_reaches_its_reader_whole_and_the_next_ones_ask_for_themselves() -> None:
    world = World(max_body_bytes=100)
    world.pocketbase.body = lambda _: Stream(b"x" * 80, b"y" * 80)
    for expected in ("fwd=uri-miss", "fwd=bypass; detail=size"):
        answer = await world.read()
        assert status_of(answer) == expected
        assert not isinstance(answer.body, bytes)
        assert sum([len(piece) async for piece in answer.body.chunks()]) == 160
    assert len(world.store) == 0


async def test_an_answer_that_came_whole_and_is_too_large_is_not_stored_either() -> None:
    world = World(max_body_bytes=100)
    world.pocketbase.body = page({"id": "p" * 200})
    assert status_of(await world.read()) == "fwd=uri-miss"
    assert len(world.store) == 0
    assert status_of(await world.read()) == "fwd=bypass; detail=size"


async def test_a_missing_record_is_remembered_and_an_error_is_not() -> None:
    world = World()
    world.pocketbase.status, world.pocketbase.body = 404, refusal(404)
    await world.read(VIEW)
    assert status_of(await world.read(VIEW)).startswith("hit")
    world.pocketbase.status, world.pocketbase.body = 500, refusal(500)
    await world.read()
    assert (await world.read()).status == 500
    assert len(world.store) == 1


async def test_an_answer_that_depends_on_the_day_ends_before_midnight() -> None:
    world = World(posts={"listRule": "due > @todayStart"})
    await world.read()
    left = datetime(2023, 11, 15, tzinfo=UTC).timestamp() - world.clock.now()
    world.clock.advance(left - 200)
    world.store.clear()
    await world.read()
    world.clock.advance(190)
    assert status_of(await world.read()) == "hit; ttl=5"
    world.clock.advance(5.5)
    assert status_of(await world.read()) == "fwd=stale"  # near midnight nothing is kept
    world.clock.advance(10)
    assert status_of(await world.read()) == "fwd=stale; stored"


async def test_what_was_fetched_with_a_token_about_to_end_is_not_kept() -> None:
    world = World(posts={"listRule": "@request.auth.id != ''"})
    world.token_end = world.clock.now() + 10
    assert status_of(await world.read(identity=caller("u1"))) == "fwd=uri-miss"
    assert len(world.store) == 0


async def test_an_error_of_pocketbase_is_the_readers_and_leaves_nothing() -> None:
    world = World()
    world.pocketbase.error = UpstreamLost
    for _ in range(2):
        try:
            await world.read()
        except UpstreamLost:
            continue
        raise AssertionError("it was lost")
    assert len(world.store) == 0
    world.generations.check_invariants()


async def test_a_write_says_that_its_method_went_on() -> None:
    world = World()
    assert status_of(await world.write()) == "fwd=method"
    one = exchange("GET", "/api/health")
    assert status_of(await world.ask(one)) == "fwd=bypass"
    assert VARY in world.pocketbase.headers
