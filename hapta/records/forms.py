"""Values of forms: names and texts as Go reads them, and what PocketBase takes a text for.

Sources: Go ``net/url`` ParseQuery; PocketBase ``tools/router/unmarshal_request_data.go`` inferValue.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from hapta.records import strict_json
from hapta.records.errors import UnreadableBody

MAX_FIELDS: Final = 10_000
"""Of a form, as in Go (``urlmaxqueryparams``)."""
PAYLOAD: Final = "@jsonPayload"
"""The name of values that are JSON objects of members."""
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NUMERIC = re.compile(r"[-0-9][-.0-9]*")


def pairs(form: bytes) -> list[tuple[str, str]]:
    """Names and values of an URL-encoded form, in order.

    Raises:
        UnreadableBody: Go refuses it, or it is no UTF-8.
    """
    if b";" in form or _BAD_ESCAPE.search(form):
        raise UnreadableBody
    fields = [field for field in form.split(b"&") if field]
    if len(fields) > MAX_FIELDS:
        raise UnreadableBody
    found = []
    for field in fields:
        name, _, value = field.partition(b"=")
        found.append((_text(name), _text(value)))
    return found


def _text(escaped: bytes) -> str:
    return utf8(unquote_to_bytes(escaped.replace(b"+", b" ")))


def utf8(text: bytes) -> str:
    """``text`` decoded.

    Raises:
        UnreadableBody: it is no UTF-8: readers differ in what they make of it.
    """
    try:
        return text.decode()
    except UnicodeDecodeError as exc:
        raise UnreadableBody from exc


def members(values: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """What PocketBase reads from a form's values: repeated names are lists, texts are taken for what they
    look like, JSON payloads go over all of them.

    Raises:
        UnreadableBody: a payload is no object; two have a member in common: objects under it would be merged
            (Go's ``encoding/json/v2``), which is no reader's idea of the last one counting; or one does not
            go over a value (:func:`goes_over`).
    """
    found: dict[str, list[Any]] = {}
    payload: dict[str, Any] = {}
    for name, text in values:
        if name != PAYLOAD:
            found.setdefault(name, []).append(infer(text))
            continue
        more = payload_members(text.encode())
        if not payload.keys().isdisjoint(more):
            raise UnreadableBody
        payload |= more
    plain = {name: one[0] if len(one) == 1 else one for name, one in found.items()}
    if not all(goes_over(payload[name], plain[name]) for name in payload.keys() & plain.keys()):
        raise UnreadableBody
    return plain | payload


def goes_over(value: Any, plain: Any) -> bool:
    """Whether PocketBase takes a payload's ``value`` for a member that a form has as ``plain``.

    It refuses one of another kind: Go reads JSON into the value that is there.
    """
    return value is None or _kind(value) is _kind(plain)


def _kind(value: Any) -> type:
    return float if type(value) is int else list if type(value) is tuple else type(value)


def payload_members(text: bytes) -> Mapping[str, Any]:
    """A JSON object.

    Raises:
        UnreadableBody: it is none, or could be read in two ways.
    """
    try:
        value = strict_json.parse(text)
    except ValueError as exc:
        raise UnreadableBody from exc
    if not isinstance(value, dict):
        raise UnreadableBody
    return value


def infer(text: str) -> str | bool | int | float:
    """What PocketBase takes a form's text for: a number only where that number is written just so."""
    if text in ("true", "false"):
        return text == "true"
    if _NUMERIC.fullmatch(text):
        try:
            number = float(text)
        except ValueError:
            return text
        if format_number(number) == text:
            return strict_json.exact(number)
    return text


def format_number(number: float) -> str:
    """A double in its fewest digits without an exponent (Go ``strconv.FormatFloat(v, 'f', -1, 64)``)."""
    text = format(Decimal(repr(float(number))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
