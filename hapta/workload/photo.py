"""Small pictures: every post with a file gets its own, so that a wrong one is seen."""

import struct
import zlib

_SIDE = 128


def photo(number: int) -> bytes:
    """A PNG of 128 × 128 pixels (RFC 2083) whose colours depend on ``number``."""
    red, green = number % 256, number // 256 % 256
    row = b"\0" + b"".join(bytes((red, green, 2 * x)) for x in range(_SIDE))
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(row * _SIDE)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
