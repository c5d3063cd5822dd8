"""The schema, kept current: which collections there are and what their rules say.

PocketBase sends no event for a change of schema or rules. On the same machine inotify tells of it at once;
elsewhere the snapshot is confirmed when somebody needs it and the last confirmation is too old, by a question
that takes PocketBase 3 ms. Own traffic that may have changed the schema calls :meth:`SchemaWatch.invalidate`.

A PocketBase that learns of a change from another process of its own goes on applying the old rules for some
tens of milliseconds. What is fetched meanwhile would be stored under the new schema, so the version moves a
second time once that is over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hapta.config import FeedConfig
from hapta.feed.meters import EventLog
from hapta.feed.notify import NotifyWatch
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, OperatorError
from hapta.model.schema import EMPTY, Collection, Schema
from hapta.model.tasks import TaskSet
from hapta.upstream.client import Lane
from hapta.upstream.superuser import NotPocketBase, SuperuserClient

SETTLE_S = 0.5
"""Another process's change was applied by a serving PocketBase within 0.3 s."""

_RENEWED_AT = 0.75
"""Part of its time after which what somebody relies on all the time is confirmed again."""
_NOTIFIED_WITHIN_S = 2.0
_PROOFS = 2
"""Changes that must be told: one alone might be somebody else's, in the wrong directory at the same time."""
_CONFIRMED_WITHIN_S = 5.0
_PAGE = 1000
_BATCH_MOST = 50
"""What PocketBase takes unless it is told otherwise."""
_STAMPS_SQL = "SELECT group_concat(id || ' ' || updated, char(10)) FROM _collections"


class SchemaUnconfirmed(HaptaError):
    """The schema cannot be confirmed just now, so nothing may be concluded from it."""

    status, code = 503, "schema_unconfirmed"
    message = "The database is not available. Please try again shortly."


@dataclass(frozen=True, slots=True)
class Features:
    """What this PocketBase can do, found out by trying (its version is not told).

    Attributes:
        has_sql: ``POST /api/sql`` answers superusers (0.39 and newer).
        has_batch: ``POST /api/batch`` is switched on in the settings.
        batch_most: requests it takes at once.
    """

    has_sql: bool = False
    has_batch: bool = False
    batch_most: int = _BATCH_MOST


