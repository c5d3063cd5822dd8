"""An open file with several users: closed once, when the last thread is done with it, and never before."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hapta.filecache.opened import FileStream, OpenFile
from hapta.model.errors import UpstreamLost


class Threads:
    """Real threads that wait until the test lets them go."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> "asyncio.Future[Any]":
        def held() -> Any:
            assert self.may_go.wait(5)
            return work(*args, **kwargs)

        return asyncio.get_running_loop().run_in_executor(None, held)


def opened(folder: Path, content: bytes, closed: list[str], *, available: int | None = None) -> OpenFile:
    path = folder / "file"
    path.write_bytes(content)
    there = len(content) if available is None else available
    return OpenFile(
        os.open(path, os.O_RDWR), len(content), available=there, on_closed=lambda: closed.append("closed")
    )


async def test_a_reader_that_leaves_does_not_close_it_under_a_thread_that_reads(tmp_path: Path) -> None:
    closed: list[str] = []
    threads = Threads()
    file = opened(tmp_path, b"content", closed)
    stream = FileStream(file, 0, 7, threads)
    threads.may_go.clear()
    chunks = stream.chunks()
    read = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0.01)
    stream.abort()
    read.cancel()
    assert not closed, "closed while a thread reads"
    threads.may_go.set()
    for _ in range(500):
        await asyncio.sleep(0.001)
        if closed:
            break
    assert closed == ["closed"]


async def test_given_up_while_it_waits_for_more_it_ends_as_a_broken_answer(tmp_path: Path) -> None:
    closed: list[str] = []
    file = opened(tmp_path, b"content", closed, available=3)
    assert file.hold()
    stream = FileStream(file, 0, 7, Threads())
    pieces: list[bytes] = []

    async def read() -> None:
        async for piece in stream.chunks():
            pieces.append(piece)  # noqa: PERF401 - those before the break count

    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0.05)
    stream.abort()
    file.has_grown(7)
    with pytest.raises(UpstreamLost):
        await reading
    assert pieces == [b"con"]
    file.let_go()
    assert closed == ["closed"]
    assert not file.hold()


async def test_a_file_cut_off_behind_our_back_is_a_broken_answer(tmp_path: Path) -> None:
    file = opened(tmp_path, b"content", [])
    os.truncate(tmp_path / "file", 3)
    stream = FileStream(file, 0, 7, Threads())
    with pytest.raises(UpstreamLost):
        async for _ in stream.chunks():
            pass
