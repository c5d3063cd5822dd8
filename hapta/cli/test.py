"""``hapta test``: prove a running installation from outside."""

import asyncio
import json
import signal
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from hapta.app.gateway import own_url
from hapta.cli.options import config_options, load_config
from hapta.cli.rows import print_row
from hapta.config import ConfigErrors, Loaded, Secrets, ServerConfig, UnusableCertificate, client_context
from hapta.config.feeds import read_feeds
from hapta.model.errors import OperatorError
from hapta.model.tasks import TaskSet
from hapta.selftest import Credentials, Result, Setup, Status, run_suite

_WORDS = {Status.OK: "ok", Status.FAIL: "FAIL", Status.SKIP: "skip"}
_INTERRUPTED = 130


@click.command("test")
@config_options
@click.option("--url", metavar="URL", help="Test what answers here; by default server.host and server.port.")
@click.option("--read-only", is_flag=True, help="Make and change nothing, log in nowhere.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def command(
    config_path: Path | None, overrides: Sequence[str], url: str | None, read_only: bool, as_json: bool
) -> int:
    """Prove a running installation from outside: login, records, files, realtime.

    Logs in as AdminEmail with AdminPassword, or with AdminToken (from hapta.env, .env or the environment),
    makes two collections of its own, works in them as a user, and removes them again, also when a check
    fails or on Ctrl-C. Your own collections are not touched.

    \b
    hapta test                              the gateway this config.toml describes
    hapta test --url https://api.my.org     one somewhere else
    hapta test --read-only                  only what can be seen without writing

    Exit code: 0 all is well, 1 a check failed, 2 the configuration is wrong, 130 interrupted.
    """
    loaded = load_config(config_path, overrides)
    target = _configured(loaded.config.server) if url is None else _checked(url)

    results: list[Result] = []

    def show(result: Result) -> None:
        results.append(result)
        if not as_json:
            print_row(_WORDS[result.status], result.name, result.reason, result.ms)

    if not as_json:
        click.echo(f"Testing {target}{', reading only' if read_only else ''}\n")
    setup = _setup(loaded) if url is None else Setup()
    tls = _pinned(loaded) if url is None else None
    running = _run(target, _credentials(loaded.secrets), show, setup, tls, read_only=read_only)
    is_done = asyncio.run(running)
    failed = sum(result.status is Status.FAIL for result in results)
    if as_json:
        click.echo(json.dumps(_report(target, results, is_ok=is_done and not failed), indent=2))
    else:
        click.echo(f"\n{_summary(results, is_done=is_done)}")
    if not is_done:
        return _INTERRUPTED
    return 1 if failed else 0


def _configured(server: ServerConfig) -> str:
    if server.port == 0:
        raise OperatorError("server.port is 0 (any free port); say where Hapta listens, with --url")
    return own_url(server.host, server.port, is_tls=bool(server.tls_cert))


def _pinned(loaded: Loaded) -> ssl.SSLContext | None:
    """The certificate of this configuration is taken at the address of this configuration."""
    tls_cert = loaded.config.server.tls_cert
    try:
        return client_context(loaded.path(tls_cert)) if tls_cert else None
    except UnusableCertificate as exc:
        raise ConfigErrors([exc.error.line(loaded.origins)]) from exc


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right or parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise click.BadParameter(
            "expected http:// or https://, a host and maybe a port, and nothing behind", param_hint="'--url'"
        )
    return f"{parts.scheme}://{parts.netloc}"


def _setup(loaded: Loaded) -> Setup:
    """What this configuration says of the installation it describes."""
    config = loaded.config
    feeds = {name: feed.collection for name, feed in read_feeds(config.feeds, loaded.origins).items()}
    return Setup(config.sessions.overlap_s, loaded.secrets.database_url, config.cache.is_enabled, feeds)


def _credentials(secrets: Secrets) -> Credentials:
    return Credentials(
        admin_email=secrets.admin_email,
        admin_password=secrets.admin_password,
        admin_token=secrets.admin_token,
        user_email=secrets.test_user_email,
        user_password=secrets.test_user_password,
    )


async def _run(
    url: str,
    credentials: Credentials,
    on_result: Callable[[Result], None],
    setup: Setup,
    tls: ssl.SSLContext | None,
    *,
    read_only: bool,
) -> bool:
    """Run the suite; false when SIGINT or SIGTERM ended it (a second one also ends the cleaning)."""
    loop = asyncio.get_running_loop()
    testing = run_suite(url, credentials, on_result, read_only=read_only, setup=setup, tls=tls)
    suite = TaskSet().spawn(testing, name="hapta test")
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, suite.cancel)
    try:
        await asyncio.wait({suite})
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if suite.cancelled():
        return False
    suite.result()
    return True


def _report(url: str, results: Sequence[Result], *, is_ok: bool) -> dict[str, Any]:
    checks = [{"name": r.name, "status": str(r.status), "ms": r.ms, "reason": r.reason} for r in results]
    return {"ok": is_ok, "url": url, "checks": checks}


def _summary(results: Sequence[Result], *, is_done: bool) -> str:
    counts = Counter(result.status for result in results)
    words = [
        f"{counts[Status.OK]} ok",
        f"{counts[Status.FAIL]} failed" if counts[Status.FAIL] else "",
        f"{counts[Status.SKIP]} skipped" if counts[Status.SKIP] else "",
    ]
    seconds = sum(result.ms for result in results) / 1000
    return f"{'' if is_done else 'Interrupted: '}{', '.join(filter(None, words))} in {seconds:.1f} s."
