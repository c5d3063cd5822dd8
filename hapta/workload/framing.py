"""Where requests begin and end on a connection, for an onlooker who must not change a byte.

Sans-I/O. Reads only what a well-behaved HTTP/1.1 client sends (RFC 9112): a head, then a body framed by
``Content-Length`` or by chunks. It keeps a body only of a batch, to count what is inside. On anything else it
gives up for the rest of the connection, and says so, because a wrong count is worse than a known gap.
"""

from collections.abc import Callable
from enum import Enum, auto

import orjson

_HEAD_END = b"\r\n\r\n"
_BATCH_PATHS = (b"/api/batch",)


class _State(Enum):
    HEAD = auto()
    BODY = auto()
    CHUNK_SIZE = auto()
    CHUNK = auto()
    TRAILER = auto()
    LOST = auto()


class RequestFraming:
    """Reports each request of one connection.

    Args:
        on_request: called with method and target when a head is complete.
        on_batch: called with the number of sub-requests when the body of a batch is complete.
        on_lost: called once if the connection cannot be followed any further.
    """

    def __init__(
        self,
        on_request: Callable[[str, str], None],
        on_batch: Callable[[int], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._on_request, self._on_batch, self._on_lost = on_request, on_batch, on_lost
        self._state = _State.HEAD
        self._pending = bytearray()
        self._left = 0
        self._batch: bytearray | None = None
        self._boundary = b""

    def feed(self, data: bytes) -> None:
        """Look at the next bytes of the connection."""
        self._pending += data
        while self._step():
            pass

    def _step(self) -> bool:
        """Consume one element; ``False`` when more bytes are needed."""
        match self._state:
            case _State.HEAD:
                return self._head()
            case _State.BODY | _State.CHUNK:
                return self._content()
            case _State.CHUNK_SIZE:
                return self._chunk_size()
            case _State.TRAILER:
                return self._trailer()
            case _State.LOST:
                self._pending.clear()
                return False

    def _head(self) -> bool:
        end = self._pending.find(_HEAD_END)
        if end < 0:
            return False
        lines = bytes(self._pending[:end]).split(b"\r\n")
        del self._pending[: end + len(_HEAD_END)]
        parts = lines[0].split(b" ")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        length = headers.get(b"content-length", b"0")
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1.") or not length.isdigit():
            return self._lose()
        method, target, _ = parts
        self._on_request(method.decode("latin-1"), target.decode("latin-1"))
        if method == b"POST" and target.partition(b"?")[0] in _BATCH_PATHS:
            self._batch, self._boundary = bytearray(), _boundary(headers.get(b"content-type", b""))
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            self._state = _State.CHUNK_SIZE
        elif left := int(length):
            self._state, self._left = _State.BODY, left
        else:
            self._end()
        return True

    def _content(self) -> bool:
        taken = min(self._left, len(self._pending))
        if self._batch is not None:
            self._batch += self._pending[:taken]
        del self._pending[:taken]
        self._left -= taken
        if self._left:
            return False
        if self._state is _State.BODY:
            self._end()
            return True
        if len(self._pending) < 2:
            return False
        del self._pending[:2]
        self._state = _State.CHUNK_SIZE
        return True

    def _chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        try:
            self._left = int(line.partition(b";")[0], 16)
        except ValueError:
            return self._lose()
        self._state = _State.CHUNK if self._left else _State.TRAILER
        return True

    def _trailer(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if not line:
            self._end()
        return True

    def _line(self) -> bytes | None:
        end = self._pending.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._pending[:end])
        del self._pending[: end + 2]
        return line

    def _end(self) -> None:
        if self._batch is not None:
            self._on_batch(count_sub_requests(bytes(self._batch), self._boundary))
            self._batch = None
        self._state = _State.HEAD

    def _lose(self) -> bool:
        self._state = _State.LOST
        self._on_lost()
        return True


def count_sub_requests(body: bytes, boundary: bytes) -> int:
    """How many requests a batch carries; 0 for one that PocketBase will refuse.

    Args:
        body: the whole body, JSON or multipart.
        boundary: of the multipart body, else empty.
    """
    if boundary:
        parts = body.split(b"--" + boundary)
        body = next((part for part in parts if b'name="@jsonPayload"' in part.partition(_HEAD_END)[0]), b"")
        body = body.partition(_HEAD_END)[2]
    try:
        batch = orjson.loads(body.strip())
    except orjson.JSONDecodeError:
        return 0
    requests = batch.get("requests") if isinstance(batch, dict) else None
    return len(requests) if isinstance(requests, list) else 0


def _boundary(content_type: bytes) -> bytes:
    if not content_type.lower().startswith(b"multipart/"):
        return b""
    return content_type.partition(b"boundary=")[2].partition(b";")[0].strip(b' "')
