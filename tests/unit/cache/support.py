"""Stored responses for tests."""

from collections.abc import Iterable
from hashlib import blake2b
from types import MappingProxyType

from hapta.cache.generations import Standing
from hapta.cache.store import ResponseStore
from hapta.cache.stored import Places, Stored
from hapta.cache.weight import HeaderPool
from hapta.model.clock import ManualClock
from hapta.model.exchange import Header

POOL = HeaderPool()
NOWHERE: Places = MappingProxyType({})
HEADERS: tuple[Header, ...] = (
    (b"Content-Type", b"application/json"),
    (b"Vary", b"Origin"),
    (b"X-Content-Type-Options", b"nosniff"),
)


class Fence:
    """Holds until told otherwise."""

    def __init__(self) -> None:
        self.now = Standing.HOLDS

    def standing(self) -> Standing:
        return self.now

    def holds(self) -> bool:
        return self.now is Standing.HOLDS


UP = Fence()


def stored(
    key: str = "key",
    body: bytes = b"{}",
    *,
    collection: str = "posts",
    headers: Iterable[Header] = HEADERS,
    status: int = 200,
    stored_at: float = 0.0,
    lifetime_s: float = 300.0,
    ends_at: float | None = None,
    members: frozenset[str] = frozenset(),
    places: Places = NOWHERE,
    fence: Fence = UP,
    pool: HeaderPool = POOL,
) -> Stored:
    return Stored.of(
        pool,
        key=key,
        collection=collection,
        status=status,
        headers=headers,
        body=body,
        stored_at=stored_at,
        lifetime_s=lifetime_s,
        ends_at=ends_at,
        members=members,
        places=places,
        fence=fence,
    )


def fixed_hash(key: object) -> int:
    """The same in every process."""
    return int.from_bytes(blake2b(str(key).encode(), digest_size=8).digest())


def store(max_bytes: int, clock: ManualClock | None = None) -> ResponseStore:
    return ResponseStore(max_bytes, clock or ManualClock(), hash_of=fixed_hash)


def ask(store: ResponseStore, key: str, body_bytes: int) -> bool:
    """One request, put when it missed: whether it hit."""
    if store.get(key) is not None:
        return True
    store.put(key, stored(key, bytes(body_bytes)))
    return False
