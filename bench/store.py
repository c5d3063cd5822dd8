"""How the store of the cache chooses what to keep, beside moka-py and a plain LRU list with weights.

One process, no server, 64 MiB. Requests for 100,000 keys by Zipf's law (exponent 0.9), bodies of 500 B to
30 KB; the same with one request in four for a key that never comes again; a hot set of 2,000, each asked for
twice, and then a million keys once each. Draws are seeded: only microseconds differ from round to round.
"""

import random
import subprocess
import sys
import timeit
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import accumulate
from typing import Any, Protocol

from cachetools import LRUCache

from bench.errors import BenchError
from bench.plan import Plan, Section
from bench.statistics import Spread, table
from hapta.cache.generations import Standing
from hapta.cache.store import ResponseStore
from hapta.cache.stored import Stored
from hapta.cache.weight import HeaderPool
from hapta.model.clock import ManualClock

BUDGET = 64 * 2**20
KEYS = 100_000
ONCE = 1_000_000
HOT = 2_000
_EXPONENT = 0.9
_LEAST_BYTES, _MOST_BYTES = 500, 30_000
_REPEAT = 5
_BODY = b"\0"


class Candidate(Protocol):
    """A store under test."""

    def ask(self, key: str, weight: int) -> bool:
        """One request: whether it was a hit; a miss is put."""
        ...

    def has(self, key: str) -> bool:
        """Whether it is stored."""
        ...

    @property
    def weight(self) -> int:
        """Bytes held, as declared."""
        ...


class Ours:
    """Hapta's store."""

    def __init__(self, **options: Any) -> None:
        self.pool = HeaderPool()
        self.store = ResponseStore(BUDGET, ManualClock(), **options)

    @classmethod
    def repeatable(cls) -> "Ours":
        """With hashes that do not depend on the process."""
        return cls(hash_of=_fixed_hash)

    def ask(self, key: str, weight: int) -> bool:
        if self.store.get(key) is not None:
            return True
        self.store.put(key, _stored(weight))
        return False

    def has(self, key: str) -> bool:
        return key in self.store

    @property
    def weight(self) -> int:
        return self.store.weight


class Moka:
    """moka-py; what it really holds is counted by its listener."""

    def __init__(self) -> None:
        try:
            from moka_py import Moka as Cache
        except ImportError:
            raise BenchError("needs moka-py: .venv/bin/pip install moka-py") from None
        self.held = 0
        self.cache = Cache(
            BUDGET, weigher=lambda _key, stored: stored.weight, eviction_listener=self._evicted
        )

    def _evicted(self, _key: str, stored: "_Weighed", _cause: str) -> None:
        self.held -= stored.weight

    def ask(self, key: str, weight: int) -> bool:
        if self.cache.get(key) is not None:
            return True
        self.held += weight
        self.cache.set(key, _Weighed(weight))
        return False

    def has(self, key: str) -> bool:
        return self.cache.get(key) is not None

    @property
    def weight(self) -> int:
        return self.held


class Lru:
    """cachetools' LRU list with weights."""

    def __init__(self) -> None:
        self.cache: LRUCache[str, _Weighed] = LRUCache(BUDGET, lambda stored: stored.weight)

    def ask(self, key: str, weight: int) -> bool:
        if self.cache.get(key) is not None:
            return True
        self.cache[key] = _Weighed(weight)
        return False

    def has(self, key: str) -> bool:
        return key in self.cache

    @property
    def weight(self) -> int:
        return int(self.cache.currsize)


CANDIDATES: dict[str, Callable[[], Candidate]] = {
    "Hapta": Ours,
    "moka-py, tiny_lfu": Moka,
    "cachetools, LRU": Lru,
}


@dataclass(frozen=True, slots=True)
class _Weighed:
    weight: int
    body: bytes = _BODY


@dataclass(frozen=True, slots=True)
class Run:
    """One figure of one store."""

    round: int
    what: str
    store: str
    value: float


def measure(plan: Plan) -> Section:
    """Run everything, and make the table."""
    requests = max(200_000, int(plan.seconds * 250_000))
    runs: list[Run] = []

    def note(number: int, what: str, name: str, value: float) -> None:
        plan.say(f"store, round {number + 1}: {name}: {what}: {value:,.2f}")
        runs.append(Run(number, what, name, value))

    for number in range(plan.runs):
        for name, make in CANDIDATES.items():
            if not number:  # seeded, or the same each time
                seeded = Ours.repeatable if make is Ours else make
                for what, value in _choices(seeded, requests):
                    note(number, what, name, value)
                note(number, "MiB resident after 1 M different URLs", name, _resident(name) / 2**20)
            for what, value in _costs(make):
                note(number, what, name, value)
    rows = [
        [what, *(_cell(r.value for r in runs if (r.what, r.store) == (what, name)) for name in CANDIDATES)]
        for what in dict.fromkeys(run.what for run in runs)
    ]
    return Section("store", table(["64 MiB", *CANDIDATES], rows), [asdict(run) for run in runs])


