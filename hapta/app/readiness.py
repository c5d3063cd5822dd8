"""Whether Hapta can serve now, asked by load balancers every second or so."""

from collections.abc import Callable

from multidict import CIMultiDict

from hapta.model.clock import Clock
from hapta.model.errors import HaptaError
from hapta.server.protocol import Reception
from hapta.upstream.client import Lane, UpstreamClient, UpstreamRequest

_ANSWER_S = 2.0
_REMEMBERED_S = 0.5
"""An answer of PocketBase holds this long: whoever asks more often costs it nothing."""


class Readiness:
    """Ready means: not leaving, PocketBase answers, and Hapta has its rights there.

    Args:
        client: the door to PocketBase.
        reception: knows when connections are no longer accepted.
        why_not: further reasons not to be ready, asked each time.
        clock: monotonic time.
    """

    def __init__(
        self,
        client: UpstreamClient,
        reception: Reception,
        why_not: Callable[[], str | None],
        clock: Clock,
    ) -> None:
        self._client = client
        self._reception = reception
        self._why_not = why_not
        self._clock = clock
        self._checked_at: float | None = None
        self._problem: str | None = None
        self.is_leaving = False

    async def why_not(self) -> str | None:
        """Why Hapta is not ready, or ``None``."""
        if self.is_leaving or self._reception.is_draining:
            return "Hapta is shutting down."
        now = self._clock.monotonic()
        if self._checked_at is None or now - self._checked_at > _REMEMBERED_S:
            self._problem = await self._ask()
            self._checked_at = self._clock.monotonic()
        return self._problem or self._why_not()

    async def _ask(self) -> str | None:
        request = UpstreamRequest(
            "GET", "/api/health", CIMultiDict(), None, Lane.RECORDS, _ANSWER_S, _ANSWER_S
        )
        try:
            response = await self._client.send(request)
            await response.read()
        except HaptaError as error:
            return error.message
        return None if response.status == 200 else "The database is not healthy."
