"""A reverse proxy as small as one can be: it appends the address it sees to ``X-Forwarded-For``, as nginx's
``proxy_add_x_forwarded_for`` does, and passes bytes on."""

import re
import socket
import threading
from contextlib import suppress
from typing import Self

_LAST_LINE = re.compile(rb"\r\n\r\n")
_FORWARDED = re.compile(rb"\r\nX-Forwarded-For: ([^\r\n]*)", re.IGNORECASE)


class Proxy:
    """Listens on 127.0.0.1, asks ``port`` there; a context manager.

    A client tells by the address it connects from who it is: all of 127.0.0.0/8 are this machine.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, (address, _) = self._listener.accept()
            except OSError:
                return
            with client:
                self._pass_on(client, address)

    def _pass_on(self, client: socket.socket, address: str) -> None:
        head = b""
        while not _LAST_LINE.search(head):
            piece = client.recv(65536)
            if not piece:
                return
            head += piece
        chain = b", ".join([*_FORWARDED.findall(head), address.encode()])
        head = _FORWARDED.sub(b"", head)
        head = head.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: " + chain + b"\r\n\r\n", 1)
        with socket.create_connection(("127.0.0.1", self._upstream)) as upstream:
            upstream.sendall(head)
            while piece := upstream.recv(65536):
                client.sendall(piece)


def get(port: int, target: str, source: str, *headers: str) -> int:
    """The status of a GET from an address of this machine."""
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", port), source_address=(source, 0), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return int(received.split(b" ", 2)[1])
