"""``hapta feeds``: the ranked feeds, what scores are made of, and building tables anew."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hapta.app.control import ControlClient
from hapta.cli.options import config_options, load_config
from hapta.observe.redact import printable

_COLUMNS = ("feed", "collection", "scored by", "state", "rows", "bytes", "last change")
_FIGURES = ("rows", "bytes")
_LIMIT = 10
_AFTER_THE_PARTS = ("score", "age_s", "pinned", "seen")
_MANY_S = 48 * 3600
_VISIBLE = {
    "unknown": "Which rows this caller may see only PocketBase can tell: here are those of everybody.",
    "some": "Of the rows those that this caller may see.",
}


@click.group("feeds")
def command() -> None:
    """Show the ranked feeds, take scores apart, build tables anew.

    \b
    hapta feeds list                                  all feeds and their tables
    hapta feeds explain home                          the first rows for a guest, and why
    hapta feeds explain home --as users/9d8w3n1v6z0c2yq
    hapta feeds explain home --as ada@example.com --limit 3
    hapta feeds rebuild home                          read all its rows again

    Speaks to the Hapta that runs with this configuration, through hapta.sock in server.state_dir; run it as
    the same user.

    Exit code: 0 done, 2 no Hapta runs here, there is no such feed or account, or the feed has no table now.
    """


@command.command("list")
@config_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def list_(config_path: Path | None, overrides: Sequence[str], as_json: bool) -> None:
    """All ranked feeds: what scores them, and how their tables are."""
    found = _client(config_path, overrides).ask("GET", "/feeds")
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_listed(found["items"])))


@command.command("explain")
@config_options
@click.argument("feed")
@click.option(
    "--as",
    "caller",
    metavar="WHO",
    default="guest",
    show_default=True,
    help="guest, superuser, COLLECTION/ID of a user, or an e-mail address.",
)
@click.option("--limit", metavar="N", type=click.IntRange(1, 1000), default=_LIMIT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def explain(
    config_path: Path | None,
    overrides: Sequence[str],
    feed: str,
    caller: str,
    limit: int,
    as_json: bool,
) -> None:
    """The first rows of FEED for a caller, each with what its score is made of.

    docs/feeds.md has the formulas. The rows are those of the table: whether PocketBase would show each of
    them to the caller is asked only when a client asks for the page.
    """
    found = _client(config_path, overrides).ask(
        "GET", "/feeds/explain", feed=feed, limit=str(limit), **{"as": caller}
    )
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_explained(found)))


@command.command("rebuild")
@config_options
@click.argument("feed")
def rebuild(config_path: Path | None, overrides: Sequence[str], feed: str) -> None:
    """Read all rows of FEED again, in the background; the table there is serves until then.

    For changes that PocketBase does not tell of: by SQL, by another process on its data, or by a write whose
    event a hook suppresses.
    """
    name = _client(config_path, overrides).ask("POST", "/feeds/rebuild", feed=feed)["rebuilding"]
    click.echo(f"The table of {printable(name)} is being built anew.")


def _client(config_path: Path | None, overrides: Sequence[str]) -> ControlClient:
    loaded = load_config(config_path, overrides)
    return ControlClient(loaded.path(loaded.config.server.state_dir))


def _listed(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not items:
        yield "No ranked feed is configured: [feeds.<name>] in config.toml."
        return
    table = [_COLUMNS, *(_row(item) for item in items)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (
            cell.rjust(width) if name in _FIGURES else cell.ljust(width)
            for name, cell, width in zip(_COLUMNS, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
    for item in items:
        for problem in item["problems"]:
            yield f"{printable(item['name'])}: {printable(problem)}"


def _row(item: Mapping[str, Any]) -> tuple[str, ...]:
    state = item["state"]
    if state in ("loading", "rebuilding"):
        state = f"{state}, {item['rows_read']:,} read"
    return (
        printable(item["name"]),
        printable(item["collection"]),
        _scored_by(item),
        state,
        f"{item['rows']:,}",
        f"{item['bytes']:,}",
        _when(item["changed_at"]),
    )


def _scored_by(found: Mapping[str, Any]) -> str:
    return "a plugin" if found["is_plugin"] else str(found["preset"])


def _when(instant: float) -> str:
    """In local time."""
    if not instant:
        return "-"
    return datetime.fromtimestamp(instant, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _explained(found: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{printable(found['feed'])} for {printable(found['as'])}: {found['total']:,} candidates, "
        f"scored by {_scored_by(found)}"
    )
    if note := _VISIBLE.get(found["visible"]):
        yield note
    if not found["is_exact"]:
        yield "Changes may be missing: the table is being built anew."
    for number, item in enumerate(found["items"], 1):
        parts = item["parts"]
        marks = "".join(f", {word}" for word in ("pinned", "seen") if parts[word])
        said = f"score {_number(parts['score'])}, {_age(parts['age_s'])}{marks}"
        yield f"{number:>4}  {printable(item['id'])}  {said}"
        made_of = [
            f"{printable(name)} {_number(value)}"
            for name, value in parts.items()
            if name not in _AFTER_THE_PARTS
        ]
        if made_of:
            yield f"      {', '.join(made_of)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _age(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h old" if seconds < _MANY_S else f"{seconds / 86_400:.1f} days old"
