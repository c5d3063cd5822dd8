"""The kept files: an index in memory, the bytes in one directory, the least recently used going first.

Every kept file has a name of its own there, made of the hash of what it is and a random end, so that one that
is thrown away can never take a newer one with it. It appears by a rename when it is whole. At the start the
index is made from what lies in the directory; a file that does not fit together is thrown away, and a name
that is none of ours is left alone, whatever it is. Nothing is lost with the directory but time.

What a kept file was fetched behind (its fence) lives in memory alone: one that was found at the start has
none, and is confirmed before it is told to anybody.
"""

import asyncio
import os
import re
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from hapta.filecache import disk
from hapta.filecache.disk import Kept
from hapta.filecache.opened import OpenFile
from hapta.filecache.record import Description, new_digest, write_down
from hapta.filecache.wanted import WantedFile
from hapta.model.exchange import Header

MAX_FILES: Final = 50_000
"""Kept at once, about 1.5 KB of memory each."""
MAX_OPEN: Final = 256
"""Large ones open at once: being told to slow clients, or being fetched."""
_THREADS: Final = 4
_NAME = re.compile(r"([0-9a-f]{64})-[0-9a-f]{16}")
_UNFINISHED = re.compile(r"hapta-fetch-[0-9a-f]{16}")

T = TypeVar("T")
P = ParamSpec("P")


