"""One event stream of PocketBase, from its opening to its end.

It is subscribed exactly once. PocketBase takes a second subscription as "forget all, then take these", and an
event between the two is lost; so whoever wants other topics opens another stream before closing this one.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping

from multidict import CIMultiDict

from hapta.feed.changes import Change, GarbledEvent, parse_change, topic
from hapta.feed.sse import EventTooLarge, SseEvent, SseParser
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, OperatorError, UpstreamLost
from hapta.model.tasks import TaskSet
from hapta.upstream.client import Lane, UpstreamClient, UpstreamRequest, UpstreamResponse
from hapta.upstream.superuser import USER_AGENT, SuperuserClient

_OPENED_WITHIN_S = 10.0
_TOKEN_MARGIN_S = 60.0
_CONNECTED = "PB_CONNECT"


class FeedRefused(OperatorError):
    """PocketBase does not let Hapta follow its changes."""


class FeedStream:
    """A stream; :meth:`open` it once, :meth:`close` it once.

    Args:
        client: the door to PocketBase.
        superuser: with whose rights it is subscribed.
        covered: collection ids to subscribe to, and whether with full payloads.
        proofs: ids of collections of which only a superuser is told.
        clock: monotonic time.
        on_change: told of each change.
        on_end: told once, synchronously, when it ends without having been closed: why, as in
            :data:`~hapta.feed.meters.GAP_REASONS`.

    Attributes:
        opened_at: monotonic instant of its subscription.
        heard_at: monotonic instant of the last event of a collection in ``proofs``; before the first one,
            minus infinity.
        renew_at: monotonic instant by which to subscribe anew, because the token used ends; perhaps infinity.
    """

    def __init__(
        self,
        client: UpstreamClient,
        superuser: SuperuserClient,
        covered: Mapping[str, bool],
        proofs: Collection[str],
        clock: Clock,
        *,
        on_change: Callable[[Change], None],
        on_end: Callable[["FeedStream", str], None],
    ) -> None:
        self.covered = dict(covered)
        self.opened_at = clock.monotonic()
        self.heard_at = float("-inf")
        self.renew_at = float("inf")
        self._client = client
        self._superuser = superuser
        self._proofs = proofs
        self._clock = clock
        self._on_change = on_change
        self._on_end = on_end
        self._tasks = TaskSet()
        self._response: UpstreamResponse | None = None
        self._client_id = ""
        self._is_open = False
        self._news = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Subscribed, and neither ended nor closed."""
        return self._is_open

    async def open(self) -> None:
        """Connect and subscribe.

        Raises:
            FeedRefused: PocketBase refuses the subscription.
            HaptaError: no connection, or it broke.
            TimeoutError: connected, but PocketBase's first event did not come.
        """
        try:
            async with asyncio.timeout(_OPENED_WITHIN_S):
                await self._connect()
                await self._subscribe()
        except BaseException:
            await self.close()
            raise

    async def heard_since(self, since: float, within_s: float) -> bool:
        """Wait for a proof at or after the monotonic instant ``since``; ``False`` if none came in time."""
        try:
            async with asyncio.timeout(max(0.0, within_s)):
                while self._is_open and self.heard_at < since:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        return self._is_open and self.heard_at >= since

    async def close(self) -> None:
        """End it; nobody is told. Idempotent."""
        self._is_open = False
        self._news.set()
        await self._tasks.cancel()
        if self._response is not None:
            self._response.close()

    async def _connect(self) -> None:
        headers = CIMultiDict({"User-Agent": USER_AGENT, "Accept": "text/event-stream"})
        request = UpstreamRequest("GET", "/api/realtime", headers, None, Lane.STREAMS, _OPENED_WITHIN_S, None)
        self._response = response = await self._client.send(request)
        if response.status != 200:
            raise FeedRefused(
                f"PocketBase at {self._client.base_url} opens no event stream (GET /api/realtime: "
                f"{response.status})"
            )
        response.becomes_stream()
        self._is_open = True
        self._tasks.spawn(self._read(response), name="change feed")
        while self._is_open and not self._client_id:
            self._news.clear()
            await self._news.wait()
        if not self._is_open:
            raise UpstreamLost

    async def _subscribe(self) -> None:
        topics = [topic(collection_id, is_full=is_full) for collection_id, is_full in self.covered.items()]
        body = {"clientId": self._client_id, "subscriptions": topics}
        status, answer = await self._superuser.request("POST", "/api/realtime", body, lane=Lane.STREAMS)
        if status == 404 or not self._is_open:
            raise UpstreamLost  # it ended in between, or another PocketBase behind the same address was asked
        if status != 204:
            reason = answer.get("message", "") if isinstance(answer, Mapping) else ""
            raise FeedRefused(
                f"PocketBase at {self._client.base_url} refuses the subscription to its changes (status "
                f"{status}): {reason} It must see one address on GET and POST /api/realtime"
            )
        self.opened_at = self._clock.monotonic()
        ends_at = self._superuser.renew_by()
        if ends_at is not None:
            left_s = ends_at - self._clock.now()
            self.renew_at = self.opened_at + max(left_s - _TOKEN_MARGIN_S, left_s / 2)

    async def _read(self, response: UpstreamResponse) -> None:
        parser, reason = SseParser(), "garbled"
        try:
            async for piece in response.chunks():
                for event in parser.feed(piece):
                    self._take(event)
            reason = "ended"
        except HaptaError:
            reason = "lost"
        except (EventTooLarge, GarbledEvent):
            response.close()
        finally:
            if self._is_open:  # not closed by us: whatever happened here, nothing is heard any more
                self._is_open = False
                self._on_end(self, reason)
                self._news.set()

    def _take(self, event: SseEvent) -> None:
        if event.name == _CONNECTED:
            self._client_id = event.id
            self._news.set()
            return
        now = self._clock.monotonic()
        change = parse_change(event, now)
        if change is None:
            return
        if change.collection_id in self._proofs:
            self.heard_at = now
            self._news.set()
        self._on_change(change)
