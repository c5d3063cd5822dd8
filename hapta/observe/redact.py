"""What must not be read in a log: credentials, and characters that write to the reader's terminal.

Three functions over text, none of which trusts its input: targets are logged as clients sent them.
"""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

REDACTED: Final = "[redacted]"
SECRET_PARAMETERS: Final = frozenset({"token", "code", "state", "access_token", "password"})
"""Query parameters whose value is never logged, in any letter case: file tokens, OAuth2 answers, and what
custom routes commonly name so."""

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.|%2[Ee])[A-Za-z0-9_-]{5,}(?:(?:\.|%2[Ee])[A-Za-z0-9_-]*)?")
"""Three base64url parts, the first a JSON object; the last may be cut off."""

_PARAMETER = re.compile(r"([?&;])([^=&;#\s\"']*)=([^&;#\s\"']*)")

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""C0 and C1 controls, line separators, bidirectional overrides, and surrogates, which no encoder takes."""


def mask_credentials(text: str) -> str:
    """``text`` without token-shaped words and without the values of secret query parameters."""
    if "=" in text:
        text = _PARAMETER.sub(_mask_parameter, text)
    return _TOKEN.sub(REDACTED, text) if "eyJ" in text else text


def _mask_parameter(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}={REDACTED}" if _is_secret(match[2]) else match[0]


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    """A name may be written %74oken: PocketBase decodes it, so we do."""
    return unquote_plus(name).strip().lower() in SECRET_PARAMETERS


def without_query(target: str) -> str:
    """``target`` with its query, if it has one, replaced: nothing of it may be read."""
    path, mark, _ = target.partition("?")
    return f"{path}?{REDACTED}" if mark else path


def printable(text: str) -> str:
    """``text`` on one line, each character that a terminal would obey written as an escape."""
    if text.isprintable():  # nothing of the above is
        return text
    return _UNSAFE.sub(lambda match: match.group().encode("unicode_escape").decode(), text)
