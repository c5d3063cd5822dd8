"""The cache of files put together."""

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from hapta.cache.echoes import Event
from hapta.cache.generations import Generations
from hapta.config import CacheFilesConfig
from hapta.feed import ChangeFeed
from hapta.filecache.shelf import Shelf
from hapta.model.clock import Clock
from hapta.model.errors import OperatorError
from hapta.model.schema import Collection
from hapta.observe.events import Events
from hapta.observe.metrics import Metrics
from hapta.stages.file_fill import FileFiller
from hapta.stages.files import FileCache, FileGround
from hapta.stages.origins import OriginMemo

_QUIET_S = 3600.0
"""A full disk is told of once, and again when it is full an hour later."""


class CachingGround(FileGround, Protocol):
    """What the whole cache tells of collections."""

    def label(self, collection: str) -> str:
        """The name of a collection, from its id."""
        ...

    def id_of(self, name_or_id: str) -> str:
        """The id of a collection; one word for all that are unknown."""
        ...


class FileCaching:
    """Everything about kept files in one running gateway.

    Args:
        directory: where they are kept; made if it is missing.
        ground: what is known of collections.
        feed: asked for whole records of collections whose files are kept, which show the files' names.
        origins: shared with the cache of reads.
        base_url: of PocketBase.
    """

    def __init__(
        self,
        config: CacheFilesConfig,
        directory: Path,
        *,
        ground: CachingGround,
        feed: ChangeFeed,
        generations: Generations,
        origins: OriginMemo,
        base_url: str,
        clock: Clock,
        events: Events,
        metrics: Metrics,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._events = events
        self._told_at = float("-inf")
        self._ground = ground
        self._feed = feed
        self._followed: set[str] = set()
        self.shelf = Shelf(directory, config.max_bytes, config.max_file_bytes)
        self._filler = FileFiller(
            self.shelf,
            generations,
            host=urlsplit(base_url).netloc,
            on_trouble=self._on_trouble,
            on_kept=self._follow,
            clock=clock,
        )
        self.stage = FileCache(
            ground,
            self._filler,
            self.shelf,
            origins,
            max_age_s=config.max_age_s,
            id_of=ground.id_of,
            meter=metrics.files,
            clock=clock,
        )
        metrics.files.follow(self.shelf, ground.label)

    async def start(self) -> None:
        """Find what was kept before.

        Raises:
            OperatorError: the folder cannot be used.
        """
        try:
            await self.shelf.start()
        except OSError as exc:
            raise OperatorError(
                f"cache.files.dir: {self._directory} cannot hold files: {exc.strerror or exc}; "
                "name a writable folder there, or set cache.files.is_enabled = false"
            ) from None

    async def stop(self) -> None:
        """Fetch no more."""
        await self._filler.close()
        await self.shelf.stop()

    def are_kept_by(self, change: Event) -> bool:
        """Whether what happened to a record certainly took none of its files that are kept away.

        An event shows the record as that one write left it. Should it be older than another that took a file
        away, that one's own event, or its answer, tells.
        """
        owner = (change.collection_id, change.record_id)
        if change.action != "update" or change.record is None or self._filler.is_fetching(*owner):
            return False
        kept = self.shelf.names_of(*owner)
        collection = self._ground.keeps_files_of(change.collection_id)
        if not isinstance(collection, Collection):
            return False
        shown: set[str] = set()
        for field in collection.fields:
            if field.get("type") == "file":
                value = change.record.get(str(field["name"]))
                shown.update([value] if isinstance(value, str) else value if isinstance(value, list) else ())
        return kept <= shown

    def _follow(self, collection: str) -> None:
        if collection not in self._followed:
            self._followed.add(collection)
            self._feed.wants_full(self._followed, by="files")

    def _on_trouble(self, exc: OSError) -> None:
        now = self._clock.monotonic()
        if now - self._told_at < _QUIET_S:
            return
        self._told_at = now
        self._events.warning(
            "file_cache",
            message=f"files cannot be kept in {self._directory}: {exc.strerror or exc}; they are "
            "passed on from PocketBase. Make room, or set cache.files.max_bytes lower",
        )
