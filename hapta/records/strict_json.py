"""JSON in which two readers cannot differ, with numbers as PocketBase has them: doubles.

PocketBase reads with Go's ``encoding/json/v2``: a name twice, text that is no UTF-8, a lone surrogate, a
number beyond a double, 10,000 levels and more are errors there too. Of what stands behind a complete value
it takes no notice; here that is refused.
"""

import json
from typing import Any, Final, NoReturn

import orjson

MAX_DEPTH: Final = 128
"""Levels of lists and objects; what writes JSON here takes 254."""
EXACT: Final = 2**53
"""Integers below it are the same as doubles; others are kept as doubles."""


def parse(text: bytes) -> Any:
    """The one value in ``text``.

    Integers whose double is exact are ``int``, all other numbers ``float``.

    Raises:
        ValueError: it is none, or one that could be read in two ways.
    """
    orjson.loads(text)  # strict about UTF-8 and surrogates
    try:
        value = _DECODER.decode(text.decode())
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _is_deep(value):
        raise ValueError("nested too deeply")
    return value


def dump(value: Any) -> bytes:
    """``value`` as JSON that :func:`parse` and PocketBase read as just this value.

    Raises:
        ValueError: it is none that JSON can carry unchanged.
    """
    _check(value, MAX_DEPTH)
    try:
        return orjson.dumps(value)
    except TypeError as exc:
        raise ValueError(str(exc)) from exc


def exact(number: float) -> int | float:
    """A double in the form :func:`parse` gives it."""
    if number.is_integer() and abs(number) < EXACT and str(number) != "-0.0":
        return int(number)
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _int(text: str) -> int | float:
    return int(text) if len(text) < 16 and text != "-0" else exact(_float(text))


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number beyond a double")
    return value


def _no(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_once, parse_int=_int, parse_float=_float, parse_constant=_no
)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return False
        level = inner
    return True


def _check(value: Any, levels: int) -> None:
    match value:
        case None | bool() | str():
            return
        case int():
            if abs(value) > EXACT and (abs(value) > 2**63 or int(float(value)) != value):
                raise ValueError(f"{value} is no double")
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise ValueError(f"{value} is no JSON")
        case list() | tuple() if levels:
            for item in value:
                _check(item, levels - 1)
        case dict() if levels:
            for name, item in value.items():
                if type(name) is not str:
                    raise ValueError(f"the name {name!r} is no text")
                _check(item, levels - 1)
        case _:
            raise ValueError(f"{type(value).__name__} is no JSON, or it is nested too deeply")
