"""A Hapta of our own for one run: ``hapta serve`` as a process, in front of the counting relay."""

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientError, ClientSession

from hapta.embedded.ports import choose_port
from hapta.model.errors import OperatorError
from hapta.workload.calls import CANDIDATES, FEED
from hapta.workload.pocketbase import PocketBase
from hapta.workload.schema import COMMENTS, FOLLOWS, POSTS

_START_S, _STOP_S, _POLL_S = 30.0, 30.0, 0.05
_FEED = tuple(
    f"feeds.{FEED}.{key}"
    for key in (
        f"collection={POSTS}",
        f"limit={CANDIDATES}",
        "author=author",
        'topics=["hashtags"]',
        "spacing=1",
        "signals.likes.field=likes",
        f"signals.comments.collection={COMMENTS}",
        "signals.comments.relation=post",
        f"follows.users.collection={FOLLOWS}",
        "follows.users.from=follower",
        "follows.users.to=target",
    )
)
_OWN_VARIABLES = ("DatabaseURL", "AdminEmail", "AdminPassword", "AdminToken", "Secret", "SecretPrevious")


def tls_cert(overrides: Sequence[str]) -> Path | None:
    """The file of the certificate that is measured with, if any."""
    given = (override.partition("=") for override in overrides)
    named = [value for key, _, value in given if key.strip() == "server.tls_cert" and value]
    return Path(named[-1]) if named else None


@asynccontextmanager
async def running_gateway(
    http: ClientSession,
    home: Path,
    pocketbase: PocketBase,
    upstream_url: str,
    environ: Mapping[str, str],
    overrides: Sequence[str],
) -> AsyncIterator[str]:
    """A Hapta that serves until the block is left; its address.

    Args:
        http: to ask whether it is ready.
        home: a directory for its state and its log, ``hapta.log``.
        pocketbase: whose superuser it uses.
        upstream_url: what it takes for PocketBase.
        environ: of this process; what configures another Hapta is not passed on.
        overrides: further ``--set`` arguments; they win over what a measurement needs.

    Raises:
        OperatorError: it does not get ready.
    """
    port = choose_port()
    settings = (
        *_FEED,
        f"server.port={port}",
        "server.trusted_proxies=127.0.0.0/8",  # every caller of the workload has an address of its own
        "ratelimit.is_enabled=false",
        "metrics.enabled=false",
        "log.access=all",
        f"upstream.shared_data_dir={pocketbase.data_dir}",
        "cache.pb_hooks=none",  # the workload's PocketBase has none, which cannot be seen from outside
        *overrides,
    )
    inherited = {
        name: value
        for name, value in environ.items()
        if not name.startswith("HAPTA_") and name not in _OWN_VARIABLES
    }
    own = {
        "DatabaseURL": upstream_url,
        "AdminEmail": pocketbase.email,
        "AdminPassword": pocketbase.password,
        "Secret": secrets.token_urlsafe(48),
    }
    log_path = home / "hapta.log"
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hapta", "serve"),
            *(f"--set={setting}" for setting in settings),
            cwd=home,
            env={**inherited, **own},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        async with _stopped_afterwards(process):
            url = f"{'https' if tls_cert(overrides) else 'http'}://127.0.0.1:{port}"
            try:
                await until_ready(http, url, process)
            except OperatorError as exc:
                raise OperatorError(f"{exc}; hapta serve said: {_said(log_path)}") from None
            yield url


@asynccontextmanager
async def _stopped_afterwards(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Ask the process to end when the block is left, however that happens; after half a minute, make it."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _said(log: Path) -> str:
    """What the process wrote, for an error message."""
    return log.read_text(errors="replace").strip() or "nothing"


async def until_ready(
    http: ClientSession,
    url: str,
    process: asyncio.subprocess.Process | None = None,
    timeout_s: float = _START_S,
) -> None:
    """Wait until a Hapta says that it is ready.

    Args:
        http: to ask with.
        url: where it should answer.
        process: stop waiting when this one has ended.
        timeout_s: how long to wait.

    Raises:
        OperatorError: it did not, in time or at all.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while process is None or process.returncode is None:
                try:
                    async with http.get(f"{url}/api/hapta/health/ready") as answer:
                        if answer.status == 200:
                            return
                except ClientError:
                    pass  # it does not listen yet
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise OperatorError(f"{url}: no Hapta got ready there within {timeout_s:g} s") from None
    raise OperatorError(f"{url}: Hapta ended with exit code {process.returncode} before it was ready")
