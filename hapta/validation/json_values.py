"""JSON fields: valid as a rule, blank or too large at times.

How long a value is in PocketBase's rendering is known exactly for plain texts only; of all else that it is
surely short enough.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from hapta.validation.verdicts import REQUIRED, UNKNOWN, Check, Finding, Invalid, Record

_DEFAULT_MAX_BYTES: Final = 5 << 20
_LEAST_LIMIT: Final = 16
"""Below this what stands for the blank value may be too large."""
_LONGER: Final = 6
"""How many times as long as orjson's Go's rendering may be: an escaped character, digits for an exponent."""
_BLANK: Final = ("", "null", '""', "[]", "{}")
_WORDS: Final = re.compile(r"[A-Za-z][A-Za-z0-9 _.,:;!?()/+*='-]*")


def json_field(options: Mapping[str, Any]) -> Check:
    """A json field."""
    most = int(options["maxSize"]) or _DEFAULT_MAX_BYTES
    too_large = Invalid(
        "validation_json_size_limit", f"The maximum allowed JSON size is {most} bytes.", {"maxSize": most}
    )
    blank: Finding = REQUIRED if options["required"] else None

    def check(value: Any, _: Record | None) -> Finding:
        if most < _LEAST_LIMIT:
            return UNKNOWN
        if value is None or value in _BLANK or value in ([], {}):
            return blank
        if isinstance(value, str):
            if not _WORDS.fullmatch(value):
                return UNKNOWN
            return too_large if len(value) + 2 > most else None
        try:
            rendered = orjson.dumps(value)
        except orjson.JSONEncodeError:  # nested more deeply than it takes
            return UNKNOWN
        return None if len(rendered) * _LONGER <= most else UNKNOWN

    return check
