"""HTTP/1.1 as bytes: what is sent goes out exactly as written, what comes back is taken apart by a small
strict reader of its own.

No HTTP library would send most of what these tests send, and none would show what really came back.
"""

import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

TIMEOUT_S = 10.0


class Broken(Exception):
    """The answer does not follow RFC 9112."""


@dataclass(frozen=True)
class Reply:
    """One response.

    Attributes:
        headers: names in lower case, in the order they came.
        interim: status codes of 1xx answers before it.
        closes: the server closed the connection to end the body.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    interim: tuple[int, ...] = field(default=())
    closes: bool = False

    def all(self, name: str) -> list[str]:
        """All values of a field, by its lower-case name."""
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str | None:
        """The first value of a field, by its lower-case name."""
        return next(iter(self.all(name)), None)


class Wire:
    """One TCP connection to an HTTP server, encrypted where a context is given; a context manager."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout_s)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=parts.hostname)
        self._timeout_s = timeout_s
        self._received = b""
        self.is_closed = False
        """The server has closed its side."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send; a server that has closed already is not an error: its answer tells."""
        try:
            self._socket.sendall(data)
        except ConnectionError:
            self.is_closed = True

    def reply(self, method: str = "GET") -> Reply:
        """The next response.

        Args:
            method: of the request it answers; HEAD has no body.

        Raises:
            EOFError: the connection ended before a status line.
            Broken: it ended inside, or is no HTTP.
            TimeoutError: nothing came.
        """
        interim = []
        while True:
            status, headers = self._head()
            if status >= 200:
                break
            interim.append(status)
        reply = Reply(status, headers, b"", tuple(interim))
        if method == "HEAD" or status in (204, 304):
            return reply
        codings = reply.all("transfer-encoding")
        lengths = reply.all("content-length")
        if len(codings) + len(lengths) > 1:
            raise Broken(f"framed twice: {headers}")
        if codings:
            return Reply(status, headers, self._chunked(), reply.interim)
        if lengths:
            return Reply(status, headers, self._take(int(lengths[0])), reply.interim)
        return Reply(status, headers, self.rest(), reply.interim, closes=True)

    def rest(self) -> bytes:
        """Everything until the server closes; a connection cut instead of closed counts too."""
        while self._more():
            pass
        rest, self._received = self._received, b""
        return rest

    def until(self, mark: bytes) -> bytes:
        """Everything up to ``mark`` and with it."""
        while mark not in self._received:
            if not self._more():
                raise EOFError(f"no {mark!r} in {self._received[:200]!r}")
        found, _, self._received = self._received.partition(mark)
        return found + mark

    def is_closed_within(self, seconds: float) -> bool:
        """Whether the server closes, sending nothing more, within ``seconds``."""
        self._socket.settimeout(seconds)
        try:
            return not self._more() and not self._received
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(self._timeout_s)

    def _more(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        self.is_closed = not data
        self._received += data
        return bool(data)

    def _take(self, count: int) -> bytes:
        while len(self._received) < count:
            if not self._more():
                raise Broken(f"{count - len(self._received)} bytes missing")
        taken, self._received = self._received[:count], self._received[count:]
        return taken

    def _head(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        while b"\r\n\r\n" not in self._received:
            if not self._more():
                if self._received:
                    raise Broken(f"a head cut off: {self._received[:200]!r}")
                raise EOFError("closed without an answer")
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = (status_line + " ").split(" ", 2)
        if (
            not version.startswith("HTTP/1.")
            or len(status) != 3
            or "\n" in head.decode("latin-1").replace("\r\n", "")
        ):
            raise Broken(f"not a head: {head[:200]!r}")
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise Broken(f"not a header line: {line!r}")
            headers.append((name.lower(), value.strip()))
        return int(status), tuple(headers)

    def _chunked(self) -> bytes:
        body = b""
        while True:
            size = int(self.until(b"\r\n").partition(b";")[0], 16)
            if size == 0:
                if self._take(2) != b"\r\n":
                    raise Broken("trailers where none are expected")
                return body
            body += self._take(size)
            if self._take(2) != b"\r\n":
                raise Broken("a chunk longer than it says")


def ask(url: str, request: bytes, timeout_s: float = TIMEOUT_S) -> Reply:
    """Send one request on a connection of its own."""
    with Wire(url, timeout_s) as wire:
        wire.send(request)
        return wire.reply(request.partition(b" ")[0].decode("latin-1"))


def dribble(wire: Wire, data: bytes, pause_s: float, size: int = 1) -> None:
    """Send ``data`` in pieces of ``size`` bytes, ``pause_s`` apart."""
    for start in range(0, len(data), size):
        wire.send(data[start : start + size])
        time.sleep(pause_s)
