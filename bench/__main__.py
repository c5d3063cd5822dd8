"""The command ``python -m bench``: what to measure, and where the figures go."""

import json
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from bench import (
    cache,
    feeds,
    hooks,
    limits,
    passthrough,
    peers,
    refusals,
    sessions,
    startup,
    store,
    streams,
    uploads,
    workers,
)
from bench.document import filled
from bench.errors import BenchError
from bench.machine import description, tool, versions
from bench.plan import Plan, Section

_PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_MEASUREMENTS: dict[str, Callable[[Plan], Section]] = {
    "peers": peers.measure,
    "passthrough": passthrough.measure,
    "refusals": refusals.measure,
    "streams": streams.measure,
    "sessions": sessions.measure,
    "startup": startup.measure,
    "limits": limits.measure,
    "store": store.measure,
    "cache": cache.measure,
    "workers": workers.measure,
    "hooks": hooks.measure,
    "uploads": uploads.measure,
    "feeds": feeds.measure,
}
_WITHOUT_TOOLS = ("limits", "store", "cache", "workers", "feeds")
_QUICK_RUNS = {"peers": 3}  # for before and after, two tell nothing
_TOOLS = ("wrk", "taskset", "pocketbase")
_NEEDS_NGINX = ("passthrough", "refusals", "all")


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(value.split(",")) if value else ()
    unknown = sorted(set(names) - set(peers.NAMES))
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: there are {', '.join(peers.NAMES)}")
    return names


def _pairs(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in value]
    if not all(name and is_there and said for name, is_there, said in pairs):
        raise click.BadParameter(f"expected {parameter.metavar}")
    return {name: said for name, _, said in pairs}


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("what", type=click.Choice([*_MEASUREMENTS, "all"]), default="peers")
@click.option("--runs", type=click.IntRange(min=1), help="Rounds of each measurement; 5, fewer with --quick.")
@click.option("--quick", is_flag=True, help="Short runs: to see that it works, or what changed.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Every single run as JSON, here.")
@click.option("--write-docs", is_flag=True, help="Put the tables into docs/performance.md.")
@click.option("--only", metavar="NAME,...", callback=_names, help="Workloads of peers to run.")
@click.option(
    "--checkout", "checkouts", multiple=True, metavar="NAME=FOLDER", callback=_pairs,
    help="Another working copy of Hapta, measured by peers beside this one.",
)  # fmt: skip
@click.option(
    "--contender", "outside", multiple=True, metavar="NAME=URL", callback=_pairs,
    help="A server of yours before the PocketBase at --pocketbase-port, measured by peers.",
)  # fmt: skip
@click.option("--pocketbase-port", type=click.IntRange(1, 65535), help="Where peers' PocketBase listens.")
def command(
    what: str,
    runs: int | None,
    quick: bool,
    json_path: Path | None,
    write_docs: bool,
    only: tuple[str, ...],
    checkouts: dict[str, str],
    outside: dict[str, str],
    pocketbase_port: int | None,
) -> None:
    """Measure Hapta beside its peers; tables go to standard output.

    \b
    peers         what is measured when nothing is named: reads and writes beside nginx, Varnish, HAProxy
    passthrough   a view and a list: PocketBase directly, behind nginx, behind Hapta
    refusals      a create that its schema refuses: PocketBase, behind Hapta, at the edge
    streams       2,000 idle event streams: memory per client, and that all get an event
    sessions      checking a token, logging in, memory for 10,000 sessions
    startup       seconds from start to ready
    limits        the limiter, beside the memory storage of the library `limits`
    store         what the cache keeps, beside moka-py and cachetools
    cache         a hit, a plan and a write in the cache's own share of a request
    workers       a job in another process: its way, and how late the event loop is meanwhile
    hooks         a write with and without hooks, and reads beside hooks that work hard
    uploads       files straight to PocketBase and through Hapta, and its memory beside a large one
    feeds         the order of a ranked feed, in process and in the pool, and the event loop meanwhile

    Needs Linux, two cores, and (but for limits, store, cache, workers and feeds) wrk and nginx (Debian:
    apt-get install wrk nginx-light); store needs moka-py (pip install moka-py). Varnish and HAProxy take part
    in peers where they are installed (apt-get install varnish haproxy).
    """
    if what not in ("peers", "all") and (only or checkouts or outside or pocketbase_port):
        raise click.UsageError("--only, --checkout, --contender and --pocketbase-port are for peers")
    names = list(_MEASUREMENTS) if what == "all" else [what]
    for name in () if what in _WITHOUT_TOOLS else _TOOLS:
        tool(name)
    if what in _NEEDS_NGINX:
        tool("nginx")
    sections = []
    with tempfile.TemporaryDirectory(prefix="hapta-bench-") as folder:
        for name in names:
            home = Path(folder) / name
            home.mkdir()
            plan = Plan(
                home,
                runs or (_QUICK_RUNS.get(name, 2) if quick else 5),
                seconds=1 if quick else 4,
                streams=200 if quick else 2000,
                is_quick=quick,
                only=only,
                checkouts={name: Path(folder) for name, folder in checkouts.items()},
                outside=outside,
                pocketbase_port=pocketbase_port,
            )
            sections.append(_MEASUREMENTS[name](plan))
            print(f"\n## {name}\n\n{sections[-1].tables}\n\n{sections[-1].aside}\n", flush=True)
    how = _how(what, plan)
    print(how)
    if json_path is not None:
        found = {"how": how, "runs": {section.name: section.runs for section in sections}}
        json_path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if write_docs:
        page = _PAGE.read_text(encoding="utf-8")
        for section in sections:
            page = filled(page, section, how)
            for name, text in section.files.items():
                _PAGE.with_name(name).write_text(text, encoding="utf-8")
        _PAGE.write_text(page, encoding="utf-8")


def _how(what: str, plan: Plan) -> str:
    words = f"python -m bench {what} --runs {plan.runs}{' --quick' if plan.is_quick else ''}"
    words += f" --only {','.join(plan.only)}" if plan.only else ""
    found = versions(is_loaded=what not in _WITHOUT_TOOLS)
    return f"Measured {datetime.now(UTC):%Y-%m-%d} by `{words}` on {description()}: {found}."


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the command and return its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)  # so that the servers end with it
    try:
        command.main(prog_name="python -m bench", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except BenchError as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
