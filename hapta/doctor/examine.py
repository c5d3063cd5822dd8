"""The whole examination, in the order a start goes wrong."""

import ssl
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from hapta.app.database import embedded_options
from hapta.app.gateway import own_url
from hapta.config import ConfigError, Loaded, check_secrets
from hapta.doctor.certificate import certificate, own_context
from hapta.doctor.control import control
from hapta.doctor.exposure import exposure
from hapta.doctor.finding import Finding, fail, ok
from hapta.doctor.folders import folders
from hapta.doctor.machine import machine, soft_open_file_limit
from hapta.doctor.pocketbase import clock_skew, pocketbase, way_around
from hapta.doctor.running import look, metrics_findings, port_finding
from hapta.model.clock import Clock
from hapta.model.errors import OperatorError

_NEEDED_TO_ASK = frozenset(
    {"DatabaseURL", "AdminEmail", "AdminPassword", "AdminEmail and AdminPassword", "AdminToken"}
)
"""Secrets without which PocketBase cannot be asked; what is wrong with them is told before."""


async def examine(loaded: Loaded, environ: Mapping[str, str], clock: Clock) -> AsyncIterator[Finding]:
    """Look at everything, changing nothing; gives each finding when it is there.

    Args:
        loaded: the configuration, its secrets not yet checked.
        environ: the environment, for the embedded PocketBase's program.
        clock: compared with PocketBase's.
    """
    config = loaded.config
    for finding in machine(sys.version_info[:2], soft_open_file_limit(), config.server.max_connections):
        yield finding
    errors = check_secrets(loaded.secrets, loaded.config)
    for finding in (*secrets(errors, loaded.origins), *folders(loaded)):
        yield finding
    for finding in certificate(loaded, clock):
        yield finding
    for finding in exposure(config.server, config.admin, config.metrics):
        yield finding

    server, metrics = config.server, config.metrics
    url, tls = own_url(server.host, server.port, is_tls=bool(server.tls_cert)), own_context(loaded)
    gateway = await look(server.host, server.port, f"{url}/api/hapta/health/live", '"Hapta is running."', tls)
    yield port_finding("server.port", server.host, server.port, gateway)
    if metrics.enabled:
        at = f"{own_url(metrics.host, metrics.port)}/metrics"
        counted = await look(metrics.host, metrics.port, at, "hapta_build_info")
        for finding in metrics_findings(gateway.is_hapta, counted, metrics.host, metrics.port):
            yield finding
    for finding in control(loaded.path(server.state_dir), url, is_running=gateway.is_hapta):
        yield finding
    if not any(_NEEDED_TO_ASK.intersection(error.keys) for error in errors):
        async for finding in _database(loaded, environ, clock, url, tls, is_running=gateway.is_hapta):
            yield finding


async def _database(
    loaded: Loaded,
    environ: Mapping[str, str],
    clock: Clock,
    own: str,
    tls: ssl.SSLContext | None,
    *,
    is_running: bool,
) -> AsyncIterator[Finding]:
    """PocketBase: somebody's at DatabaseURL, or Hapta's own, seen through Hapta while it runs."""
    remote = loaded.secrets.database_url
    if remote is None:
        yield program(loaded, environ)
    else:
        yield await way_around(remote)
        if skew := await clock_skew(remote, clock):
            yield skew
    knows_superuser = loaded.secrets.admin_token or loaded.secrets.admin_password
    if remote is None and not (is_running and knows_superuser):
        return
    async for finding in pocketbase(
        remote or own,
        loaded.secrets,
        loaded.config.upstream,
        clock,
        public_url=loaded.config.server.public_url,
        own_url=own,
        tls=tls if remote is None else None,
    ):
        yield finding


def secrets(errors: Sequence[ConfigError], origins: Mapping[str, str]) -> Iterator[Finding]:
    """Will the secrets do for a start?"""
    for error in errors:
        found, _, advice = error.line(origins).partition("; ")
        yield fail("secrets", found, advice or "correct it in .env or the environment")
    if not errors:
        yield ok("secrets", "will do for a start")


def program(loaded: Loaded, environ: Mapping[str, str]) -> Finding:
    """Is there a PocketBase to run?"""
    try:
        return ok("embedded", str(embedded_options(loaded, environ).binary))
    except OperatorError as exc:
        found, _, advice = str(exc).partition("; ")
        return fail("embedded", found, advice)
