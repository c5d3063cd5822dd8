"""``hapta bench``: what a workload of a social app costs PocketBase, and whether every answer was right."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from hapta.cli.options import environment
from hapta.model.clock import SystemClock
from hapta.model.errors import OperatorError
from hapta.workload.profiles import DEFAULT_REQUESTS, DEFAULT_SEED, PROFILES
from hapta.workload.run import RunOptions, Watch, run

if TYPE_CHECKING:
    from hapta.workload.feeds import FeedsReport

T = TypeVar("T")

_WITH_FEEDS = ("is_feeds", "seed", "as_json")


@click.command("bench")
@click.option(
    "--profile", type=click.Choice(list(PROFILES)), default="S", show_default=True, help="Size of the site."
)
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Seed of the draws.")
@click.option(
    "--requests", type=click.IntRange(min=1), default=DEFAULT_REQUESTS, show_default=True, help="How many."
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="1 compares each answer with PocketBase's own; more clients are judged by revisions.",
)
@click.option(
    "--check-every", type=click.IntRange(min=1), default=1, show_default=True, help="Compare every n-th read."
)
@click.option("--variant", type=click.Choice(["P"]), help="P: one post in twenty is private.")
@click.option(
    "--target",
    type=click.Choice(["hapta", "direct"]),
    default="hapta",
    show_default=True,
    help="direct: no Hapta, straight to PocketBase, as the baseline.",
)
@click.option(
    "--target-url",
    "nodes",
    multiple=True,
    metavar="URL",
    help="Drive this running Hapta instead of starting one; several take turns.",
)
@click.option(
    "--shim-port", type=click.IntRange(0, 65535), default=0, help="Port of the counting relay; 0 takes any."
)
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Passed on to `hapta serve`."
)
@click.option("--feeds", "is_feeds", is_flag=True, help="Measure ranked feeds instead; see below.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.pass_context
def command(
    context: click.Context,
    profile: str,
    seed: int,
    requests: int,
    concurrency: int,
    check_every: int,
    variant: str | None,
    target: str,
    nodes: Sequence[str],
    shim_port: int,
    overrides: Sequence[str],
    is_feeds: bool,
    as_json: bool,
) -> int:
    """Measure how much of a workload reaches PocketBase.

    Fills a throwaway PocketBase, starts a Hapta in front of it with a counting relay in between, sends the
    workload, compares every answer with what PocketBase itself answers, and prints the counts beside the
    lower bounds L0 to L6 of ideal caches. Everything it starts is gone afterwards.

    With --target-url the Haptas are yours: start them with DatabaseURL=http://127.0.0.1:SHIM-PORT, and with
    the same AdminEmail and AdminPassword in their environment as in that of this command; it waits for them.

    --set server.tls_cert=/PATH --set server.tls_key=/PATH measures over https, with whole paths; with
    --target-url the first of them names the certificate that is taken there.

    --feeds needs no PocketBase: it ranks posts of made-up sites, on which everybody's true preferences are
    known, by each preset of [feeds.*] and by what Hapta's first versions computed, and tells how near each
    comes to the best order there is (NDCG@20, 1 is the best; five seeds from --seed on). Then it tells how
    long ranking 10,000, 100,000 and 1,000,000 rows takes.

    Exit code: 0 all answers were right, 1 some were stale, leaked or failed, 2 it could not run.
    """
    if is_feeds:
        _only_with_feeds(context)
        feeds = _feeds(seed)
        click.echo(json.dumps(feeds.as_dict()) if as_json else feeds.as_text())
        return 0
    environ = environment()
    if nodes and not (shim_port and environ.get("AdminEmail") and environ.get("AdminPassword")):
        raise OperatorError(
            "--target-url: give --shim-port, and the nodes' AdminEmail and AdminPassword in the environment; "
            "the throwaway PocketBase gets that superuser"
        )
    options = RunOptions(
        profile=profile,
        seed=seed,
        requests=requests,
        concurrency=concurrency,
        check_every=check_every,
        with_private_posts=variant == "P",
        is_direct=target == "direct",
        nodes=tuple(node.rstrip("/") for node in nodes),
        shim_port=shim_port,
        admin_email=environ.get("AdminEmail") if nodes else None,
        admin_password=environ.get("AdminPassword") if nodes else None,
        overrides=tuple(overrides),
        environ=environ,
    )
    with ExitStack() as shown:
        report = _run(run(options, SystemClock(), _watch(requests, shown)))
    click.echo(json.dumps(report.as_dict()) if as_json else report.as_text())
    return 0 if report.is_clean else 1


def _feeds(seed: int) -> "FeedsReport":
    from hapta.workload.feeds import run as run_feeds  # it loads numpy

    return run_feeds(seed, lambda line: click.echo(f"hapta bench: {line}", err=True))


def _only_with_feeds(context: click.Context) -> None:
    """Refuse options that mean nothing to it.

    Raises:
        click.UsageError: there is one.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in _WITH_FEEDS and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--feeds goes with --seed and --json, not with {parameter.opts[0]}")


def _watch(requests: int, shown: ExitStack) -> Watch:
    """A line for each phase, then a progress bar; both on standard error."""
    bar = click.progressbar(length=requests, label="sending", file=sys.stderr, update_min_steps=100)
    is_begun = False

    def progress() -> None:
        nonlocal is_begun
        if not is_begun:
            is_begun = True
            shown.enter_context(bar)
        bar.update(1)

    return Watch(lambda phase: click.echo(f"hapta bench: {phase}", err=True), progress)


def _run(main: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where there is one; SIGTERM cleans up as Ctrl-C does."""
    try:
        import uvloop
    except ImportError:
        loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    else:
        loop_factory = uvloop.new_event_loop

    async def terminable() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await main

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        try:
            return runner.run(terminable())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
