"""``hapta serve``: run the gateway until a signal ends it."""

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from hapta import __version__
from hapta.app import Gateway, Outputs
from hapta.cli.options import config_options, environment, load_config
from hapta.config import Loaded
from hapta.model.clock import SystemClock
from hapta.model.errors import OperatorError
from hapta.model.tasks import TaskSet
from hapta.observe.access_log import AccessLog
from hapta.observe.events import Events
from hapta.observe.metrics import Metrics

_STDERR = 2

try:
    import uvloop
except ImportError:  # not on every platform; the loop of the standard library does the same more slowly
    run: Callable[[Coroutine[Any, Any, int]], int] = asyncio.run
else:
    run = uvloop.run


@click.command()
@config_options
@click.option("--host", metavar="ADDRESS", help="Listen here; the same as --set server.host=ADDRESS.")
@click.option("--port", metavar="PORT", help="Listen on this port; the same as --set server.port=PORT.")
@click.option(
    "--adopt-data", is_flag=True, help="Take over a PocketBase data directory; makes a backup first."
)
@click.option(
    "--wait", "keep_trying", is_flag=True, help="Wait for the PocketBase at DatabaseURL to come up."
)
def command(
    config_path: Path | None,
    overrides: Sequence[str],
    host: str | None,
    port: str | None,
    adopt_data: bool,
    keep_trying: bool,
) -> int:
    """Run the gateway, with its own PocketBase unless DatabaseURL is set.

    \b
    hapta serve                       a working backend on http://127.0.0.1:8080, data in pb_data/
    hapta serve --port 9000           the same on another port
    hapta serve --adopt-data          go on with the pb_data/ of a PocketBase you ran before
    DatabaseURL=http://10.0.0.5:8090 hapta serve --wait
                                      in front of a PocketBase that runs elsewhere (also needs
                                      AdminEmail, AdminPassword and Secret, best in .env)

    SIGTERM or Ctrl-C lets requests under way finish; a second one stops at once. SIGHUP, as `hapta reload`,
    reads the configuration again.
    """
    overrides = [*overrides]
    if host is not None:
        overrides.append(f"server.host={host}")
    if port is not None:
        overrides.append(f"server.port={port}")
    loaded = load_config(config_path, overrides, needs_secrets=True)

    def read() -> Loaded:
        # a config.toml that was there must be there again, or its being gone would pass for all the defaults
        return load_config(loaded.config_path, overrides, needs_secrets=True)

    return run(_serve(loaded, read, adopt_data=adopt_data, keep_trying=keep_trying))


async def _serve(loaded: Loaded, read: Callable[[], Loaded], *, adopt_data: bool, keep_trying: bool) -> int:
    clock, config, secrets = SystemClock(), loaded.config, loaded.secrets
    metrics = Metrics()
    hidden = (secrets.admin_password, secrets.admin_token, secrets.secret, secrets.secret_previous)
    events = Events(config.log, sys.stderr.buffer, clock, hidden)
    _pass_on_logging(events)
    _raise_open_file_limit()
    access_log = AccessLog(config.log, sys.stdout.buffer, clock, metrics.log_lines_dropped.inc)
    gateway = Gateway(loaded, environment(), Outputs(events, access_log, metrics), clock, read)
    stopping = _Stopping()
    reloads = TaskSet()
    try:
        starting = gateway.start(adopt_data=adopt_data, keep_trying=keep_trying)
        if not await stopping.unless_stopped(starting):
            return 0
        _announce(loaded, gateway, events)
        gc.collect()
        gc.freeze()  # what is here now stays: the collector need not look at it again
        reloads.spawn(_follow_reloads(gateway, stopping.hung_up), name="reloads")
        await stopping.first.wait()
        await reloads.cancel()
        events.info("draining", message="finishing what is under way; another signal stops at once")
        await stopping.unless_stopped(_drain(gateway, events), twice=True)
    finally:
        await gateway.stop()
        access_log.close()
    events.info("stopped", message="Hapta has stopped")
    return 0


async def _follow_reloads(gateway: Gateway, wanted: asyncio.Event) -> None:
    """Signals that come while one is under way are one more, for they may be about what it has read."""
    while True:
        await wanted.wait()
        wanted.clear()
        with suppress(OperatorError):  # the log has it
            await gateway.reload()


async def _drain(gateway: Gateway, events: Events) -> None:
    left = await gateway.drain()
    if left:
        events.warning(
            "cut_off", message="requests were still under way when the grace was over", requests=left
        )


class _Stopping:
    """The first and the second signal to stop, and the one to read the configuration again.

    That one also comes when the terminal is closed, which is meant as a stop.
    """

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self.hung_up = asyncio.Event()
        self._has_terminal = os.isatty(_STDERR)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._on_hang_up)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)

    def _on_hang_up(self) -> None:
        if self._has_terminal and not os.isatty(_STDERR):
            self._on_signal()
        else:
            self.hung_up.set()

    def _on_signal(self) -> None:
        (self.second if self.first.is_set() else self.first).set()

    async def unless_stopped(self, work: Coroutine[Any, Any, None], *, twice: bool = False) -> bool:
        """Do ``work`` unless a signal comes first, which cancels it; whether it was done."""
        tasks = TaskSet()
        working = tasks.spawn(work, name="work")
        signalled = tasks.spawn((self.second if twice else self.first).wait(), name="signal")
        try:
            await asyncio.wait((working, signalled), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()  # raises what ended it
                return True
            return False
        finally:
            await tasks.cancel()


def _raise_open_file_limit() -> None:
    """Up to what the system allows this process: every connection is an open file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS reports a hard limit it does not take
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _EventHandler(logging.Handler):
    """Libraries log through ``logging``; their warnings become events."""

    def __init__(self, events: Events) -> None:
        super().__init__(logging.INFO)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        tell = self._events.error if record.levelno >= logging.ERROR else self._events.warning
        if record.levelno < logging.WARNING:
            tell = self._events.info
        fields: dict[str, object] = {"message": record.getMessage()}
        if record.exc_info:
            fields["trace"] = logging.Formatter().formatException(record.exc_info)
        tell(record.name, **fields)


def _pass_on_logging(events: Events) -> None:
    root = logging.getLogger()
    root.handlers = [_EventHandler(events)]
    root.setLevel(logging.WARNING)


def _announce(loaded: Loaded, gateway: Gateway, events: Events) -> None:
    """Say where everything is: to a person on a terminal, as one event to a log."""
    config, prepared, secrets = loaded.config, gateway.prepared, loaded.secrets
    rows = {"API": f"{gateway.url}/api/", "Dashboard": f"{gateway.url}/_/"}
    if prepared is not None:
        rows["Data"] = str(prepared.options.data_dir)
        source = (
            loaded.origins.get("AdminPassword", str(prepared.env_path)) if secrets.admin_password else None
        )
        rows["Log in as"] = f"{prepared.operator.email}, AdminPassword is in {source or prepared.env_path}"
        if prepared.backup is not None:
            rows["Backup"] = f"{prepared.backup}, made before the data was taken over"
    else:
        rows["PocketBase"] = str(secrets.database_url)
    if config.metrics.enabled:
        rows["Metrics"] = f"http://{config.metrics.host}:{gateway.metrics_port}/metrics"
    if events.is_pretty:
        lines = [f"Hapta {__version__}", *(f"  {name:<11}{value}" for name, value in rows.items())]
        click.echo("\n".join([*lines, "  Ctrl-C stops"]), err=True)
    else:
        fields = {name.lower().replace(" ", "_"): value for name, value in rows.items()}
        events.info("started", message=f"Hapta {__version__} serves", **fields)
