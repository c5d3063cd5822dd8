"""The limiter as it is meant, in exact rational arithmetic and without a bound on anything."""

from fractions import Fraction


class Oracle:
    """GCRA of one key by the textbook.

    Args:
        max_requests: in each ``duration_s``.
        burst: at once.
    """

    def __init__(self, max_requests: int, duration_s: Fraction, burst: int) -> None:
        self.step_s = duration_s / max_requests
        self.tolerance_s = self.step_s * burst
        self.ceiling_s = self.tolerance_s + duration_s
        self.tat_s = Fraction(0)

    def take(self, cost: Fraction, now_s: Fraction) -> Fraction:
        """0 when taken, else the seconds until it would be."""
        start_s = max(self.tat_s, now_s)
        price_s = cost * self.step_s
        wait_s = start_s + min(price_s, self.tolerance_s) - now_s - self.tolerance_s
        if wait_s > 0:
            return wait_s
        self.tat_s = min(start_s + price_s, now_s + self.ceiling_s)
        return Fraction(0)

    def charge_more(self, cost: Fraction, now_s: Fraction) -> None:
        """Owe more."""
        owed_s = max(self.tat_s, now_s) + cost * self.step_s
        self.tat_s = min(owed_s, now_s + self.ceiling_s)

    def remaining(self, now_s: Fraction) -> int:
        """Requests that would be allowed at once."""
        owed_s = max(Fraction(0), self.tat_s - now_s)
        return max(0, int((self.tolerance_s - owed_s) // self.step_s))
