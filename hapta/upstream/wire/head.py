"""The head of a request as bytes, and the head of an answer taken apart, strictly and in one pass.

What two parsers could read differently is refused: a line folded over two, a space before the colon, a
control character or a bare CR or LF anywhere, two lengths or a length beside a coding, a coding other than
``chunked``, another version (RFC 9112 §2.2, §5, §6.3, §11.2).
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from hapta.upstream.messages import MAX_FIELDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hapta.model.exchange import Header

_CRLF = b"\r\n"
_VISIBLE = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
"""What may stand within a line."""
_STATUS = re.compile(rb"HTTP/1\.1 ([1-9][0-9][0-9])(?: .*)?")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_TARGET = re.compile(r"/[!-\"$-~]*")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_FRAMING = {b"content-length": 1, b"transfer-encoding": 2, b"connection": 3}
_MAX_LINES, _MAX_LINE_BYTES = 512, 96


class Garbled(Exception):
    """Not what a server says that is understood here."""


class Framing(Enum):
    """How the end of a body is known."""

    NONE = "there is no body"
    LENGTH = "its length was announced"
    CHUNKED = "the last chunk is empty"
    CLOSE = "the connection ends"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer.

    Attributes:
        headers: its lines in order, names as they came.
        length: ``Content-Length``, whether a body follows or not.
        keeps: the connection may carry another request afterwards.
    """

    status: int
    headers: tuple["Header", ...]
    framing: Framing
    length: int | None
    keeps: bool


def is_clean(text: bytes, lines: int) -> bool:
    """Whether ``text`` is so many lines, each ended by CR LF, without any other control character."""
    return text.translate(None, _VISIBLE) == _CRLF * lines


def render_request(
    method: str,
    target: str,
    headers: CIMultiDict[str],
    body: "bytes | AsyncIterator[bytes] | None",
    host: str,
) -> bytes:
    """The head of a request, with the empty line that ends it.

    Args:
        host: sent where ``headers`` name none.

    Raises:
        ValueError: it would not be one request to whoever reads it.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    if "Host" not in headers:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    given = headers.get("Content-Length")
    if body is None or isinstance(body, bytes):
        length = None if body is None else str(len(body))
        if given is None and (body is not None or method not in _WITHOUT_BODY):
            lines.append(f"Content-Length: {length or 0}")
        elif given is not None and given != (length or "0"):
            raise ValueError("Content-Length is another")
    elif given is None:
        lines.append("Transfer-Encoding: chunked")
    elif not given.isdecimal():
        raise ValueError("Content-Length is no number")
    lines.append("\r\n")
    head = "\r\n".join(lines).encode()
    if (
        "Transfer-Encoding" in headers
        or not _TARGET.fullmatch(target)
        or not _METHOD.fullmatch(method)
        or not is_clean(head, len(lines))
    ):
        raise ValueError("not one request")
    return head


class LineBook:
    """Header lines that were taken apart before: a server says the same ones again and again."""

    def __init__(self) -> None:
        self._known: dict[bytes, Header] = {}

    def parse(self, text: bytes, *, is_head: bool) -> Head:
        """Take the head of an answer apart.

        Args:
            text: from the status line to the empty line, with the CR LF that ends each line but the last.
            is_head: it answers HEAD.

        Raises:
            Garbled: it must not be understood.
        """
        status_line, *lines = text.split(_CRLF)
        if len(lines) > MAX_FIELDS or not is_clean(text, len(lines)):
            raise Garbled("the header section")
        found = _STATUS.fullmatch(status_line)
        if found is None:
            raise Garbled("the status line")
        known, headers = self._known, []
        length: int | None = None
        is_chunked, keeps = False, True
        for line in lines:
            header = known.get(line)
            if header is not None:
                headers.append(header)
                continue
            header = _header(line)
            headers.append(header)
            kind = _FRAMING.get(header[0].lower())
            if kind is None:
                if len(line) <= _MAX_LINE_BYTES:
                    self._remember(line, header)
            elif kind == 1:
                if length is not None or not _LENGTH.fullmatch(header[1]):
                    raise Garbled("Content-Length")
                length = int(header[1])
            elif kind == 2:
                if is_chunked or header[1].lower() != b"chunked":
                    raise Garbled("Transfer-Encoding")
                is_chunked = True
            elif header[1].lower() != b"keep-alive":
                keeps = False
        if is_chunked and length is not None:
            raise Garbled("a length and a coding")
        status = int(found[1])
        return _framed(status, tuple(headers), length, is_chunked=is_chunked, is_head=is_head, keeps=keeps)

    def _remember(self, line: bytes, header: "Header") -> None:
        if len(self._known) >= _MAX_LINES:
            self._known.clear()
        self._known[line] = header


def _header(line: bytes) -> "Header":
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        raise Garbled("a header line")
    return name, value.strip(b" \t")


def _framed(
    status: int,
    headers: "tuple[Header, ...]",
    length: int | None,
    *,
    is_chunked: bool,
    is_head: bool,
    keeps: bool,
) -> Head:
    """RFC 9112 §6.3. After an answer that announces a body and must have none the connection is not used
    again: a server that sends one all the same would answer the next request with it."""
    announces = is_chunked or bool(length)
    if status < 200:
        if status == 101 or announces:
            raise Garbled("an interim answer")
        return Head(status, headers, Framing.NONE, None, True)
    if is_head or status in (204, 304):
        return Head(status, headers, Framing.NONE, length, keeps and not announces)
    if is_chunked:
        return Head(status, headers, Framing.CHUNKED, None, keeps)
    if length is None:
        return Head(status, headers, Framing.CLOSE, None, False)
    return Head(status, headers, Framing.LENGTH if length else Framing.NONE, length, keeps)
