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

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

import msgspec
import orjson

from hapta.cache.canonical import Fields, OddBody, parse_array, parse_object
from hapta.cache.plan import Expand, Plan
from hapta.cache.stored import ETAG_BYTES, Places, Stored

Row: TypeAlias = tuple[str, str]
"""Ids of an auth collection and of a record in it."""

MAX_BYTES: Final = 1024 * 1024
"""Of an answer that is searched: that takes eight milliseconds, and meanwhile nobody is served."""
_EMAIL: Final = "email"

_decode_text = msgspec.json.Decoder(str).decode
_decode_flag = msgspec.json.Decoder(bool).decode


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
        ``None`` if the answer is not in PocketBase's form, or too large to be searched.
    """
    if len(body) > MAX_BYTES:
        return None
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
        if plan.record is not None:
            rows = iter([(0, parse_object(self._body))])
        else:
            answer = parse_object(self._body)
            rows = _rows(_offset_of_value(0, answer, "items"), answer["items"])
        for at, row in rows:
            if plan.has_auth_rows:
                self._note(plan.collection, at, row)
            if plan.expands:
                self._expanded(plan.expands, at, row)

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

    def _expanded(self, expands: tuple[Expand, ...], at: int, row: Fields) -> None:
        if "expand" not in row:
            return
        shown_at = _offset_of_value(at, row, "expand")
        shown = parse_object(row["expand"])
        for expand in expands:
            raw = shown.get(expand.field)
            if raw is None:
                continue
            value_at = _offset_of_value(shown_at, shown, expand.field)
            is_list = self._body.startswith(b"[", value_at)
            for row_at, fields in _rows(value_at, raw) if is_list else iter([(value_at, parse_object(raw))]):
                if expand.is_auth:
                    self._note(expand.target, row_at, fields)
                if expand.children:
                    self._expanded(expand.children, row_at, fields)

    def _note(self, collection: str, at: int, row: Fields) -> None:
        key = (collection, _decode_text(row["id"]))
        offsets = self.places.setdefault(key, [])
        if _EMAIL in row and (key != self._leader or _decode_flag(row["emailVisibility"])):
            return
        names = list(row)
        if names != sorted(names):
            raise OddBody(names)
        place = _offset(at, row, names[bisect_right(names, _EMAIL)])  # there is an id
        if _EMAIL in row:
            start = _offset(at, row, _EMAIL)
            self._cuts.append((start, place))
            place = start
        offsets.append(place)


def _rows(at: int, raw: msgspec.Raw) -> Iterator[tuple[int, Fields]]:
    """The objects in an array, each with its offset.

    Args:
        at: offset of the array itself.
    """
    at += 1
    for row in parse_array(raw):
        yield at, parse_object(row)
        at += len(row) + 1


def _offset(at: int, fields: Fields, name: str) -> int:
    """Where in an object a name begins.

    Args:
        at: offset of the object itself.
    """
    at += 1
    for each, raw in fields.items():
        if each == name:
            break
        at += len(each) + len(raw) + 4  # two quotes, a colon, a comma
    return at


def _offset_of_value(at: int, fields: Fields, name: str) -> int:
    return _offset(at, fields, name) + len(name) + 3
