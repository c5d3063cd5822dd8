"""A small HTTP/1.1 client over kept connections: targets and headers go out exactly as written, and one
exchange costs a tenth of what a full client's does, which is what 50,000 triples need."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Reply:
    """One answer; header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes

    def json(self) -> Any:
        """The body's value.

        Raises:
            ValueError: it is no JSON.
        """
        return json.loads(self.body)

    @property
    def is_hit(self) -> bool:
        """Hapta says it came out of the store (RFC 9211)."""
        return "; hit" in self.headers.get("cache-status", "")


class Wire:
    """Connections to one server, opened as they are needed and used again."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Reply:
        """Send one request; a body goes as JSON, but for bytes: their type is among the headers."""
        is_raw = isinstance(body, bytes)
        content: bytes = body if is_raw else b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body is not None:
            lines += [] if is_raw else ["Content-Type: application/json"]
            lines.append(f"Content-Length: {len(content)}")
        message = "\r\n".join([*lines, "", ""]).encode() + content
        async with asyncio.timeout(_TIMEOUT_S):
            while self._idle:
                reader, writer = self._idle.pop()
                try:
                    return await self._exchange(reader, writer, message, method)
                except (ConnectionError, asyncio.IncompleteReadError):
                    if method not in ("GET", "HEAD"):
                        raise  # it may have been done
            return await self._exchange(
                *await asyncio.open_connection(self._host, self._port), message, method
            )

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes, method: str
    ) -> Reply:
        try:
            writer.write(message)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ", 2)[1])
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
            }
            content = b"" if method == "HEAD" or status in (204, 304) else await _body(reader, headers)
            if content and headers.get("content-encoding") == "gzip":
                content = gzip.decompress(content)
        except BaseException:
            writer.close()
            raise
        if headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return Reply(status, headers, content)

    async def close(self) -> None:
        """Close what is open."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        content = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            content += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
        return content
    return await reader.readexactly(int(headers.get("content-length", "0")))
