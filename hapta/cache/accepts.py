"""Whether a client would rather have gzip (RFC 9110 §12.5.3)."""

import re
from functools import lru_cache

_MEMBER = re.compile(
    r"[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    r"(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*)?(?:,|\Z)"
)
_LONGEST = 256
"""Characters that are looked through; browsers send some twenty."""
_REMEMBERED = 64
"""Values whose meaning is kept: browsers send few, and reading one costs a fifth of a hit."""
_GZIP = ("gzip", "x-gzip")
"""One coding by two names (§8.4.1.3)."""


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether gzip is to be sent rather than the bytes as they are.

    ``False`` is always right: a client that forbids ``identity`` gets it nevertheless, as from PocketBase,
    and never 406.

    Args:
        accept_encoding: all lines, joined by commas; ``None`` without any, which in theory allows every
            coding and in practice means a client that knows none. What is not in the grammar, or longer than
            anybody's honest list, counts as none.
    """
    return accept_encoding is not None and len(accept_encoding) <= _LONGEST and _prefers_gzip(accept_encoding)


@lru_cache(_REMEMBERED)
def _prefers_gzip(accept_encoding: str) -> bool:
    weights: dict[str, float] = {}
    position = 0
    while position < len(accept_encoding):
        member = _MEMBER.match(accept_encoding, position)
        if member is None:
            return False
        if (name := member[1]) is not None:
            name = "gzip" if name.lower() in _GZIP else name.lower()
            weight = 1.0 if member[2] is None else float(member[2])
            weights[name] = min(weight, weights.get(name, 1.0))  # said twice: the one that forbids more
        position = member.end()
    gzip = weights.get("gzip", weights.get("*", 0.0))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)
