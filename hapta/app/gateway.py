"""The running gateway: everything put together, started in order, and ended in the other."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hapta.app.cache_office import CacheOffice
from hapta.app.caching import Caching
from hapta.app.control import ControlSocket, Desk
from hapta.app.database import (
    EmbeddedDatabase,
    RemoteDatabase,
    host_to_send,
    prepare_embedded,
)
from hapta.app.fast_lane import fast_lane
from hapta.app.hooks_mode import HooksModes
from hapta.app.interactions import Interactions
from hapta.app.limits import Limiting
from hapta.app.plugin_database import PluginDatabase
from hapta.app.plugins import Plugins
from hapta.app.ranking import Ranking
from hapta.app.readiness import Readiness
from hapta.app.reload import Parts, Reloaded, Reloading
from hapta.app.reports import Outputs, Reports
from hapta.app.sessions import Sessions
from hapta.app.shaping import Shaping
from hapta.app.spool_dir import spool_directory
from hapta.app.watch import Watch
from hapta.builtin.tables import builtin_plugins
from hapta.config import Config, Loaded, Secrets
from hapta.config.feeds import read_feeds
from hapta.hooks.writes import WriteGuards
from hapta.identity.overview import Overview
from hapta.model.address import parse_networks
from hapta.model.clock import Clock
from hapta.model.errors import UpstreamUnavailable
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.observe.listener import MetricsListener
from hapta.pipeline import fold
from hapta.server.connections import ConnectionTable
from hapta.server.front import Front
from hapta.server.listener import Listener
from hapta.server.protocol import Reception
from hapta.server.transmit import Transmitter
from hapta.sessions.keys import KeyRing
from hapta.stages.accept import accept
from hapta.stages.admin import admin_lock, batch_lock
from hapta.stages.admit import Admission
from hapta.stages.cors import preflights
from hapta.stages.guard_credentials import GuardCredentials
from hapta.stages.guard_oauth2 import GuardOAuth2
from hapta.stages.guard_writes import GuardWrites
from hapta.stages.hold import hold_bodies
from hapta.stages.own import health_routes, no_own_route
from hapta.stages.settings_watch import settings_watch
from hapta.stages.shaper import PresentShapes
from hapta.stages.streams import OpenStreams
from hapta.stages.upload_check import UploadPolicies, needs_workers
from hapta.stages.upstream import Upstream
from hapta.stages.write_site import WriteSite
from hapta.upstream.spool import SpoolBudget
from hapta.workers.count import worker_count
from hapta.workers.pool import WorkerPool

if TYPE_CHECKING:
    from hapta.embedded import Prepared


class Gateway:
    """Hapta, from :meth:`start` to :meth:`stop`.

    Args:
        loaded: configuration and secrets, checked.
        environ: the environment the embedded PocketBase inherits.
        outputs: logs and metrics.
        clock: the time.
        read: reads the configuration again, for a reload; ``None``: it gives ``loaded``.

    Raises:
        ConfigErrors: what is wrong in [validate.<collection>] and [feeds.<name>].
    """

    def __init__(
        self,
        loaded: Loaded,
        environ: Mapping[str, str],
        outputs: Outputs,
        clock: Clock,
        read: Callable[[], Loaded] | None = None,
    ) -> None:
        self._loaded = loaded
        self._feeds = read_feeds(loaded.config.feeds, loaded.origins)
        self._read = read or (lambda: loaded)
        self._environ = environ
        self._outputs = outputs
        self._clock = clock
        self._streams = OpenStreams(outputs.metrics.open_streams.set)
        self._reports = Reports(outputs)
        self._database: EmbeddedDatabase | RemoteDatabase | None = None
        self._listener: Listener | None = None
        self._metrics_listener: MetricsListener | None = None
        self._readiness: Readiness | None = None
        self._watch: Watch | None = None
        self._sessions: Sessions | None = None
        self._interactions: Interactions | None = None
        self._caching: Caching | None = None
        self._ranking: Ranking | None = None
        self._pool = WorkerPool(
            loaded.config.workers,
            count=worker_count(loaded.config.workers, loaded.config.server.threads),
            environ=environ,
            events=outputs.events,
            meter=outputs.metrics.workers,
        )
        outputs.metrics.workers.follow(self._pool)
        self._plugins = Plugins(
            loaded,
            builtin_plugins(loaded.config.validate, loaded.origins),
            self._pool,
            clock=clock,
            events=outputs.events,
            metrics=outputs.metrics.hooks,
        )
        self._shapes = PresentShapes(lambda: self._plugins.registry)
        self._control = ControlSocket(loaded.path(loaded.config.server.state_dir))
        self._plugin_database: PluginDatabase | None = None
        self._budget = SpoolBudget(loaded.config.server.spool_bytes, outputs.metrics.spooled_bytes.set)
        self._reloading: Reloading | None = None
        self.prepared: Prepared | None = None

    @property
    def url(self) -> str:
        """Where clients reach it."""
        port = self._listener.port if self._listener else self._loaded.config.server.port
        server = self._loaded.config.server
        return own_url(server.host, port, is_tls=bool(server.tls_cert))

    @property
    def metrics_port(self) -> int:
        """Where the metrics listen; 0 when they do not."""
        return self._metrics_listener.port if self._metrics_listener else 0

    async def start(self, *, adopt_data: bool = False, keep_trying: bool = False) -> None:
        """Start everything; returns when requests are answered.

        Args:
            adopt_data: take over a PocketBase data directory that Hapta did not make.
            keep_trying: wait for an unreachable remote PocketBase.

        Raises:
            OperatorError: what stands in the way; everything started so far is stopped again.
        """
        server = self._loaded.config.server
        reception, transmitter, listener, front = self._reception_and_listener()
        try:
            listener.bind(server.host, server.port)
            context = self._certified()
            spool_dir = spool_directory(self._loaded)
            self._plugins.load()
            await self._start_metrics()
            if keep_trying:  # which may take hours: who asks meanwhile is told, not kept waiting
                front.handle = fold([accept, health_routes(_still_waiting), no_own_route], _unavailable)
                await listener.start(context)
            database = await self._start_database(adopt_data=adopt_data, keep_trying=keep_trying)
            watch = await self._start_watch(database)
            self._readiness = Readiness(database.client, reception, watch.why_not_ready, self._clock)
            sessions = await self._start_sessions(database, watch)
            caching = await self._start_caching(database, watch, sessions)
            shaping = self._shaping(database, watch, caching)
            ranking = await self._start_ranking(database, watch, caching)
            inner = self._inner(self._loaded, database, watch, sessions, caching, shaping)
            self._plugin_database = plugin_database = PluginDatabase(database.superuser, inner)
            await self._plugins.start(plugin_database, watch.feed, watch.schema)
            if needs_workers(self._loaded.config.uploads):
                await self._pool.start()
            limiting = self._limiting(watch, sessions)
            pipeline = partial(
                self._pipeline,
                database,
                self._readiness,
                watch,
                sessions,
                caching,
                shaping,
                limiting,
                ranking,
            )
            front.handle = pipeline(self._loaded, spool_dir)
            lane = partial(fast_lane, watch, caching, limiting, self._reports, transmitter, self._clock)
            reception.lane = lane(self._loaded.config)
            parts = Parts(
                outputs=self._outputs,
                reception=reception,
                transmitter=transmitter,
                listener=listener,
                front=front,
                streams=self._streams,
                budget=self._budget,
                pool=self._pool,
                plugins=self._plugins,
                watch=watch,
                sessions=sessions,
                caching=caching,
                limiting=limiting,
                ranking=ranking,
                clock=self._clock,
                pipeline=pipeline,
                lane=lane,
            )
            self._reloading = Reloading(parts, self._loaded, self._secrets(), self._read)
            await self._control.serve(self._desk(database, watch, sessions, caching, ranking).application())
            if not keep_trying:
                await listener.start(context)
        except BaseException:
            await self.stop()
            raise

    async def reload(self) -> Reloaded:
        """Read the configuration again and put it to work, as :meth:`hapta.app.reload.Reloading.reload`; to
        be called on a gateway that was started."""
        assert self._reloading is not None, "start() comes first"
        reloaded = await self._reloading.reload()
        self._loaded = self._reloading.loaded
        return reloaded

    def _secrets(self) -> Secrets:
        """Those at work: what was given, and what Hapta made up for its own PocketBase."""
        given, prepared = self._loaded.secrets, self.prepared
        if prepared is None:
            return given
        operator = prepared.operator
        return replace(
            given, secret=prepared.secret, admin_email=operator.email, admin_password=operator.password
        )

    def _certified(self) -> ssl.SSLContext | None:
        """What connections are encrypted by.

        Raises:
            UnusableCertificate: the configuration names a certificate that cannot be served.
        """
        certificate = self._loaded.certificate or self._loaded.read_certificate()
        if certificate is None:
            return None
        self._loaded = replace(self._loaded, certificate=certificate)
        self._outputs.metrics.certificate_expiry.set(certificate.ends_at)
        if (warning := certificate.warning(self._clock.now())) is not None:
            self._outputs.events.warning("certificate", message=warning)
        return certificate.context

    def _reception_and_listener(self) -> tuple[Reception, Transmitter, Listener, Front]:
        config, metrics = self._loaded.config, self._outputs.metrics
        transmitter = Transmitter(config.server.send_timeout_s, self._clock)
        reception = Reception(
            config=config.server,
            trusted=parse_networks(config.server.trusted_proxies),
            admin_networks=parse_networks(config.admin.networks),
            table=ConnectionTable(config.server.max_connections, config.server.max_connections_per_address),
            on_refused=metrics.connection_refused,
            on_open_changed=metrics.open_connections.set,
            render_error=transmitter.render_error,
            on_bad_request=self._reports.on_bad_request,
            on_crash=self._reports.on_crash,
        )
        front = Front(
            reception,
            transmitter,
            self._clock,
            on_finished=self._reports.on_finished,
            on_crash=self._reports.on_crash,
            on_untrusted_forwarding=self._reports.on_untrusted_forwarding,
        )
        self._listener = Listener(reception, front, self._clock)
        return reception, transmitter, self._listener, front

    async def _start_metrics(self) -> None:
        config = self._loaded.config.metrics
        if config.enabled:
            self._metrics_listener = MetricsListener(self._outputs.metrics, config.host, config.port)
            await self._metrics_listener.start()

    async def _start_database(
        self, *, adopt_data: bool, keep_trying: bool
    ) -> EmbeddedDatabase | RemoteDatabase:
        events, metrics = self._outputs.events, self._outputs.metrics
        database: EmbeddedDatabase | RemoteDatabase
        if self._loaded.secrets.database_url is None:
            self.prepared = prepare_embedded(
                self._loaded, self._environ, self._clock, events, adopt_data=adopt_data
            )
            database = EmbeddedDatabase(
                self.prepared, self._loaded, self.url, clock=self._clock, events=events, metrics=metrics
            )
        else:
            database = RemoteDatabase(
                self._loaded, self.url, keep_trying=keep_trying, clock=self._clock, events=events
            )
        self._control.claim()
        self._database = database
        await database.start()
        database.client.breaker.on_changed = metrics.breaker_open.set
        return database

    async def _start_watch(self, database: EmbeddedDatabase | RemoteDatabase) -> Watch:
        self._watch = Watch(
            database,
            self._loaded.config,
            clock=self._clock,
            events=self._outputs.events,
            metrics=self._outputs.metrics,
        )
        # whether an event is the echo of an own write its payload tells
        self._watch.feed.wants_full_where(self._look_at_hooks(database).follows)
        self._interactions = Interactions(
            self._loaded.config,
            superuser=database.superuser,
            feed=self._watch.feed,
            schema=self._watch.schema,
            clock=self._clock,
        )
        await self._watch.start()
        self._interactions.start()
        self._outputs.metrics.interactions.follow(self._interactions)
        return self._watch

    def _look_at_hooks(self, database: EmbeddedDatabase | RemoteDatabase) -> HooksModes:
        self._hooks = HooksModes(
            self._loaded.config.cache,
            hooks_dir=database.hooks_dir,
            is_stock=database.is_stock,
            events=self._outputs.events,
        )
        return self._hooks

    async def _start_sessions(self, database: EmbeddedDatabase | RemoteDatabase, watch: Watch) -> Sessions:
        secret = self.prepared.secret if self.prepared is not None else self._loaded.secrets.secret
        assert secret is not None, "the configuration was checked"
        self._sessions = Sessions(
            self._loaded.config.sessions,
            KeyRing.of(secret, self._loaded.secrets.secret_previous),
            superuser=database.superuser,
            upstream=database.client,
            feed=watch.feed,
            schema=watch.schema,
            own=watch.own,
            streams=self._streams,
            admit=Admission(
                lambda: self._plugins.registry, self._plugins.runner, watch.schema, database.superuser
            ),
            clock=self._clock,
            events=self._outputs.events,
        )
        await self._sessions.start()
        self._outputs.metrics.sessions.follow(self._sessions.keeper)
        return self._sessions

    async def _start_caching(
        self, database: EmbeddedDatabase | RemoteDatabase, watch: Watch, sessions: Sessions
    ) -> Caching:
        config = self._loaded.config
        self._caching = Caching(
            config,
            superuser=database.superuser,
            base_url=database.client.base_url,
            files_dir=self._loaded.path(config.cache.files.dir or config.server.state_dir)
            / ("" if config.cache.files.dir else "hapta-files"),
            hooks=self._hooks,
            shapes=self._shapes,
            feed=watch.feed,
            schema=watch.schema,
            clock=self._clock,
            events=self._outputs.events,
            metrics=self._outputs.metrics,
        )
        await self._caching.start()
        database.on_restarted(self._caching.pocketbase_restarted)
        sessions.also_tell(self._caching)
        self._outputs.metrics.cache.follow(self._caching)
        return self._caching

    async def _start_ranking(
        self, database: EmbeddedDatabase | RemoteDatabase, watch: Watch, caching: Caching
    ) -> Ranking:
        assert self._interactions is not None
        self._ranking = Ranking(
            database.superuser,
            watch,
            caching,
            self._interactions,
            self._plugins,
            self._pool,
            outputs=self._outputs,
            clock=self._clock,
        )
        await self._ranking.start(self._feeds, self._loaded.origins)
        return self._ranking

    def _shaping(
        self, database: EmbeddedDatabase | RemoteDatabase, watch: Watch, caching: Caching
    ) -> Shaping:
        self._plugins.on_change(caching.plugins_changed)
        return Shaping(
            lambda: self._plugins.registry,
            self._shapes,
            self._plugins.runner,
            schema=lambda: watch.schema.snapshot,
            ground=caching,
            superuser=database.superuser,
            clock=self._clock,
            log=self._outputs.events,
        )

    def _desk(
        self,
        database: EmbeddedDatabase | RemoteDatabase,
        watch: Watch,
        sessions: Sessions,
        caching: Caching,
        ranking: Ranking,
    ) -> Desk:
        office = CacheOffice(
            caching,
            self._outputs.metrics.cache,
            clock=self._clock,
        )
        return Desk(
            url=self.url,
            keeper=sessions.keeper,
            overview=Overview(database.superuser, self._clock),
            feed=watch.feed,
            watch=watch.schema,
            cache=office,
            reload=self.reload,
            open_streams=self._streams.__len__,
            clock=self._clock,
            started_at=self._clock.monotonic(),
            feeds=lambda: ranking.office,
        )

    def _inner(
        self,
        loaded: Loaded,
        database: EmbeddedDatabase | RemoteDatabase,
        watch: Watch,
        sessions: Sessions,
        caching: Caching,
        shaping: Shaping,
    ) -> Handler:
        """From the cache on: the way of every request, and of what plugins write."""
        reports = self._reports
        return fold(
            [
                *caching.stages(shaping),
                *watch.stages(),
                settings_watch(database.settings_may_differ, reports.on_settings_trouble),
                *sessions.inner_stages(),
            ],
            Upstream(
                database.client,
                loaded.config.upstream,
                host_to_send(loaded),
                streams=self._streams,
                meter=self._outputs.metrics,
                clock=self._clock,
            ),
        )

    def _guards(
        self, config: Config, database: EmbeddedDatabase | RemoteDatabase, watch: Watch
    ) -> list[Stage]:
        plugins = self._plugins
        uploads = UploadPolicies(config.uploads, self._pool)
        site = WriteSite(
            lambda: plugins.registry,
            WriteGuards(plugins.runner, uploads),
            plugins.watchers,
            watch.schema,
            database.superuser,
        )
        return [GuardWrites(site), GuardOAuth2(site), GuardCredentials(site)]

    def _limiting(self, watch: Watch, sessions: Sessions) -> Limiting:
        limiting = Limiting(
            self._loaded.config,
            schema=watch.schema,
            has_ended=sessions.keeper.has_ended,
            clock=self._clock,
            metrics=self._outputs.metrics,
        )
        for message in limiting.unmet():
            self._outputs.events.warning("limits", message=message)
        return limiting

    def _pipeline(
        self,
        database: EmbeddedDatabase | RemoteDatabase,
        readiness: Readiness,
        watch: Watch,
        sessions: Sessions,
        caching: Caching,
        shaping: Shaping,
        limiting: Limiting,
        ranking: Ranking,
        loaded: Loaded,
        spool_dir: str | None,
    ) -> Handler:
        config, plugin_database = loaded.config, self._plugin_database
        assert plugin_database is not None
        inner = self._inner(loaded, database, watch, sessions, caching, shaping)
        plugin_database.go_through(inner)
        return fold(
            [
                accept,
                health_routes(readiness.why_not),
                preflights(config.cors, self._clock),
                *sessions.identify_stages(),
                *limiting.outer_stages(),
                admin_lock(config.admin),
                *sessions.route_stages(),
                *ranking.stages(),
                *self._interaction_stages(config),
                no_own_route,
                hold_bodies(
                    self._budget,
                    config.server.memory_body_bytes,
                    spool_dir,
                    on_trouble=self._reports.on_spool_trouble,
                ),
                batch_lock,
                *limiting.inner_stages(),
                *caching.edge_stages(shaping),
                *self._guards(config, database, watch),
            ],
            inner,
        )

    def _interaction_stages(self, config: Config) -> Sequence[Stage]:
        assert self._interactions is not None
        self._interactions.configure(config)
        return self._interactions.stages()

    async def drain(self) -> int:
        """Fail readiness, stop accepting, let requests under way finish.

        Returns:
            How many requests were still under way when ``server.grace_s`` was over.
        """
        if self._readiness is not None:
            self._readiness.is_leaving = True
        if self._listener is None:
            return 0
        server = self._loaded.config.server
        return await self._listener.drain(server.drain_delay_s, server.grace_s, self._streams.end_all)

    async def stop(self) -> None:
        """Stop at once whatever still runs."""
        if self._listener is not None:
            await self._listener.stop()
        await self._control.stop()
        await self._plugins.stop()
        if self._plugin_database is not None:
            await self._plugin_database.close()
        await self._pool.stop()
        if self._ranking is not None:
            await self._ranking.stop()
        if self._caching is not None:
            await self._caching.stop()
        if self._interactions is not None:
            await self._interactions.stop()
        if self._sessions is not None:
            await self._sessions.stop()
        if self._watch is not None:
            await self._watch.stop()
        if self._database is not None:
            await self._database.stop()
        elif self.prepared is not None:
            self.prepared.release()
        if self._metrics_listener is not None:
            await self._metrics_listener.stop()


async def _still_waiting() -> str | None:
    return "Hapta waits for its database."


async def _unavailable(exchange: Exchange) -> Answer:
    raise UpstreamUnavailable


def own_url(host: str, port: int, *, is_tls: bool = False) -> str:
    """The address a browser on this machine reaches Hapta at."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{'https' if is_tls else 'http'}://{shown}:{port}"
