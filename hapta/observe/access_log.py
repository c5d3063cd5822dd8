"""One line for every request, written beside the event loop.

:meth:`AccessLog.record` puts a tuple into a bounded queue and returns; a daemon thread makes the lines and
writes them. So a slow disk, a full one or a reader that went away costs lines, which are counted, and never
a request. The thread makes few lines between two writes because it holds the interpreter meanwhile, and
writing lets it go.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, Final, NamedTuple

import orjson

from hapta.config.schema import LogConfig
from hapta.model.clock import Clock
from hapta.model.operation import OperationClass
from hapta.observe.redact import mask_credentials, printable, without_query
from hapta.observe.stream import LineWriter, wants_pretty

MAX_WAITING_LINES: Final = 8192
MAX_TARGET_CHARS: Final = 2048
"""Targets are cut to this when they are queued, so that the queue is bounded in bytes as well."""

ERROR_STATUS: Final = 400
"""What ``errors`` writes, and ``sample:N`` besides its sample: answers from this status up."""

LINES_PER_WRITE: Final = 64
GATHER_S: Final = 0.02
"""Seconds between two rounds of the writer: lines of one round share their system calls."""

_NO_QUERY_KINDS: Final = frozenset(
    {OperationClass.AUTH_ANSWER, OperationClass.AUTH_ACTION, OperationClass.OAUTH2_REDIRECT}
)


class Line(NamedTuple):
    """One request, finished."""

    at: float
    request_id: str
    method: str
    target: str
    status: int
    sent_bytes: int
    seconds: float
    upstream_seconds: float | None
    kind: OperationClass
    address: str
    cache: str | None


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
        self._clock = clock
        self._seen = 0
        self._dropping = threading.Lock()
        self._render = _pretty if wants_pretty(config.format, stream) else _json
        self._waiting: deque[Line] = deque()
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
            request_id: the value of ``X-Request-Id``.
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
        if self._is_off:
            return
        if self._every != 1 and not _is_error(status, kind):
            self._seen += 1
            if not self._every or self._seen % self._every:
                return
        if len(self._waiting) >= MAX_WAITING_LINES:
            self._drop(1)
            return
        if len(target) > MAX_TARGET_CHARS:
            target = target[:MAX_TARGET_CHARS] + "…"
        at = self._clock.now()
        self._waiting.append(
            Line(
                *(at, request_id, method, target, status, sent_bytes),
                *(seconds, upstream_seconds, kind, address, cache),
            )
        )
        if self._is_idle:
            self._wake.set()

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is waiting; gives up after ``timeout_s`` seconds: a stuck reader must not hold us."""
        self._is_closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

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
            if not self._waiting:  # looked at after the flag: a line queued before it set no event
                self._wake.wait()
            self._is_idle = False
            self._wake.clear()
            if not self._is_closing:
                self._wake.wait(GATHER_S)

    def _write_waiting(self) -> None:
        while self._waiting:
            count = min(LINES_PER_WRITE, len(self._waiting))
            lines = [self._waiting.popleft() for _ in range(count)]
            if not self._writer.write(b"".join(map(self._render, lines))):
                self._drop(count)


def _every(access: str) -> int:
    """Which requests without an error are written: every so-many-th, or none (0)."""
    name, _, number = access.partition(":")
    return {"all": 1, "sample": int(number or 1)}.get(name, 0)


def _is_error(status: int, kind: OperationClass) -> bool:
    """Was something wrong?  A client that left before the end counts, but so ends every event stream."""
    return status >= ERROR_STATUS or (status == 0 and kind is not OperationClass.REALTIME_STREAM)


def _shown_target(line: Line) -> str:
    target = without_query(line.target) if line.kind in _NO_QUERY_KINDS else line.target
    return mask_credentials(target)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _json(line: Line) -> bytes:
    fields = {
        "ts": f"{_second(int(line.at))}.{int(line.at % 1 * 1000):03d}Z",
        "id": line.request_id,
        "method": printable(line.method),
        "path": printable(_shown_target(line)),
        "status": line.status,
        "bytes": line.sent_bytes,
        "ms": _milliseconds(line.seconds),
        "upstream_ms": _milliseconds(line.upstream_seconds),
        "class": str(line.kind),
        "ip": line.address,
    }
    if line.cache is not None:
        fields["cache"] = line.cache
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _pretty(line: Line) -> bytes:
    when = datetime.fromtimestamp(line.at).strftime("%H:%M:%S.%f")[:-3]
    upstream = "" if line.upstream_seconds is None else f" (upstream {line.upstream_seconds * 1000:.1f})"
    text = (
        f"{when} {line.status} {line.method:<6} {_shown_target(line)} {line.seconds * 1000:.1f} ms{upstream}"
        f" {line.sent_bytes} B {line.kind} {line.address} {line.request_id} {line.cache or ''}"
    ).rstrip()
    return printable(text).encode() + b"\n"
