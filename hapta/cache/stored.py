"""One stored response: what is kept of an answer, for how long, and what it weighs.

Kept are status, body and the header lines that say something about the representation. A hook that takes
caching into its own hands (``Cache-Control``, a validator, a cookie) is left to it: such an answer is not
stored.
"""

import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import Protocol, TypeAlias

import msgspec

from hapta.cache.changes import Change
from hapta.cache.generations import Standing
from hapta.cache.tags import Tag
from hapta.cache.weight import HeaderPool, Headers, size_of
from hapta.model.exchange import Header

_FORBIDDING = frozenset(
    b"age cache-control clear-site-data content-encoding content-location content-range etag expires "
    b"last-modified location pragma refresh set-cookie trailer www-authenticate".split()
)
"""Who sets one of these means more than a plain JSON answer: not stored."""
_NEVER_KEPT = frozenset(
    b"connection content-length date keep-alive proxy-authenticate proxy-authorization proxy-connection "
    b"ratelimit ratelimit-policy retry-after server-timing te trailer transfer-encoding upgrade vary via "
    b"x-request-id".split()
)
"""Of one connection, one request or one moment; ``Vary`` is written anew."""
_CORS = b"access-control-"
ETAG_BYTES = 12
_NOBODY: frozenset[str] = frozenset()
"""One for all: an empty set weighs as much as the rest."""
Places: TypeAlias = Mapping[tuple[str, str], tuple[int, ...]]
"""Offsets in a body, by ids of an auth collection and of a record in it."""
_NOWHERE: Places = MappingProxyType({})


class Fence(Protocol):
    """Says whether all that a response depends on is as it was before it was fetched."""

    def standing(self) -> Standing:
        """Whether it may be served now, later perhaps, or never again."""

    def holds(self) -> bool:
        """Whether it may be served now."""

    def is_void(self) -> bool:
        """Whether everything was moved since, so that rights may be others."""

    def changes(self) -> list[tuple[Change, frozenset[Tag]]] | None:
        """What broke it, in order, each with the tags it moved; ``None`` where that is not known."""


class _ErrorForm(msgspec.Struct, forbid_unknown_fields=True):
    """PocketBase's answer to a view of what is not there, or not for this caller."""

    data: dict[str, object]
    message: str
    status: int


_decode_error = msgspec.json.Decoder(_ErrorForm).decode


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Stored:
    """A stored response; made by :meth:`of`.

    Attributes:
        collection: id of the collection it is about.
        status: 200, or 404 of a view.
        headers: the lines that are kept, in order.
        body: the whole body, without any coding.
        etag: strong validator over the body, with its quotes.
        stored_at: monotonic seconds when its fetch began: the body may be no newer.
        lifetime_s: seconds from then on for which it is fresh.
        ends_at: Unix seconds at which it ends whatever its lifetime, ``None`` for never.
        members: ids of the auth records who see something else in it.
        places: of those members of whom it is known, where in the body their e-mail is missing.
        fence: what it depends on.
        varies_by_origin: PocketBase said so.
        weight: bytes of memory it takes in the store, its key and place included.
    """

    collection: str
    status: int
    headers: Headers
    body: bytes
    etag: bytes
    stored_at: float
    lifetime_s: float
    ends_at: float | None
    members: frozenset[str]
    places: Places
    fence: Fence
    varies_by_origin: bool
    weight: int

    @classmethod
    def of(
        cls,
        pool: HeaderPool,
        *,
        key: Hashable,
        collection: str,
        status: int,
        headers: Iterable[Header],
        body: bytes,
        stored_at: float,
        lifetime_s: float,
        fence: Fence,
        fence_bytes: int = 0,
        ends_at: float | None = None,
        members: frozenset[str] = frozenset(),
        places: Places = _NOWHERE,
    ) -> "Stored":
        """Make one of an answer that :func:`may_store` allows.

        Args:
            pool: where equal header lines are kept once.
            key: the key it will be stored under, to be weighed.
            fence_bytes: memory that the fence keeps for this response alone.
        """
        lines = tuple(headers)
        kept, header_bytes = pool.share(tuple(line for line in lines if _is_kept(line[0].lower())))
        weight = _BOOKKEEPING_BYTES + size_of(key) + sys.getsizeof(body) + header_bytes + fence_bytes
        if members:
            weight += size_of(members)
        if places:
            weight += sys.getsizeof(places) + sum(_PLACED_BYTES + size_of(each) for each in places.values())
        return cls(
            collection=collection,
            status=status,
            headers=kept,
            body=body,
            etag=etag_of(body),
            stored_at=stored_at,
            lifetime_s=lifetime_s,
            ends_at=ends_at,
            members=members or _NOBODY,
            places=places or _NOWHERE,
            fence=fence,
            varies_by_origin=any(name.lower() == b"vary" for name, _ in lines),
            weight=weight,
        )

    def ttl_s(self, monotonic: float, wall: float) -> float:
        """Seconds for which it is still fresh, by both clocks; 0 or less: it is stale."""
        left = self.stored_at + self.lifetime_s - monotonic
        return left if self.ends_at is None else min(left, self.ends_at - wall)

    def is_live(self, monotonic: float, wall: float) -> bool:
        """Whether it may be served as it is: fresh, and nothing it depends on has changed."""
        return self.ttl_s(monotonic, wall) > 0 and self.fence.holds()

    def is_dead(self, monotonic: float, wall: float) -> bool:
        """Whether it can never be served again: too old, or something it depends on has changed. One behind a
        write that is still open is neither live nor dead."""
        return self.ttl_s(monotonic, wall) <= 0 or self.fence.standing() is Standing.BROKEN


