"""Own writes whose events are still to come: whoever has just written gets a ranking that knows of it.

An event comes within two milliseconds of the answer, before or after it. One that does not come (a hook of
PocketBase suppresses it) is waited for once, and not for long.
"""

import asyncio
from collections.abc import Container
from typing import Final

from hapta.model.clock import Clock

WAITED_S: Final = 0.05
"""So long at most a ranking waits."""
EXPECTED_S: Final = 1.0
"""After that nobody waits for an event any more."""
_JUST_NOW_S: Final = 0.1
"""An event that came so shortly before the answer is taken for that of the write."""
_MOST: Final = 4096

_Key = tuple[str, str]


class OwnWrites:
    """Pairs answers to own writes with what was applied.

    Args:
        clock: monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expected: dict[_Key, tuple[float, asyncio.Event]] = {}
        self._applied: dict[_Key, float] = {}

    def __len__(self) -> int:
        return len(self._expected)

    def wrote(self, collection_id: str, record_id: str, started_at: float | None = None) -> None:
        """A write was answered.

        Args:
            started_at: monotonic instant at which it was sent, if that is known.
        """
        key, now = (collection_id, record_id), self._clock.monotonic()
        since = now - _JUST_NOW_S if started_at is None else started_at
        if self._applied.get(key, float("-inf")) >= since:
            return
        self._expected.pop(key, None)
        self._expected[key] = now + EXPECTED_S, asyncio.Event()
        if len(self._expected) > _MOST:
            self._met(next(iter(self._expected)))

    def applied(self, collection_id: str, record_id: str) -> None:
        """What an event told of this row is in the tables."""
        key = (collection_id, record_id)
        self._applied.pop(key, None)
        self._applied[key] = self._clock.monotonic()
        if len(self._applied) > _MOST:
            del self._applied[next(iter(self._applied))]
        self._met(key)

    def forget(self) -> None:
        """Events are missed: nobody waits for them."""
        for key in tuple(self._expected):
            self._met(key)

    async def settle(self, collection_ids: Container[str]) -> None:
        """Wait for the events of all writes answered so far in these collections."""
        if not self._expected:
            return
        now = self._clock.monotonic()
        for key in [key for key, (until, _) in self._expected.items() if until <= now]:
            self._met(key)
        awaited = {key: met for key, (_, met) in self._expected.items() if key[0] in collection_ids}
        try:
            async with asyncio.timeout(WAITED_S):
                for met in awaited.values():
                    await met.wait()
        except TimeoutError:
            for key, met in awaited.items():
                if (found := self._expected.get(key)) is not None and found[1] is met:
                    self._met(key)  # it was waited for, and will not be again

    def _met(self, key: _Key) -> None:
        found = self._expected.pop(key, None)
        if found is not None:
            found[1].set()
