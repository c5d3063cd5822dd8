"""What of a file a request asks for: Go's ``http.ServeContent``, with which PocketBase serves its files.

The common half is answered here as Go does: the whole, one range, ``If-Range`` and ``If-Modified-Since`` with
a date. What is rare (several ranges, entity tags, which PocketBase's files do not have, dates in forms of the
last century, ranges that are none) is left to PocketBase: ``None``.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from multidict import CIMultiDictProxy

from hapta.model.exchange import Header

_ONE_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4}) "
    r"(\d\d):(\d\d):(\d\d) GMT",
    re.ASCII,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RARE = ("If-Match", "If-None-Match", "If-Unmodified-Since")
_ONCE = ("Range", "If-Range", "If-Modified-Since")
_NOT_OVERLAPPING = b"invalid range: failed to overlap\n"
_NOT_IN_304 = frozenset({b"content-type", b"accept-ranges"})
_NOT_IN_416 = frozenset({b"content-type", b"accept-ranges", b"cache-control", b"last-modified"})


@dataclass(frozen=True, slots=True)
class Part:
    """What is sent.

    Attributes:
        status: 200, 206, 304 or 416.
        start: first byte of the file.
        length: bytes; 0 where the answer is not of the file.
    """

    status: int
    start: int = 0
    length: int = 0


def http_date(text: str) -> float | None:
    """Unix seconds of a date in the form of today (RFC 9110 §5.6.7); ``None`` for all else."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second = found.groups()
    try:
        moment = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except ValueError:
        return None
    return moment.timestamp()


def is_common(headers: CIMultiDictProxy[str]) -> bool:
    """Whether the conditions of a request are of the kinds that are read here; the values may still be
    odd."""
    if any(name in headers for name in _RARE):
        return False
    return all(len(headers.getall(name, ())) < 2 for name in _ONCE)


def part_of(headers: CIMultiDictProxy[str], size: int, modified_at: float) -> Part | None:
    """What a request asks for.

    Args:
        headers: of the request.
        size: bytes of the file, at least one.
        modified_at: Unix seconds of its ``Last-Modified``.
    """
    if not is_common(headers):
        return None
    since = headers.get("If-Modified-Since")
    if since:
        date = http_date(since)
        if date is None:
            return None
        if modified_at <= date:
            return Part(304)
    wanted = headers.get("Range")
    condition = headers.get("If-Range")
    if wanted and condition:
        date = http_date(condition)
        if date is None:
            return None
        if date != modified_at:
            wanted = None
    return _range(wanted, size) if wanted else Part(200, 0, size)


def _range(wanted: str, size: int) -> Part | None:
    found = _ONE_RANGE.fullmatch(wanted)
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        length = min(int(suffix), size)
        return Part(206, size - length, length) if length else None
    start = int(first)
    end = int(last) if last else size - 1
    if last and end < start:
        return None
    if start >= size:
        return Part(416)
    return Part(206, start, min(end, size - 1) - start + 1)


def part_headers(kept: tuple[Header, ...], part: Part, size: int) -> list[Header]:
    """The header lines of the answer, from those of the whole file.

    Args:
        kept: of the 200, without ``Content-Length``.
    """
    if part.status == 200:
        return list(kept)
    if part.status == 304:
        return [line for line in kept if line[0].lower() not in _NOT_IN_304]
    if part.status == 206:
        end = part.start + part.length - 1
        return [*kept, (b"Content-Range", b"bytes %d-%d/%d" % (part.start, end, size))]
    lines = [line for line in kept if line[0].lower() not in _NOT_IN_416]
    lines.append((b"Content-Type", b"text/plain; charset=utf-8"))
    return [*lines, (b"Content-Range", b"bytes */%d" % size)]


def part_text(part: Part) -> bytes:
    """The body of an answer that is not of the file."""
    return _NOT_OVERLAPPING if part.status == 416 else b""
