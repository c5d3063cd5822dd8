"""Heads of requests, in the one form that the fast lane recognises.

A head is taken apart at the end of its request line and no further: a block of header lines is looked into
when it comes for the first time, and recognised as a whole from then on.
"""

import re
from typing import Final

VERSION: Final = b" HTTP/1.1\r\n"
LONGEST: Final = 8192
"""Bytes of a head that may be learnt, and of one that is looked up."""

_BLOCK = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\r\n)+\r\n")
"""Lines of a name and a visible value, none of them folded, and the empty line at the end."""
_PASSED_OVER: Final = frozenset(
    b"content-length transfer-encoding te trailer expect upgrade proxy-connection keep-alive http2-settings "
    b"x-request-id".split()
)
"""Who sends one of these asks for more than an answer, or for one that is like no other."""


def header_names(block: bytes) -> frozenset[bytes] | None:
    """Names, in lower case, of a block that always means the same to every parser.

    Args:
        block: what follows the request line, with the empty line.

    Returns:
        ``None`` for a block in any other form: one with a body announced, a name that comes twice, odd bytes.
    """
    if len(block) > LONGEST or _BLOCK.fullmatch(block) is None:
        return None
    names = [line.partition(b":")[0].lower() for line in block[:-4].split(b"\r\n")]
    found = frozenset(names)
    if len(found) != len(names) or not found.isdisjoint(_PASSED_OVER):
        return None
    return found
