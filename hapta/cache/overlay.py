"""One answer for all, and each caller's own e-mail laid over it.

Under a rule that is the same for everybody, an answer with auth records differs between callers in one thing:
a row that hides its e-mail shows it to its owner. PocketBase writes the members of a record sorted by name
and without any space, so the owner's answer is the others' with ``"email":"…",`` in front of the first name
that sorts after ``email``, in each place where the row stands: as a row of the list, under several parents,
inside an expand of an expand. A row that shows its e-mail shows it to all, and needs nothing; but where one
caller's answer is to serve a class of them, that caller's own row shows its e-mail to no others, and it is
cut out first.

Where those places are is found by walking along the plan's expands, never by looking for something that
looks like a row: a JSON field may hold anything. Positions are sums of lengths, and in each object and array
that is walked they must come to its very end: white space, an escape in a name or a name that stands twice
only ever add bytes, so none of them goes unnoticed. What is not in that form has no places, and its members
get answers of their own from PocketBase.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import accumulate, pairwise
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
_decode_flag = msgspec.json.Decoder(bool).decode


class _NotCanonical(ValueError):
    """PocketBase writes it in another form."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an answer came to.

    Attributes:
        places: for each auth row in it the offsets in ascending order; none for a row that shows its e-mail.
        body: what the offsets are of: the answer, without an e-mail that only its reader was shown.
    """

    places: Places
    body: bytes


def find_places(plan: Plan, body: bytes, leader: Row | None = None) -> Found | None:
    """Where the auth rows of an answer miss their e-mail.

    Args:
        plan: of the read, one for which ``can_overlay``.
        body: of a 200.
        leader: as whom it was fetched; ``None`` for a guest.

    Returns:
        ``None`` if the answer is not in PocketBase's form.
    """
    search = _Search(body, leader)
    try:
        search.look(plan)
    except (ValueError, KeyError, TypeError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    if len({record for _, record in search.places}) < len(search.places):
        return None  # ids are unique over all auth collections, and PocketBase compares nothing else
    return search.found()


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


class _Search:
    """A walk through one answer."""

    def __init__(self, body: bytes, leader: Row | None) -> None:
        self._body = body
        self._leader = leader
        self._cuts: list[tuple[int, int]] = []
        self.places: dict[Row, list[int]] = {}

    def look(self, plan: Plan) -> None:
        answer = _values(0, self._body)
        if plan.record is not None:
            rows = iter([answer])
        else:
            rows = (_values(at, raw) for at, raw in _elements(*answer["items"]))
        for row in rows:
            if plan.has_auth_rows:
                self._note(plan.collection, row)
            if plan.expands:
                self._expanded(plan.expands, row)

    def found(self) -> Found:
        """The places, in what is left when the leader's own e-mail is cut out."""
        cuts = sorted(self._cuts)
        if not cuts:
            return Found({row: tuple(sorted(offsets)) for row, offsets in self.places.items()}, self._body)
        bounds = [0, *(bound for cut in cuts for bound in cut), len(self._body)]
        body = b"".join(self._body[start:end] for start, end in zip(bounds[::2], bounds[1::2], strict=True))
        starts = [start for start, _ in cuts]
        gone = list(accumulate((end - start for start, end in cuts), initial=0))
        places = {
            row: tuple(offset - gone[bisect_left(starts, offset)] for offset in sorted(offsets))
            for row, offsets in self.places.items()
        }
        return Found(places, body)

    def _expanded(self, expands: tuple[Expand, ...], row: _Values) -> None:
        if "expand" not in row:
            return
        shown = _values(*row["expand"])
        for expand in expands:
            if expand.field not in shown:
                continue
            at, raw = shown[expand.field]
            rows = _elements(at, raw) if self._body.startswith(b"[", at) else iter([(at, raw)])
            for row_at, row_raw in rows:
                values = _values(row_at, row_raw)
                if expand.is_auth:
                    self._note(expand.target, values)
                if expand.children:
                    self._expanded(expand.children, values)

    def _note(self, collection: str, row: _Values) -> None:
        key = (collection, _decode_text(row["id"][1]))
        offsets = self.places.setdefault(key, [])
        if _EMAIL in row and (key != self._leader or _decode_flag(row["emailVisibility"][1])):
            return
        names = list(row)
        if names != sorted(names):
            raise _NotCanonical(names)
        following = next(name for name in names if name > _EMAIL)  # there is an id
        place = row[following][0] - len(f'"{following}":')
        if _EMAIL in row:
            start = row[_EMAIL][0] - len(f'"{_EMAIL}":')
            self._cuts.append((start, place))
            place = start
        offsets.append(place)


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
