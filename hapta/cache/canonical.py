"""The one form in which PocketBase writes JSON, and objects and arrays taken apart in it.

No white space, no escape in a name, no name twice. Each of these only ever adds bytes, so an object or array
is in that form exactly when the lengths of its members add up to its own. What stands inside a member is not
looked at: it stays as the bytes it is.
"""

from typing import TypeAlias

import msgspec

Fields: TypeAlias = dict[str, msgspec.Raw]
"""The members of an object, each value as it was written. They hold the bytes they were read from."""

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class OddBody(ValueError):
    """PocketBase writes it in another form, or it is something else."""


def parse_object(raw: bytes | msgspec.Raw) -> Fields:
    """The members of an object, in their order.

    Raises:
        OddBody: it is none, or in another form.
    """
    try:
        fields = _decode_object(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise OddBody(repr(exc)) from exc
    inside = sum(map(len, fields)) + sum(map(len, fields.values())) + 4 * len(fields)
    _check_length(raw, inside, is_empty=not fields)
    return fields


def parse_array(raw: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """The members of an array.

    Raises:
        OddBody: it is none, or in another form.
    """
    try:
        members = _decode_array(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise OddBody(repr(exc)) from exc
    _check_length(raw, sum(map(len, members)) + len(members), is_empty=not members)
    return members


def _check_length(raw: bytes | msgspec.Raw, inside: int, *, is_empty: bool) -> None:
    """Each member counts with a comma: the last one's is the closing bracket."""
    if 1 + inside + is_empty != len(raw):
        raise OddBody(len(raw))
