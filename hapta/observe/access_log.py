"""One line for every request, written beside the event loop.

A line is made on the loop, where that costs less than handing over what it is made of
(:mod:`hapta.observe.access_lines`), and put into a list; a daemon thread writes the list in large pieces. So
a slow disk, a full one or a reader that went away costs lines, which are counted, and never a request. The
thread lets the interpreter go while it writes, and holds it meanwhile for some microseconds.

The list needs no lock: only the loop appends, only the thread takes away, from the front, and each does so in
one step of the interpreter.
"""

import threading
import time
from collections.abc import Callable
from typing import BinaryIO, Final

from hapta.config.schema import LogConfig
from hapta.model.clock import Clock
from hapta.model.operation import OperationClass
from hapta.observe.access_lines import (
    Bind,
    Bound,
    Render,
    bind_json,
    bind_pretty,
    json_line,
    json_stamp,
    pretty_line,
    pretty_stamp,
)
from hapta.observe.stream import LineWriter, wants_pretty

MAX_WAITING_CHARS: Final = 8 << 20
"""Lines that wait to be written, together; a third of a second at a hundred thousand lines a second."""

LINES_PER_WRITE: Final = 1024
GATHER_S: Final = 0.002
"""Seconds between two rounds of the writer: lines of one round share their system calls."""

_JSON: Final[tuple[Bind, Render, Callable[[float], str]]] = bind_json, json_line, json_stamp
_PRETTY: Final[tuple[Bind, Render, Callable[[float], str]]] = bind_pretty, pretty_line, pretty_stamp


class AccessLog:
    """The access log of ``[log] access`` and ``[log] format``, on ``stream``.

    Attributes:
        dropped: lines given up since the start.
    """

    def __init__(
        self,
        config: LogConfig,
        stream: BinaryIO,
        clock: Clock,
        on_dropped: Callable[[int], None] = lambda _: None,
    ) -> None:
        """
        Args:
            config: the ``[log]`` table.
            stream: where the lines go; stays open.
            clock: gives the time of each line.
            on_dropped: called with the number of lines just given up, on the loop or on the writer's thread.
        """
        self.dropped = 0
        self._on_dropped = on_dropped
        self._now = clock.now
        self._seen = 0
        self._dropping = threading.Lock()
        is_pretty = wants_pretty(config.format, stream)
        self._bind, self._render, self._stamp_of = _PRETTY if is_pretty else _JSON
        self._stamp, self._stamped_ms = "", -1
        self._lines: list[str] = []
        self._queued = self._written = 0  # characters; each moved by one side only
        self._writer = LineWriter(stream)
        self._wake = threading.Event()
        self._is_idle = False
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self.configure(config)

    def configure(self, config: LogConfig) -> None:
        """Other lines from now on; on the event loop only."""
        self._every = _every(config.access)
        self._is_off = config.access == "off"
        if not self._is_off and self._thread.ident is None:
            self._thread.start()

    def record(
        self,
        request_id: str,
        method: str,
        target: str,
        status: int,
        sent_bytes: int,
        seconds: float,
        kind: OperationClass,
        address: str,
        upstream_seconds: float | None = None,
        cache: str | None = None,
    ) -> None:
        """Note one finished request; on the event loop only.

        Args:
            request_id: the value of ``X-Request-Id``, and of its form.
            method: as sent.
            target: as sent, query included; credentials are taken out before it is written.
            status: status of the answer, or 0 when the client left before its end.
            sent_bytes: bytes of the body sent.
            seconds: from the request's first byte to the answer's last.
            kind: how the request was treated.
            address: the client's IP address.
            upstream_seconds: of these, waiting for PocketBase; ``None`` when it was not asked.
            cache: what the cache did: ``hit``, ``miss`` or ``bypass``, and why.
        """
        if not self._is_off:
            bound = self._bind(method, target, status, sent_bytes, upstream_seconds, kind, cache)
            self.put(bound, request_id, seconds, address)

    def bind(
        self,
        method: str,
        target: str,
        status: int,
        sent_bytes: int,
        kind: OperationClass,
        cache: str | None = None,
    ) -> Bound:
        """What :meth:`put` takes for requests that were answered without PocketBase and differ in nothing but
        the rest: for answers given again and again. The arguments are those of :meth:`record`."""
        return self._bind(method, target, status, sent_bytes, None, kind, cache)

    def put(self, bound: Bound, request_id: str, seconds: float, address: str) -> None:
        """:meth:`record` one of these requests."""
        if self._every != 1 and (self._is_off or not (bound[3] or self._is_in_sample())):
            return
        if self._queued - self._written > MAX_WAITING_CHARS:
            self._drop(1)
            return
        at = self._now()
        ms = int(at * 1000)
        if ms != self._stamped_ms:
            self._stamp, self._stamped_ms = self._stamp_of(at), ms
        line = self._render(self._stamp, bound, request_id, seconds, address)
        self._lines.append(line)
        self._queued += len(line)
        if self._is_idle:
            self._is_idle = False  # the thread itself would say so only when it has the interpreter
            self._wake.set()

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is waiting; gives up after ``timeout_s`` seconds: a stuck reader must not hold us."""
        self._is_closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _is_in_sample(self) -> bool:
        if self._every <= 1:
            return self._every == 1
        self._seen += 1
        return self._seen % self._every == 0

    def _drop(self, lines: int) -> None:
        with self._dropping:
            self.dropped += lines
        self._on_dropped(lines)

    def _run(self) -> None:
        while True:
            self._write_waiting()
            if self._is_closing:
                self._write_waiting()
                return
            self._is_idle = True
            if not self._lines:  # looked at after the flag: a line queued before it set no event
                self._wake.wait()
            self._is_idle = False
            self._wake.clear()
            if not self._is_closing:
                time.sleep(GATHER_S)

    def _write_waiting(self) -> None:
        lines = self._lines
        while lines:
            batch = lines[:LINES_PER_WRITE]
            del lines[: len(batch)]
            text = "".join(batch)
            if not self._writer.write(text.encode()):
                self._drop(len(batch))
            self._written += len(text)


def _every(access: str) -> int:
    """Which requests without an error are written: every so-many-th, or none (0)."""
    name, _, number = access.partition(":")
    return {"all": 1, "sample": int(number or 1)}.get(name, 0)
