"""The configuration, read again while Hapta runs: by SIGHUP or ``hapta reload``.

Everything that can go wrong or takes time comes first: reading, checking, the certificate, plugins that are
new. Where any of it fails all stays as it was. Then everything is swapped without a wait in between, so a
request meets either the configuration before or the one after it, whole; requests under way end under the one
they began with, but for what is stored, of which nothing counts any more once rules of the cache changed.
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hapta.app.caching import Caching
from hapta.app.limits import Limiting
from hapta.app.plugins import Plugins, Readied
from hapta.app.ranking import Ranking
from hapta.app.reports import Outputs
from hapta.app.sessions import Sessions
from hapta.app.spool_dir import spool_directory
from hapta.app.watch import Watch
from hapta.config import Comparison, Config, Loaded, Secrets, compare
from hapta.config.feed_tables import RankedFeedConfig
from hapta.config.feeds import read_feeds
from hapta.fastlane.lane import FastLane
from hapta.model.address import parse_networks
from hapta.model.clock import Clock
from hapta.model.errors import OperatorError
from hapta.model.exchange import Handler
from hapta.server.front import Front
from hapta.server.listener import Listener
from hapta.server.protocol import Reception
from hapta.server.transmit import Transmitter
from hapta.stages.streams import OpenStreams
from hapta.stages.upload_check import needs_workers
from hapta.upstream.spool import SpoolBudget
from hapta.workers.pool import WorkerPool

_OF_THE_CACHE = ("cache.", "cors.", "validation.")
_OF_ADMINS = ("admin.networks", "server.trusted_proxies")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a configuration concerns, of a gateway that runs.

    Attributes:
        pipeline: makes the stages for a configuration and a folder for request bodies, of parts that have it
            already.
        lane: makes the fast lane for a configuration; of another one nothing is told again.
    """

    outputs: Outputs
    reception: Reception
    transmitter: Transmitter
    listener: Listener
    front: Front
    streams: OpenStreams
    budget: SpoolBudget
    pool: WorkerPool
    plugins: Plugins
    watch: Watch
    sessions: Sessions
    caching: Caching
    limiting: Limiting
    ranking: Ranking
    clock: Clock
    pipeline: Callable[[Loaded, str | None], Handler]
    lane: Callable[[Config], FastLane | None]


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload changed, in words.

    Attributes:
        changes: each with its value before and after.
        needs_restart: keys and names of secrets that are others and wait for a restart.
    """

    changes: tuple[str, ...]
    needs_restart: tuple[str, ...]


class Reloading:
    """Reloads one gateway.

    Args:
        parts: these.
        loaded: the configuration they were started with.
        secrets: those at work, the ones Hapta made up for itself included.
        read: reads the configuration again.

    Attributes:
        loaded: the configuration at work.
    """

    def __init__(
        self,
        parts: Parts,
        loaded: Loaded,
        secrets: Secrets,
        read: Callable[[], Loaded],
    ) -> None:
        self.loaded = loaded
        self._parts = parts
        self._secrets = secrets
        self._read = read
        self._one_at_a_time = asyncio.Lock()

    async def reload(self) -> Reloaded:
        """Read the configuration again, and put it to work.

        Raises:
            OperatorError: it cannot be; the one before it stays at work, and the log says why.
        """
        events, metrics = self._parts.outputs.events, self._parts.outputs.metrics
        async with self._one_at_a_time:
            try:
                reloaded = await self._reload()
            except OperatorError as exc:
                metrics.reloaded("refused")
                for problem in str(exc).splitlines():
                    message = f"{problem}; the configuration before it stays at work"
                    events.error("reload_refused", message=message)
                raise
            except Exception as exc:
                metrics.reloaded("refused")
                message = "reloading met an error in Hapta itself; please report it, and restart"
                events.error(
                    "reload_refused", message=message, trace="".join(traceback.format_exception(exc))
                )
                raise OperatorError(f"{message} ({type(exc).__name__}: {exc})") from exc
            metrics.reloaded("done")
            count = len(reloaded.changes)
            message = f"the configuration was read again: {count or 'no'} change{'' if count == 1 else 's'}"
            events.info("reloaded", message=message, changes=reloaded.changes)
            if reloaded.needs_restart:
                message = f"changed, but waiting for a restart: {', '.join(reloaded.needs_restart)}"
                events.warning("needs_restart", message=message)
            return reloaded

    async def _reload(self) -> Reloaded:
        old, parts = self.loaded, self._parts
        read = await asyncio.to_thread(self._read)
        comparison = compare(old.config, read.config, self._secrets, read.secrets)
        new = replace(
            read,
            config=comparison.config,
            secrets=old.secrets,
            # without TLS at the start there is none until a restart, and it does not end before one
            certificate=old.certificate and (read.certificate or old.certificate),
        )
        feeds = read_feeds(new.config.feeds, new.origins)
        spool_dir = await asyncio.to_thread(spool_directory, new)
        if needs_workers(new.config.uploads):
            await parts.pool.start()
        async with parts.plugins.changing:
            readied = await parts.plugins.prepare(new)
            await parts.ranking.prepare(feeds)
            self._swap(new, comparison, spool_dir, readied, feeds)
        self._tell(new, comparison)
        return Reloaded(
            (*(str(change) for change in comparison.changed), *_certificate(old, new)),
            comparison.needs_restart,
        )

    def _swap(
        self,
        new: Loaded,
        comparison: Comparison,
        spool_dir: str | None,
        readied: Readied,
        feeds: Mapping[str, RankedFeedConfig],
    ) -> None:
        parts, config = self._parts, new.config
        parts.outputs.events.configure(config.log)
        parts.outputs.access_log.configure(config.log)
        trusted, admin = parse_networks(config.server.trusted_proxies), parse_networks(config.admin.networks)
        parts.reception.configure(config.server, trusted, admin)
        parts.transmitter.configure(config.server.send_timeout_s)
        parts.budget.configure(config.server.spool_bytes)
        parts.limiting.configure(config)
        parts.sessions.configure(config.sessions)
        parts.watch.configure(config)
        if comparison.concerns(*_OF_THE_CACHE):
            parts.caching.configure(config)
        if new.certificate is not None:
            parts.listener.encrypt_with(new.certificate.context)
            parts.outputs.metrics.certificate_expiry.set(new.certificate.ends_at)
        if comparison.concerns("feeds."):
            parts.ranking.configure(feeds, new.origins)
        handle = parts.pipeline(new, spool_dir)
        parts.plugins.commit(readied)
        parts.front.handle = handle
        parts.reception.lane = None if parts.reception.is_draining else parts.lane(config)
        self.loaded = new
        if comparison.concerns(*_OF_ADMINS):
            parts.streams.end_superusers()  # they come back from where they may, and from nowhere else

    def _tell(self, new: Loaded, comparison: Comparison) -> None:
        events, parts = self._parts.outputs.events, self._parts
        if comparison.concerns("limits."):
            for message in parts.limiting.unmet():
                events.warning("limits", message=message)
        warning = None if new.certificate is None else new.certificate.warning(parts.clock.now())
        if warning is not None:
            events.warning("certificate", message=warning)


def _certificate(old: Loaded, new: Loaded) -> Sequence[str]:
    before, after = old.certificate, new.certificate
    if before is None or after is None or before.fingerprint == after.fingerprint:
        return ()
    return (f"certificate: {before} -> {after}",)
