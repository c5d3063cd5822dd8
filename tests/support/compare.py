"""Says where two JSON values differ."""

from collections.abc import Iterator
from typing import Any

_ABSENT = object()


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """One line for each place where they differ: its path and both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from differences(one.get(name, _ABSENT), other.get(name, _ABSENT), f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}[{index}]")
    elif type(one) is not type(other) or one != other:
        yield f"{path or 'all'}: {_shown(one)} != {_shown(other)}"


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else repr(value)
