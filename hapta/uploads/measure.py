"""How large an image says it is, found by walking its structure: nothing is decoded, nothing is kept.

A walk is a generator that asks for bytes: a positive number is how many it wants to see, a negative one how
many it skips. So a file can go by in pieces, and what is remembered of it is a few bytes.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

Walk = Generator[int, bytes, None]
_MAX_META_BYTES = 1024 * 1024
_MAX_STEPS = 250_000
"""Of one walk: a GIF of 60 MB takes as many. A file of single bytes would else keep a thread for hours."""
_NO_FRAME_HEADERS = frozenset((0xC4, 0xC8, 0xCC))
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))


class Unreadable(ValueError):
    """The structure is broken; the text says how."""


@dataclass(slots=True)
class Size:
    """What an image claims.

    Attributes:
        width, height: in pixels.
        frames: 1 unless it moves.
        problem: why it cannot be read; ``None`` when it can.
        may_end: the file may end here, though there could be more of it.
    """

    width: int = 0
    height: int = 0
    frames: int = 1
    problem: str | None = None
    may_end: bool = False

    @property
    def pixels(self) -> int:
        """Of all frames together."""
        return self.width * self.height * self.frames

    def _covers(self, width: int, height: int) -> None:
        self.width, self.height = max(self.width, width), max(self.height, height)


class Measure:
    """Measures one image that goes by in pieces."""

    def __init__(self, type_: str) -> None:
        """``type_`` must be one of :data:`MEASURED`."""
        self._size = Size()
        self._walk: Walk | None = MEASURED[type_](self._size)
        self._held = bytearray()
        self._wanted = next(self._walk)
        self._steps = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        at = 0
        while self._walk is not None:
            if self._wanted < 0:
                step = min(-self._wanted, len(piece) - at)
                self._wanted += step
                at += step
                if self._wanted < 0:
                    return
            else:
                missing = self._wanted - len(self._held)
                self._held += piece[at : at + missing]
                at = min(at + missing, len(piece))
                if len(self._held) < self._wanted:
                    return
            self._go_on()

    def _go_on(self) -> None:
        assert self._walk is not None
        seen = bytes(self._held)
        self._held.clear()
        self._steps += 1
        try:
            if self._steps > _MAX_STEPS:
                raise Unreadable("it is made of too many parts")
            self._wanted = self._walk.send(seen)
        except StopIteration:
            self._walk = None
        except Unreadable as problem:
            self._size.problem, self._walk = str(problem), None

    def finish(self) -> Size:
        """What was found, at the end of the file."""
        if self._walk is not None and not (self._size.may_end and not self._held):
            self._size.problem = "it is cut short"
        elif self._size.problem is None and not (self._size.width and self._size.height):
            self._size.problem = "it has no size"
        return self._size


def measure(data: bytes, type_: str) -> Size:
    """Measure an image that is there in one piece."""
    walk = Measure(type_)
    walk.feed(data)
    return walk.finish()


def _png(size: Size) -> Walk:
    yield -8
    is_first, seen_frames = True, 0
    while True:
        head = yield 8
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if length >= 2**31 or is_first != (kind == b"IHDR") or (is_first and length != 13):
            raise Unreadable("its chunks are broken")
        is_first = False
        if kind == b"IHDR":
            numbers = yield 8
            size._covers(int.from_bytes(numbers[:4], "big"), int.from_bytes(numbers[4:], "big"))
            length -= 8
        elif kind == b"acTL" and length == 8:
            size.frames = max(size.frames, int.from_bytes((yield 4), "big"))
            length -= 4
        elif kind == b"fcTL":
            seen_frames += 1
            size.frames = max(size.frames, seen_frames)
        yield -(length + 4)
        if kind == b"IEND":
            return


def _gif(size: Size) -> Walk:
    head = yield 13
    size._covers(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))
    if head[10] & 0x80:
        yield -(3 << ((head[10] & 7) + 1))
    frames = 0
    while True:
        block = yield 1
        if block == b";":
            return
        if block == b"!":
            yield 1
        elif block == b",":
            frames += 1
            size.frames = frames
            left, top, width, height = (
                int.from_bytes(two, "little") for two in ((yield 2), (yield 2), (yield 2), (yield 2))
            )
            size._covers(left + width, top + height)
            flags = (yield 1)[0]
            if flags & 0x80:
                yield -(3 << ((flags & 7) + 1))
            yield 1
        else:
            continue  # padding, as decoders skip it
        length = (yield 1)[0]
        while length:
            length = (yield length + 1)[-1]


def _jpeg(size: Size) -> Walk:
    yield 2
    while True:
        while (yield 1) != b"\xff":
            pass  # decoders skip what stands between segments
        while (marker := (yield 1)[0]) == 0xFF:
            pass
        if marker in _WITHOUT_LENGTH or marker == 0:
            continue
        if marker in (0xD9, 0xDA):
            raise Unreadable("it has no header")
        length = int.from_bytes((yield 2), "big")
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_HEADERS:
            numbers = yield 5
            size._covers(int.from_bytes(numbers[3:], "big"), int.from_bytes(numbers[1:3], "big"))
            return
        if length < 2:
            raise Unreadable("its segments are broken")
        if length > 2:
            yield -(length - 2)


def _webp(size: Size) -> Walk:
    head = yield 12
    left = int.from_bytes(head[4:8], "little") - 4
    frames = 0
    while left >= 8:
        head = yield 8
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        length += length & 1
        left -= 8 + length
        if kind == b"VP8X" and length >= 10:
            data = yield 10
            size._covers(1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little"))
            length -= 10
        elif kind == b"VP8 " and length >= 10:
            data = yield 10
            size._covers(
                int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
            )
            length -= 10
        elif kind == b"VP8L" and length >= 6:
            bits = int.from_bytes((yield 5)[1:], "little")
            size._covers((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
            length -= 5
        elif kind == b"ANMF":
            frames += 1
            size.frames = frames
        if length:
            yield -length


def _bmp(size: Size) -> Walk:
    head = yield 26
    width = int.from_bytes(head[18:22], "little", signed=True)
    size._covers(abs(width), abs(int.from_bytes(head[22:26], "little", signed=True)))


def _isobmff(size: Size) -> Walk:
    """AVIF and HEIC: the largest size an item claims, and the longest track."""
    while True:
        head = yield 8
        length, kind = int.from_bytes(head[:4], "big") - 8, head[4:]
        if length == 1 - 8:
            length = int.from_bytes((yield 8), "big") - 16
        if kind in (b"meta", b"moov"):
            if not 0 < length <= _MAX_META_BYTES:
                raise Unreadable("its index is too large")
            _take_index(size, (yield length))
            size.may_end = True
        elif kind == b"mdat" and size.may_end:
            return
        elif length < 0 or kind == b"mdat":
            raise Unreadable("its index does not stand at its beginning")
        elif length:
            yield -length


def _take_index(size: Size, index: bytes) -> None:
    at = -1
    while (at := index.find(b"ispe", at + 1)) >= 0:
        size._covers(
            int.from_bytes(index[at + 8 : at + 12], "big"), int.from_bytes(index[at + 12 : at + 16], "big")
        )
    while (at := index.find(b"stsz", at + 1)) >= 0:
        size.frames = max(size.frames, int.from_bytes(index[at + 12 : at + 16], "big"))


MEASURED: dict[str, Callable[[Size], Walk]] = {
    "image/png": _png,
    "image/vnd.mozilla.apng": _png,
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "image/bmp": _bmp,
    "image/avif": _isobmff,
    "image/heic": _isobmff,
    "image/heif": _isobmff,
}
"""Types whose size can be told; of others nothing is claimed."""
