"""Multipart bodies of one form that every reader reads alike; of files only where they lie.

Go's reader (``mime/multipart``) is generous: it takes text before the first boundary, bare line feeds, folded
lines, boundaries with spaces behind them, one right behind a part's headers, RFC 2231 names, quoted-printable
parts. Each of these is read otherwise by somebody, so that a value hides in another one: all are refused
here. What is taken is what browsers and SDKs write: RFC 7578 with CRLF, quoted or plain names, nothing in
front, nothing behind.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from hapta.model.errors import BodyTooLarge
from hapta.model.exchange import RequestBody
from hapta.records.content import base_name
from hapta.records.errors import UnreadableBody
from hapta.records.forms import PAYLOAD, utf8

MAX_PARTS: Final = 1000
"""Go reads no more either (``multipartmaxparts``)."""
MAX_PART_HEADERS: Final = 10_000
"""Of all parts together, as in Go (``multipartmaxheaders``)."""
MAX_HEADER_BYTES: Final = 16 * 1024
"""Of one part."""
MAX_TEXT_BYTES: Final = 16 * 1024 * 1024
"""Of all parts that are no files, or of JSON; files do not count."""

_TYPE = re.compile(
    r"multipart/form-data[ \t]*(?:;[ \t]*charset=[\w-]+[ \t]*)?"
    r";[ \t]*boundary=(?:([\w'+.-]{1,70})|\"([\w'()+,./:=?-]{1,70})\")[ \t]*(?:;[ \t]*charset=[\w-]+[ \t]*)?",
    re.ASCII,
)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.ASCII)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_PARAMETER = re.compile(r';[ \t]*(name|filename)=(?:"((?:[^"\\]|\\.)*)"|([\w.+-]+))', re.ASCII)
_ESCAPED = re.compile(r'\\([()<>@,;:\\"/\[\]?=])')  # Go takes the backslash off these alone
_PLAIN_ENCODINGS = frozenset({"7bit", "8bit", "binary"})


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    Attributes:
        name: of the form's field.
        filename: as Go has it, ``None`` for what is a value and no file.
        content_type: as declared, empty if it is not.
        start: where its content begins in the body, in bytes.
        length: of its content, in bytes.
        text: the content of a value; empty for a file.
    """

    name: str
    filename: str | None
    content_type: str
    start: int
    length: int
    text: bytes


def boundary_of(content_type: str) -> bytes:
    """The boundary a content type names.

    Raises:
        UnreadableBody: it is none of multipart/form-data with one plain boundary.
    """
    found = _TYPE.fullmatch(content_type)
    if found is None:
        raise UnreadableBody
    return (found[1] or found[2]).encode()


async def read_parts(body: RequestBody, boundary: bytes) -> list[Part]:
    """All parts, in order. Memory: the texts, and one piece of the body.

    Raises:
        UnreadableBody: Go refuses it, or readers might differ.
        BodyTooLarge: more text than :data:`MAX_TEXT_BYTES`.
    """
    return await _Scanner(body.chunks(), boundary).read()


class _Scanner:
    def __init__(self, pieces: AsyncIterator[bytes], boundary: bytes) -> None:
        self._pieces = pieces
        self._dash = b"--" + boundary
        self._buffer = bytearray()
        self._at = 0  # where the buffer begins in the body
        self._text_bytes = 0
        self._headers = 0

    async def read(self) -> list[Part]:
        parts: list[Part] = []
        is_last = await self._begin()
        while not is_last:
            if len(parts) >= MAX_PARTS:
                raise UnreadableBody
            part, is_last = await self._part()
            parts.append(part)
        await self._more(3)
        if bytes(self._buffer) not in (b"", b"\r\n"):
            raise UnreadableBody
        return parts

    async def _more(self, count: int) -> bool:
        """Have ``count`` bytes in the buffer; whether they are there."""
        while len(self._buffer) < count:
            piece = await anext(self._pieces, None)
            if piece is None:
                return False
            self._buffer += piece
        return True

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._at += count

    async def _begin(self) -> bool:
        if not await self._more(len(self._dash) + 2) or not self._buffer.startswith(self._dash):
            raise UnreadableBody
        self._drop(len(self._dash))
        return self._line_end()

    def _line_end(self) -> bool:
        """What stands behind a boundary; whether that was the last one."""
        mark = bytes(self._buffer[:2])
        if mark not in (b"\r\n", b"--"):
            raise UnreadableBody
        self._drop(2)
        return mark == b"--"

    async def _part(self) -> tuple[Part, bool]:
        name, filename, content_type = self._head(await self._header_block())
        await self._more(len(self._dash))
        if self._buffer.startswith(self._dash):
            raise UnreadableBody  # Go takes this for a boundary, others for content
        start = self._at
        text = bytearray()
        delimiter = b"\r\n" + self._dash
        while (end := self._buffer.find(delimiter)) < 0:
            if len(self._buffer) >= len(delimiter):
                self._keep(text, len(self._buffer) - len(delimiter) + 1, filename)
            if not await self._more(len(self._buffer) + 1):
                raise UnreadableBody
        self._keep(text, end, filename)
        length = self._at - start
        if not await self._more(len(delimiter) + 2):
            raise UnreadableBody
        self._drop(len(delimiter))
        return Part(name, filename, content_type, start, length, bytes(text)), self._line_end()

    def _keep(self, text: bytearray, count: int, filename: str | None) -> None:
        if filename is None:
            self._text_bytes += count
            if self._text_bytes > MAX_TEXT_BYTES:
                raise BodyTooLarge
            text += self._buffer[:count]
        self._drop(count)

    async def _header_block(self) -> bytes:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEADER_BYTES or not await self._more(len(self._buffer) + 1):
                raise UnreadableBody
        if end > MAX_HEADER_BYTES:
            raise UnreadableBody
        block = bytes(self._buffer[:end])
        self._drop(end + 4)
        return block

    def _head(self, block: bytes) -> tuple[str, str | None, str]:
        """Name, file name and content type of a part."""
        found: dict[str, str] = {}
        for line in block.split(b"\r\n"):
            self._headers += 1
            header = None if _CONTROL.search(line) else _HEADER.fullmatch(utf8(line))
            if header is None or self._headers > MAX_PART_HEADERS or header[1].lower() in found:
                raise UnreadableBody
            found[header[1].lower()] = header[2]
        if found.get("content-transfer-encoding", "binary").lower() not in _PLAIN_ENCODINGS:
            raise UnreadableBody  # Go decodes quoted-printable
        name, filename = _disposition(found.get("content-disposition", ""))
        return name, filename, found.get("content-type", "")


def _disposition(value: str) -> tuple[str, str | None]:
    kind, at = "form-data", len("form-data")
    parameters: dict[str, str] = {}
    while at < len(value):
        found = _PARAMETER.match(value, at)
        if found is None or found[1] in parameters:
            raise UnreadableBody
        quoted, plain = found[2], found[3]
        parameters[found[1]] = plain if quoted is None else quoted
        at = found.end()
    name, filename = parameters.get("name", ""), parameters.get("filename", "")
    if not value.startswith(kind) or not name or "\\" in name:
        raise UnreadableBody
    if not filename:
        return name, None  # a file without a name is a value to Go
    if name == PAYLOAD:
        raise UnreadableBody  # a file to Go, members to others
    return name, base_name(_ESCAPED.sub(r"\1", filename))