def _cell(values: Iterable[float]) -> str:
    spread = Spread.of(values)
    return f"{spread.middle:,.1f}" if spread.least == spread.greatest else spread.shown(1)


def _choices(make: Callable[[], Candidate], requests: int) -> Iterator[tuple[str, float]]:
    """What it keeps: hit ratios once warm, and what a scan leaves of a hot set."""
    for what, once_in in (("hit ratio, Zipf, %", 0), ("hit ratio, Zipf and a scan, %", 4)):
        cache, hits, asked, most = make(), 0, 0, 0
        for number, (key, weight) in enumerate(_requests(requests, once_in)):
            is_hit = cache.ask(key, weight)
            most = max(most, cache.weight) if number % 100 == 0 else most
            if number >= requests // 2 and not key.startswith("once"):
                asked, hits = asked + 1, hits + is_hit
        yield what, 100 * hits / asked
    yield "most held, % of the budget", 100 * most / BUDGET
    cache = make()
    hot = [(f"hot{number}", _weight(number)) for number in range(HOT)]
    for key, weight in hot * 2:
        cache.ask(key, weight)
    for number in range(ONCE):
        cache.ask(f"once{number}", _weight(number))
    yield "hot set left after a scan of 1 M, %", 100 * sum(cache.has(key) for key, _ in hot) / HOT


def _requests(count: int, once_in: int) -> Iterator[tuple[str, int]]:
    draw = random.Random(4)
    keys = [f"/api/collections/posts/records?page={number}" for number in range(KEYS)]
    shares = list(accumulate(1 / rank**_EXPONENT for rank in range(1, KEYS + 1)))
    for number, rank in enumerate(draw.choices(range(KEYS), cum_weights=shares, k=count)):
        if once_in and number % once_in == 0:
            yield f"once{number}", _weight(number)
        yield keys[rank], _weight(rank)


def _weight(number: int) -> int:
    """Log-uniform, always the same for a key."""
    share = (number * 0x9E3779B1 & 0xFFFFFFFF) / 2**32
    return int(_LEAST_BYTES * (_MOST_BYTES / _LEAST_BYTES) ** share)


def _costs(make: Callable[[], Candidate]) -> Iterator[tuple[str, float]]:
    cache = make()
    cache.ask("hit", 1000)
    yield "µs of a hit", _microseconds(lambda: cache.ask("hit", 1000), 100_000)
    numbers = iter(range(10_000_000))

    def miss() -> None:
        number = next(numbers)
        cache.ask(f"once{number}", _weight(number))

    for _ in range(20_000):
        miss()
    yield "µs of a miss and a put when full", _microseconds(miss, 20_000)


def _microseconds(call: Callable[[], object], count: int) -> float:
    return min(timeit.repeat(call, number=count, repeat=_REPEAT)) / count * 1e6


def _resident(name: str) -> float:
    """Growth of a process of its own."""
    program = [sys.executable, "-c", f"from bench.store import fill; fill({name!r})"]
    return float(subprocess.run(program, check=True, capture_output=True, text=True).stdout)


def fill(name: str) -> None:
    """Put a million different responses with real bodies; print the bytes of resident memory it took."""
    cache = CANDIDATES[name]()
    headers = [(b"Content-Type", b"application/json"), (b"Vary", b"Origin")]
    before = _resident_bytes()
    for number in range(ONCE):
        key = f"/api/collections/posts/records?page={number}"
        body = bytes(_weight(number))
        if isinstance(cache, Ours):
            stored = Stored.of(
                cache.pool, key=key, collection="posts", status=200, headers=headers, body=body,
                stored_at=float(number), lifetime_s=300.0, fence=_FENCE,
            )  # fmt: skip
            if cache.store.get(key) is None:
                cache.store.put(key, stored)
        elif isinstance(cache, Moka):
            cache.cache.set(key, _Weighed(sys.getsizeof(body) + sys.getsizeof(key) + 300, body))
        elif isinstance(cache, Lru):
            cache.cache[key] = _Weighed(sys.getsizeof(body) + sys.getsizeof(key) + 300, body)
    print(_resident_bytes() - before)


def _resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


class _Holds:
    """A fence that never falls."""

    def standing(self) -> Standing:
        return Standing.HOLDS

    def holds(self) -> bool:
        return True

    def is_void(self) -> bool:
        return False

    def changes(self) -> None:
        return None


_FENCE = _Holds()


def _stored(weight: int) -> Stored:
    return Stored("posts", 200, (), _BODY, b'""', 0.0, 300.0, None, frozenset(), {}, _FENCE, True, weight)


def _fixed_hash(key: object) -> int:
    return int.from_bytes(blake2b(str(key).encode(), digest_size=8).digest())
