"""``hapta doctor``: look for what is set up badly."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from hapta.cli.options import config_options, environment, load_config
from hapta.cli.rows import print_row
from hapta.config import Loaded
from hapta.doctor import Finding, Level, examine
from hapta.model.clock import SystemClock

_WORDS = {Level.OK: "ok", Level.WARN: "warn", Level.FAIL: "FAIL"}


@click.command("doctor")
@config_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def command(config_path: Path | None, overrides: Sequence[str], as_json: bool) -> int:
    """Look for what is set up badly on this machine, and say what to do about it.

    Looks at Python, the folders, the ports, who can reach what, and at PocketBase: the one at DatabaseURL,
    or Hapta's own while it runs. Run it as the user that runs Hapta, with the same configuration. It changes
    nothing.

    Exit code: 0 nothing is broken (there may be warnings), 1 something is, 2 the configuration is wrong.
    """
    loaded = load_config(config_path, overrides)
    findings: list[Finding] = []

    def show(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            print_row(_WORDS[finding.level], finding.name, finding.found)
            if finding.advice:
                click.echo(f"{'':8}→ {finding.advice}")

    asyncio.run(_examine(loaded, environment(), show))
    is_ok = all(finding.level is not Level.FAIL for finding in findings)
    if as_json:
        checks = [
            {"name": f.name, "status": str(f.level), "found": f.found, "advice": f.advice} for f in findings
        ]
        click.echo(json.dumps({"ok": is_ok, "checks": checks}, indent=2))
    return 0 if is_ok else 1


async def _examine(loaded: Loaded, environ: Mapping[str, str], show: Callable[[Finding], None]) -> None:
    async for finding in examine(loaded, environ, SystemClock()):
        show(finding)
