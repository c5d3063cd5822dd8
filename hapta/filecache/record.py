"""What stands behind the bytes of a kept file, in the same file on disk: whose it is, and that it is whole.

A kept file is the body, its description in JSON, and a footer of fixed length with a checksum of the
description, which has the length and a checksum of the body. One file, so that one rename makes it appear
whole or not at all; the description behind the body, so that a body can be read while it still grows. What
was torn by a crash or a power cut, or is not ours, does not fit together and is not read.
"""

import struct
from hashlib import blake2b

import msgspec

from hapta.filecache.wanted import WantedFile
from hapta.model.exchange import Header

_MAGIC = b"HAPTAFC1"
_FOOTER = struct.Struct(">8s32sI")
MAX_DESCRIPTION_BYTES = 16 * 1024
FOOTER_BYTES = _FOOTER.size


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of a kept file.

    Attributes:
        size: bytes of the body.
        digest: of the body, by :func:`body_digest`, in hexadecimal.
        headers: lines of PocketBase's 200 that are kept, in ISO 8859-1.
    """

    collection: str
    record: str
    name: str
    thumb: str
    is_download: bool
    size: int
    digest: str
    headers: list[tuple[str, str]]

    @classmethod
    def of(cls, wanted: WantedFile, size: int, digest: str, headers: tuple[Header, ...]) -> "Description":
        """Describe a file."""
        lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        parts = (wanted.collection, wanted.record, wanted.name, wanted.thumb, wanted.is_download)
        return cls(*parts, size, digest, lines)

    @property
    def wanted(self) -> WantedFile:
        """Which file it is."""
        return WantedFile(self.collection, self.record, self.name, self.thumb, self.is_download)

    def header_lines(self) -> tuple[Header, ...]:
        """The lines as they go onto the wire."""
        return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers)


_decode = msgspec.json.Decoder(Description).decode


def new_digest() -> "blake2b":
    """Takes a body in pieces."""
    return blake2b(digest_size=32)


def write_down(description: Description) -> bytes:
    """Description and footer, to stand behind the body."""
    text = msgspec.json.encode(description)
    return text + _FOOTER.pack(_MAGIC, _checksum(text), len(text))


def description_bytes(footer: bytes, file_bytes: int) -> int:
    """How many bytes before the footer are the description; 0 for what is no footer.

    Args:
        footer: the last :data:`FOOTER_BYTES` of the file.
    """
    if len(footer) != FOOTER_BYTES:
        return 0
    magic, _, length = _FOOTER.unpack(footer)
    fits = magic == _MAGIC and 0 < length <= MAX_DESCRIPTION_BYTES and length + FOOTER_BYTES <= file_bytes
    return int(length) if fits else 0


def read_description(text: bytes, footer: bytes, file_bytes: int) -> Description | None:
    """The description, if the file is as long as it says and nothing of it was torn; the body is not
    looked at."""
    _, checksum, _ = _FOOTER.unpack(footer)
    if checksum != _checksum(text):
        return None
    try:
        found = _decode(text)
        found.header_lines()
    except (msgspec.DecodeError, UnicodeError):
        return None
    return found if found.size > 0 and found.size + len(text) + FOOTER_BYTES == file_bytes else None


def _checksum(text: bytes) -> bytes:
    return blake2b(text, digest_size=32).digest()
