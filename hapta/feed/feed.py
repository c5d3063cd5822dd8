"""The change feed: PocketBase's realtime events, made into something a promise can stand on.

Events alone prove nothing by their absence. Therefore:

* **Epoch.** Whatever is stored on the strength of the feed carries the epoch in which its fetch began and is
  unusable in another. The epoch moves when the feed is lost (changes may be missed from here), when it is
  back (a fetch begun while it was away may have missed one), and when it follows more collections.
* **Proof.** A stream counts only once an event that no guest is told has come through it: PocketBase takes a
  subscription with a dead token silently for a guest's, and makes the stream a guest's when the superuser's
  password changes, who goes on hearing of public collections. The proof is a PATCH of Hapta's own row; any
  event of a system collection that is closed to all will do. PocketBase writes one transaction after the
  other, so the first proof also stands behind deletes that were under way when the subscription was made, of
  which it would not be told.
* **Silence.** ``is_live`` holds for ``feed.max_silence_s`` after the last proof. Whoever serves something
  calls :meth:`ChangeFeed.touch`, which sends the PATCH when four fifths of that are over. No touch, no PATCH:
  each call is a row in PocketBase's log. A PATCH that was answered and not heard is a gap.
* **Replacement.** A stream is replaced by a second one that is subscribed first: before PocketBase cuts it
  for its age, before the token ends, and for other topics. The PATCH must be heard on both, or changes may
  have been missed on the old one. Before the cut for idleness the PATCH alone will do: its event is what
  PocketBase waits for.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Collection as Several

from hapta.config import FeedConfig
from hapta.feed.changes import MAX_TOPICS, Change
from hapta.feed.echoes import Echoes
from hapta.feed.install import HEARTBEAT_ID, heartbeat_path
from hapta.feed.layout import Own
from hapta.feed.meters import EventLog, FeedMeter
from hapta.feed.stream import FeedRefused, FeedStream
from hapta.feed.watch import SchemaWatch
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, OperatorError, UpstreamLost
from hapta.model.schema import Collection
from hapta.model.tasks import TaskSet
from hapta.upstream.client import Lane, UpstreamClient
from hapta.upstream.superuser import SuperuserClient

_PROBE_AT = 0.8
"""Share of ``max_silence_s`` after which a touch sends the heartbeat: the rest is for its echo."""
_PREPARED_S = 10.0
"""Shorter than a request may take otherwise: one on a connection that died silently would never end."""
_ANSWER_S = 5.0
_ECHO_S = 2.0
_LINGER_S = 2.0
"""A replaced stream stays open so long: events on their way to it still arrive."""
_OTHER_PAYLOADS_S = 1.0
"""A stream is replaced no sooner because of :meth:`ChangeFeed.wants_full` alone."""
_RETRY_S = (0.05, 2.0)
_REFUSED_RETRY_S = (0.5, 5.0)
"""A refused login costs PocketBase a tenth of a second."""
_START_S = 20.0

_Failures = (HaptaError, OperatorError, TimeoutError)


class ChangeFeed:
    """Follows all changes of one PocketBase, from :meth:`start` to :meth:`stop`.

    Args:
        client: the opened door to PocketBase.
        superuser: Hapta's rights.
        schema: which collections there are; refreshed before each connection.
        config: the ``[feed]`` table.
        prepare: installs Hapta's collections; called before each connection, because a restored backup may
            not have them.

    Attributes:
        epoch: what was taken in another epoch is unusable.
        own: ids of Hapta's collections, once started.
    """

    def __init__(
        self,
        client: UpstreamClient,
        superuser: SuperuserClient,
        schema: SchemaWatch,
        config: FeedConfig,
        *,
        prepare: Callable[[], Awaitable[Own]],
        clock: Clock,
        meter: FeedMeter,
        events: EventLog,
    ) -> None:
        self.epoch = 0
        self.own: Own | None = None
        self._client = client
        self._superuser = superuser
        self._schema = schema
        self._config = config
        self._prepare = prepare
        self._clock = clock
        self._meter = meter
        self._events = events
        self._echoes = Echoes(clock)
        self._tasks = TaskSet()
        self._wake = asyncio.Event()
        self._current: FeedStream | None = None
        self._open: set[FeedStream] = set()
        self._full: frozenset[str] = frozenset()
        self._wanted_full: dict[str, frozenset[str]] = {}
        self._is_wanted_full: Callable[[Collection], bool] = lambda _: False
        self._is_touched = False
        self._not_before = float("-inf")
        self._failures = 0
        self._is_refused = False
        self._on_change: list[Callable[[Change], None]] = []
        self._on_gap: list[Callable[[], None]] = []
        self._on_live: list[Callable[[], None]] = []
        schema.on_change(lambda _: self._wake.set())
        superuser.on_identity_lost.append(lambda: self._lost("identity"))

    @property
    def is_live(self) -> bool:
        """Connected, subscribed, and proved within ``max_silence_s``."""
        stream = self._current
        return stream is not None and self._clock.monotonic() - stream.heard_at <= self._config.max_silence_s

    @property
    def stream(self) -> FeedStream | None:
        """The one that is followed; ``None`` while the feed is lost."""
        return self._current

    def certain_until(self) -> float:
        """Monotonic instant until which :attr:`is_live` holds and nobody needs to call :meth:`touch`, as long
        as :attr:`stream` stays the same."""
        stream = self._current
        if stream is None:
            return float("-inf")
        return stream.heard_at + _PROBE_AT * self._config.max_silence_s

    @property
    def is_connected(self) -> bool:
        """Connected and subscribed, however long ago it was last proved."""
        return self._current is not None

    def covers(self, collection_id: str) -> bool:
        """Whether changes of this collection are told: nothing of another may be stored. Views never are."""
        return self._current is not None and collection_id in self._current.covered

    def on_change(self, callback: Callable[[Change], None]) -> None:
        """``callback`` is told of each change, synchronously, perhaps twice."""
        self._on_change.append(callback)

    def on_gap(self, callback: Callable[[], None]) -> None:
        """``callback`` is told whenever the epoch has moved, before anything else is answered."""
        self._on_gap.append(callback)

    def on_live(self, callback: Callable[[], None]) -> None:
        """``callback`` is told whenever the feed is connected; PocketBase may hold other data by then."""
        self._on_live.append(callback)

    def wants_full(self, collection_ids: Several[str], *, by: str = "") -> None:
        """From soon on changes of these collections carry the record, those of all others only its id.

        Args:
            by: who wants it; each has a list of its own, and the last one given counts.
        """
        self._wanted_full[by] = frozenset(collection_ids)
        self._full = frozenset().union(*self._wanted_full.values())
        self._wake.set()

    def wants_full_where(self, is_wanted: Callable[[Collection], bool]) -> None:
        """The same for each collection of which this holds, from the first connection on."""
        self._is_wanted_full = is_wanted
        self._wake.set()

    def own_write(self, collection_id: str, record_id: str, started_at: float | None = None) -> None:
        """An own write was answered just now; its event measures the feed's delay.

        Args:
            started_at: monotonic instant at which it was sent, for events that come before the answer.
        """
        lag_s = self._echoes.write_answered(collection_id, record_id, started_at)
        if lag_s is not None:
            self._meter.feed_lag(lag_s)

    def touch(self) -> None:
        """Something is served, or would be, on the strength of the feed; cheap."""
        stream = self._current
        if stream is None or self._is_touched:
            return
        if self._is_silent(stream, self._clock.monotonic()):
            self._is_touched = True
            self._wake.set()

    async def start(self) -> None:
        """Connect for the first time.

        Raises:
            OperatorError: PocketBase does not let itself be followed, or stands behind something that holds
                events back.
        """
        deadline = self._clock.monotonic() + _START_S
        while True:
            try:
                await self._connect()
                break
            except (HaptaError, TimeoutError) as exc:
                if self._clock.monotonic() > deadline:
                    base_url = self._client.base_url
                    what = f"PocketBase at {base_url} does not let Hapta follow its changes: "
                    raise OperatorError(what + _reason(exc)) from exc
            await asyncio.sleep(self._next_delay_s())
        self._tasks.spawn(self._run(), name="change feed")

    async def stop(self) -> None:
        """Disconnect; the epoch stays where it is, ``is_live`` is over."""
        self._current = None
        self._meter.feed_live(False)
        await self._tasks.cancel()
        for stream in tuple(self._open):
            await self._close(stream)

    async def _run(self) -> None:
        while True:
            await self._sleep()
            try:
                await self._attend()
            except _Failures as exc:
                self._failed(exc)
            except Exception as exc:  # a bug of ours, or answers in a form nobody foresaw
                self._report(exc)
                self._lost("consumer")
                self._failed(exc)

    def _failed(self, exc: BaseException) -> None:
        is_refusal = isinstance(exc, OperatorError)
        delay_s = self._next_delay_s(_REFUSED_RETRY_S if is_refusal else _RETRY_S)
        self._not_before = self._clock.monotonic() + delay_s
        if is_refusal and not self._is_refused and self._superuser.trouble is None:
            self._events.error("feed_refused", message=str(exc), next_try_s=delay_s)
        self._is_refused = is_refusal

    async def _sleep(self) -> None:
        """Until something is to be done, and not before the pause after a failure is over."""
        pause_s = self._not_before - self._clock.monotonic()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
        if self._current is None:
            return
        due = min(self._idle_due(self._current), self._replacement_due(self._current))
        try:
            async with asyncio.timeout(max(0.0, due - self._clock.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _attend(self) -> None:
        stream, now = self._current, self._clock.monotonic()
        try:
            if stream is None:
                await self._connect()
            elif self._replacement_due(stream) <= now:
                await self._replace(stream)
            elif self._needs_proof(stream, now):
                is_heard = await self._prove(stream) == [True]
                if not is_heard and self._current is stream:
                    self._lost("silent")
        finally:
            self._is_touched = False
        self._failures, self._is_refused = 0, False

    def _needs_proof(self, stream: FeedStream, now: float) -> bool:
        return self._idle_due(stream) <= now or (self._is_touched and self._is_silent(stream, now))

    def _is_silent(self, stream: FeedStream, now: float) -> bool:
        return now - stream.heard_at >= _PROBE_AT * self._config.max_silence_s

    def _idle_due(self, stream: FeedStream) -> float:
        return max(stream.heard_at, stream.opened_at) + self._config.renew_idle_s

    def _replacement_due(self, stream: FeedStream) -> float:
        wanted = self._wanted()
        if stream.covered.keys() != wanted.keys():
            return stream.opened_at
        due = min(stream.opened_at + self._config.renew_age_s, stream.renew_at)
        return due if stream.covered == wanted else min(due, stream.opened_at + _OTHER_PAYLOADS_S)

    def _wanted(self) -> dict[str, bool]:
        collections = self._schema.snapshot.by_id.values()
        return {c.id: c.id in self._full or self._is_wanted_full(c) for c in collections if not c.is_view}

    def _proofs(self) -> frozenset[str]:
        """Collections nobody but a superuser is told of; their rules cannot be changed."""
        collections = self._schema.snapshot.by_id.values()
        return frozenset(c.id for c in collections if c.is_system and c.rules["listRule"] is None)

    def _next_delay_s(self, bounds_s: tuple[float, float] = _RETRY_S) -> float:
        self._failures += 1
        shortest_s, longest_s = bounds_s
        return min(longest_s, shortest_s * 2.0 ** min(self._failures - 1, 10))

    async def _connect(self) -> None:
        async with asyncio.timeout(_PREPARED_S):
            self.own = await self._prepare()
            await self._schema.refresh()
        stream = await self._open_stream()
        try:
            is_heard = await self._prove(stream) == [True]
        except BaseException:
            await self._close(stream)
            raise
        if not is_heard:
            await self._close(stream)
            raise UpstreamLost(
                "the event of an own write did not come: does a proxy in between hold events back, does a "
                "hook of PocketBase suppress them, do several PocketBase servers stand behind one address?"
            )
        is_first = self.epoch == 0
        self._current = stream
        self._meter.feed_live(True)
        self._move_epoch()
        self._tell(self._on_live)
        if not is_first:
            self._meter.feed_reconnected()
            self._events.info("feed_up", message="PocketBase's changes are followed again", epoch=self.epoch)

    async def _open_stream(self) -> FeedStream:
        wanted = self._wanted()
        if len(wanted) > MAX_TOPICS:
            raise FeedRefused(
                f"PocketBase has {len(wanted)} collections and lets one stream follow {MAX_TOPICS}"
            )
        stream = FeedStream(
            self._client,
            self._superuser,
            wanted,
            self._proofs(),
            self._clock,
            on_change=self._take,
            on_end=self._on_end,
        )
        self._open.add(stream)
        try:
            await stream.open()
        except BaseException:
            self._open.discard(stream)
            raise
        return stream

    async def _replace(self, old: FeedStream) -> None:
        """Open and prove the successor, then let go of ``old``: no moment without a subscription."""
        new = await self._open_stream()
        try:
            new_is_heard, old_is_heard = await self._prove(new, old)
        except BaseException:
            await self._close(new)
            raise
        if self._current is not old:  # it was lost meanwhile, and a gap told
            await self._close(new)
        elif new_is_heard and old_is_heard:
            self._current = new
            if new.covered.keys() - old.covered.keys():
                self._move_epoch()  # a read of these may be under way that missed a change
            self._tasks.spawn(self._linger(old), name="replaced change feed")
        else:
            await self._close(new)
            if old_is_heard:
                raise UpstreamLost
            self._lost("silent")  # nobody knows for how long it has been deaf

    async def _linger(self, old: FeedStream) -> None:
        await asyncio.sleep(_LINGER_S)
        await self._close(old)

    async def _prove(self, *streams: FeedStream) -> list[bool]:
        """Write the heartbeat; on which of ``streams`` its event came.

        Raises:
            HaptaError, TimeoutError: it could not be written, which proves nothing.
        """
        assert self.own is not None
        since = self._clock.monotonic()
        async with asyncio.timeout(_ANSWER_S):
            status, _ = await self._superuser.request(
                "PATCH", heartbeat_path(self.own), {}, lane=Lane.STREAMS
            )
        if status == 404:
            self.own = await self._prepare()  # somebody deleted the row
        if status != 200:
            raise UpstreamLost(f"PocketBase does not take the heartbeat (status {status})")
        self.own_write(self.own.meta, HEARTBEAT_ID, since)
        deadline = self._clock.monotonic() + _ECHO_S
        return [await stream.heard_since(since, deadline - self._clock.monotonic()) for stream in streams]

    async def _close(self, stream: FeedStream) -> None:
        self._open.discard(stream)
        await stream.close()

    def _take(self, change: Change) -> None:
        self._meter.feed_event(change.action)
        lag_s = self._echoes.event_seen(change.collection_id, change.record_id, change.received_at)
        if lag_s is not None:
            self._meter.feed_lag(lag_s)
        for tell in self._on_change:
            try:
                tell(change)
            except Exception as exc:
                self._report(exc)
                self._lost("consumer")  # what it stored may be wrong now

    def _on_end(self, stream: FeedStream, reason: str) -> None:
        self._open.discard(stream)
        if stream is self._current:
            self._lost(reason)

    def _lost(self, reason: str) -> None:
        """Changes may be missed from here on. Everything that depends on the feed learns it now."""
        stream, self._current = self._current, None
        if stream is None:
            return
        self._meter.feed_live(False)
        self._meter.feed_gap(reason)
        self._move_epoch()
        self._events.warning(
            "feed_gap", message="PocketBase's changes could not be followed for a moment", reason=reason
        )
        self._tasks.spawn(self._close(stream), name="lost change feed")
        self._wake.set()

    def _move_epoch(self) -> None:
        self.epoch += 1
        self._tell(self._on_gap)

    def _tell(self, callbacks: Sequence[Callable[[], None]]) -> None:
        for tell in callbacks:
            try:
                tell()
            except Exception as exc:
                self._report(exc)

    def _report(self, exc: Exception) -> None:
        trace = "".join(traceback.format_exception(exc))
        self._events.error(
            "feed_consumer",
            message="a part of Hapta failed on a change or gap; please report it",
            trace=trace,
        )


def _reason(exc: BaseException) -> str:
    if isinstance(exc, TimeoutError):
        return "it does not answer in time"
    return exc.message if isinstance(exc, HaptaError) else str(exc)