def etag_of(body: bytes) -> bytes:
    """A strong validator (RFC 9110 §8.8.3)."""
    return b'"' + blake2b(body, digest_size=ETAG_BYTES).hexdigest().encode() + b'"'


_PLACE_BYTES = 110
"""A place in an ordered dictionary on average: its tables grow by doubling."""
_PLACED_BYTES = sys.getsizeof(("", ""))
"""A key of the places: its texts are those of the members and of the plan."""
_BOOKKEEPING_BYTES = (
    _PLACE_BYTES
    + sys.getsizeof(Stored("", 0, (), b"", b"", 0.0, 0.0, None, frozenset(), _NOWHERE, None, False, 0))  # type: ignore[arg-type]
    + sys.getsizeof(etag_of(b""))
    + 2 * sys.getsizeof(0.5)  # the instant and the weight; lifetimes are shared
)


def may_store(
    method: str, status: int, headers: Sequence[Header], *, is_view: bool = False, body: bytes = b""
) -> bool:
    """Whether an answer to a read of records can be stored at all.

    Args:
        method: of the request; only GET fills.
        is_view: one record was asked for; the 404 of a view is kept in PocketBase's own form only.
        body: needed for a 404.
    """
    if method != "GET" or (status != 200 and not (status == 404 and is_view and _is_not_found(body))):
        return False
    types = 0
    for name, value in headers:
        name = name.lower()
        if name in _FORBIDDING or (name == b"vary" and value.strip().lower() != b"origin"):
            return False
        if name == b"content-type":
            types += 1
            if not _is_json(value):
                return False
    return types == 1


def concerns_nobody(headers: Iterable[Header]) -> bool:
    """Whether an answer that is not stored may go to others too: no line is meant for whoever asked."""
    return not any(
        name.lower() in _FORBIDDING or (name.lower() == b"vary" and value.strip().lower() != b"origin")
        for name, value in headers
    )


def _is_kept(name: bytes) -> bool:
    return name not in _NEVER_KEPT and name not in _FORBIDDING and not name.startswith(_CORS)


def _is_json(content_type: bytes) -> bool:
    kind, _, parameters = content_type.lower().partition(b";")
    return kind.strip() == b"application/json" and parameters.strip() in (b"", b"charset=utf-8")


def _is_not_found(body: bytes) -> bool:
    try:
        error = _decode_error(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return error.status == 404 and not error.data
