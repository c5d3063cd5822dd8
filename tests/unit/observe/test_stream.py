"""hapta.observe.stream"""

import io
import os
from typing import Any

from hapta.observe.stream import LineWriter, wants_pretty


class Stingy(io.BytesIO):
    """Takes at most ``chunk`` bytes at a time and ``room`` bytes in all, then the disk is full."""

    def __init__(self, room: int, chunk: int = 1000) -> None:
        super().__init__()
        self.room, self.chunk = room, chunk

    def write(self, data: Any) -> int:
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        taken = super().write(bytes(data)[: min(self.room, self.chunk)])
        self.room -= taken
        return taken


def test_a_stream_that_takes_little_at_a_time_gets_everything() -> None:
    stream = Stingy(room=100, chunk=3)
    assert LineWriter(stream).write(b"one line\nanother\n")
    assert stream.getvalue() == b"one line\nanother\n"


def test_after_a_full_disk_the_next_line_starts_on_its_own() -> None:
    stream = Stingy(room=4)
    writer = LineWriter(stream)
    assert not writer.write(b"one line\n")
    assert not writer.write(b"lost\n")
    stream.room = 100
    assert writer.write(b"another\n")
    assert writer.write(b"third\n")
    assert stream.getvalue() == b"one \nanother\nthird\n"


def test_a_broken_pipe_is_not_the_writers_problem() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as stream:
        assert not LineWriter(stream).write(b"nobody reads this\n")


def test_nothing_stays_in_a_buffer_of_python_for_the_interpreters_end() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "wb") as stream:
        assert LineWriter(stream).write(b"now\n")
        assert reader.readline() == b"now\n"


def test_a_closed_stream_takes_nothing() -> None:
    stream = io.BytesIO()
    stream.close()
    assert not LineWriter(stream).write(b"x\n")


def test_a_full_pipe_that_does_not_block_takes_nothing() -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with os.fdopen(read_end, "rb"), os.fdopen(write_end, "wb", buffering=0) as stream:
        writer = LineWriter(stream)
        assert not all(writer.write(b"x" * 4096 + b"\n") for _ in range(1000))


def test_auto_is_pretty_on_a_terminal_only() -> None:
    leader, follower = os.openpty()
    with os.fdopen(leader, "wb", buffering=0), os.fdopen(follower, "wb", buffering=0) as terminal:
        assert wants_pretty("auto", terminal)
        assert not wants_pretty("json", terminal)
    assert not wants_pretty("auto", io.BytesIO())
    assert wants_pretty("pretty", io.BytesIO())
