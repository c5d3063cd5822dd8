"""``hapta reload``: have the running gateway read its configuration again."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from hapta.app.control import ControlClient
from hapta.cli.options import config_options, load_config
from hapta.observe.redact import printable


@click.command("reload")
@config_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def command(config_path: Path | None, overrides: Sequence[str], as_json: bool) -> None:
    """Have the running gateway read its configuration again, as SIGHUP does, and say what changed.

    It reads the files it was started with, and keeps the environment and --set of its own command line; those
    given here only help to find it. All of it is checked first: where anything is wrong, nothing changes.
    Certificates and plugins are read again, too. Requests under way are not disturbed.

    Speaks to the Hapta that runs with this configuration, through hapta.sock in server.state_dir; run it as
    the same user.

    Exit code: 0 done, 2 the configuration was refused, or no Hapta runs here.
    """
    found = _client(config_path, overrides).ask("POST", "/reload")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for change in found["changes"]:
        click.echo(printable(change))
    if not found["changes"]:
        click.echo("Nothing changed.")
    if found["needs_restart"]:
        keys = ", ".join(map(printable, found["needs_restart"]))
        click.echo(f"hapta: waiting for a restart: {keys}", err=True)


def _client(config_path: Path | None, overrides: Sequence[str]) -> ControlClient:
    loaded = load_config(config_path, overrides)
    return ControlClient(loaded.path(loaded.config.server.state_dir))
