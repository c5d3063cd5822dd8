"""Event streams taken apart, without I/O: bytes in as they arrive, events out as soon as they are complete.

The grammar is that of the HTML standard, section 9.2.6: lines end in CRLF, LF or CR, a byte order mark at the
beginning is dropped, a line that begins with a colon is a comment, data lines are joined by line feeds, an
empty line ends an event, and an event without data is none. How the bytes were cut into pieces changes
nothing. What one event may take is bounded: whoever sends more is not PocketBase.
"""

import re
from dataclasses import dataclass

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""A record of PocketBase with several editor fields stays well below."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """More bytes for one event than are held."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event.

    Attributes:
        name: the event's type; ``message`` where none was given.
        data: the data lines joined by line feeds.
        id: the last id seen on the stream; PocketBase sends its client id with every event.
    """

    name: str
    data: bytes
    id: str


class SseParser:
    """One stream; feed it in order."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._line: list[bytes] = []
        self._line_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name = ""
        self._id = ""
        self._ended_in_cr = False
        self._is_first_line = True

    def feed(self, data: bytes) -> list[SseEvent]:
        """Take the next bytes; returns the events they complete.

        Raises:
            EventTooLarge: the event under way exceeds the bound; the parser is of no use any more.
        """
        if self._ended_in_cr and data:
            data = data.removeprefix(b"\n")  # the second half of a CRLF
            self._ended_in_cr = False
        if not data:
            return []
        self._ended_in_cr = data.endswith(b"\r")
        events = []
        first, *following = _LINE_END.split(data)
        self._hold(first)
        for beginning in following:
            event = self._end_line()
            if event is not None:
                events.append(event)
            self._hold(beginning)
        return events

    def _hold(self, piece: bytes) -> None:
        """A piece of the line under way; joined only at its end, or long lines would cost their square."""
        self._line.append(piece)
        self._line_bytes += len(piece)
        if self._line_bytes + self._data_bytes > self._max_event_bytes:
            raise EventTooLarge(f"an event of more than {self._max_event_bytes} bytes")

    def _end_line(self) -> SseEvent | None:
        line = b"".join(self._line)
        self._line, self._line_bytes = [], 0
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
        elif field == b"event":
            self._name = _text(value)
        elif field == b"id" and b"\0" not in value:
            self._id = _text(value)
        return None

    def _dispatch(self) -> SseEvent | None:
        data, name = self._data, self._name
        self._data, self._data_bytes, self._name = [], 0, ""
        return SseEvent(name or "message", b"\n".join(data), self._id) if data else None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
