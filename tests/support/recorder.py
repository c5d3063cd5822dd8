"""A server in PocketBase's place that writes down, byte for byte, every request that reaches it.

It answers what Hapta asks at its start as PocketBase would, and everything else with a small JSON object. It
takes requests apart by the letter of RFC 9112 alone; what it cannot take apart is kept in ``broken``.
"""

import json
import socketserver
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from tests.support.own_answers import connected, is_heartbeat, own_answer, told

SLOW, SLOW_S = "/api/slow", 1.4
"""A target answered so many seconds later."""

_EMPTY_PAGE = {"items": [], "page": 1, "perPage": 30, "totalItems": 0, "totalPages": 0}


class Recorder:
    """On a free loopback port; a context manager.

    Attributes:
        requests: complete requests, heads and bodies as they came, without those Hapta makes for itself.
        broken: what arrived instead of a request.
    """

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.broken: list[bytes] = []
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.recorder = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="recorder")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self) -> list[bytes]:
        """All requests so far; forgets them."""
        taken, self.requests = self.requests, []
        assert not self.broken, f"no request reached the upstream: {self.broken}"
        return taken


def head(request: bytes) -> dict[str, list[str]]:
    """The header fields of a recorded request by lower-case name."""
    fields: dict[str, list[str]] = {}
    for line in request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        fields.setdefault(name.lower(), []).append(value.strip())
    return fields


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    recorder: Recorder

    def __init__(self, address: tuple[str, int], handler: type["_Connection"]) -> None:
        super().__init__(address, handler)
        self.streams: list[BinaryIO] = []

    def tell(self, record: str) -> None:
        """The echo of a heartbeat."""
        for stream in tuple(self.streams):
            with suppress(OSError):
                stream.write(told(record))


class _Connection(socketserver.StreamRequestHandler):
    timeout = 60

    def handle(self) -> None:
        recorder = cast("_Server", self.server).recorder
        request = b""
        try:
            while request := self._request():
                fields = head(request)
                if "via" in fields:
                    recorder.requests.append(request)
                method, target, _ = request.split(b"\r\n", 1)[0].decode().split(" ")
                if "via" not in fields:
                    self._answer_own(method, target.partition("?")[0], request.partition(b"\r\n\r\n")[2])
                    continue
                if target == SLOW:
                    time.sleep(SLOW_S)
                self._write(method, 200, _EMPTY_PAGE)
        except ValueError as exc:
            recorder.broken.append(b"%r after %r" % (str(exc), request))
        except OSError:
            return  # Hapta has closed the connection

    def _answer_own(self, method: str, path: str, body: bytes) -> None:
        server = cast("_Server", self.server)
        if method == "GET" and path == "/api/realtime":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + connected())
            server.streams.append(self.wfile)
            self.timeout = None
            self.connection.settimeout(None)
            self.rfile.read(1)  # nothing comes any more until Hapta leaves
            server.streams.remove(self.wfile)
            return
        self._write(method, *own_answer(method, path, body))
        if is_heartbeat(method, path):
            server.tell(path.rpartition("/")[2])

    def _write(self, method: str, status: int, answer: Any) -> None:
        body = b"" if answer is None else json.dumps(answer).encode()
        fixed = b"HTTP/1.1 %d Told\r\nContent-Type: application/json\r\n" % status
        length = b"" if status == 204 else b"Content-Length: %d\r\n" % len(body)
        self.wfile.write(fixed + length + b"\r\n" + (b"" if method == "HEAD" else body))

    def _request(self) -> bytes:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                if request:
                    raise ValueError(f"a head cut off: {request!r}")
                return b""
            request += line
        fields = head(request)
        if "transfer-encoding" in fields:
            return request + self._chunked()
        return request + self._exactly(int(fields.get("content-length", ["0"])[0]))

    def _chunked(self) -> bytes:
        body = b""
        while True:
            line = self.rfile.readline()
            body += line + self._exactly(int(line, 16) + 2)
            if int(line, 16) == 0:
                return body

    def _exactly(self, count: int) -> bytes:
        data = self.rfile.read(count)
        if len(data) != count:
            raise ValueError(f"{count - len(data)} bytes of a body missing: {data[:100]!r}")
        return data
