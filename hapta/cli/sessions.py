"""``hapta sessions``: who is logged in, and logging out whom the operator wants out."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from hapta.app.control import ControlClient
from hapta.cli.options import config_options, load_config
from hapta.model.errors import OperatorError
from hapta.observe.redact import printable

_COLUMNS = ("session", "account", "refreshed", "created", "expires", "address", "device")
_DEVICE_WIDTH = 60
_LIMIT = 500


@click.group("sessions")
def command() -> None:
    """Show who is logged in through the running Hapta, and log people out.

    \b
    hapta sessions list                                      everybody, last refreshed first
    hapta sessions list --collection users --email a@b.org   one account
    hapta sessions revoke 3jx0w2kq8r5m1ab                    end one session
    hapta sessions revoke --record users/9d8w3n1v6z0c2yq     end all of one account
    hapta sessions revoke --all                              end all there are

    Speaks to the Hapta that runs with this configuration, through hapta.sock in server.state_dir; run it as
    the same user. What is ended is ended when the command returns: the next request with one of its tokens is
    answered 401, and its event streams are cut.

    Exit code: 0 done, 2 no Hapta runs here, or there is no such session or account.
    """


@command.command("list")
@config_options
@click.option("--collection", metavar="NAME", default="", help="Of this auth collection only (name or id).")
@click.option("--record", metavar="ID", default="", help="Of the account with this id; needs --collection.")
@click.option("--email", metavar="ADDRESS", default="", help="Of the account with this e-mail address.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 1_000_000), default=_LIMIT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def list_(
    config_path: Path | None,
    overrides: Sequence[str],
    collection: str,
    record: str,
    email: str,
    limit: int,
    as_json: bool,
) -> None:
    """Living sessions, last refreshed first."""
    if (record or email) and not collection:
        raise click.UsageError("--record and --email need --collection")
    if record and email:
        raise click.UsageError("--record and --email name the same thing: give one of them")
    found = _client(config_path, overrides).ask(
        "GET", "/sessions", collection=collection, record=record, email=email, limit=str(limit)
    )
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    items, total = found["items"], found["totalItems"]
    if items:
        click.echo(_table([_row(item) for item in items]))
    more = f", {total - len(items)} more are not shown (--limit)" if total > len(items) else ""
    click.echo(f"{_counted(total)}{more}.", err=True)


@command.command("revoke")
@config_options
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--record", metavar="COLLECTION/ID", default="", help="All sessions of this account.")
@click.option("--collection", metavar="NAME", default="", help="With --email: the auth collection.")
@click.option("--email", metavar="ADDRESS", default="", help="All sessions of the account with this address.")
@click.option("--all", "is_all", is_flag=True, help="All sessions of everybody.")
@click.option("--yes", is_flag=True, help="With --all: do not ask.")
def revoke(
    config_path: Path | None,
    overrides: Sequence[str],
    ids: Sequence[str],
    record: str,
    collection: str,
    email: str,
    is_all: bool,
    yes: bool,
) -> None:
    """End sessions, for good and at once."""
    if sum((bool(ids), bool(record), bool(email), is_all)) != 1:
        raise click.UsageError("say which: IDs, --record COLLECTION/ID, --email with --collection, or --all")
    if bool(email) != bool(collection):
        raise click.UsageError("--email and --collection go together")
    client = _client(config_path, overrides)
    if ids:
        ended = sum(_end_each(client, ids))
    elif is_all:
        ended = _end_all(client, is_sure=yes)
    else:
        ended = _end_account(client, collection, record, email)
    click.echo(f"{_counted(ended)} ended.")


def _client(config_path: Path | None, overrides: Sequence[str]) -> ControlClient:
    loaded = load_config(config_path, overrides)
    return ControlClient(loaded.path(loaded.config.server.state_dir))


def _end_each(client: ControlClient, ids: Sequence[str]) -> Iterable[int]:
    for session_id in ids:
        try:
            yield client.ask("DELETE", f"/sessions/{quote(session_id, safe='')}")["ended"]
        except OperatorError as exc:
            raise OperatorError(f"{printable(session_id)}: {exc}") from exc


def _end_account(client: ControlClient, collection: str, record: str, email: str) -> int:
    if record:
        collection, slash, record = record.partition("/")
        if not slash or not collection or not record:
            raise click.BadParameter(
                "expected COLLECTION/ID, such as users/9d8w3n1v6z0c2yq", param_hint="'--record'"
            )
    ended: int = client.ask("DELETE", "/sessions", collection=collection, record=record, email=email)["ended"]
    return ended


def _end_all(client: ControlClient, *, is_sure: bool) -> int:
    if not is_sure:
        total = client.ask("GET", "/sessions", limit="1")["totalItems"]
        if not sys.stdin.isatty():
            raise OperatorError(f"this would end {_counted(total)}; say --yes to do it without being asked")
        click.confirm(f"End {_counted(total)}, superusers' included?", abort=True)
    ended: int = client.ask("POST", "/sessions/end-all", confirm="yes")["ended"]
    return ended


def _counted(number: int) -> str:
    return f"{number} session{'' if number == 1 else 's'}"


def _row(item: Mapping[str, Any]) -> tuple[str, ...]:
    account = f"{item['collectionName'] or item['collection']}/{item['record']}"
    dates = (_when(item[name]) for name in ("used", "created", "exp"))
    return item["id"], account, *dates, item["address"], printable(item["device"])[:_DEVICE_WIDTH]


def _when(text: str) -> str:
    """A date of PocketBase's in local time, to the minute."""
    try:
        at = datetime.fromisoformat(text.replace(" ", "T").replace("Z", "+00:00"))
    except ValueError:
        return "-"
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_COLUMNS, *rows)
    ]
    return "\n".join(lines)
