"""A TCP relay that keeps what passes through it: who asked for what, and every byte of every answer."""

import re
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_REQUEST_LINE = re.compile(rb"((?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S* HTTP/1\.1)\r\n")
"""Perhaps right behind the body of the request before it."""


class Relay:
    """Listens on a loopback port of its own and passes everything on to ``url``; a context manager.

    Attributes:
        url: where it listens.
    """

    def __init__(self, url: str, port: int = 0) -> None:
        parts = urlsplit(url)
        assert parts.port is not None
        self._target = ("127.0.0.1", parts.port)
        self._listening = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._lock = threading.Lock()
        self._asked: list[bytearray] = []
        self._answered: list[bytearray] = []
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for open_socket in tuple(self._sockets):
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for open_socket in tuple(self._sockets):
            open_socket.close()

    @property
    def requests(self) -> list[str]:
        """Request lines so far, without the version."""
        with self._lock:
            found = [line for sent in self._asked for line in _REQUEST_LINE.findall(bytes(sent))]
        return [line.rsplit(b" ", 1)[0].decode() for line in found]

    @property
    def asked(self) -> list[bytes]:
        """Everything clients sent, of each connection."""
        with self._lock:
            return [bytes(sent) for sent in self._asked]

    @property
    def answered(self) -> list[bytes]:
        """Everything clients got, of each connection."""
        with self._lock:
            return [bytes(got) for got in self._answered]

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="relay", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()  # nobody is there just now: the client is to try again
                continue
            self._sockets |= {client, server}
            sent, got = bytearray(), bytearray()
            with self._lock:
                self._asked.append(sent)
                self._answered.append(got)
            self._start(self._pass_on, client, server, sent)
            self._start(self._pass_on, server, client, got)

    def _pass_on(self, source: socket.socket, target: socket.socket, kept: bytearray) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    kept += data
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
