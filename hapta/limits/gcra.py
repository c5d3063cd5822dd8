"""The generic cell rate algorithm, in integer nanoseconds.

For each key one number is kept, the *theoretical arrival time* (TAT): the instant at which everything the key
has taken so far is paid off, at one ``step`` for each request. A request is allowed while the TAT, with its
own steps added, lies at most ``tolerance`` ahead of now. From this follows what is promised of a quota of
``max`` in ``duration`` with a ``burst``: at most ``burst`` at once, at most ``max`` in each ``duration`` in
the long run, and fewer than ``2·max`` in any window of one ``duration`` (first ``burst``, then one a step).
A TAT that has passed says no more than none at all, which is why such a key may be forgotten.

The step is rounded up to a nanosecond, so rounding never allows more. Integers leave nothing else to round:
the decisions are those of exact rational arithmetic (tests/unit/limits/oracle.py).

Source: ITU-T I.371 (2004), Annex A.1, the virtual scheduling algorithm.
"""

import math
from dataclasses import dataclass
from typing import Final

NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Quota:
    """How much of something is allowed.

    Attributes:
        max: requests in each ``duration_ns`` that can be sustained, at least 1.
        duration_ns: nanoseconds.
        burst: requests at once after a pause, at least 1 and at most ``max``.
        step_ns: what one request adds to the TAT.
        tolerance_ns: how far the TAT may be ahead.
        ceiling_ns: how far it may be ahead at all, whatever something cost: nobody is refused for longer than
            one duration and a step.
    """

    max: int
    duration_ns: int
    burst: int
    step_ns: int
    tolerance_ns: int
    ceiling_ns: int

    @classmethod
    def of(cls, max_requests: int, duration_s: float, burst: int) -> "Quota":
        """``max_requests`` in ``duration_s`` seconds, ``burst`` of them at once."""
        duration_ns = round(duration_s * NS)
        step_ns = -(-duration_ns // max_requests)
        tolerance_ns = burst * step_ns
        return cls(
            max_requests, duration_ns, burst, step_ns, tolerance_ns, tolerance_ns + max_requests * step_ns
        )

    def steps_ns(self, cost: float) -> int:
        """What ``cost`` requests add to the TAT; exact for whole numbers, else rounded up."""
        return cost * self.step_ns if type(cost) is int else math.ceil(cost * self.step_ns)


class Decision:
    """Whether something was allowed, and what is left.

    Attributes:
        allowed: it was taken; else nothing was.
        tat: the TAT after it, in nanoseconds of the clock that gave ``now``.
    """

    __slots__ = ("_now", "_quota", "_wait_ns", "allowed", "tat")

    def __init__(self, quota: Quota, tat: int, now: int, wait_ns: int) -> None:
        self.allowed = wait_ns <= 0
        self.tat = tat
        self._quota = quota
        self._now = now
        self._wait_ns = wait_ns

    @property
    def retry_after_s(self) -> float:
        """Seconds after which it would be allowed, if nothing else is taken meanwhile; 0.0 when it was."""
        return self._wait_ns / NS if self._wait_ns > 0 else 0.0

    @property
    def remaining(self) -> int:
        """Requests of cost 1 that would be allowed right now."""
        return remaining(self._quota, self.tat, self._now)

    @property
    def reset_s(self) -> float:
        """Seconds until the whole burst is there again."""
        return max(0, self.tat - self._now) / NS


def decide(quota: Quota, tat: int, steps_ns: int, now: int) -> Decision:
    """Decide one request.

    What costs more than the whole burst is allowed when all of it is there, and then owed, up to the quota's
    ceiling: it must be possible at all.

    Args:
        quota: what is allowed.
        tat: of the key before it; anything in the past for a new key.
        steps_ns: what it costs (:meth:`Quota.steps_ns`).
        now: nanoseconds of a clock that never runs backwards.
    """
    start = tat if tat > now else now
    tolerance = quota.tolerance_ns
    if steps_ns <= tolerance:
        wait = start + steps_ns - now - tolerance
        return Decision(quota, start + steps_ns if wait <= 0 else start, now, wait)
    wait = start - now
    return Decision(quota, start if wait else now + min(steps_ns, quota.ceiling_ns), now, wait)


def remaining(quota: Quota, tat: int, now: int) -> int:
    """Requests of cost 1 that a key may send right now."""
    left = quota.tolerance_ns - tat + now if tat > now else quota.tolerance_ns
    return left // quota.step_ns if left > 0 else 0
