"""Where accounts are logged in: in which networks a session's token was used lately, and found to live.

It is learnt from requests and forgotten with the process; a device that asks anything makes it known again.
"""

from collections.abc import Callable

from hapta.limits.keys import Key, fold
from hapta.model.clock import Clock
from hapta.model.recent import Recent

COUNTS_S = 24 * 3600.0
_NOTED_AGAIN_AFTER_S = 60.0

_Place = tuple[str, str, Key]


class Whereabouts:
    """Networks of living sessions.

    Args:
        most: places remembered; the least recently used is forgotten.
        clock: monotonic time.
        has_ended: whether a session is known to have ended.
    """

    def __init__(self, most: int, clock: Clock, has_ended: Callable[[str], bool]) -> None:
        self._places: Recent[_Place, tuple[str, float]] = Recent(most)
        self._clock = clock
        self._has_ended = has_ended

    def __len__(self) -> int:
        return len(self._places)

    def seen(self, collection: str, record: str, session: str, address: int) -> None:
        """A session's token was accepted.

        Args:
            collection: id of the auth collection.
            record: id of the auth record.
            session: id of the session.
            address: key of the client's address (:func:`~hapta.limits.keys.address_key`).
        """
        place, now = (collection, record, fold(address)), self._clock.monotonic()
        known = self._places.get(place)
        if known is None or now - known[1] > _NOTED_AGAIN_AFTER_S or known[0] != session:
            self._places.put(place, (session, now))

    def has_session(self, collection: str, record: str, address: int) -> bool:
        """Whether an auth record has a living session in the network around an address."""
        place = (collection, record, fold(address))
        known = self._places.get(place)
        if known is None:
            return False
        session, seen_at = known
        if self._clock.monotonic() - seen_at <= COUNTS_S and not self._has_ended(session):
            return True
        self._places.drop(place)
        return False
