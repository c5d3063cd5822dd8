"""Chunked coding (RFC 9112 §7.1), taken apart as it arrives in whatever pieces.

Extensions and trailer fields are read over. A size that is not plainly one, a line that ends otherwise than
with CR LF, a chunk longer or shorter than it says are refused.
"""

import re
from functools import lru_cache

from hapta.upstream.wire.head import Garbled, is_clean

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SIZE = re.compile(rb'([0-9A-Fa-f]{1,15})(?:;%s(?:=(?:%s|"[\t !#-\[\]-~]*"))?)*' % (_TOKEN, _TOKEN))
_TRAILER = re.compile(rb"%s:.*" % _TOKEN)
_MAX_LINE_BYTES = 4096
_MAX_TRAILER_BYTES = 16 * 1024
_CRLF = b"\r\n"


@lru_cache(256)
def _size(line: bytes) -> int:
    found = _SIZE.fullmatch(line)
    if found is None:
        raise Garbled("the size of a chunk")
    return int(found[1], 16)


class Chunked:
    """One body.

    Attributes:
        is_ended: the last chunk and its trailer are in.
        rest: what followed the end.
    """

    __slots__ = ("_kept", "_left", "_trailer_bytes", "is_ended", "rest")

    _IN_TRAILER = -2
    _AT_SIZE = -1
    _AT_END_OF_CHUNK = 0

    def __init__(self) -> None:
        self._kept = b""
        self._left = self._AT_SIZE
        self._trailer_bytes = 0
        self.is_ended = False
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The bytes of the body in ``data``.

        Raises:
            Garbled: it is no chunked coding.
        """
        if self._kept:
            data, self._kept = self._kept + data, b""
        pieces: list[bytes] = []
        at, size = 0, len(data)
        while at < size:
            left = self._left
            if left > 0:
                piece = data[at : at + left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                continue
            if left == self._AT_END_OF_CHUNK:
                if data[at : at + 2] != _CRLF:
                    if data[at:] != b"\r":
                        raise Garbled("the end of a chunk")
                    self._kept = b"\r"
                    break
                at += 2
                self._left = self._AT_SIZE
                continue
            end = data.find(_CRLF, at, at + _MAX_LINE_BYTES)
            if end < 0:
                if size - at >= _MAX_LINE_BYTES:
                    raise Garbled("a line without end")
                self._kept = data[at:]
                break
            line, at = data[at:end], end + 2
            if left == self._AT_SIZE:
                self._left = left = _size(line) or self._IN_TRAILER  # the last one has no bytes but a trailer
                if 0 < left <= size - at - 2 and data[at + left : at + left + 2] == _CRLF:
                    pieces.append(data[at : at + left])  # all of it is here
                    at += left + 2
                    self._left = self._AT_SIZE
            elif self._trailer(line):
                self.is_ended, self.rest = True, data[at:]
                break
        return pieces

    def _trailer(self, line: bytes) -> bool:
        """Whether it was the empty line after the last field."""
        if not line:
            return True
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _MAX_TRAILER_BYTES or not _TRAILER.fullmatch(line) or not is_clean(line, 0):
            raise Garbled("a trailer field")
        return False
