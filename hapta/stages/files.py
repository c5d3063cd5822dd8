"""Is the file on the disk? If not, fetch it once for all who want it, and keep it.

Files that everybody may have (:mod:`hapta.filecache.wanted`) are told from the disk as PocketBase tells them,
ranges and dates included. What is behind a name never changes, but it can vanish: a kept file is told only
while the fence it was fetched or last confirmed behind holds. When it does not (its record was written, a
start, a gap of the feed, another schema), PocketBase is asked for the head of the file first.
"""

from collections.abc import Callable
from typing import Protocol

from hapta.cache.generations import Standing
from hapta.cache.status import Forward, forwarded, with_status
from hapta.filecache.disk import Kept, modified_at
from hapta.filecache.opened import CHUNK_BYTES, FileStream
from hapta.filecache.part import Part, is_common, part_headers, part_of, part_text
from hapta.filecache.shelf import Shelf
from hapta.filecache.wanted import Left, WantedFile, thumbs_of, wanted_file
from hapta.model.clock import Clock
from hapta.model.concerns import only_for
from hapta.model.exchange import Answer, Exchange, Handler, Header
from hapta.model.operation import OperationClass
from hapta.model.schema import Collection
from hapta.stages.file_fill import Fetched, FileFiller
from hapta.stages.origins import OriginMemo

_LOOKS = 4
_HIT = b"hapta; hit"


class FileGround(Protocol):
    """What is known of collections, and whether changes are heard of."""

    @property
    def is_live(self) -> bool:
        """The feed lives and the schema is confirmed."""
        ...

    async def confirm(self) -> None:
        """Confirm the schema if that is all that is missing; says nothing of the outcome."""

    def touch(self) -> None:
        """Something is answered on the strength of it."""

    def keeps_files_of(self, name_or_id: str) -> Collection | Left:
        """The collection, if its files may be kept as far as hooks, feed and operator go."""
        ...


class FileMeter(Protocol):
    """Counts what became of requests for files, by id of the collection."""

    def file_hit(self, collection: str) -> None:
        """Told from the disk."""

    def file_miss(self, collection: str, reason: str) -> None:
        """Fetched: ``uri-miss``, ``stale`` (it was kept, and PocketBase has another now) or ``collapsed``."""

    def file_bypass(self, collection: str, reason: str) -> None:
        """Left to PocketBase; a :class:`~hapta.filecache.wanted.Left`."""

    def file_confirmed(self, collection: str, outcome: str) -> None:
        """A kept file was asked for once more: ``there``, ``gone`` or ``unknown``."""


