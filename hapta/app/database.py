"""Which PocketBase Hapta speaks to: its own, or the one at ``DatabaseURL``.

Both give the same three things: an opened client, superuser access, and PocketBase's settings in line with
what Hapta needs. Its own one is put right by itself; of somebody else's the operator is told.
"""

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from hapta.app.hooks_mode import is_stock
from hapta.config import Loaded
from hapta.embedded import (
    CLIENT_IP_HEADER,
    EmbeddedOptions,
    EmbeddedPocketBase,
    GivenSecrets,
    Prepared,
    ensure_settings,
    prepare,
)
from hapta.feed.notify import DIRECTORY as NOTIFY_DIRECTORY
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, OperatorError
from hapta.model.tasks import TaskSet
from hapta.observe.events import Events
from hapta.observe.metrics import Metrics
from hapta.upstream.client import UpstreamClient
from hapta.upstream.superuser import Credentials, SuperuserClient, wait_for_superuser

_SETTINGS_TRIES = 20
_SETTINGS_AGAIN_S = 0.5


class Database(Protocol):
    """A PocketBase that Hapta may use."""

    client: UpstreamClient

    @property
    def superuser(self) -> SuperuserClient:
        """Hapta's rights in it; there once it is started."""

    @property
    def notify_dir(self) -> Path | None:
        """Where it tells of changes of schema and settings, if it runs on this machine."""

    @property
    def is_notify_dir_claimed(self) -> bool:
        """That it does so is what the operator says, and no more."""

    @property
    def hooks_dir(self) -> Path | None:
        """Where its hooks are, if they can be looked at."""

    @property
    def is_stock(self) -> bool:
        """It is the PocketBase that came with Hapta."""

    def on_restarted(self, callback: Callable[[], None]) -> None:
        """``callback`` is told whenever it serves again after it ended, where that can be known."""

    async def settings_may_differ(self) -> None:
        """Look at PocketBase's settings again: somebody changed them, or other data came in."""

    async def stop(self) -> None:
        """Let go of it."""


class EmbeddedDatabase:
    """Hapta's own PocketBase.

    Args:
        prepared: the data directory, locked.
        loaded: the configuration.
        own_url: where Hapta itself listens.
    """

    def __init__(
        self,
        prepared: Prepared,
        loaded: Loaded,
        own_url: str,
        *,
        clock: Clock,
        events: Events,
        metrics: Metrics,
    ) -> None:
        self.prepared = prepared
        self._pocketbase = EmbeddedPocketBase(prepared, clock, events)
        self._loaded = loaded
        self._own_url = own_url
        self._clock = clock
        self._events = events
        self._metrics = metrics
        self._tasks = TaskSet()
        self.client = UpstreamClient("", loaded.config.upstream, clock)
        self._superuser: SuperuserClient | None = None

    async def start(self) -> None:
        """Start it and bring its settings in line.

        Raises:
            OperatorError: it does not start.
        """
        base_url = await self._pocketbase.start()
        self.client = UpstreamClient(base_url, self._loaded.config.upstream, self._clock)
        await self.client.open()
        service = self.prepared.service
        self._superuser = SuperuserClient(
            self.client,
            Credentials(service.email, service.password),
            self._clock,
            on_refused=self._pocketbase.upsert_service_account,
            make_token=self._pocketbase.service_token,
        )
        await self._superuser.check()
        await self.settings_may_differ()
        self._pocketbase.subscribe(on_up=self._on_up)

    @property
    def is_up(self) -> bool:
        return self._pocketbase.is_up

    @property
    def hooks_dir(self) -> Path | None:
        return self.prepared.options.hooks_dir

    @property
    def is_stock(self) -> bool:
        return is_stock(self.prepared.options.binary)

    def on_restarted(self, callback: Callable[[], None]) -> None:
        """``callback`` is told whenever PocketBase serves again after it ended."""
        self._pocketbase.subscribe(on_up=lambda is_first: None if is_first else callback())

    @property
    def superuser(self) -> SuperuserClient:
        assert self._superuser is not None
        return self._superuser

    @property
    def notify_dir(self) -> Path | None:
        return self.prepared.options.data_dir / NOTIFY_DIRECTORY

    @property
    def is_notify_dir_claimed(self) -> bool:
        return False

    async def settings_may_differ(self) -> None:
        if self._superuser is None:
            return
        changed = await ensure_settings(
            self._superuser, public_url=self._loaded.config.server.public_url, own_url=self._own_url
        )
        if changed:
            self._events.info(
                "settings", message="brought PocketBase's settings in line", changed=list(changed)
            )

    def _on_up(self, first: bool) -> None:
        if first:
            return
        self.client.breaker.succeeded()  # it has just answered: what clients met before says nothing any more
        self._metrics.upstream_restarts.inc()
        self._events.info(
            "pocketbase_up", message="PocketBase serves again", restarts=self._pocketbase.restarts
        )
        self._tasks.spawn(self._settings_after_restart(), name="settings after restart")

    async def _settings_after_restart(self) -> None:
        """Restored data may have settings of any time: until they are in line, all clients are one address
        to PocketBase. So a try that did not get through, in the crowd after a restart, is not the last."""
        for tries_left in reversed(range(_SETTINGS_TRIES)):
            try:
                return await self.settings_may_differ()
            except (HaptaError, OperatorError) as exc:
                if tries_left == 0 or isinstance(exc, OperatorError):
                    self._events.error(
                        "settings", message=f"PocketBase's settings could not be checked: {exc}"
                    )
                    return None
            await asyncio.sleep(_SETTINGS_AGAIN_S)
        return None

    async def stop(self) -> None:
        await self._tasks.cancel()
        await self.client.close()
        await self._pocketbase.stop()


