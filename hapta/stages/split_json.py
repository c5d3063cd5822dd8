"""JSON taken apart by one level, however deep its values are nested.

msgspec gives up at some thousand levels, and PocketBase stores ten thousand: a row with such a value must not
keep a list from everybody. So what msgspec will not read is split by hand, without a stack of Python's.
"""

import re
from typing import Final

import msgspec
import orjson

from hapta.cache.canonical import Fields

_STOP: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{},]', re.DOTALL)
_VALUE: Final = re.compile(
    rb'"(?:[^"\\]|\\.)*+"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|\[.*\]|\{.*\}', re.DOTALL
)
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class OddJson(ValueError):
    """It is not what it should be."""


def members(raw: bytes | msgspec.Raw) -> Fields:
    """Of an object.

    Raises:
        OddJson: it is none.
    """
    try:
        return _decode_object(raw)
    except (msgspec.MsgspecError, RecursionError):
        found: Fields = {}
        for piece in _split(bytes(raw), b"{}"):
            name = _STOP.match(piece)
            if name is None or not name[0].startswith(b'"'):
                raise OddJson("an object with a member without a name") from None
            colon = piece[name.end() :].lstrip()
            if not colon.startswith(b":"):
                raise OddJson("an object with a name without a value") from None
            try:
                found[orjson.loads(name[0])] = _value(colon[1:].strip())
            except orjson.JSONDecodeError:
                raise OddJson("a member with a name that is no text") from None
        return found


def elements(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """Of an array.

    Raises:
        OddJson: it is none.
    """
    try:
        return _decode_list(raw)
    except (msgspec.MsgspecError, RecursionError):
        return [_value(piece) for piece in _split(bytes(raw), b"[]")]


def _value(text: bytes) -> msgspec.Raw:
    if not _VALUE.fullmatch(text):
        raise OddJson("no value")
    return msgspec.Raw(text)


def _split(text: bytes, brackets: bytes) -> list[bytes]:
    """What stands between the commas of the outermost level.

    Raises:
        OddJson: the brackets are not these, or do not match.
    """
    text = text.strip()
    if text[:1] != brackets[:1] or text[-1:] != brackets[1:]:
        raise OddJson("another form")
    pieces: list[bytes] = []
    closing, start = bytearray(), 1
    for found in _STOP.finditer(text):
        stop = found[0]
        if stop in (b"[", b"{"):
            closing += b"]" if stop == b"[" else b"}"
        elif stop in (b"]", b"}"):
            if not closing or closing.pop() != stop[0]:
                raise OddJson("brackets that do not match")
            if not closing and found.end() != len(text):
                raise OddJson("something behind the end")
        elif stop == b"," and len(closing) == 1:
            pieces.append(text[start : found.start()].strip())
            start = found.end()
    last = text[start:-1].strip()
    if closing or (pieces and not last):
        raise OddJson("no end")
    return [*pieces, last] if last else pieces
