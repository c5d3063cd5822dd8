"""How long Hapta goes on answering as if a change behind its back had not happened."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.coherence.line import Answer, Line

Shows: TypeAlias = Callable[[Answer], bool]
AT_MOST_S = 2.5
"""However busy the machine is. A schema change behind a PocketBase that is not Hapta's own may take one
second (``feed.schema_max_age_s``), all else milliseconds; what it really took is in the test's output."""
_STAYS_READS = 5


@dataclass
class Lags:
    """Seconds from the answer to a change until the last read was sent that did not show it, by kind of
    change.

    0 where the first read after the change shows it.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)

    async def measure(
        self,
        kind: str,
        line: Line,
        target: str,
        token: str,
        shows: Shows,
        change: Callable[[], object],
        *,
        at_most_s: float = AT_MOST_S,
    ) -> None:
        """Read ``target`` until it is stored, change something, and read until the change shows.

        Args:
            shows: whether an answer shows the change; none may before.
            change: makes it, and returns when it is acknowledged.
            at_most_s: the lag that is accepted; 0: the very next read must show it.
        """
        await warm(line, target, token, shows)
        await asyncio.to_thread(change)
        changed_at = time.monotonic()
        lag = 0.0
        while True:
            sent_at = time.monotonic()
            answer = await line.get(target, token)
            if shows(answer):
                break
            lag = sent_at - changed_at
            assert lag < at_most_s, f"{kind}: {target} does not show it after {lag:.1f} s ({answer.cache})"
        self.seconds.setdefault(kind, []).append(lag)
        for _ in range(_STAYS_READS):
            answer = await line.get(target, token)
            assert shows(answer), f"{kind}: {target} shows the old state again ({answer.cache})"

    def __str__(self) -> str:
        rows = [
            f"{kind:42} n={len(all_):3} "
            f"p50={_quantile(all_, 0.5):8.2f} ms p99={_quantile(all_, 0.99):8.2f} ms"
            for kind, all_ in self.seconds.items()
        ]
        return "\n".join(rows)


async def warm(line: Line, target: str, token: str, shows: Shows) -> None:
    """Read until the answer comes out of the store, if there is one."""
    for _ in range(200):
        answer = await line.get(target, token)
        assert not shows(answer), f"{target} shows the change before it is made: {answer.body[:200]!r}"
        if answer.is_hit:
            return
        await asyncio.sleep(0.02)  # just after a schema change nothing is stored for a moment
    raise AssertionError(f"{target} is never stored: {answer.cache}, {answer.headers.get('cache-status')}")


def _quantile(seconds: list[float], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]
