"""The cache put together: engines, stages, and what the change feed and the schema tell them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from hapta.app.file_caching import FileCaching
from hapta.app.hooks_mode import HooksModes
from hapta.app.shaping import Shaping
from hapta.cache.book import Circumstances, PlanBook
from hapta.cache.changes import Journal
from hapta.cache.echoes import Echoes, Event
from hapta.cache.generations import Generations
from hapta.cache.known_rows import KnownRows
from hapta.cache.plan import HooksMode
from hapta.cache.shapes import Shapes
from hapta.cache.shelf import Shelf
from hapta.cache.stale import NEVER, StaleLimits
from hapta.cache.store import ResponseStore, Tally
from hapta.cache.tags import Tag
from hapta.cache.writes import WriteTags
from hapta.config import CacheCollectionConfig, CacheConfig, Config
from hapta.feed import ChangeFeed, SchemaUnconfirmed, SchemaWatch
from hapta.feed.views import ViewWatch
from hapta.filecache.wanted import Left
from hapta.identity.auth_records import AuthRecords
from hapta.identity.proof import unverified_claims
from hapta.model.clock import Clock
from hapta.model.exchange import Stage
from hapta.model.schema import Collection, Schema, fold_name
from hapta.observe.cache_metrics import EVERYTHING
from hapta.observe.events import Events
from hapta.observe.metrics import Metrics
from hapta.stages.cache import ReadCache
from hapta.stages.denials import Denials, Wording
from hapta.stages.edge_reads import EdgeReads
from hapta.stages.edge_refusal import EdgeRefusal
from hapta.stages.fill import Filler
from hapta.stages.invalidate import Invalidation
from hapta.stages.keeping import Keeping
from hapta.stages.lookup import Look, Lookup
from hapta.stages.origins import OriginMemo
from hapta.stages.own_emails import OwnEmails
from hapta.stages.remake import Remaker
from hapta.stages.row_writes import RowWrites
from hapta.stages.schema_refusal import SchemaRefusal
from hapta.stages.stale import StaleAnswers
from hapta.stages.variants import Variants
from hapta.upstream.superuser import SuperuserClient


class Caching:
    """Everything about the cache in one running gateway.

    Args:
        superuser: asks what views read and what auth records hold.
        base_url: of PocketBase.
        files_dir: where files are kept; ``None``: they are not.
        hooks: what PocketBase's hooks may do.
        shapes: how plugins shape rows.
        feed: the change feed, started.
        schema: the schema watch, started.
    """

    def __init__(
        self,
        config: Config,
        *,
        superuser: SuperuserClient,
        base_url: str,
        files_dir: Path | None = None,
        hooks: HooksModes,
        shapes: Callable[[], Shapes],
        feed: ChangeFeed,
        schema: SchemaWatch,
        clock: Clock,
        events: Events,
        metrics: Metrics,
    ) -> None:
        self._config = config.cache
        self._clock = clock
        self._feed = feed
        self._schema = schema
        self._own = _by_name(config.cache)
        self._refuses_by_schema = config.validation.schema
        self.hooks = hooks
        self.generations = Generations(clock)
        self.views = ViewWatch(superuser, schema, clock=clock, on_change=self.generations.look_again)
        self.auth_records = AuthRecords(superuser)
        self.rows = KnownRows(
            self.generations,
            clock,
            young_s=config.feed.max_silence_s,
            on_watched=lambda: feed.wants_full(self.rows.collections, by="rows"),
        )
        self.store = ResponseStore(config.cache.max_bytes, clock)
        self.book = PlanBook(
            lambda: Circumstances(schema.snapshot, self.views.known, self.hooks.version, shapes()),
            hooks=self.hooks.of,
            is_enabled=self._is_enabled,
            custom_routes_write=config.cache.custom_routes_write,
            on_warning=lambda text: events.warning("rule_not_read", message=text),
            rows=self.rows if config.cache.restricted_tags else None,
        )
        self.own_emails = OwnEmails(self.auth_records, self.generations)
        self._keeping = keeping = Keeping(
            self.rows, lifetime_s=self.lifetime_s, has_overlay=config.cache.overlay
        )
        self.journal = Journal(clock)
        self.shelf = Shelf(self.store, self.generations, clock)
        self.remaker = Remaker(
            self.store,
            self.generations,
            keeping,
            self.shelf,
            self.journal,
            self,
            patches=config.cache.patch,
            refills=config.cache.refill,
            clock=clock,
        )
        self._variants = Variants(self.store, is_enabled=config.cache.gzip, meter=metrics.cache)
        self.filler = Filler(
            self.store,
            self.generations,
            keeping,
            self.remaker,
            self,
            self,
            token_end=_token_end,
            host=urlsplit(base_url).netloc,
            max_body_bytes=config.cache.max_response_bytes,
            clock=clock,
        )
        self.origins = origins = OriginMemo(config.cors, clock)
        self.files = (
            FileCaching(
                config.cache.files,
                files_dir,
                ground=self,
                feed=feed,
                generations=self.generations,
                origins=origins,
                base_url=base_url,
                clock=clock,
                events=events,
                metrics=metrics,
            )
            if files_dir is not None and config.cache.is_enabled and config.cache.files.is_enabled
            else None
        )
        denials = Denials(self.book, self, hooks_of=self.hooks_of)
        on_refused = metrics.cache.edge_refused
        self._refusals = EdgeRefusal(denials, Wording(self.book, origins), self, on_refused=on_refused)
        self._schema_refusals = SchemaRefusal(
            denials, Wording(self.book, origins), self, on_refused=on_refused
        )
        self._denied_reads = EdgeReads(
            self.book, denials, Wording(self.book, origins), self, on_refused=on_refused
        )
        self.lookup = Lookup(self.book, self, self.auth_records)
        self._stale = StaleAnswers(
            self.lookup,
            self.store,
            limits_of=self._stale_limits,
            collection_of=self.collection_of,
            clock=clock,
        )
        self._reads = ReadCache(
            self.lookup,
            self.filler,
            self.remaker,
            self.store,
            origins,
            self.own_emails,
            self._stale,
            self._variants,
            id_of=self.book.id_of,
            meter=metrics.cache,
            clock=clock,
        )
        self.echoes = Echoes(clock)
        row_writes = RowWrites(self.rows, self.echoes, self.journal, self.shelf, self._on_news)
        self._writes = Invalidation(
            self,
            row_writes,
            self.generations,
            in_doubt_s=config.cache.in_doubt_s,
        )
        self._events = events
        self._told: set[str] = set()
        self._tell_unmet()
        feed.on_change(row_writes.told)
        feed.on_gap(self._on_gap)
        schema.on_change(self._on_schema)

    def edge_stages(self, shaping: Shaping) -> Sequence[Stage]:
        """What answers before anybody looks into a write: files, and what a rule provably denies.

        Args:
            shaping: what plugins make of rows; whom they let read what is asked first.
        """
        if not self._config.is_enabled:
            return shaping.outer_stages()
        files = [] if self.files is None else [self.files.stage]
        return [*shaping.outer_stages(), *files, self._refusals, self._denied_reads]

    def stages(self, shaping: Shaping) -> Sequence[Stage]:
        """What stands right in front of everything that speaks to PocketBase.

        Args:
            shaping: what plugins make of rows; what is stored is made already.
        """
        if not self._config.is_enabled:
            # it can be switched on while writes are under way, and these must have been announced
            return [*shaping.inner_stages(), self._writes]
        schema = [self._schema_refusals] if self._refuses_by_schema else []
        return [*schema, self._reads, *shaping.inner_stages(), self._writes]

    def configure(self, config: Config) -> None:
        """Other rules from now on, also for the requests under way: nothing stored before counts any more."""
        cache = config.cache
        self._config, self._own = cache, _by_name(cache)
        self._refuses_by_schema = config.validation.schema
        self.hooks.configure(cache)
        self._feed.wants_full_where(self.hooks.follows)
        self.book.configure(cache.custom_routes_write)
        self._keeping.configure(has_overlay=cache.overlay)
        self.remaker.configure(patches=cache.patch, refills=cache.refill)
        self._variants.configure(is_enabled=cache.gzip)
        self.filler.configure(max_body_bytes=cache.max_response_bytes)
        self._writes.configure(in_doubt_s=cache.in_doubt_s)
        self.origins.configure(config.cors)
        self.plugins_changed()
        self.store.clear()
        self._tell_unmet()

    async def start(self) -> None:
        """Find the files kept before.

        Raises:
            OperatorError: they cannot be kept where they should.
        """
        if self.files is not None:
            await self.files.start()

    async def stop(self) -> None:
        """Fetch no more."""
        await self._stale.close()
        await self.filler.close()
        await self._variants.close()
        if self.files is not None:
            await self.files.stop()
        await self.own_emails.close()
        await self.views.stop()
        await self.auth_records.stop()

    def plugins_changed(self) -> None:
        """Rows are shaped by others: what was stored before is asked for no more, and makes room."""
        self.forget_all()
        self.shelf.clear()

    def forget_all(self) -> None:
        """Anything may have changed."""
        self.generations.move_everything()
        self.auth_records.forget_all()

    def pocketbase_restarted(self) -> None:
        """It runs anew on this machine: its hooks may be others, and what it was doing it does no more."""
        self.generations.end_doubts()
        if self.hooks.look():
            self.forget_all()

    # what metrics and operators ask

    @property
    def is_enabled(self) -> bool:
        """``cache.is_enabled``."""
        return self._config.is_enabled

    @property
    def weight(self) -> int:
        return self.store.weight

    @property
    def invalidations(self) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        by_id = self.book.schema.by_id
        for name, count in self.generations.invalidations.items():
            collection = by_id.get(name)
            if collection is None or not collection.is_system:  # of those nothing is ever stored
                found[self.book.label(name) if name else EVERYTHING] += count
        return found

    @property
    def doubts(self) -> int:
        return self.generations.doubts

    def id_of(self, name_or_id: str) -> str:
        """The id of a collection; one word for all that are unknown."""
        return self.book.id_of(name_or_id)

    def label(self, collection: str) -> str:
        """The name of a collection, from its id; one word for all that are no more."""
        return self.book.label(collection)

    def tallies(self) -> Mapping[str, Tally]:
        """What is stored, by name of the collection; those that are no more, together."""
        found: dict[str, Tally] = {}
        for collection, tally in self.store.tallies.items():
            found.setdefault(self.book.label(collection), Tally()).add(tally)
        return found

    # what changed (told by sessions, whose doubts fall on auth records first)

    def identity_changed(self, collection: str, record: str | None) -> None:
        """An auth record, or with ``None`` any of its collection, may have changed."""
        self.auth_records.record_changed(collection, record)

    def everybody_changed(self) -> None:
        """Any auth record may have changed."""
        self.auth_records.forget_all()

    def everything_changed(self) -> None:
        """Superusers did something: SQL may make a view read other tables under the same schema."""
        self.auth_records.forget_all()
        self.views.forget()

    def _on_news(self, event: Event) -> None:
        collection, record, action = event.collection_id, event.record_id, event.action
        self.rows.told(
            self.book.write_tags.changed(collection, record, action),
            collection,
            record,
            action,
            event.record,
            keeps_files=self.files is not None and self.files.are_kept_by(event),
            change=self.echoes.news_of(event),
        )

    def _on_gap(self) -> None:
        self.forget_all()
        self.views.forget()

    def _on_schema(self, _: Schema) -> None:
        self.forget_all()
        self.shelf.clear()
        self._tell_unmet()

    def _tell_unmet(self) -> None:
        """Who switched caching off for a collection relies on it: a name that is none must not go unheard,
        nor one that was until the collection got another."""
        unmet = {name for name in self._config.collections if self._schema.snapshot.resolve(name) is None}
        for name in sorted(unmet - self._told):
            self._events.warning(
                "cache",
                message=f"[cache.collections.{name}] is about a collection that does not exist: it changes "
                "nothing until there is one",
            )
        self._told = unmet

    # what the stages ask

    @property
    def version(self) -> int:
        return self.book.version

    @property
    def write_tags(self) -> WriteTags:
        return self.book.write_tags

    def collection_of(self, collection_id: str) -> Collection | None:
        """A collection."""
        return self.book.schema.by_id.get(collection_id)

    def keeps_files_of(self, name_or_id: str) -> Collection | Left:
        collection = self.book.schema.resolve(name_or_id)
        if collection is None or collection.is_system or not self._is_enabled(collection):
            return Left.COLLECTION
        if self.hooks.of(collection) is not HooksMode.NONE:
            return Left.HOOKS
        return collection if self._feed.covers(collection.id) else Left.FEED

    def may_store(self, collection: Collection) -> bool:
        """Whether answers with rows of a collection are stored at all."""
        return self._config.is_enabled and self._is_enabled(collection)

    def hooks_of(self, name_or_id: str | None) -> HooksMode:
        collection = None if name_or_id is None else self.book.schema.resolve(name_or_id)
        return self.hooks.anywhere if collection is None else self.hooks.of(collection)

    @property
    def is_live(self) -> bool:
        return self._feed.is_live and self._schema.is_confirmed()

    async def confirm(self) -> None:
        if self._feed.is_live and not self._schema.is_confirmed():
            try:
                await self._schema.confirmed()
            except SchemaUnconfirmed:
                return

    def is_confirmed_since(self, instant: float) -> bool:
        return self._schema.is_confirmed(self._clock.monotonic() - instant)

    async def confirm_since(self, instant: float) -> None:
        try:
            await self._schema.confirmed(self._clock.monotonic() - instant)
        except SchemaUnconfirmed:
            return

    def touch(self) -> None:
        self._feed.touch()

    def covers(self, tags: Iterable[Tag]) -> bool:
        by_id = self._schema.snapshot.by_id
        for tag in tags:
            collection = by_id.get(tag[1]) if len(tag) > 1 else None
            if collection is not None and not collection.is_view and not self._feed.covers(collection.id):
                return False
        return True

    async def vouch(self, look: Look) -> bool:
        caller = look.caller
        assert caller is not None
        if look.auth_fields:
            now = await self.auth_records.read_again(caller.collection, caller.record)
            if now is None or any(
                name not in now.values or not _is_same(value, now.values[name])
                for name, value in look.auth_fields.items()
            ):
                return False
        schema = self.book.schema
        return (
            look.version == self.book.version
            and await self._schema.still_holds(schema)
            and look.version == self.book.version
        )

    # what is configured

    def _is_enabled(self, collection: Collection) -> bool:
        own = self._of(collection)
        return own is None or own.is_enabled

    def lifetime_s(self, collection_id: str) -> float:
        """Seconds for which answers about a collection stay fresh."""
        collection = self._schema.snapshot.by_id.get(collection_id)
        own = None if collection is None else self._of(collection)
        return (own.max_age_s if own is not None else 0.0) or self._config.max_age_s

    def _stale_limits(self, name_or_id: str) -> StaleLimits:
        collection = self._schema.snapshot.resolve(name_or_id)
        own = None if collection is None else self._of(collection)
        return NEVER if own is None else StaleLimits(own.stale_if_error_s, own.stale_while_revalidate_s)

    def _of(self, collection: Collection) -> CacheCollectionConfig | None:
        return self._own.get(fold_name(collection.name)) or self._own.get(fold_name(collection.id))


def _by_name(config: CacheConfig) -> dict[str, CacheCollectionConfig]:
    return {fold_name(name): one for name, one in config.collections.items()}


def _is_same(value: object, other: object) -> bool:
    """As in JSON, where 1 and true are two things."""
    return type(value) is type(other) and value == other


def _token_end(token: str) -> float | None:
    claims = unverified_claims(token)
    exp = None if claims is None else claims.get("exp")
    return float(exp) if isinstance(exp, int | float) else None
