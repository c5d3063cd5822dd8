"""Fields that hold numbers or a truth: number, bool, geoPoint."""

from collections.abc import Mapping
from typing import Any, Final

from hapta.validation.casts import number, number_text, truth
from hapta.validation.verdicts import REQUIRED, UNKNOWN, Check, Finding, Invalid, Record, Unknown

_ONLY_INT: Final = Invalid("validation_only_int_constraint", "Decimal numbers are not allowed.")
_LATITUDE: Final = Invalid("validation_invalid_latitude", "Latitude must be between -90 and 90 degrees.")
_LONGITUDE: Final = Invalid("validation_invalid_longitude", "Longitude must be between -180 and 180 degrees.")
_WHOLE_UP_TO: Final = 9e18
"""Beyond this it depends on the processor what PocketBase takes for a whole number."""
_EXPONENT_FROM: Final = 1_000_000
_COORDINATES: Final = frozenset({"lat", "lon"})


def number_field(options: Mapping[str, Any]) -> Check:
    """A number field; 0 is the blank one, and in no need of bounds."""
    least, most = options["min"], options["max"]
    too_small = _bound("min", "Must be greater or equal than", least)
    too_large = _bound("max", "Must be less or equal than", most)
    only_int = options["onlyInt"]
    blank = REQUIRED if options["required"] else None

    def check(value: Any, _: Record | None) -> Finding:
        found = number(value)
        if found == 0:
            return blank
        if isinstance(found, Unknown):
            return UNKNOWN
        if only_int:
            if abs(found) > _WHOLE_UP_TO:
                return UNKNOWN
            if found != int(found):
                return _ONLY_INT
        if least is not None and found < least:
            return too_small
        if most is not None and found > most:
            return too_large
        return None

    return check


def _bound(name: str, words: str, bound: float | None) -> Finding:
    """What is said of a number beyond a bound; of one of -0, which is 0 once read, it is in other words."""
    if bound is None:
        return None
    digits = _shortest(bound)
    if isinstance(digits, Unknown):
        return UNKNOWN
    param = int(bound) if bound == int(bound) else bound
    return Invalid(f"validation_{name}_number_constraint", f"{words} {digits}.", {name: param})


def _shortest(bound: float) -> str | Unknown:
    """As Go's ``%g``: from a million on with an exponent; that only of whole numbers."""
    digits = number_text(bound)
    if isinstance(digits, Unknown) or abs(bound) < _EXPONENT_FROM:
        return digits
    if bound != int(bound):
        return UNKNOWN
    sign, whole = ("-", digits[1:]) if bound < 0 else ("", digits)
    rest = whole[1:].rstrip("0")
    return f"{sign}{whole[0]}{'.' + rest if rest else ''}e+{len(whole) - 1:02}"


def bool_field(options: Mapping[str, Any]) -> Check:
    """A bool field; false is the blank one."""
    blank = REQUIRED if options["required"] else None

    def check(value: Any, _: Record | None) -> Finding:
        return None if truth(value) else blank

    return check


def geo_point_field(options: Mapping[str, Any]) -> Check:
    """A geoPoint field; 0, 0 is the blank one."""
    blank = REQUIRED if options["required"] else None

    def check(value: Any, _: Record | None) -> Finding:
        if value is None or value == "":
            return blank
        if not isinstance(value, dict) or not value.keys() <= _COORDINATES:
            return UNKNOWN
        if any(isinstance(one, bool) or not isinstance(one, int | float) for one in value.values()):
            return UNKNOWN
        latitude, longitude = value.get("lat", 0), value.get("lon", 0)
        if latitude == 0 and longitude == 0:
            return blank
        if not -90 <= latitude <= 90:
            return _LATITUDE
        return None if -180 <= longitude <= 180 else _LONGITUDE

    return check
