"""What hides in an image: files that are an image to one reader, to another a page, a program or an archive.

Only marks long enough that compressed pixels do not hold them by chance are looked for: in a file of 10 MB of
noise the likeliest is found once in some hundred thousand.
"""

_TAIL_BYTES = 32
_MARKS: tuple[tuple[bytes, bytes, str], ...] = (
    (b"<script", b" \t\r\n\x0c>/", "a script"),
    (b"<iframe", b" \t\r\n\x0c>/", "a page"),
    (b"<html", b" \t\r\n\x0c>", "a page"),
    (b"<!doctype html", b"", "a page"),
    (b"<?php", b" \t\r\n", "a program"),
    (b"__halt_compiler", b"", "a program"),
)
"""In small letters; what must follow; what it tells of."""
_ARCHIVES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x05\x06\0\0\0\0", "an archive"),  # where a reader of zip files begins, single-volume
    (b"Rar!\x1a\x07\0", "an archive"),
    (b"Rar!\x1a\x07\1\0", "an archive"),
    (b"7z\xbc\xaf\x27\x1c", "an archive"),
)
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
PDF_REGION_BYTES = 1024
"""Readers of PDF look for its beginning this far in."""


def begins_as_image(head: bytes) -> bool:
    """Whether an image decoder would take it, whatever else it is."""
    return head.startswith(_IMAGES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


class HiddenScan:
    """Looks through one image that goes by in pieces.

    Attributes:
        found: what was found first, in words; ``None``: nothing.
    """

    def __init__(self) -> None:
        self.found: str | None = None
        self._tail = b""
        self._at = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        if self.found is not None:
            return
        window = self._tail + piece
        if (
            self._at < PDF_REGION_BYTES
            and b"%PDF-" in window[: PDF_REGION_BYTES - self._at + len(self._tail)]
        ):
            self.found = "a document"
            return
        self._at += len(piece)
        self.found = _text_mark(window) or next((what for mark, what in _ARCHIVES if mark in window), None)
        self._tail = window[-_TAIL_BYTES:]


def _text_mark(window: bytes) -> str | None:
    small = window.lower()
    for mark, followers, what in _MARKS:
        at = small.find(mark)
        while at >= 0:
            after = small[at + len(mark) : at + len(mark) + 1]
            if not followers or (after and after in followers):
                return what
            at = small.find(mark, at + 1)
    return None