class SchemaWatch:
    """Keeps a snapshot of the schema.

    Args:
        superuser: asks PocketBase.
        config: the ``[feed]`` table.
        notify_dir: ``.notify`` of PocketBase's data directory where it runs on this machine; else ``None``.
        is_proven: it is that of this PocketBase for certain; else it counts for nothing before
            :meth:`prove_notified`.

    Attributes:
        snapshot: the schema as last seen; empty before :meth:`refresh`.
        features: what PocketBase can do, as last probed.
        doubts: moves whenever what was certain may be so no more.
    """

    def __init__(
        self,
        superuser: SuperuserClient,
        config: FeedConfig,
        *,
        clock: Clock,
        events: EventLog,
        notify_dir: Path | None = None,
        is_proven: bool = True,
    ) -> None:
        self.snapshot: Schema = EMPTY
        self.features = Features()
        self._superuser = superuser
        self._config = config
        self._clock = clock
        self._events = events
        self._notify = (
            None if notify_dir is None else NotifyWatch(notify_dir, self._on_notified, self._on_settings)
        )
        self._is_proven = is_proven
        self._is_proving = False
        self._notified = asyncio.Event()
        self._tasks = TaskSet()
        self._lock = asyncio.Lock()
        self._confirmed_at = float("-inf")
        self.doubts = 0
        self._renewal: asyncio.Task[None] | None = None
        self._is_dirty = True
        self._callbacks: list[Callable[[Schema], None]] = []
        self._settings_callbacks: list[Callable[[], None]] = []

    def on_change(self, callback: Callable[[Schema], None]) -> None:
        """``callback`` is told of each new snapshot, synchronously."""
        self._callbacks.append(callback)

    def on_settings(self, callback: Callable[[], None]) -> None:
        """``callback`` is told that PocketBase's settings changed, where inotify tells that."""
        self._settings_callbacks.append(callback)

    def certain_until(self) -> float:
        """Monotonic instant until which :meth:`is_confirmed` holds, if :attr:`doubts` stays where it is."""
        if self._is_dirty:
            return float("-inf")
        return float("inf") if self._is_told else self._confirmed_at + self._bound(None)

    def due_at(self) -> float:
        """Monotonic instant at which to :meth:`renew` what is confirmed, before nobody may rely on it."""
        return self.certain_until() - (1 - _RENEWED_AT) * self._bound(None)

    def renew(self) -> None:
        """Confirm the schema in the background, unless that is under way."""
        if self._renewal is None or self._renewal.done():
            self._renewal = self._tasks.spawn(self._renew(), name="schema is confirmed")

    async def _renew(self) -> None:
        try:
            await self.confirmed(_RENEWED_AT * self._bound(None))
        except SchemaUnconfirmed:
            return  # whoever needs it asks again

    def invalidate(self) -> None:
        """The schema may have changed: the next :meth:`confirmed` asks."""
        self.doubts += 1
        self._is_dirty = True

    def is_confirmed(self, max_age_s: float | None = None) -> bool:
        """Whether :meth:`confirmed` would answer without asking."""
        return self._holds_since(self._clock.monotonic() - self._bound(max_age_s))

    async def confirmed(self, max_age_s: float | None = None) -> Schema:
        """The schema as it was at most ``max_age_s`` (``feed.schema_max_age_s``) ago.

        Raises:
            SchemaUnconfirmed: PocketBase did not answer, or refuses Hapta its rights.
        """
        since = self._clock.monotonic() - self._bound(max_age_s)
        if not self._holds_since(since):
            async with self._lock:
                if not self._holds_since(since):
                    await self._confirm()
        return self.snapshot

    async def still_holds(self, schema: Schema) -> bool:
        """Whether PocketBase, asked now, still has this schema: for what must not wait until it tells.

        Raises:
            HaptaError, OperatorError: as :meth:`SuperuserClient.request`.
        """
        stamps = await self._stamps() if self.features.has_sql else None
        if stamps is None:
            stamps = Schema.of(0, await self._load()).stamps()
        if stamps != self.snapshot.stamps():
            self.invalidate()
        return self.snapshot.version == schema.version and stamps == schema.stamps()

    async def refresh(self) -> Schema:
        """Read the whole schema again and probe the features.

        Raises:
            NotPocketBase: what came is no schema.
            HaptaError, OperatorError: as :meth:`SuperuserClient.request`.
        """
        self.invalidate()
        async with self._lock:
            await self._look()
        await self._probe()
        return self.snapshot

    async def prove_notified(self, act: Callable[[], Awaitable[object]]) -> bool:
        """Whether PocketBase's data directory tells of a change here; if so, PocketBase is asked no more.

        Args:
            act: saves some collection.

        Raises:
            HaptaError, OperatorError: whatever ``act`` raises.
        """
        self.doubt_notified()
        if self._notify is None or not self._notify.start():
            return False
        self._is_proving = True  # whoever needs the schema afterwards asks for it
        try:
            for _ in range(_PROOFS):
                self._notified.clear()
                await act()
                async with asyncio.timeout(_NOTIFIED_WITHIN_S):
                    await self._notified.wait()
        except TimeoutError:
            return False
        finally:
            self._is_proving = False
        self._is_proven = True
        return True

    def doubt_notified(self) -> None:
        """Another PocketBase may be there now, with a directory of its own."""
        self.doubts += 1
        self._is_proven = False

    async def stop(self) -> None:
        """Watch no longer."""
        if self._notify is not None:
            self._notify.stop()
        self.doubts += 1
        await self._tasks.cancel()

    def _bound(self, max_age_s: float | None) -> float:
        return self._config.schema_max_age_s if max_age_s is None else max_age_s

    def _holds_since(self, since: float) -> bool:
        return not self._is_dirty and (self._is_told or self._confirmed_at >= since)

    @property
    def _is_told(self) -> bool:
        """Changes are told as they happen."""
        return self._notify is not None and self._notify.is_watching and self._is_proven

    async def _confirm(self) -> None:
        try:
            async with asyncio.timeout(_CONFIRMED_WITHIN_S):
                await self._look()
        except (HaptaError, OperatorError, TimeoutError) as exc:
            raise SchemaUnconfirmed from exc

    async def _look(self) -> None:
        """Ask PocketBase; afterwards the snapshot is what it was at some moment since the call."""
        if self._notify is not None:
            self._notify.start()  # before reading, so that no change falls between
        doubts, began = self.doubts, self._clock.monotonic()
        if self._is_dirty or not self.features.has_sql or await self._stamps() != self.snapshot.stamps():
            self._adopt(await self._load())
        self._confirmed_at = began
        if self.doubts == doubts:
            self._is_dirty = False

    async def _load(self) -> list[Collection]:
        items: list[Any] = []
        for page in range(1, 1000):
            status, answer = await self._superuser.request(
                "GET",
                f"/api/collections?perPage={_PAGE}&page={page}&skipTotal=1&sort=id",
                lane=Lane.STREAMS,
            )
            if status != 200 or not isinstance(answer, Mapping):
                raise NotPocketBase(
                    f"{self._superuser.base_url} does not show its collections (status {status})"
                )
            items += answer.get("items", ())
            if len(answer.get("items", ())) < _PAGE:
                break
        try:
            return [Collection.parse(item) for item in items]
        except (KeyError, TypeError) as exc:
            raise NotPocketBase(
                f"{self._superuser.base_url} shows collections in a form Hapta does not know ({exc!r}); "
                "PocketBase must be 0.38 or newer"
            ) from exc

    async def _stamps(self) -> frozenset[str] | None:
        status, answer = await self._superuser.request(
            "POST", "/api/sql", {"query": _STAMPS_SQL}, lane=Lane.STREAMS
        )
        try:
            return frozenset(answer["rows"][0][0].split("\n")) if status == 200 else None
        except (KeyError, IndexError, TypeError, AttributeError):
            return None

    async def _probe(self) -> None:
        has_sql = await self._stamps() is not None
        status, settings = await self._superuser.request("GET", "/api/settings", lane=Lane.STREAMS)
        batch = settings.get("batch") if status == 200 and isinstance(settings, Mapping) else None
        if not isinstance(batch, Mapping):
            batch = {}
        most = batch.get("maxRequests")
        self.features = Features(
            has_sql,
            bool(batch.get("enabled")),
            most if type(most) is int and most > 0 else _BATCH_MOST,
        )

    def _adopt(self, collections: list[Collection]) -> None:
        is_first = self.snapshot.version == 0
        found = Schema.of(self.snapshot.version + 1, collections)
        if found.has_same_content(self.snapshot) and not is_first:
            return
        self._publish(found)
        if not is_first:
            self._events.info("schema_changed", message="PocketBase's schema changed", version=found.version)
            self._tasks.spawn(self._settle(), name="schema settles")

    async def _settle(self) -> None:
        await asyncio.sleep(SETTLE_S)
        current = self.snapshot
        self._publish(Schema(current.version + 1, current.by_id, current.by_name))

    def _publish(self, schema: Schema) -> None:
        self.snapshot = schema
        for tell in self._callbacks:
            tell(schema)

    def _on_notified(self) -> None:
        self._notified.set()
        self.invalidate()
        if self._is_proving:
            return
        self._tasks.spawn(self._follow(), name="schema was changed")

    async def _follow(self) -> None:
        """Look at once, though nobody needs it yet: the feed must subscribe to what is new."""
        try:
            await self.confirmed()
        except SchemaUnconfirmed:
            return  # stays dirty: whoever needs it asks again

    def _on_settings(self) -> None:
        self._tasks.spawn(self._reprobe(), name="settings were changed")
        for tell in self._settings_callbacks:
            tell()

    async def _reprobe(self) -> None:
        try:
            await self._probe()
        except (HaptaError, OperatorError):
            return  # probed again with the next connection
