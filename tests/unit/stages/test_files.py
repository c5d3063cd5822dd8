"""The stage before PocketBase that keeps files: what is kept, what is told, and when neither."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hapta.cache.generations import Generations
from hapta.cache.tags import all_rows, record
from hapta.config import CorsConfig
from hapta.filecache.shelf import Shelf
from hapta.filecache.wanted import Left
from hapta.model.clock import ManualClock
from hapta.model.errors import UpstreamLost
from hapta.model.exchange import Answer, AnswerStream, Exchange, Header
from hapta.model.schema import Collection
from hapta.stages.file_fill import FileFiller
from hapta.stages.files import FileCache
from hapta.stages.origins import OriginMemo
from tests.support.exchanges import exchange, fields

PATH = "/api/files/pictures/r1/a_x1.png"
COVER = {"name": "cover", "type": "file", "protected": False, "thumbs": ["50x50"]}
PICTURES = Collection("pbc_1", "pictures", "base", False, {}, (COVER,), "", {})
LINES: list[Header] = [
    (b"Cache-Control", b"max-age=2592000, stale-while-revalidate=86400"),
    (b"Content-Disposition", b'inline; filename="a_x1.png"'),
    (b"Content-Type", b"image/png"),
    (b"Last-Modified", b"Thu, 26 Nov 2026 22:46:00 GMT"),
    (b"Vary", b"Origin"),
]
HIT = [b"hapta; hit"]


class Ground:
    """Everything is known, and one collection is there."""

    is_live = True

    async def confirm(self) -> None: ...

    def touch(self) -> None: ...

    def keeps_files_of(self, name_or_id: str) -> Collection | Left:
        return PICTURES if name_or_id in ("pictures", "pbc_1") else Left.COLLECTION


class Meter:
    def __init__(self) -> None:
        self.told: list[str] = []

    def file_hit(self, collection: str) -> None:
        self.told.append("hit")

    def file_miss(self, collection: str, reason: str) -> None:
        self.told.append(reason)

    def file_bypass(self, collection: str, reason: str) -> None:
        self.told.append(reason)

    def file_confirmed(self, collection: str, outcome: str) -> None:
        self.told.append(outcome)


class Pieces:
    """A body that comes in pieces, each when ``go`` says so; breaks off at ``None``."""

    def __init__(self, *pieces: bytes | None) -> None:
        self.pieces = pieces
        self.go = asyncio.Semaphore(0)
        self.aborted = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            await self.go.acquire()
            if piece is None:
                raise UpstreamLost
            yield piece

    def abort(self) -> None:
        self.aborted += 1


class PocketBase:
    """Answers a file; remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.lines = 200, list(LINES)
        self.body: bytes | AnswerStream = b"picture"
        self.length: int | None = None
        self.asked: list[Exchange] = []
        self.during: Callable[[], None] = lambda: None

    async def __call__(self, request: Exchange) -> Answer:
        self.asked.append(request)
        await asyncio.sleep(0)
        self.during()
        if request.method == "HEAD":
            length = len(self.body) if isinstance(self.body, bytes) else self.length
            return Answer(self.status, list(self.lines), b"", length=length)
        return Answer(self.status, list(self.lines), self.body, length=self.length)


