"""The head of an answer from the store, as it was sent: what stays, and the places of what a response, a
second or a request changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hapta.cache.stored import Stored
from hapta.model.exchange import Answer, Header

_STATUS_LINES: Final = {
    200: b"HTTP/1.1 200 OK\r\n",
    304: b"HTTP/1.1 304 Not Modified\r\n",
    404: b"HTTP/1.1 404 Not Found\r\n",
}
_ETAG, _AGE, _STATUS = b"ETag", b"Age", b"Cache-Status"
_OF_ONE_REQUEST: Final = frozenset({b"RateLimit-Policy", b"RateLimit", b"X-Request-Id"})
_OF_THE_MOMENT: Final = _OF_ONE_REQUEST | {_ETAG, _AGE, _STATUS}
_OF_THE_ANSWER: Final = frozenset({b"Cache-Control", b"Vary"})
_CORS: Final = b"access-control-"
_MOST: Final = 512


@dataclass(frozen=True, slots=True)
class Template:
    """Header lines in the order in which they are sent.

    Attributes:
        before_etag: with the status line, up to the value of ``ETag``.
        before_age: from there to ``Age``.
        before_status: between ``Age`` and ``Cache-Status``.
        behind: those behind the lines of one request.
    """

    before_etag: bytes
    before_age: bytes
    before_status: bytes
    behind: bytes

    @classmethod
    def made(cls, status: int, headers: Sequence[Header], told: Stored) -> "Template | None":
        """Of an answer as it was sent; ``None`` where a line is of a kind that may be another next time."""
        names, status_line = [name for name, _ in headers], _STATUS_LINES.get(status)
        if status_line is None or any(names.count(name) != 1 for name in (_ETAG, _AGE, _STATUS)):
            return None
        etag, age, cache = names.index(_ETAG), names.index(_AGE), names.index(_STATUS)
        end = next((at for at, name in enumerate(names) if name in _OF_ONE_REQUEST), len(names))
        if not etag < age < cache == end - 1:
            return None
        fixed = [line for line in headers if line[0] not in _OF_THE_MOMENT]
        if not all(_is_fixed(line, told) for line in fixed):
            return None
        behind = [line for line in headers[end:] if line[0] not in _OF_ONE_REQUEST]
        return cls(
            status_line + _lines(headers[:etag]) + b"ETag: ",
            b"\r\n" + _lines(headers[etag + 1 : age]),
            _lines(headers[age + 1 : cache]),
            _lines(behind),
        )


class Templates:
    """Templates by the lines they are made of: most answers differ in the values of a moment alone."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Template | None] = {}

    def of(self, answer: Answer, told: Stored) -> Template | None:
        """The one of an answer as it was sent, if it has one (:meth:`Template.made`)."""
        lines = [line[0] if line[0] in _OF_THE_MOMENT else line for line in answer.headers]
        key = (answer.status, told.headers, *lines)
        if key in self._known:
            return self._known[key]
        if len(self._known) >= _MOST:
            self._known.clear()
        found = self._known[key] = Template.made(answer.status, answer.headers, told)
        return found


def _is_fixed(line: Header, told: Stored) -> bool:
    return line[0] in _OF_THE_ANSWER or line[0].lower().startswith(_CORS) or line in told.headers


def _lines(headers: Sequence[Header]) -> bytes:
    return b"".join(b"%s: %s\r\n" % line for line in headers)
