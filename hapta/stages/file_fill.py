"""Asking PocketBase for files: once for all who want one, and once more whether it is still there.

A file is fetched whole, as a guest, and told to those who wait while it arrives; a small one is in memory
when it has come, a large one grows on the disk and is read from there, so that a slow client costs neither
memory nor a connection to PocketBase. Who leaves ends nothing for the rest. What is not a plain, whole file
is told to the one who asked, and not kept.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from multidict import CIMultiDict, CIMultiDictProxy

from hapta.cache.flights import Flights
from hapta.cache.generations import Fence, Generations
from hapta.cache.tags import all_rows, files
from hapta.filecache.disk import Kept, modified_at
from hapta.filecache.opened import OpenFile
from hapta.filecache.shelf import Growing, Shelf
from hapta.filecache.wanted import Left, WantedFile
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError
from hapta.model.exchange import Answer, AnswerStream, Exchange, Handler, Header
from hapta.model.operation import Operation, OperationClass
from hapta.model.target import parse_target
from hapta.model.tasks import TaskSet
from hapta.stages.fetch import nobody_leaves

_NOT_KEPT = frozenset({b"cache-status", b"date", b"x-request-id", b"via", b"server-timing"})
_CORS = b"access-control-"
_FORBIDDING = frozenset(
    {b"set-cookie", b"content-encoding", b"content-range", b"etag", b"expires", b"location", b"trailer"}
)
"""PocketBase's files have none of these: it is a hook's answer, or no whole file."""
_IMAGES = frozenset({b"image/png", b"image/jpg", b"image/jpeg", b"image/gif", b"image/webp"})
_READ_ALONE_BYTES = 1024 * 1024
"""A reader waits no longer than for so many bytes before the ones it wants."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought.

    Attributes:
        headers: the lines that are kept, of a file that is; else ``None``.
        file: of a large one.
        body: of a small one.
        answer: what came, where it is not kept.
    """

    headers: tuple[Header, ...] | None = None
    file: OpenFile | None = None
    body: bytes = b""
    answer: Answer | None = None

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.body) if self.file is None else self.file.size

    def is_near(self, start: int) -> bool:
        """Whether the byte at ``start`` is here or will be in a moment."""
        return self.file is None or start <= self.file.available + _READ_ALONE_BYTES

    def shared(self) -> Answer | None:
        """What was not kept, for another who waited: only that the file is not there, which it is not for
        anybody."""
        answer = self.answer
        if answer is None or answer.status != 404 or not isinstance(answer.body, bytes):
            return None
        return Answer(404, list(answer.headers), answer.body)


class _Fetch:
    """One fetch under way."""

    def __init__(self, fence: Fence, head: "asyncio.Future[Fetched]") -> None:
        self.fence = fence
        self.head = head


class FileFiller:
    """Fetches and confirms.

    Args:
        shelf: where files are kept.
        generations: what writes moved.
        host: the ``Host`` field of fetches.
        on_trouble: told when the disk takes no file.
        on_kept: told the collection of each file that is fetched or confirmed.
        clock: monotonic time.
    """

    def __init__(
        self,
        shelf: Shelf,
        generations: Generations,
        *,
        host: str,
        on_trouble: Callable[[OSError], None],
        on_kept: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._shelf = shelf
        self._generations = generations
        self._host = host
        self._on_trouble = on_trouble
        self._on_kept = on_kept
        self._clock = clock
        self._tasks = TaskSet()
        self._under_way: dict[WantedFile, _Fetch] = {}
        self._records: dict[tuple[str, str], int] = {}
        self._confirmations: Flights[bool | None] = Flights()

    async def close(self) -> None:
        """End the fetches under way."""
        await self._confirmations.close()
        await self._tasks.cancel()

    def is_fetching(self, collection: str, record: str) -> bool:
        """Whether a file of this record is being fetched."""
        return (collection, record) in self._records

    async def confirm(self, exchange: Exchange, forward: Handler, kept: Kept) -> bool | None:
        """Ask PocketBase whether it still has a kept file, and throw it away if not.

        Returns:
            ``None`` where nothing is known: a write is open, or PocketBase would not say.

        Raises:
            HaptaError: no answer.
        """
        try:
            if self._confirmations.is_joinable(kept.wanted):
                return await self._confirmations.join(kept.wanted)
            fence = self._fence(kept.wanted)
            if fence is None:
                return None
            return await self._confirmations.lead(
                kept.wanted, fence, lambda: self._confirm(exchange, forward, kept, fence)
            )
        except HaptaError as error:
            raise error.for_another() from error

    async def _confirm(self, exchange: Exchange, forward: Handler, kept: Kept, fence: Fence) -> bool | None:
        is_good = False
        if await self._shelf.check(kept):
            began = self._clock.monotonic()
            answer = await forward(self._request(exchange, kept.wanted, "HEAD"))
            if not isinstance(answer.body, bytes):
                answer.body.abort()
            is_good = (
                answer.status == 200 and answer.length == kept.size and _kept_lines(answer) == kept.headers
            )
            if answer.status >= 500 or answer.status == 429:
                return None
            if is_good:
                kept.fence, kept.confirmed_at = fence, began
                self._on_kept(kept.wanted.collection)
        if not is_good:
            self._shelf.drop(kept)
        return is_good

    async def fetch(
        self, exchange: Exchange, forward: Handler, wanted: WantedFile
    ) -> tuple[Fetched, bool] | Left | None:
        """Fetch a file, or wait for a fetch under way.

        Returns:
            What came, once it is known what it is, and whether another request had asked for it already.
            A large file is held for the caller; ``None`` if it was all there before that could be done. Why
            it cannot be fetched now.

        Raises:
            HaptaError: no answer.
        """
        under_way = self._under_way.get(wanted)
        if under_way is not None and under_way.fence.holds():
            try:
                found = await asyncio.shield(under_way.head)
            except HaptaError as error:
                raise error.for_another() from error
            return (found, True) if found.file is None or found.file.hold() else None
        fence = self._fence(wanted)
        if fence is None:
            return Left.WRITE
        head: asyncio.Future[Fetched] = asyncio.get_running_loop().create_future()
        fetch = self._under_way[wanted] = _Fetch(fence, head)
        owner = (wanted.collection, wanted.record)
        self._records[owner] = self._records.get(owner, 0) + 1
        task = self._tasks.spawn(self._run(exchange, forward, wanted, fetch), name="fetch of a file")
        task.add_done_callback(lambda _: self._landed(wanted, fetch))
        try:
            found = await asyncio.shield(head)
        except asyncio.CancelledError:
            head.add_done_callback(_discard)
            raise
        return (found, False) if found.file is None or found.file.hold() else None

    def _fence(self, wanted: WantedFile) -> Fence | None:
        record = files(wanted.collection, wanted.record)
        return self._generations.fence((record, all_rows(wanted.collection)))

    def _landed(self, wanted: WantedFile, fetch: _Fetch) -> None:
        fetch.fence.fetched()
        if self._under_way.get(wanted) is fetch:
            del self._under_way[wanted]
        owner = (wanted.collection, wanted.record)
        self._records[owner] -= 1
        if not self._records[owner]:
            del self._records[owner]
        if not fetch.head.done():
            fetch.head.cancel()
        elif not fetch.head.cancelled():
            fetch.head.exception()  # whoever waits gets it; nobody may be left to

    async def _run(self, exchange: Exchange, forward: Handler, wanted: WantedFile, fetch: _Fetch) -> None:
        head = fetch.head
        try:
            began = self._clock.monotonic()
            answer = await forward(self._request(exchange, wanted, "GET"))
        except Exception as error:
            head.set_exception(error)
            return
        headers = _kept_lines(answer)
        kept = None
        try:
            if not _may_keep(answer, wanted, headers, self._shelf.max_file_bytes):
                head.set_result(Fetched(answer=answer))
            elif isinstance(answer.body, bytes):
                head.set_result(Fetched(headers, body=answer.body))
                kept = await self._shelf.keep(wanted, headers, answer.body)
            else:
                kept = await self._grow(answer, answer.body, wanted, headers, head)
        except OSError as exc:
            self._on_trouble(exc)
        except (HaptaError, ValueError):
            return  # it broke off, or is not as long as announced: its readers are cut off as well
        if kept is not None:
            kept.fence, kept.confirmed_at = fetch.fence, began
            self._on_kept(wanted.collection)

    async def _grow(
        self,
        answer: Answer,
        body: AnswerStream,
        wanted: WantedFile,
        headers: tuple[Header, ...],
        head: "asyncio.Future[Fetched]",
    ) -> Kept | None:
        growing: Growing | None = None
        assert answer.length is not None
        if self._shelf.has_room_to_open:
            try:
                growing = await self._shelf.begin(wanted, answer.length, headers)
            except OSError as exc:
                self._on_trouble(exc)
        if growing is None:
            head.set_result(Fetched(answer=answer))
            return None
        try:
            head.set_result(Fetched(headers, growing.file))
            async for piece in body.chunks():
                await growing.add(piece)
            return await growing.finish()
        finally:
            body.abort()
            growing.close()

    def _request(self, exchange: Exchange, wanted: WantedFile, method: str) -> Exchange:
        """Nothing of the client's but its address; the file is everybody's."""
        return replace(
            exchange,
            method=method,
            target=parse_target(wanted.target, self._host),
            operation=Operation(OperationClass.FILE, "download", wanted.collection, wanted.record),
            headers=CIMultiDictProxy(CIMultiDict({"Host": self._host})),
            body=None,
            identity=None,
            authorization=None,
            upstream_target="",
            wants_plain_answer=False,
            is_peer_trusted=False,
            on_client_gone=nobody_leaves,
            charges=None,
        )


def _kept_lines(answer: Answer) -> tuple[Header, ...]:
    return tuple(
        line
        for line in answer.headers
        if (name := line[0].lower()) not in _NOT_KEPT and not name.startswith(_CORS)
    )


def _may_keep(answer: Answer, wanted: WantedFile, headers: tuple[Header, ...], max_bytes: int) -> bool:
    """Whether it is a whole file as PocketBase tells it, and will be the same tomorrow."""
    length = len(answer.body) if isinstance(answer.body, bytes) else answer.length
    if answer.status != 200 or not length or length > max_bytes:
        return False
    lines = {name.lower(): value for name, value in headers}
    if lines.keys() & _FORBIDDING or lines.get(b"vary", b"Origin").lower() != b"origin":
        return False
    if modified_at(headers) is None or b"max-age=" not in lines.get(b"cache-control", b""):
        return False
    if wanted.thumb and lines.get(b"content-type") in _IMAGES:
        # a thumb that could not be made is told as the original, and may be made the next time
        return f'"{wanted.thumb}_{wanted.name}"'.encode() in lines.get(b"content-disposition", b"")
    return True


def _discard(head: "asyncio.Future[Fetched]") -> None:
    """Who asked is gone."""
    if head.cancelled() or head.exception() is not None:
        return
    answer = head.result().answer
    if answer is not None and not isinstance(answer.body, bytes):
        answer.body.abort()
