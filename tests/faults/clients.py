"""Clients that misbehave, on plain sockets."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.support.wire import Reply, Wire


def request(method: str, target: str, *fields: str, body: bytes | None = None) -> bytes:
    """A request as bytes, with Content-Length where there is a body."""
    lines = [f"{method} {target} HTTP/1.1", "Host: hapta.test", *fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def upload(method: str, target: str, length: int, *fields: str) -> bytes:
    """The head of a request whose body follows, or never does."""
    return request(method, target, "Content-Type: application/json", f"Content-Length: {length}", *fields)


def ask(url: str, method: str, target: str, *fields: str, body: bytes | None = None) -> Reply:
    """One request on a connection of its own."""
    with Wire(url) as wire:
        wire.send(request(method, target, *fields, body=body))
        return wire.reply(method)


def status_from(source: str, url: str, target: str) -> int:
    """The status of a GET from another loopback address."""
    with connection(url, source=source) as raw:
        raw.sendall(request("GET", target, "Connection: close"))
        received, _ = everything(raw)
        return int(received[9:12])


@contextmanager
def connection(
    url: str, *, receive_buffer: int | None = None, source: str = "127.0.0.1"
) -> Iterator[socket.socket]:
    """A plain connection from ``source``; with a small ``receive_buffer`` the other side soon has to wait."""
    parts = urlsplit(url)
    raw = socket.socket()
    try:
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(10)
        raw.bind((source, 0))
        raw.connect((parts.hostname, parts.port))
        yield raw
    finally:
        raw.close()


def reset(raw: socket.socket) -> None:
    """Close with a TCP reset, as a client that crashes."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


def everything(raw: socket.socket) -> tuple[bytes, bool]:
    """All that comes, and whether the end was a cut instead of a close."""
    received = b""
    while True:
        try:
            data = raw.recv(65536)
        except ConnectionResetError:
            return received, True
        if not data:
            return received, False
        received += data
