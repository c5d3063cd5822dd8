"""A circuit breaker: a dead PocketBase costs its callers microseconds, not a time-out each.

Closed, every request passes. After ``failures`` connections in a row could not be made it opens: for
``open_s`` seconds nothing is tried. Then one request at a time is let through; the first success closes it, a
failure opens it anew (M. Nygard, *Release It!*, 2018, ch. 5). Only connections that could not be made count:
a slow or failing route of PocketBase says nothing of the others.
"""

from typing import TYPE_CHECKING

from hapta.model.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable


class CircuitBreaker:
    """Closed, open or half-open.

    Args:
        failures: refused connections in a row after which it opens.
        open_s: seconds for which nothing is tried.
        clock: monotonic time.

    Attributes:
        on_changed: told whether it is open whenever that may have changed.
    """

    def __init__(self, failures: int, open_s: float, clock: Clock) -> None:
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._is_probing = False
        self.on_changed: Callable[[bool], None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests are turned away (half-open included: the probe is not yet back)."""
        return self._opened_at is not None

    def retry_after_s(self) -> float:
        """Seconds until something is tried again; 0.0 when closed."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._open_s - self._clock.monotonic())

    def allows(self) -> bool:
        """Whether this request may be tried; when half-open, ``True`` goes to one caller, who must report
        back."""
        if self._opened_at is None:
            return True
        if self._is_probing or self.retry_after_s() > 0.0:
            return False
        self._is_probing = True
        return True

    def succeeded(self) -> None:
        """A connection was made."""
        self._failures = 0
        self._is_probing = False
        if self._opened_at is not None:
            self._opened_at = None
            self._tell()

    def failed(self) -> None:
        """A connection could not be made."""
        self._failures += 1
        self._is_probing = False
        if self._opened_at is not None or self._failures >= self._limit:
            self._opened_at = self._clock.monotonic()
            self._tell()

    def _tell(self) -> None:
        if self.on_changed is not None:
            self.on_changed(self.is_open)

    def abandoned(self) -> None:
        """The request ended before it was known whether a connection can be made."""
        self._is_probing = False