class RemoteDatabase:
    """Somebody's PocketBase at ``DatabaseURL``.

    Args:
        loaded: the configuration, with its secrets checked.
        keep_trying: wait for it instead of giving up.
    """

    def __init__(
        self, loaded: Loaded, own_url: str, *, keep_trying: bool, clock: Clock, events: Events
    ) -> None:
        secrets = loaded.secrets
        assert secrets.database_url is not None
        self._loaded = loaded
        self._own_url = own_url
        self._keep_trying = keep_trying
        self._events = events
        self.client = UpstreamClient(secrets.database_url, loaded.config.upstream, clock)
        self._superuser = SuperuserClient(
            self.client,
            Credentials(secrets.admin_email, secrets.admin_password, secrets.admin_token),
            clock,
        )

    async def start(self) -> None:
        """Find it, and prove the credentials.

        Raises:
            OperatorError: unreachable, not a PocketBase, or the credentials are refused.
        """
        await self.client.open()
        await wait_for_superuser(
            self._superuser,
            keep_trying=self._keep_trying,
            on_wait=lambda reason: self._events.warning("waiting", message=reason),
        )
        await self.settings_may_differ()

    @property
    def superuser(self) -> SuperuserClient:
        return self._superuser

    @property
    def notify_dir(self) -> Path | None:
        shared = self._loaded.config.upstream.shared_data_dir
        return self._loaded.path(shared) / NOTIFY_DIRECTORY if shared else None

    @property
    def is_notify_dir_claimed(self) -> bool:
        return self.notify_dir is not None

    @property
    def hooks_dir(self) -> Path | None:
        return None

    @property
    def is_stock(self) -> bool:
        return False

    def on_restarted(self, callback: Callable[[], None]) -> None:
        """Nobody tells of restarts elsewhere: the stream that ends is all there is."""

    async def settings_may_differ(self) -> None:
        try:
            status, settings = await self._superuser.request("GET", "/api/settings")
        except HaptaError as exc:
            self._events.warning("settings", message=f"PocketBase's settings could not be read: {exc}")
            return
        if status != 200 or not isinstance(settings, Mapping):
            self._events.warning(
                "settings", message=f"PocketBase does not show its settings (status {status})"
            )
            return
        for warning in settings_warnings(settings, self._loaded.config.server.public_url, self._own_url):
            self._events.warning("settings", message=warning)

    async def stop(self) -> None:
        await self.client.close()


def settings_warnings(settings: Mapping[str, object], public_url: str, own_url: str) -> list[str]:
    """What of a remote PocketBase's settings does not fit a gateway in front of it."""
    warnings = []
    proxy, meta = settings.get("trustedProxy"), settings.get("meta")
    trusted = proxy.get("headers") if isinstance(proxy, Mapping) else None
    names = [str(name).lower() for name in trusted] if isinstance(trusted, list) else []
    if CLIENT_IP_HEADER.lower() not in names:
        warnings.append(
            f"PocketBase does not trust {CLIENT_IP_HEADER}: it takes all clients for one address; add the "
            "header under Settings, Application, User IP proxy headers, and let only Hapta reach PocketBase"
        )
    app_url = str(meta.get("appURL", "")) if isinstance(meta, Mapping) else ""
    wanted = (public_url or own_url).rstrip("/")
    if app_url.rstrip("/") != wanted:
        warnings.append(
            f"PocketBase's application URL is {app_url or 'empty'}, so its mails lead there; "
            f"set it to {wanted}, or server.public_url to what people use"
        )
    return warnings


def host_to_send(loaded: Loaded) -> str | None:
    """The ``Host`` PocketBase gets; ``None`` for the client's own (``upstream.host_header``)."""
    database_url = loaded.secrets.database_url
    if database_url is None or loaded.config.upstream.host_header == "client":
        return None
    parts = urlsplit(database_url)
    if loaded.config.upstream.host_header == "auto" and _is_this_machine(parts.hostname or ""):
        return None
    return parts.netloc


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def embedded_options(loaded: Loaded, environ: Mapping[str, str]) -> EmbeddedOptions:
    """Where the embedded PocketBase's files are."""
    upstream = loaded.config.upstream
    return EmbeddedOptions.resolve(
        loaded.base_dir,
        environ=environ,
        state_dir=loaded.config.server.state_dir,
        data_dir=upstream.data_dir,
        hooks_dir=upstream.hooks_dir,
        migrations_dir=upstream.migrations_dir,
        public_dir=upstream.public_dir,
        binary=upstream.binary,
        port=upstream.embedded_port,
    )


def prepare_embedded(
    loaded: Loaded, environ: Mapping[str, str], clock: Clock, events: Events, *, adopt_data: bool
) -> Prepared:
    """Lock the data directory and make up what secrets are missing.

    Raises:
        OperatorError: what stands in the way.
    """
    secrets = loaded.secrets
    given = GivenSecrets(secrets.secret, secrets.admin_email, secrets.admin_password)
    return prepare(embedded_options(loaded, environ), given, clock, events, adopt_data=adopt_data)
