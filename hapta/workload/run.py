"""One run, from nothing to the report: PocketBase, relay, gateway, logins, requests, and all gone again."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import ClientSession

from hapta.config import client_context
from hapta.embedded import GivenSecrets
from hapta.model.clock import Clock
from hapta.workload import rows
from hapta.workload.bounds import bounds
from hapta.workload.calls import SUPERUSER, CallPlanner
from hapta.workload.client import Client, open_http
from hapta.workload.draws import Workload
from hapta.workload.drive import Driver, make_ledger
from hapta.workload.gateway import running_gateway, tls_cert, until_ready
from hapta.workload.oracle import Findings
from hapta.workload.pocketbase import PocketBase, running_pocketbase
from hapta.workload.profiles import PROFILES
from hapta.workload.report import Report
from hapta.workload.seed import USER_PASSWORD, seed, superuser_token, user_token
from hapta.workload.shim import Shim, running_shim

_NODES_READY_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What to run.

    Attributes:
        profile, seed, requests: the workload.
        concurrency: 1 compares every answer with PocketBase's; more clients are judged by revisions.
        check_every: compare every n-th read only.
        with_private_posts: variant P.
        is_direct: no Hapta: the workload goes straight to PocketBase, as the baseline.
        nodes: addresses of running Haptas to drive, in turns, instead of one of our own.
        shim_port: where the relay listens; 0 takes any port.
        admin_email, admin_password: PocketBase's superuser, for nodes that are not ours; ``None`` makes one
            up.
        overrides: ``--set`` arguments for our own Hapta.
        environ: the environment of this process.
    """

    profile: str
    seed: int
    requests: int
    concurrency: int = 1
    check_every: int = 1
    with_private_posts: bool = False
    is_direct: bool = False
    nodes: Sequence[str] = ()
    shim_port: int = 0
    admin_email: str | None = None
    admin_password: str | None = field(default=None, repr=False)
    overrides: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who wants to know how far a run is: a line for each phase, a call for each draw that is done."""

    on_phase: Callable[[str], None]
    on_progress: Callable[[], None]


async def run(options: RunOptions, clock: Clock, watch: Watch) -> Report:
    """Run the workload once.

    Raises:
        OperatorError: something does not start, a login is refused, or a certificate cannot be used.
    """
    workload = Workload(PROFILES[options.profile], options.seed)
    given = GivenSecrets(admin_email=options.admin_email, admin_password=options.admin_password)
    with tempfile.TemporaryDirectory(prefix="hapta-bench-") as directory:
        home = Path(directory)
        own = tls_cert(options.overrides)
        tls = None if own is None else client_context(own)
        async with (
            open_http(tls) as http,
            running_pocketbase(home, given, options.environ, clock) as pocketbase,
        ):
            watch.on_phase("filling PocketBase")
            await seed(http, pocketbase, workload, with_private_posts=options.with_private_posts)
            upstream_port = urlsplit(pocketbase.url).port
            assert upstream_port is not None
            async with (
                running_shim(upstream_port, options.shim_port) as shim,
                _targets(options, http, home, pocketbase, shim, watch) as urls,
            ):
                return await _measure(options, clock, watch, workload, http, pocketbase, shim, urls)


@asynccontextmanager
async def _targets(
    options: RunOptions, http: ClientSession, home: Path, pocketbase: PocketBase, shim: Shim, watch: Watch
) -> AsyncIterator[Sequence[str]]:
    """Where the requests go."""
    if options.is_direct:
        yield [shim.url]
    elif options.nodes:
        watch.on_phase(f"waiting for Hapta at {', '.join(options.nodes)}, with DatabaseURL={shim.url}")
        await asyncio.gather(*(until_ready(http, node, timeout_s=_NODES_READY_S) for node in options.nodes))
        yield options.nodes
    else:
        watch.on_phase("starting Hapta")
        async with running_gateway(
            http, home, pocketbase, shim.url, options.environ, options.overrides
        ) as url:
            yield [url]


async def _measure(
    options: RunOptions,
    clock: Clock,
    watch: Watch,
    workload: Workload,
    http: ClientSession,
    pocketbase: PocketBase,
    shim: Shim,
    urls: Sequence[str],
) -> Report:
    watch.on_phase(f"logging in {workload.profile.active} users")
    before_logins, login_started = shim.counts.copy(), clock.monotonic()
    tokens = await _log_in(Client(http, urls, {}), workload, pocketbase)
    login_seconds = clock.monotonic() - login_started
    direct = await _direct_client(http, workload, pocketbase)

    private = options.with_private_posts
    findings = Findings()
    planner = CallPlanner(
        workload,
        with_private_posts=private,
        has_edge=not options.is_direct,
        has_feed=not (options.is_direct or options.nodes),
    )
    driver = Driver(Client(http, urls, tokens), planner, findings, watch.on_progress)
    draws = workload.draws(options.requests)
    before, started = shim.counts.copy(), clock.monotonic()
    if options.concurrency == 1:
        await driver.one_at_a_time(draws, direct.get, lambda: shim.counts.requests, options.check_every)
    else:
        ledger = make_ledger(workload, with_private_posts=private)
        await driver.many_at_once(draws, options.concurrency, ledger)
    counts, seconds = shim.counts.since(before), clock.monotonic() - started
    again = Workload(workload.profile, options.seed)
    return Report(
        profile=options.profile,
        seed=options.seed,
        requests=options.requests,
        concurrency=options.concurrency,
        variant="P" if private else "",
        target="PocketBase directly" if options.is_direct else f"Hapta at {', '.join(urls)}",
        counts=counts,
        tally=driver.tally,
        findings=findings,
        bounds=bounds(again.profile, again.world, again.draws(options.requests)),
        logins=len(tokens),
        login_upstream=before.since(before_logins).requests,
        seconds=seconds,
        login_seconds=login_seconds,
    )


async def _log_in(client: Client, workload: Workload, pocketbase: PocketBase) -> dict[str, str]:
    """Log in everybody who acts, and the app's backend, through the target."""
    tokens = {SUPERUSER: await client.log_in(pocketbase.email, pocketbase.password, "_superusers")}
    for user in workload.world.active:
        tokens[rows.user_id(user)] = await client.log_in(rows.email(user), USER_PASSWORD)
    return tokens


async def _direct_client(http: ClientSession, workload: Workload, pocketbase: PocketBase) -> Client:
    """The uncounted way: the same callers straight at PocketBase, with tokens of its own making."""
    superuser = await superuser_token(http, pocketbase)
    tokens = {SUPERUSER: superuser}
    for user in map(rows.user_id, workload.world.active):
        tokens[user] = await user_token(http, pocketbase, superuser, user)
    return Client(http, [pocketbase.url], tokens)
