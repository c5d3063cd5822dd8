"""What the limiter costs a request, beside the memory storage of the ``limits`` library; and what a million
addresses take.

One process, no server: microseconds of Python, the least of some repetitions in each round.
"""

import subprocess
import sys
import timeit
from collections.abc import Callable
from dataclasses import asdict, dataclass

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from bench.plan import Plan, Section
from bench.statistics import Spread, table
from hapta.config import LimitConfig, RateLimitConfig
from hapta.limits.gcra import Quota
from hapta.limits.keys import address_key
from hapta.limits.limiter import Charged, Limiter
from hapta.limits.rules import Asked, Subject, rules_of
from hapta.limits.table import Table
from hapta.model.address import parse_address
from hapta.model.clock import SystemClock

ADDRESSES = 1_000_000
_REPEAT = 5
_MEMORY = """
from hapta.limits.gcra import Quota
from hapta.limits.table import Table

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

before = resident()
table = Table(Quota.of(600, 60.0, 200), {most})
for number in range({count}):
    table.take(number * 4099 & 0xFFFFFFFF, 1, 10**15 + number)
print(resident() - before, len(table))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One round of one way to limit.

    Attributes:
        value: microseconds a request, or bytes.
    """

    round: int
    what: str
    value: float


def measure(plan: Plan) -> Section:
    """Run everything, and make the tables."""
    costs, sizes = [], []
    for number in range(plan.runs):
        for what, hit in _ways().items():
            run = Run(number, what, _microseconds(hit, plan.seconds))
            plan.say(f"limits, round {number + 1}: {what}: {run.value:.2f} µs")
            costs.append(run)
        sizes += [Run(number, f"at most {most:,} keys", _bytes(most)) for most in (100_000, ADDRESSES)]
    tables = "\n\n".join(
        [
            table(["one more request, one limit", "µs"], _rows(costs, 1, 2)),
            table([f"{ADDRESSES:,} addresses that all owe", "MiB"], _rows(sizes, 2**20, 1)),
        ]
    )
    return Section("limits", tables, [asdict(run) for run in [*costs, *sizes]])


def _rows(runs: list[Run], unit: float, digits: int) -> list[list[str]]:
    names = dict.fromkeys(run.what for run in runs)
    return [[what, Spread.of(r.value / unit for r in runs if r.what == what).shown(digits)] for what in names]


def _ways() -> dict[str, Callable[[], object]]:
    clock, address = SystemClock(), parse_address("203.0.113.9")
    asked = Asked("GET", "record_read", "posts", ("api", "collections", "posts", "records"))
    wide = RateLimitConfig(max=1_000_000, burst=1_000_000, duration=1.0)
    one = Limiter(rules_of(wide, {}), 100_000, clock, str)
    further = {name: LimitConfig(rate="1000000/second", collection="posts") for name in ("a", "b")}
    three = Limiter(rules_of(wide, further), 100_000, clock, str)
    bare = Table(Quota.of(1_000_000, 1.0, 1_000_000), 100_000)
    charged = one.take(Subject(address_key(address)), asked)
    assert isinstance(charged, Charged)
    storage, rate, kept = MemoryStorage(), parse("1000000/second"), parse("600/minute")
    fixed, counter = FixedWindowRateLimiter(storage), SlidingWindowCounterRateLimiter(storage)
    moving = MovingWindowRateLimiter(storage)
    return {
        "Hapta: the table alone": lambda: bare.take(1, 1, one.now()),
        "Hapta: a request, one limit": lambda: one.take(Subject(address_key(address)), asked),
        "Hapta: a request, three limits": lambda: three.take(Subject(address_key(address)), asked),
        "Hapta: what is left, for the headers": lambda: one.standing(charged),
        "limits: fixed window": lambda: fixed.hit(rate, "203.0.113.9"),
        "limits: sliding window counter": lambda: counter.hit(rate, "203.0.113.9"),
        "limits: moving window of 600": lambda: moving.hit(kept, "203.0.113.9"),
    }


def _microseconds(hit: Callable[[], object], seconds: float) -> float:
    count = max(100, int(seconds * 5000))
    return min(timeit.repeat(hit, number=count, repeat=_REPEAT)) / count * 1e6


def _bytes(most: int) -> float:
    """Resident memory of a process of its own."""
    program = _MEMORY.format(most=most, count=ADDRESSES)
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return float(found.stdout.split()[0])
