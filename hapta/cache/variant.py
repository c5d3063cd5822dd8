"""The gzip variant of a stored response: the same answer in fewer bytes, made once for many who ask.

It is made only of what is the same for a whole partition of callers. An answer with the caller's own e-mail
in it, or one that is nobody else's, is never coded: there a secret stands beside text that others chose
(a comment, a title), and by the length of the coded answer the one can be guessed through the other (BREACH).

A variant knows the very object it was made of. The store keeps it beside that and drops both together, so
neither a newer response under the same key nor one derived by ``replace`` can have it.
"""

import sys
import zlib
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from hapta.cache.stored import ETAG_BYTES, Stored

MIN_BYTES: Final = 1024
"""Of a body: a smaller one leaves in one packet as it is."""
_LEAST_SAVING = 0.1
"""Part of the body that must be saved."""
_LEVEL = 6
"""The default of zlib. Level 1 takes half the time and leaves 5 to 10 % more; the time is spent once."""
_GZIP = 16 + zlib.MAX_WBITS
_CODER = f"gzip {_LEVEL} zlib {zlib.ZLIB_RUNTIME_VERSION}".encode()
_CODED_LINES = ((b"Content-Encoding", b"gzip"),)
_HEADER_BYTES = 512
"""Memory of the variant's own list of header lines, and of its place in the store, on average."""


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """Made by :meth:`made`.

    Attributes:
        of: the response.
        coded: the same with its body in gzip and a validator of its own; ``None`` where that saves too
            little, which is remembered in order not to be tried again.
        weight: bytes of memory it adds to the response.
    """

    of: Stored
    coded: Stored | None
    weight: int

    @classmethod
    def made(cls, stored: Stored, body: bytes) -> "Variant":
        """Of a response and what :func:`compressed` made of its body."""
        if len(body) > len(stored.body) * (1 - _LEAST_SAVING):
            return cls(stored, None, _HEADER_BYTES)
        coded = replace(
            stored, body=body, etag=coded_etag(stored.etag), headers=stored.headers + _CODED_LINES, places={}
        )
        weight = _HEADER_BYTES + sys.getsizeof(body) + sys.getsizeof(coded) + sys.getsizeof(coded.etag)
        return cls(stored, coded, weight + 16 * len(coded.headers))


def may_be_coded(stored: Stored) -> bool:
    """Whether a response is of a kind and size that has a variant."""
    return stored.status == 200 and len(stored.body) >= MIN_BYTES


def compressed(body: bytes) -> bytes:
    """The body in gzip, without an instant or a name in it. Lets other threads run meanwhile."""
    return zlib.compress(body, _LEVEL, _GZIP)


def coded_etag(etag: bytes) -> bytes:
    """The strong validator of the variant of what ``etag`` names: its bytes follow from that and the coder.
    So it is known without them, and whoever holds a variant gets 304 after it was evicted here."""
    digest = blake2b(etag, digest_size=ETAG_BYTES, key=_CODER)
    return b'"' + digest.hexdigest().encode() + b'"'
