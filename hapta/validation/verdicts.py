"""What a field's rules say to one value: valid, invalid in PocketBase's words, or not known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

Record: TypeAlias = tuple[str, str]
"""A record that exists: id of its collection, its own id."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """What is wrong.

    Attributes:
        code: such as ``validation_required``.
        message: as PocketBase words it.
        params: as they stand in the answer; left out of it where there are none.
    """

    code: str
    message: str
    params: Mapping[str, Any] = field(default_factory=dict)


class Unknown(Enum):
    """PocketBase has to be asked."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
Finding: TypeAlias = Invalid | Unknown | None
"""``None`` where the value is valid."""
Check: TypeAlias = Callable[[Any, Record | None], Finding]
"""Looks at one value of a body as JSON has it, ``None`` for a member that is not there (PocketBase makes no
difference), and at a record that is known to exist: the caller's own."""
REQUIRED: Final = Invalid("validation_required", "Cannot be blank.")
