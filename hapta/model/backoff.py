"""How long to wait before a child that ended is started again.

The first restart is immediate, because most ends are single ones (out of memory, an operator's kill) and
every millisecond is an outage. Ends that follow quickly on a start double the wait, up to ten seconds, for
ever.
"""

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 10.0
STEADY_AFTER_S = 5.0


class Backoff:
    """Counts ends in a row."""

    def __init__(self) -> None:
        self.ends_in_a_row = 0

    def wait_s(self, served_s: float) -> float:
        """The wait after an end.

        Args:
            served_s: seconds the child had served before it ended; 0 when it never did.
        """
        if served_s >= STEADY_AFTER_S:
            self.ends_in_a_row = 0
        self.ends_in_a_row += 1
        if self.ends_in_a_row == 1:
            return 0.0
        doublings = min(self.ends_in_a_row - 2, 10)
        return float(min(FIRST_WAIT_S * 2**doublings, LONGEST_WAIT_S))
