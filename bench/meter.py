"""Who uses how much of the machine while something is measured."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from bench import proc

QUIET_SHARE = 0.15
"""Of one core, used by others: below it the machine counts as quiet."""


@dataclass(frozen=True, slots=True)
class Used:
    """Between a meter's start and its reading, in seconds of processor time.

    Attributes:
        passed_s: on the clock.
        own_s: by the contender.
        upstream_s: by the server behind it.
        load_s: by this process and the load generators it has waited for.
        foreign: cores used by processes that have nothing to do with the measurement.
    """

    passed_s: float
    own_s: float
    upstream_s: float
    load_s: float
    foreign: float


class Meter:
    """Runs from the moment it is made.

    Args:
        own: processes of the contender.
        upstream: those of the server behind it; the contender's may be among them, and count as its own.
    """

    def __init__(self, own: Iterable[int], upstream: Iterable[int]) -> None:
        self._own = frozenset(own)
        self._upstream = frozenset(upstream) - self._own
        self._before = self._now()

    def read(self) -> Used:
        """What was used so far."""
        passed, own, upstream, load, busy = (
            after - before for after, before in zip(self._now(), self._before, strict=True)
        )
        return Used(passed, own, upstream, load, max(0.0, busy - own - upstream - load) / passed)

    def _now(self) -> tuple[float, ...]:
        # this process, and the children it has waited for: wrk, while the servers run
        load = sum(os.times()[:4])
        return time.monotonic(), proc.cpu_s(self._own), proc.cpu_s(self._upstream), load, proc.busy_s()


def wait_until_quiet(within_s: float = 10.0) -> None:
    """Wait until processes leave the cores alone, but no longer than ``within_s`` seconds."""
    ends_at = time.monotonic() + within_s
    while time.monotonic() < ends_at:
        before = proc.busy_s()
        time.sleep(0.5)
        if proc.busy_s() - before < 0.5 * QUIET_SHARE:
            return
