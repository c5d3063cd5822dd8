"""How long the feed takes: from the answer to an own write to the event about it.

The event may come before the answer (about every third one does), so both sides are remembered for a while,
the oldest forgotten first.
"""

from hapta.model.clock import Clock

_REMEMBERED = 1024
_FORGOTTEN_AFTER_S = 30.0

_Key = tuple[str, str]


class Echoes:
    """Pairs own writes with their events.

    Args:
        clock: monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answered: dict[_Key, float] = {}
        self._seen: dict[_Key, float] = {}

    def __len__(self) -> int:
        return len(self._answered)

    def write_answered(self, collection_id: str, record_id: str, started_at: float | None) -> float | None:
        """An own write was answered now.

        Args:
            started_at: monotonic instant at which it was sent, by which an event that came before the answer
                is recognised.

        Returns:
            0.0 when its event was there before the answer, else ``None``.
        """
        key = (collection_id, record_id)
        if started_at is not None and self._seen.get(key, -1.0) >= started_at:
            return 0.0
        self._answered.pop(key, None)
        self._answered[key] = self._clock.monotonic()
        _trim(self._answered)
        return None

    def event_seen(self, collection_id: str, record_id: str, at: float) -> float | None:
        """An event came at the monotonic instant ``at``; returns the seconds since the own write it answers,
        or ``None`` when there was none."""
        key = (collection_id, record_id)
        self._seen.pop(key, None)
        self._seen[key] = at
        _trim(self._seen)
        answered_at = self._answered.pop(key, None)
        if answered_at is None or at - answered_at > _FORGOTTEN_AFTER_S:
            return None
        return max(0.0, at - answered_at)


def _trim(table: dict[_Key, float]) -> None:
    if len(table) > _REMEMBERED:
        del table[next(iter(table))]