class FileCache:
    """The stage.

    Args:
        ground: what is known.
        filler: asks PocketBase.
        shelf: what is kept.
        origins: CORS lines.
        max_age_s: seconds after which a kept file is confirmed again, whatever was heard.
        id_of: the id of a collection; one word for all that are unknown.
        meter: counts.
        clock: monotonic time.
    """

    def __init__(
        self,
        ground: FileGround,
        filler: FileFiller,
        shelf: Shelf,
        origins: OriginMemo,
        *,
        max_age_s: float,
        id_of: Callable[[str], str],
        meter: FileMeter,
        clock: Clock,
    ) -> None:
        self._ground = ground
        self._filler = filler
        self._shelf = shelf
        self._origins = origins
        self._max_age_s = max_age_s
        self._id_of = id_of
        self._meter = meter
        self._clock = clock

    @only_for(OperationClass.FILE)
    async def __call__(self, exchange: Exchange, forward: Handler) -> Answer:
        """Answer one request."""
        if exchange.operation.kind is not OperationClass.FILE:
            return await forward(exchange)
        left: Left | Answer = Left.WRITE
        cors = self._origins.lines(exchange.headers.get("Origin"))
        why = Forward.URI_MISS
        for _ in range(_LOOKS):
            wanted = await self._wanted(exchange)
            if isinstance(wanted, Left):
                left = wanted
                break
            if cors is None:
                left = Left.ORIGIN
                break
            kept = self._shelf.get(wanted)
            if kept is None:
                found = await self._fetch(exchange, forward, wanted, cors, why)
                if found is None:
                    continue
                left = found
                break
            standing = self._standing(kept)
            if standing is Standing.HOLDS:
                told = await self._tell(exchange, kept, cors)
                if told is None:
                    continue
                left = told
                break
            if standing is Standing.UNSETTLED:
                break
            is_there = await self._filler.confirm(exchange, forward, kept)
            self._meter.file_confirmed(wanted.collection, _OUTCOMES[is_there])
            if is_there is None:
                break
            if not is_there:
                why = Forward.STALE
        return left if isinstance(left, Answer) else await self._pass_on(exchange, forward, left)

    async def _wanted(self, exchange: Exchange) -> WantedFile | Left:
        """Which file is wanted, under a schema that is confirmed: nothing is awaited behind it."""
        if exchange.body is not None:
            return Left.BODY
        if exchange.identity is not None and exchange.identity.is_superuser:
            return Left.SUPERUSER  # PocketBase may let superusers in from some addresses only
        if not is_common(exchange.headers):
            return Left.CONDITION
        self._ground.touch()
        if not self._ground.is_live:
            await self._ground.confirm()
            if not self._ground.is_live:
                return Left.FEED
        collection = self._ground.keeps_files_of(exchange.operation.collection or "")
        if isinstance(collection, Left):
            return collection
        thumbs = thumbs_of(collection)
        return thumbs if isinstance(thumbs, Left) else wanted_file(exchange.target, collection, thumbs)

    def _standing(self, kept: Kept) -> Standing:
        if kept.fence is None or self._clock.monotonic() - kept.confirmed_at >= self._max_age_s:
            return Standing.BROKEN
        return kept.fence.standing()

    async def _tell(self, exchange: Exchange, kept: Kept, cors: tuple[Header, ...]) -> Answer | Left | None:
        """Tell a kept file; ``None`` if its bytes are gone."""
        part = part_of(exchange.headers, kept.size, kept.modified_at)
        if part is None:
            return Left.CONDITION
        age_s = max(0, int(self._clock.monotonic() - kept.confirmed_at))
        headers = [*part_headers(kept.headers, part, kept.size), (b"Age", b"%d" % age_s), *cors]
        answer = Answer(part.status, with_status(headers, _HIT), part_text(part))
        if exchange.method == "HEAD":
            answer.body, answer.length = b"", len(part_text(part)) or part.length or None
        elif part.length > CHUNK_BYTES:
            if not self._shelf.has_room_to_open:
                return Left.BUSY
            file = await self._shelf.open(kept)
            if file is None:
                self._shelf.drop(kept)
                return None
            answer.body = FileStream(file, part.start, part.length, self._shelf.run)
            answer.length = part.length
        elif part.length:
            body = await self._shelf.read(kept, part.start, part.length)
            if body is None:
                self._shelf.drop(kept)
                return None
            answer.body = body
        self._meter.file_hit(kept.wanted.collection)
        exchange.cache = "hit"
        return answer

    async def _fetch(
        self,
        exchange: Exchange,
        forward: Handler,
        wanted: WantedFile,
        cors: tuple[Header, ...],
        why: Forward,
    ) -> Answer | Left | None:
        """Fetch a file; ``None`` where it is on the shelf by now."""
        if exchange.method == "HEAD":
            return Left.HEAD
        asked_at = self._clock.monotonic()
        found = await self._filler.fetch(exchange, forward, wanted)
        exchange.upstream_s += self._clock.monotonic() - asked_at
        if not isinstance(found, tuple):
            return found
        fetched, was_joined = found
        status = forwarded(why, is_stored=not was_joined, is_collapsed=was_joined)
        if fetched.headers is None:
            answer = fetched.shared() if was_joined else fetched.answer
            if answer is None:
                return Left.ANSWER
            status = forwarded(why, is_collapsed=was_joined)
            answer.headers = with_status([*_without_status(answer.headers), *cors], status)
        else:
            part = part_of(exchange.headers, fetched.size, modified_at(fetched.headers) or 0.0)
            if part is None or not fetched.is_near(part.start):
                if fetched.file is not None:
                    fetched.file.let_go()
                return Left.CONDITION if part is None else Left.AHEAD
            headers = [*part_headers(fetched.headers, part, fetched.size), *cors]
            answer = self._fetched_answer(fetched, part, with_status(headers, status))
        reason = "collapsed" if was_joined else why
        self._meter.file_miss(wanted.collection, reason)
        exchange.cache = f"miss:{reason}"
        return answer

    def _fetched_answer(self, fetched: Fetched, part: Part, headers: list[Header]) -> Answer:
        if fetched.file is None or not part.length:
            if fetched.file is not None:
                fetched.file.let_go()
            body = fetched.body[part.start : part.start + part.length]
            return Answer(part.status, headers, body or part_text(part))
        stream = FileStream(fetched.file, part.start, part.length, self._shelf.run)
        return Answer(part.status, headers, stream, length=part.length)

    async def _pass_on(self, exchange: Exchange, forward: Handler, left: Left) -> Answer:
        self._meter.file_bypass(self._id_of(exchange.operation.collection or ""), left)
        exchange.cache = f"bypass:{left}"
        answer = await forward(exchange)
        if (origin := exchange.headers.get("Origin")) is not None:
            self._origins.learn(origin, answer.headers)
        status = forwarded(Forward.BYPASS, detail=left)
        answer.headers = with_status(_without_status(answer.headers), status)
        return answer


_OUTCOMES = {True: "there", False: "gone", None: "unknown"}


def _without_status(headers: list[Header]) -> list[Header]:
    """Without what the cache of reads, which stands further in, says of every request."""
    return [line for line in headers if not (line[0] == b"Cache-Status" and line[1].startswith(b"hapta;"))]
