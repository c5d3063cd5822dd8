"""Events are shaped for whom their stream is bound to; what cannot be read ends the stream."""

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import pytest

from hapta.hooks.registry import EMPTY
from hapta.hooks.reject import HookFailed
from hapta.model.errors import UpstreamLost
from hapta.model.identity import SUPERUSERS_ID, Identity
from hapta.stages.shape_events import ShapedStream
from hapta.stages.streams import RETRY_HINT, EventStream, OpenStreams
from hapta.stages.viewers import GUEST, Who
from tests.unit.cache.plan_world import USERS
from tests.unit.stages.shaping_world import ShapingWorld, hide_text

if TYPE_CHECKING:
    from hapta.upstream.client import UpstreamResponse

RECORD = {"collectionId": "pbc_posts", "collectionName": "posts", "id": "p1", "text": "x", "title": "t"}
SHOWN = {name: value for name, value in RECORD.items() if name != "text"}
TEAM = {"collectionId": "pbc_teams", "id": "t"}
EDITOR = Who(USERS, "u1")


@pytest.fixture
def world() -> ShapingWorld:
    return ShapingWorld(hide_text)


def event(topic: str, record: object = RECORD) -> bytes:
    data = json.dumps({"action": "update", "record": record}, separators=(",", ":"))
    return f"id:c1\nevent:{topic}\ndata:{data}\n\n".encode()


def topic(path: str = "posts/*", **query: str) -> str:
    return f"{path}?options={quote(json.dumps({'query': query}))}"


@pytest.mark.parametrize("path", ["posts/*", "posts/p1", "posts", "pbc_posts/p1", topic(expand="author")])
async def test_a_record_is_shaped_by_its_topic(world: ShapingWorld, path: str) -> None:
    assert await world.events.shaped(event(path), GUEST) == event(path, SHOWN)
    assert await world.events.shaped(event(path), EDITOR) == event(path)
    assert await world.events.shaped(event(path), Who(SUPERUSERS_ID, "s1")) == event(path)


@pytest.mark.parametrize(
    "block",
    [
        b'id:c1\nevent:PB_CONNECT\ndata:{"clientId":"c1"}\n\n',
        b"id:c1\nevent:news\ndata:hello\n\n",
        RETRY_HINT,
    ],
)
async def test_what_is_no_record_passes(world: ShapingWorld, block: bytes) -> None:
    assert await world.events.shaped(block, GUEST) == block


async def test_what_no_hook_concerns_passes_unread(world: ShapingWorld) -> None:
    world.registry = EMPTY
    block = b"id:c1\nevent:posts/*\ndata:{\n\n"
    assert await world.events.shaped(block, GUEST) == block


@pytest.mark.parametrize(
    "block",
    [
        event("posts/*").replace(b'"id":"p1"', b'"id":'),
        event("posts/*", "text"),
        event("posts/*").replace(b'"record"', b'"recorded"'),
        event("posts/*").replace(b"\ndata", b"\r\ndata"),
        event("posts/*", {"id": "p1", "text": "x"}),
        event("comments/*"),
        event("gone/*", {"id": "p1", "text": "x"}),
        event("news\ndata:junk"),
        event("comments/*?a=\nfoo"),
        b"event:posts/*\n" + event("x").partition(b"\n")[2],
    ],
)
async def test_an_event_in_another_form_is_not_sent(world: ShapingWorld, block: bytes) -> None:
    with pytest.raises(HookFailed):
        await world.events.shaped(block, GUEST)


async def test_a_topic_with_line_feeds_does_not_smuggle_a_record_out(world: ShapingWorld) -> None:
    for name in ("PB_CONNECT", "news", "teams/*"):
        first, second = event(f"posts/*?\n\nid:c1\nevent:{name}").split(b"\n\n", 1)
        assert await world.events.shaped(first + b"\n\n", GUEST) == b""
        try:
            sent = await world.events.shaped(second, GUEST)
        except HookFailed:
            continue
        assert b'"text"' not in sent


@pytest.mark.parametrize(
    ("options", "is_sent"),
    [
        (topic(filter="title = 't'"), True),
        (topic(filter="text = 'x'"), False),
        (topic(filter="author.name = 'x' || text ~ 'x'"), False),
        (topic(filter="comments_via_post.post.text = 'x'"), False),
        (topic(filter="((("), False),
        ("posts/*?options=" + quote('{"Query":{"filter":"text = 1"}}'), False),
        ("posts/*?options=" + quote('{"query":{},"QUERY":{"filter":"text = 1"}}'), False),
        ("posts/*?options=" + quote('{"query":{"filter":["text = 1"]}}'), False),
        ("posts/*?options=" + quote("{"), False),
        ("posts/*?options=%zz", False),
        ("posts/*?options=" + quote('{"headers":{"a":"b"}}'), True),
        ("posts/*?other=1", True),
    ],
)
async def test_a_filter_that_tells_too_much_is_told_nothing(
    world: ShapingWorld, options: str, *, is_sent: bool
) -> None:
    assert bool(await world.events.shaped(event(options), GUEST)) is is_sent
    assert await world.events.shaped(event(topic(filter="text = 'x'")), EDITOR)


class Pieces:
    """An upstream response with these pieces; then it is broken off."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.is_closed = False

    def becomes_stream(self) -> None:
        """It is one."""

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if not self.is_closed:
            raise UpstreamLost

    def close(self) -> None:
        self.is_closed = True


def stream(*pieces: bytes) -> EventStream:
    return EventStream(cast("UpstreamResponse", Pieces(*pieces)), OpenStreams(lambda _: None))


async def sent(world: ShapingWorld, inner: EventStream) -> bytes:
    found = b""
    try:
        async for piece in ShapedStream(inner, world.events).chunks():
            found += piece
    except UpstreamLost:
        found += b"LOST"
    return found


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
async def test_however_the_bytes_are_cut(world: ShapingWorld, size: int) -> None:
    text = event("posts/*") + event("teams/*", TEAM) + event("posts/p1")
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    expected = event("posts/*", SHOWN) + event("teams/*", TEAM) + event("posts/p1", SHOWN)
    assert await sent(world, stream(*pieces)) == expected + b"LOST"


async def test_an_unreadable_event_ends_the_stream(world: ShapingWorld) -> None:
    inner = stream(event("teams/*", TEAM), event("posts/*", 1), event("posts/*"))
    assert await sent(world, inner) == event("teams/*", TEAM) + RETRY_HINT
    assert world.log.names == ["hook_failed"]


async def test_the_identity_of_the_moment_counts(world: ShapingWorld) -> None:
    inner = stream(event("posts/*"))
    inner.identity = Identity(USERS, "u1", "token", None)
    assert await sent(world, inner) == event("posts/*") + b"LOST"


async def test_hooks_that_come_meanwhile_count_from_the_next_event_on(world: ShapingWorld) -> None:
    registry, world.registry = world.registry, EMPTY
    text = event("posts/*")
    inner = stream(text, text[:20], text[20:], text)
    pieces, got = ShapedStream(inner, world.events).chunks(), list[bytes]()
    for _ in range(3):
        got.append(await anext(pieces))
    world.registry = registry
    got.append(await anext(pieces))
    assert got == [text, text[:20], text[20:], event("posts/*", SHOWN)]


async def test_half_an_event_is_not_finished_under_other_hooks(world: ShapingWorld) -> None:
    registry, world.registry = world.registry, EMPTY
    text = event("posts/*")
    got = b""
    async for piece in ShapedStream(stream(text[:20], text[20:], text), world.events).chunks():
        got += piece
        world.registry = registry
    assert got == text[:20]
