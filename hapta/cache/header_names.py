"""Names of request headers as API rules know them, and which of them may stand in a cache key.

A rule reads ``X-Token`` as ``@request.headers.x_token``: PocketBase turns every run of other characters into
one underscore (``tools/inflector`` Snakecase). So several fields of one request can become one name, and
which of them PocketBase then takes is left to chance.
"""

import re

from hapta.model.address import FORWARDING_HEADERS

_OTHER = re.compile(r"[^a-z0-9]+")


def snake_case(name: str) -> str:
    """The name under which rules find a header field."""
    return _OTHER.sub("_", name.lower()).strip("_")


_WRITTEN_ON_THE_WAY = frozenset(
    snake_case(name)
    for name in (
        *FORWARDING_HEADERS,
        "Accept-Encoding",
        "Authorization",
        "Cache-Control",
        "Connection",
        "Cookie",
        "Date",
        "Expect",
        "Forwarded",
        "Host",
        "HTTP2-Settings",
        "Keep-Alive",
        "Origin",
        "Pragma",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Range",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Via",
        "X-Request-Id",
    )
)
_KINDS_WRITTEN_ON_THE_WAY = ("content_", "if_", "x_forwarded_", "x_hapta_", "x_real_")


def may_stand_in_key(name: str) -> bool:
    """Whether a header a rule reads comes from the client as it is.

    Not so for what Hapta or the HTTP layer writes, strips or answers by itself, for credentials, and for a
    name in a form no field ever gets.

    Args:
        name: as in ``@request.headers.name``.
    """
    return (
        name == snake_case(name) != ""
        and name not in _WRITTEN_ON_THE_WAY
        and not name.startswith(_KINDS_WRITTEN_ON_THE_WAY)
    )