class Shelf:
    """Kept files; index calls on the event loop, everything that touches the disk in its own threads.

    Args:
        directory: made if it is missing.
        max_bytes: on disk, all together.
        max_file_bytes: of the largest; never more than an eighth of ``max_bytes``.

    Attributes:
        weight: bytes on disk.
        evicted: how many had to make room.
    """

    def __init__(self, directory: Path, max_bytes: int, max_file_bytes: int) -> None:
        self.max_file_bytes = min(max_file_bytes, max_bytes // 8)
        self.weight = 0
        self.evicted = 0
        self._directory = directory
        self._max_bytes = max_bytes
        self._kept: OrderedDict[WantedFile, Kept] = OrderedDict()
        self._names: dict[tuple[str, str], Counter[str]] = {}
        self._open = 0
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hapta-files")

    def __len__(self) -> int:
        return len(self._kept)

    async def start(self) -> None:
        """Find what was kept before.

        Raises:
            OSError: the directory cannot be made or read.
        """
        for kept in await self.run(self._scan):
            self._add(kept)

    async def stop(self) -> None:
        """Let the threads finish what they have begun."""
        await asyncio.to_thread(self._threads.shutdown)

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[T]":
        """Do something that blocks in one of the threads."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, partial(work, *args, **kwargs))

    def get(self, wanted: WantedFile) -> Kept | None:
        """A kept file, whether or not it may be told now."""
        kept = self._kept.get(wanted)
        if kept is not None:
            self._kept.move_to_end(wanted)
        return kept

    def names_of(self, collection: str, record: str) -> frozenset[str]:
        """Names of the kept files of a record."""
        return frozenset(self._names.get((collection, record), ()))

    def drop(self, kept: Kept) -> None:
        """Throw it away, unless another has taken its place."""
        if self._kept.get(kept.wanted) is kept:
            self._remove(kept)

    def purge(self, collection: str = "") -> int:
        """Throw all of a collection (by id) away, without one all there are; returns how many."""
        going = [kept for kept in self._kept.values() if collection in ("", kept.wanted.collection)]
        for kept in going:
            self._remove(kept)
        return len(going)

    def _add(self, kept: Kept) -> None:
        before = self._kept.get(kept.wanted)
        if before is not None:
            self._remove(before)
        self._kept[kept.wanted] = kept
        self.weight += kept.weight
        names = self._names.setdefault((kept.wanted.collection, kept.wanted.record), Counter())
        names[kept.wanted.name] += 1
        while self.weight > self._max_bytes or len(self._kept) > MAX_FILES:
            self._remove(next(iter(self._kept.values())))
            self.evicted += 1

    def _remove(self, kept: Kept) -> None:
        del self._kept[kept.wanted]
        self.weight -= kept.weight
        owner = (kept.wanted.collection, kept.wanted.record)
        names = self._names[owner]
        names[kept.wanted.name] -= 1
        if not names[kept.wanted.name]:
            del names[kept.wanted.name]
        if not names:
            del self._names[owner]
        self.throw_away(kept.path)

    # telling

    async def read(self, kept: Kept, start: int, length: int) -> bytes | None:
        """A small part at once; ``None`` if its bytes are gone."""
        return await self.run(disk.read, kept.path, start, length)

    @property
    def has_room_to_open(self) -> bool:
        """Whether one more large file may be open."""
        return self._open < MAX_OPEN

    async def open(self, kept: Kept) -> OpenFile | None:
        """Open it for telling; ``None`` if its bytes are gone."""
        self._open += 1
        try:
            descriptor = await self.run(os.open, kept.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            self._open -= 1
            return None
        return OpenFile(descriptor, kept.size, available=kept.size, on_closed=self._closes())

    async def check(self, kept: Kept) -> bool:
        """Whether its bytes are those that were written; asked once after a start."""
        if not kept.is_checked:
            kept.is_checked = await self.run(disk.is_whole, kept.path, kept.size, kept.digest)
        return kept.is_checked

    # keeping

    async def keep(self, wanted: WantedFile, headers: tuple[Header, ...], body: bytes) -> Kept:
        """Put a small file onto the shelf.

        Raises:
            OSError: no room on the disk.
        """
        kept = await self.run(self._write_whole, wanted, headers, body)
        self._add(kept)
        return kept

    async def begin(self, wanted: WantedFile, size: int, headers: tuple[Header, ...]) -> "Growing":
        """Begin a file of ``size`` bytes; the room for it is taken at once, so that it does not run out in
        the middle.

        Raises:
            OSError: no room on the disk.
        """
        path = self._new_path()
        self._open += 1
        try:
            descriptor = await self.run(disk.create, path, size)
        except OSError:
            self._open -= 1
            raise
        file = OpenFile(descriptor, size, available=0, on_closed=self._closes())
        return Growing(self, wanted, headers, file, path)

    def place(self, path: str, description: Description, file_bytes: int) -> Kept:
        """In a thread: give a finished file its name. Only :class:`Growing` asks for it."""
        final = str(self._directory / f"{description.wanted.slot}-{secrets.token_hex(8)}")
        os.rename(path, final)
        return Kept(description, final, file_bytes, is_checked=True)

    def put(self, kept: Kept) -> None:
        """Into the index, on the event loop."""
        self._add(kept)

    def throw_away(self, path: str) -> None:
        """Remove a file that was not finished, or is not wanted any more."""
        with suppress(RuntimeError):  # stopped: the next start finds it
            self._threads.submit(disk.unlink, path)

    def _new_path(self) -> str:
        return str(self._directory / f"hapta-fetch-{secrets.token_hex(8)}")

    def _write_whole(self, wanted: WantedFile, headers: tuple[Header, ...], body: bytes) -> Kept:
        digest = new_digest()
        digest.update(body)
        description = Description.of(wanted, len(body), digest.hexdigest(), headers)
        path, tail = self._new_path(), write_down(description)
        try:
            with open(path, "xb", opener=disk.open_new) as file:
                file.write(body)
                file.write(tail)
            return self.place(path, description, len(body) + len(tail))
        except OSError:
            disk.unlink(path)
            raise

    def _closes(self) -> Callable[[], None]:
        loop = asyncio.get_running_loop()

        def closed() -> None:
            self._open -= 1

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody counts any more
                loop.call_soon_threadsafe(closed)

        return tell

    def _scan(self) -> list[Kept]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found: list[tuple[float, Kept]] = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if _UNFINISHED.fullmatch(entry.name):
                    disk.unlink(entry.path)
                elif match := _NAME.fullmatch(entry.name):
                    one = disk.look_at(entry.path, match[1])
                    if one is None:
                        disk.unlink(entry.path)
                    else:
                        found.append(one)
        found.sort(key=lambda pair: pair[0])
        return [kept for _, kept in found]


class Growing:
    """A file that is being fetched: it is told while it grows, and kept when it is whole."""

    def __init__(
        self, shelf: Shelf, wanted: WantedFile, headers: tuple[Header, ...], file: OpenFile, path: str
    ) -> None:
        self.headers = headers
        self.file = file
        self._shelf = shelf
        self._wanted = wanted
        self._path = path
        self._digest = new_digest()
        self._is_closed = False

    async def add(self, piece: bytes) -> None:
        """The next bytes.

        Raises:
            OSError: the disk did not take them.
            ValueError: more than were announced.
        """
        start = self.file.available
        if start + len(piece) > self.file.size:
            raise ValueError("more bytes than announced")
        await self.file.work(self._shelf.run, self._write, piece, start)
        self.file.has_grown(start + len(piece))

    async def finish(self) -> Kept:
        """It is whole: onto the shelf.

        Raises:
            OSError: the disk did not take it.
            ValueError: fewer bytes than announced.
        """
        if self.file.available != self.file.size:
            raise ValueError("fewer bytes than announced")
        description = Description.of(self._wanted, self.file.size, self._digest.hexdigest(), self.headers)
        kept = await self.file.work(self._shelf.run, self._complete, description)
        self._path = ""
        self._shelf.put(kept)
        return kept

    def close(self) -> None:
        """Nothing more is added; what was not finished is thrown away. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        if self.file.available != self.file.size:
            self.file.breaks_off()
        if self._path:
            self._shelf.throw_away(self._path)
        self.file.let_go()

    def _write(self, piece: bytes, start: int) -> None:
        self._digest.update(piece)
        self.file.write(piece, start)

    def _complete(self, description: Description) -> Kept:
        tail = write_down(description)
        self.file.write(tail, self.file.size)
        self.file.shorten(self.file.size + len(tail))
        return self._shelf.place(self._path, description, self.file.size + len(tail))
