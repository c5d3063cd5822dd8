"""One client: a keep-alive connection on which requests go out as written, so that thousands a second are
possible and nothing is repeated, cached or followed behind the test's back."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import orjson

ANSWERED_WITHIN_S = 30.0
_OPEN: "set[Line]" = set()


class Lost(Exception):
    """No complete answer came."""


@dataclass(frozen=True)
class Answer:
    """One response.

    Attributes:
        headers: by lower-case name; several values joined by a comma.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        return orjson.loads(self.body) if self.body else None

    @property
    def cache(self) -> str:
        """What the cache did (RFC 9211): ``hit``, ``fwd=uri-miss``, …; empty when it does not say."""
        parts = [part.strip() for part in self.headers.get("cache-status", "").split(";")]
        return next((part for part in parts[1:] if part == "hit" or part.startswith("fwd=")), "")

    @property
    def cache_detail(self) -> str:
        """Why, as far as that is told: ``" detail=write"`` or nothing."""
        parts = [part.strip() for part in self.headers.get("cache-status", "").split(";")]
        return next((f" {part}" for part in parts[1:] if part.startswith("detail=")), "")

    @property
    def is_hit(self) -> bool:
        return self.cache == "hit"


class Line:
    """A connection to ``url``; opened by the first request, and again when the server has closed it.

    Args:
        url: base URL.
        headers: sent with each request.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port or 80
        fields = {"Host": parts.netloc, **(headers or {})}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, target: str, token: str = "", *fields: str) -> Answer:
        return await self.ask("GET", target, token, fields=fields)

    async def ask(
        self,
        method: str,
        target: str,
        token: str = "",
        json: Any = None,
        *,
        fields: Sequence[str] = (),
        body: bytes | None = None,
    ) -> Answer:
        """Send a request and wait for the answer.

        Args:
            token: the value of ``Authorization``; empty for a guest.
            json: the body, as JSON.
            fields: further header lines.
            body: the body as bytes, instead of ``json``.

        Raises:
            Lost: the connection ended before the answer did, or it took too long.
        """
        lines = [f"{method} {target} HTTP/1.1\r\n{self._head}"]
        lines += [f"{field}\r\n" for field in fields]
        if token:
            lines.append(f"Authorization: {token}\r\n")
        if json is not None:
            body = orjson.dumps(json)
            lines.append("Content-Type: application/json\r\n")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}\r\n")
        request = "".join(lines).encode() + b"\r\n" + (body or b"")
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                return await self._exchange(method, request)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as exc:
            self.close()
            raise Lost(f"{method} {target}: {exc!r}") from exc
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        _OPEN.discard(self)
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def aclose(self) -> None:
        """Close and wait until it is closed."""
        writer = self._writer
        self.close()
        if writer is not None:
            with suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, method: str, request: bytes) -> Answer:
        if self._writer is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection(
                self._host, self._port, limit=1024 * 1024
            )
            _OPEN.add(self)
        assert self._reader is not None
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        status = int(first.split(" ", 2)[1])
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        body = b""
        if method != "HEAD" and status not in (204, 304):
            body = await self._body(headers)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        assert self._reader is not None
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(headers["content-length"]))
        body = bytearray()
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return bytes(body)


async def close_lines() -> None:
    """Close every line that is open."""
    for line in tuple(_OPEN):
        await line.aclose()
