"""An answer of PocketBase that is known beforehand, to the byte."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from hapta.validation.verdicts import Invalid

STATUS: Final = 400


@dataclass(frozen=True, slots=True)
class Refusal:
    """A create that PocketBase refuses.

    Attributes:
        fields: all that is wrong, by the field's name; at least one.
    """

    fields: Mapping[str, Invalid]

    def kinds(self) -> list[tuple[str, str]]:
        """Which rules speak: field and code."""
        return [(name, invalid.code) for name, invalid in self.fields.items()]


def body(refusal: Refusal) -> bytes:
    """PocketBase's body: keys in order, nothing escaped that need not be."""
    data = {name: _item(invalid) for name, invalid in refusal.fields.items()}
    answer = {"data": data, "message": "Failed to create record.", "status": STATUS}
    return orjson.dumps(answer, option=orjson.OPT_SORT_KEYS)


def _item(invalid: Invalid) -> dict[str, Any]:
    item: dict[str, Any] = {"code": invalid.code, "message": invalid.message}
    if invalid.params:
        item["params"] = dict(invalid.params)
    return item
