"""One canonical target: the same parse decides the lock, the class, the cache key and what is sent upstream.

A request target that two parsers could read differently is refused here, not guessed at: an absolute form
naming another host, a fragment, an escape that does not decode. Everything else stays byte for byte what the
client sent (Go's ``ServeMux`` matches on the escaped path too, so ``//`` and ``/../`` get PocketBase's own
307). Only bytes outside ASCII, and in the path those no URL may hold, are percent-encoded on the way, which
both sides decode to the same bytes: given such a byte, Go would re-encode the path from its decoded form, and
an escaped slash would become a real one (``net/url`` ``EscapedPath``).
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from hapta.model.errors import BadFraming, BadRequest

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_UNSAFE = re.compile(r"[\x00-\x20\x7f#]")
_NOT_IN_A_PATH = re.compile(r'["<>\\^`{|}]')


@dataclass(frozen=True, slots=True)
class Target:
    """A request target in origin form (RFC 9112 §3.2.1).

    Attributes:
        raw: path and query as sent upstream; pure ASCII without fragment.
        path: the part of ``raw`` before the first ``?``, escapes kept.
        query: the part after it, escapes kept; empty if absent.
        segments: ``path`` split on ``/`` and then decoded, without the empty piece before the leading slash;
            at least one, and the last one is empty when the path ends in a slash. Bytes that are not UTF-8
            are decoded with ``surrogateescape``, so they equal no known name.
    """

    raw: str
    path: str
    query: str
    segments: tuple[str, ...]


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)


def _decode(segment: str) -> str:
    if "%" not in segment:
        return segment
    return unquote_to_bytes(segment).decode("utf-8", "surrogateescape")


def parse_target(raw: str, host: str) -> Target:
    """Parse the target of a request line.

    Args:
        raw: the target as received; bytes outside UTF-8 as surrogate escapes.
        host: the ``Host`` header, which an absolute form must agree with (RFC 9112 §3.2.2 lets the target
            win; two sources for one fact are refused instead).

    Raises:
        BadRequest: not a path, or an escape that does not decode (PocketBase answers 400 too).
        BadFraming: an absolute form that contradicts ``Host``.
    """
    if not raw.startswith("/"):
        absolute = _ABSOLUTE.fullmatch(raw)
        if absolute is None:
            raise BadRequest
        if absolute[1].lower() != host.lower():
            raise BadFraming
        raw = absolute[2]
        if not raw.startswith("/"):
            raw = "/" + raw
    raw = _ascii(raw)
    if _UNSAFE.search(raw):
        raise BadRequest
    path, mark, query = raw.partition("?")
    if "%" in path and _BAD_ESCAPE.search(path):
        raise BadRequest
    if _NOT_IN_A_PATH.search(path):
        path = _NOT_IN_A_PATH.sub(lambda found: f"%{ord(found[0]):02X}", path)
        raw = path + mark + query
    return Target(raw, path, query, tuple(map(_decode, path[1:].split("/"))))
