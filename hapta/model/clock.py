"""Time as a parameter: whoever needs the time takes a clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> float:
        """Unix seconds; for instants that leave the process (ends in ``_at``)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; for durations and deadlines."""
        ...


class SystemClock:
    """The machine's own clocks; asked several times for every request, so nothing stands in between."""

    now = staticmethod(time.time)  # noqa: TID251 - its one home
    monotonic = staticmethod(time.monotonic)


class ManualClock:
    """A clock that moves only when told; both readings move together."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both readings forward by ``seconds`` (>= 0)."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._now += seconds
        self._monotonic += seconds
