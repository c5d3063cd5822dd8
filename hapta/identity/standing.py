"""What a token was worth when it was looked up last, and whether it still is: for whoever would ask again for
each request of a connection.

It rests on the change feed: it holds in the epoch that is asked about, and while the feed is live.
"""

from hapta.identity.counts import SessionCounts
from hapta.identity.memory import Known, Remembered


class SessionStanding:
    """Of the newest token of a session.

    Attributes:
        exp: its expiry, Unix seconds.
    """

    __slots__ = ("_counts", "_generation", "_known", "_remembered", "_successor", "exp")

    def __init__(
        self, known: Known, generation: int, exp: int, remembered: Remembered, counts: SessionCounts
    ) -> None:
        self._known = known
        self._generation = generation
        self._successor = generation + 1
        self._remembered = remembered
        self._counts = counts
        self.exp = float(exp)

    def holds(self, epoch: int) -> bool:
        """Whether it needs no second look before :attr:`exp`. Once there is a newer token this one's time is
        measured, and it is looked up each time."""
        known = self._known
        session = known.session
        return (
            known.holds(epoch, self._remembered.proof_round)
            and not session.ended_reason
            and self._successor not in session.generations
            and self._generation in session.generations
        )

    def used(self) -> None:
        """Somebody was answered on the strength of it: counted like a token that was looked up."""
        self._counts.memory += 1
