"""One answer for all, and each caller's own e-mail laid over it.

Under a rule that is the same for everybody, an answer with auth records differs between callers in one thing:
a row that hides its e-mail shows it to its owner. PocketBase writes the members of a record sorted by name
and without any space, so the owner's answer is the others' with ``"email":"…",`` in front of the first name
that sorts after ``email``, in each place where the row stands: as a row of the list, under several parents,
inside an expand of an expand. A row that shows its e-mail shows it to all, and needs nothing.

Where those places are is found by walking along the plan's expands, never by looking for something that
looks like a row: a JSON field may hold anything. Positions are sums of lengths, and in each object and array
that is walked they must come to its very end: white space, an escape in a name or a name that stands twice
only ever add bytes, so none of them goes unnoticed. What is not in that form has no places, and its members
get answers of their own from PocketBase.
"""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from itertools import pairwise
from typing import Final, TypeAlias

import msgspec
import orjson

from hapta.cache.plan import Expand, Plan
from hapta.cache.stored import ETAG_BYTES, Places, Stored

Row: TypeAlias = tuple[str, str]
"""Ids of an auth collection and of a record in it."""

_EMAIL: Final = "email"
_Values: TypeAlias = dict[str, tuple[int, msgspec.Raw]]

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


class _NotCanonical(ValueError):
    """PocketBase writes it in another form."""


def find_places(plan: Plan, body: bytes) -> Places | None:
    """Where the auth rows of an answer miss their e-mail.

    Args:
        plan: of the read, one for which ``can_overlay``.
        body: of a 200.

    Returns:
        For each auth row in the answer the offsets in ascending order; none for a row that shows its e-mail.
        ``None`` if the answer is not in PocketBase's form.
    """
    places: dict[Row, list[int]] = {}
    try:
        answer = _values(0, body)
        if plan.record is not None:
            _walk(plan, body, answer, places)
        else:
            for at, raw in _elements(*answer["items"]):
                _walk(plan, body, _values(at, raw), places)
    except (ValueError, KeyError, TypeError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    if len({record for _, record in places}) < len(places):
        return None  # ids are unique over all auth collections, and PocketBase compares nothing else
    return {row: tuple(sorted(offsets)) for row, offsets in places.items()}


def own_answer(stored: Stored, row: Row, email: str) -> Stored:
    """The answer for one of its members, as if it had been fetched by them; not to be stored.

    Args:
        stored: what others share.
        row: the caller's, one of those in ``stored.places``.
        email: of the same state of the caller's row as the one in ``stored``.
    """
    inserted = b'"email":' + orjson.dumps(email) + b","  # escapes what PocketBase does, in the same way
    body = stored.body
    cuts = (0, *stored.places[row], len(body))
    pieces = [body[start:end] for start, end in pairwise(cuts)]
    return replace(stored, body=inserted.join(pieces), etag=_own_etag(stored, row, inserted))


def _own_etag(stored: Stored, row: Row, inserted: bytes) -> bytes:
    """A strong validator: the bytes follow from what the others' names, whose row it is and the e-mail."""
    digest = blake2b(stored.etag, digest_size=ETAG_BYTES)
    for part in (row[0].encode(), row[1].encode(), inserted):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return b'"' + digest.hexdigest().encode() + b'"'


def _walk(plan: Plan, body: bytes, row: _Values, places: dict[Row, list[int]]) -> None:
    if plan.has_auth_rows:
        _note(plan.collection, row, places)
    if plan.expands:
        _expanded(plan.expands, body, row, places)


def _expanded(expands: tuple[Expand, ...], body: bytes, row: _Values, places: dict[Row, list[int]]) -> None:
    if "expand" not in row:
        return
    shown = _values(*row["expand"])
    for expand in expands:
        if expand.field not in shown:
            continue
        at, raw = shown[expand.field]
        rows = _elements(at, raw) if body.startswith(b"[", at) else iter([(at, raw)])
        for row_at, row_raw in rows:
            values = _values(row_at, row_raw)
            if expand.is_auth:
                _note(expand.target, values, places)
            if expand.children:
                _expanded(expand.children, body, values, places)


def _note(collection: str, row: _Values, places: dict[Row, list[int]]) -> None:
    offsets = places.setdefault((collection, _decode_text(row["id"][1])), [])
    if _EMAIL in row:
        return
    names = list(row)
    if names != sorted(names):
        raise _NotCanonical(names)
    following = next(name for name in names if name > _EMAIL)  # there is an id
    offsets.append(row[following][0] - len(f'"{following}":'))


def _values(at: int, raw: bytes | msgspec.Raw) -> _Values:
    """The values of an object by name, each with its offset.

    Args:
        at: offset of the object itself.
    """
    values: _Values = {}
    position = at + 1
    for name, value in _decode_object(raw).items():
        position += len(name) + 3
        values[name] = (position, value)
        position += len(value) + 1
    _check_end(at, raw, position, is_empty=not values)
    return values


def _elements(at: int, raw: msgspec.Raw) -> Iterator[tuple[int, msgspec.Raw]]:
    """The elements of an array, each with its offset."""
    elements = _decode_array(raw)
    position = at + 1
    found: list[tuple[int, msgspec.Raw]] = []
    for element in elements:
        found.append((position, element))
        position += len(element) + 1
    _check_end(at, raw, position, is_empty=not elements)
    return iter(found)


def _check_end(at: int, raw: bytes | msgspec.Raw, position: int, *, is_empty: bool) -> None:
    if position + is_empty != at + len(raw):  # an empty one has no last comma in the bracket's place
        raise _NotCanonical(position)
