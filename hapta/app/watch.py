"""The change feed and the schema watch of a running gateway, started in order and spoken for.

Database, then Hapta's collections, then the feed and with it the schema: whoever is started after this finds
all four.
"""

from collections.abc import Sequence

from hapta.app.database import EmbeddedDatabase, RemoteDatabase
from hapta.config import Config
from hapta.feed import OWN_NAMES, ChangeFeed, Own, SchemaWatch, install
from hapta.feed.layout import ROTATIONS_ID, SESSIONS_ID
from hapta.feed.notify import is_supported
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, OperatorError
from hapta.model.exchange import Stage
from hapta.model.tasks import TaskSet
from hapta.observe.events import Events
from hapta.observe.metrics import Metrics
from hapta.stages.own_collections import hide_own_collections
from hapta.stages.own_writes import tell_own_writes
from hapta.upstream.client import Lane


class Watch:
    """Everything Hapta knows of changes in PocketBase.

    Args:
        database: started.

    Attributes:
        feed: the change feed.
        schema: the schema watch.
    """

    def __init__(
        self,
        database: EmbeddedDatabase | RemoteDatabase,
        config: Config,
        *,
        clock: Clock,
        events: Events,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._config = config
        self._clock = clock
        self._events = events
        self._tasks = TaskSet()
        superuser = database.superuser
        self.schema = SchemaWatch(
            superuser,
            config.feed,
            clock=clock,
            events=events,
            notify_dir=database.notify_dir,
            is_proven=not database.is_notify_dir_claimed,
        )
        self.feed = ChangeFeed(
            database.client,
            superuser,
            self.schema,
            config.feed,
            prepare=lambda: install(superuser),
            clock=clock,
            meter=metrics,
            events=events,
        )
        # from the first event on: who ended, what was used
        self.feed.wants_full((SESSIONS_ID, ROTATIONS_ID), by="sessions")
        self.schema.on_settings(self._settings_changed)

    @property
    def own(self) -> Own:
        """Ids of Hapta's collections; there since :meth:`start`."""
        assert self.feed.own is not None
        return self.feed.own

    async def start(self) -> None:
        """Install Hapta's collections, connect the feed, read the schema.

        Raises:
            OperatorError: PocketBase is without what Hapta needs.
        """
        if self._database.is_notify_dir_claimed:
            own = await install(self._database.superuser)
            if not await self._prove_data_dir(own) and is_supported():
                raise OperatorError(
                    f'upstream.shared_data_dir: "{self._config.upstream.shared_data_dir}" is not the data '
                    f"folder of the PocketBase at {self._database.client.base_url}, or not on this machine: "
                    "a change made there is not seen in it. Correct or remove it"
                )
        await self.feed.start()
        self._database.superuser.on_trouble.append(self._on_trouble)
        if self._database.is_notify_dir_claimed:
            self.feed.on_gap(self.schema.doubt_notified)
            self.feed.on_live(self._connected_again)

    def configure(self, config: Config) -> None:
        """What :meth:`stages` gives from now on."""
        self._config = config

    async def stop(self) -> None:
        """Follow no longer."""
        await self.feed.stop()
        await self.schema.stop()
        await self._tasks.cancel()

    def _connected_again(self) -> None:
        self._tasks.spawn(self._data_dir_again(), name="prove the data folder")

    async def _prove_data_dir(self, own: Own) -> bool:
        path = f"/api/collections/{own.meta}"
        return await self.schema.prove_notified(
            lambda: self._database.superuser.request("PATCH", path, {}, lane=Lane.STREAMS)
        )

    async def _data_dir_again(self) -> None:
        """After a gap: until it is proven PocketBase is asked."""
        try:
            if await self._prove_data_dir(self.own):
                return
        except (HaptaError, OperatorError):
            return  # the next connection tries again
        self._events.warning(
            "data_dir",
            message="upstream.shared_data_dir is not the data folder of this PocketBase any more: "
            "it is asked for changes of its schema instead",
        )

    def why_not_ready(self) -> str | None:
        """Why Hapta is not ready as far as its rights are concerned, or ``None``."""
        self.feed.touch()  # who asks whether Hapta is ready relies on it: a silent loss is to be found out
        if self._database.superuser.trouble is None:
            return None
        return "The database refuses Hapta its superuser rights."

    def stages(self) -> Sequence[Stage]:
        """What belongs behind the admin lock."""
        stages = [tell_own_writes(self, self._clock)]
        if not self._config.admin.show_own_collections:
            stages.append(hide_own_collections(OWN_NAMES, self.own.all()))
        return stages

    def record_written(self, collection: str, record: str, started_at: float) -> None:
        """An own write was answered."""
        found = self.schema.snapshot.resolve(collection)
        if found is not None and self.feed.covers(found.id):
            self.feed.own_write(found.id, record, started_at)

    def schema_may_differ(self) -> None:
        """Own traffic may have changed the schema."""
        self.schema.invalidate()

    def _on_trouble(self, trouble: str | None) -> None:
        if trouble is not None:
            self._events.error("rights_lost", message=f"{trouble}; what runs goes on, without Hapta's share")
        else:
            self._events.info("rights_back", message="PocketBase takes Hapta's superuser credentials again")

    def _settings_changed(self) -> None:
        self._tasks.spawn(self._look_at_settings(), name="settings were changed")

    async def _look_at_settings(self) -> None:
        try:
            await self._database.settings_may_differ()
        except (HaptaError, OperatorError) as exc:
            self._events.error("settings", message=f"PocketBase's settings could not be checked: {exc}")