class World:
    """One stage with everything around it."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.generations = Generations(self.clock)
        self.shelf = Shelf(folder, 8 * 2**20, 2**20)
        self.trouble: list[OSError] = []
        self.followed: list[str] = []
        self.filler = FileFiller(
            self.shelf,
            self.generations,
            host="pb",
            on_trouble=self.trouble.append,
            on_kept=self.followed.append,
            clock=self.clock,
        )
        self.meter, self.pocketbase, self.ground = Meter(), PocketBase(), Ground()
        self.stage = FileCache(
            self.ground,
            self.filler,
            self.shelf,
            OriginMemo(CorsConfig(), self.clock),
            max_age_s=100.0,
            id_of=str,
            meter=self.meter,
            clock=self.clock,
        )

    async def ask(self, path: str = PATH, method: str = "GET", **headers: str) -> Answer:
        return await self.stage(exchange(method, path, headers), self.pocketbase)

    async def keep(self) -> None:
        await self.ask()
        await self.settle()
        assert fields(await self.ask(), b"cache-status") == HIT

    async def settle(self) -> None:
        for _ in range(5000):
            if not self.filler.is_fetching("pbc_1", "r1"):
                return
            await asyncio.sleep(0.001)
        raise AssertionError("a fetch does not end")

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.pocketbase.asked]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "files")
    await made.shelf.start()
    yield made
    await made.filler.close()
    await made.shelf.stop()


async def whole(answer: Answer) -> bytes:
    if isinstance(answer.body, bytes):
        return answer.body
    return b"".join([piece async for piece in answer.body.chunks()])


async def test_a_fetch_has_nothing_of_the_client_in_it(world: World) -> None:
    await world.ask(f"{PATH}?token=secret&x=1", Cookie="c", Range="bytes=0-3", Authorization="t")
    (asked,) = world.pocketbase.asked
    assert asked.target.raw == "/api/files/pbc_1/r1/a_x1.png"
    assert dict(asked.headers) == {"Host": "pb"}
    assert asked.identity is None


async def test_a_write_to_the_record_makes_pocketbase_be_asked_once_more(world: World) -> None:
    await world.keep()
    write = world.generations.begin([record("pbc_1", "r1")])
    answer = await world.ask()
    assert fields(answer, b"cache-status") == [b"hapta; fwd=bypass; detail=write"]
    write.close()
    for _ in range(3):
        assert fields(await world.ask(), b"cache-status") == HIT
    assert world.methods == ["GET", "GET", "HEAD"]


async def test_a_write_that_leaves_files_costs_nothing(world: World) -> None:
    await world.keep()
    write = world.generations.begin([record("pbc_1", "r1")], keeps_files=True)
    assert fields(await world.ask(), b"cache-status") == HIT
    write.close()
    world.generations.move([record("pbc_1", "r1")], keeps_files=True)
    assert fields(await world.ask(), b"cache-status") == HIT
    assert world.methods == ["GET"]
    assert world.followed == ["pbc_1"]


@pytest.mark.parametrize("how", ["cascade", "everything", "age", "refused write"])
async def test_whatever_else_happens_it_is_confirmed_or_was_nothing(world: World, how: str) -> None:
    await world.keep()
    if how == "cascade":
        world.generations.move([all_rows("pbc_1")])
    elif how == "everything":
        world.generations.move_everything()
    elif how == "age":
        world.clock.advance(101)
    else:
        world.generations.begin([record("pbc_1", "r1")]).close(has_changed=False)
    assert fields(await world.ask(), b"cache-status") == HIT
    assert world.methods == (["GET"] if how == "refused write" else ["GET", "HEAD"])


@pytest.mark.parametrize("change", ["gone", "length", "type", "date"])
async def test_what_is_not_confirmed_to_the_letter_is_fetched_anew(world: World, change: str) -> None:
    await world.keep()
    world.generations.move([record("pbc_1", "r1")])
    if change == "gone":
        world.pocketbase.status, world.pocketbase.body = 404, b"{}"
    elif change == "length":
        world.pocketbase.body = b"another picture"
    else:
        number = {"type": 2, "date": 3}[change]
        value = {"type": b"image/gif", "date": b"Thu, 26 Nov 2026 22:46:01 GMT"}[change]
        world.pocketbase.lines[number] = (LINES[number][0], value)
    answer = await world.ask()
    assert await whole(answer) == world.pocketbase.body
    assert answer.status == world.pocketbase.status
    assert world.methods == ["GET", "HEAD", "GET"]


async def test_a_confirmation_that_was_refused_says_nothing_and_the_client_gets_the_refusal(
    world: World,
) -> None:
    await world.keep()
    world.generations.move([record("pbc_1", "r1")])
    world.pocketbase.status = 429
    assert (await world.ask()).status == 429
    world.pocketbase.status = 200
    assert fields(await world.ask(), b"cache-status") == HIT
    assert world.meter.told[-3:] == ["write", "there", "hit"]


async def test_a_write_answered_during_a_confirmation_is_not_overlooked(world: World) -> None:
    await world.keep()
    world.generations.move([record("pbc_1", "r1")])
    moved = iter([True])

    def write() -> None:
        if next(moved, False):
            world.generations.move([record("pbc_1", "r1")])

    world.pocketbase.during = write
    assert fields(await world.ask(), b"cache-status") == HIT
    assert world.methods == ["GET", "HEAD", "HEAD"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ((b"Set-Cookie", b"a=b"), 200),
        ((b"Content-Encoding", b"gzip"), 200),
        ((b"ETag", b'"x"'), 200),
        ((b"X-Fine", b"1"), 206),
        ((b"X-Fine", b"1"), 404),
        ((b"Content-Range", b"bytes 0-1/2"), 200),
    ],
)
async def test_what_is_no_plain_whole_file_is_told_and_not_kept(
    world: World, line: Header, status: int
) -> None:
    world.pocketbase.lines.append(line)
    world.pocketbase.status = status
    for _ in range(2):
        answer = await world.ask()
        assert (answer.status, await whole(answer)) == (status, b"picture")
        await world.settle()
    assert world.methods == ["GET", "GET"]
    assert len(world.shelf) == 0


@pytest.mark.parametrize("name", ["Cache-Control", "Last-Modified"])
async def test_an_answer_without_what_every_file_has_is_not_kept(world: World, name: str) -> None:
    world.pocketbase.lines = [line for line in LINES if line[0] != name.encode()]
    await world.ask()
    await world.settle()
    assert len(world.shelf) == 0


async def test_a_thumb_told_as_the_original_may_be_made_next_time_and_is_not_kept(world: World) -> None:
    await world.ask(f"{PATH}?thumb=50x50")
    await world.settle()
    assert len(world.shelf) == 0
    world.pocketbase.lines[1] = (b"Content-Disposition", b'inline; filename="50x50_a_x1.png"')
    await world.ask(f"{PATH}?thumb=50x50")
    await world.settle()
    assert len(world.shelf) == 1


async def test_all_who_wait_get_a_file_while_it_arrives(world: World) -> None:
    body = Pieces(b"a" * 300_000, b"b" * 300_000)
    world.pocketbase.body, world.pocketbase.length = body, 600_000
    asked = [asyncio.ensure_future(world.ask()) for _ in range(5)]
    asked.append(asyncio.ensure_future(world.ask(Range="bytes=299999-300000")))
    answers = await asyncio.gather(*asked)
    readers = [asyncio.ensure_future(whole(answer)) for answer in answers]
    body.go.release()
    await asyncio.sleep(0.05)
    assert not any(reader.done() for reader in readers)
    body.go.release()
    *bodies, part = await asyncio.gather(*readers)
    assert all(found == b"a" * 300_000 + b"b" * 300_000 for found in bodies)
    assert part == b"ab"
    assert answers[-1].status == 206
    assert world.methods == ["GET"]
    await world.settle()
    assert fields(await world.ask(), b"cache-status") == HIT


@pytest.mark.parametrize("ending", ["broken", "short", "long"])
async def test_a_body_that_is_not_whole_is_cut_off_for_all_and_not_kept(world: World, ending: str) -> None:
    pieces = {"broken": (b"a" * 300_000, None), "short": (b"a" * 300_000,), "long": (b"a" * 700_000,)}
    body = Pieces(*pieces[ending])
    world.pocketbase.body, world.pocketbase.length = body, 600_000
    answers = [await world.ask(), await world.ask()]
    for _ in range(2):
        body.go.release()
    for answer in answers:
        with pytest.raises(UpstreamLost):
            await whole(answer)
    await world.settle()
    assert len(world.shelf) == 0
    assert body.aborted


async def test_a_read_after_a_write_does_not_join_a_fetch_begun_before_it(world: World) -> None:
    body = Pieces(b"a" * 300_000)
    world.pocketbase.body, world.pocketbase.length = body, 300_000
    first = await world.ask()
    world.generations.move([record("pbc_1", "r1")])
    world.pocketbase.status, world.pocketbase.body, world.pocketbase.length = 404, b"{}", None
    assert (await world.ask()).status == 404
    body.go.release()
    assert await whole(first) == b"a" * 300_000
    await world.settle()
    assert (await world.ask()).status == 404, "what was fetched before the write was told after it"


@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
async def test_a_full_disk_is_told_of_and_the_file_passed_on(
    world: World, is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate" if is_large else "rename", full)
    body = Pieces(b"a" * 300_000)
    body.go.release()
    if is_large:
        world.pocketbase.body, world.pocketbase.length = body, 300_000
    assert await whole(await world.ask()) == (b"a" * 300_000 if is_large else b"picture")
    await world.settle()
    assert [exc.errno for exc in world.trouble] == [errno.ENOSPC]
    assert len(world.shelf) == 0
    await world.shelf.stop()
    assert not list((world.shelf._directory).iterdir())


async def test_a_record_that_is_not_there_is_asked_for_once_by_all_who_wait(world: World) -> None:
    world.pocketbase.status, world.pocketbase.body = 404, b"{}"
    answers = await asyncio.gather(*[world.ask() for _ in range(20)])
    assert {answer.status for answer in answers} == {404}
    assert world.methods == ["GET"]
    answers[0].headers.append((b"X-Own", b"1"))
    assert not fields(answers[1], b"x-own")


async def test_an_origin_gets_its_own_lines_and_they_are_never_kept(world: World) -> None:
    allowed = (b"Access-Control-Allow-Origin", b"https://a.test")
    world.pocketbase.lines.append(allowed)
    answer = await world.ask(Origin="https://a.test")
    assert fields(answer, b"cache-status") == [b"hapta; fwd=bypass; detail=origin"]
    await world.keep()
    assert not fields(await world.ask(), b"access-control-allow-origin")
    answer = await world.ask(Origin="https://a.test")
    assert fields(answer, b"cache-status") == HIT
    assert fields(answer, b"access-control-allow-origin") == [b"https://a.test"]
    answer = await world.ask(Origin="https://b.test")
    assert fields(answer, b"cache-status") == [b"hapta; fwd=bypass; detail=origin"]


async def test_while_changes_cannot_be_heard_nothing_kept_is_told(world: World) -> None:
    await world.keep()
    world.ground.is_live = False
    assert fields(await world.ask(), b"cache-status") == [b"hapta; fwd=bypass; detail=feed"]
    assert world.methods == ["GET", "GET"]


async def test_no_more_large_files_are_open_than_may_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hapta.filecache.shelf.MAX_OPEN", 2)
    body = Pieces(b"a" * 300_000)
    body.go.release()
    world.pocketbase.body, world.pocketbase.length = body, 300_000
    assert len(await whole(await world.ask())) == 300_000
    await world.settle()
    held = [await world.ask() for _ in range(2)]
    answer = await world.ask()
    assert fields(answer, b"cache-status") == [b"hapta; fwd=bypass; detail=busy"]
    for one in held:
        assert not isinstance(one.body, bytes)
        one.body.abort()
    await asyncio.sleep(0.01)
    assert fields(await world.ask(), b"cache-status") == HIT
