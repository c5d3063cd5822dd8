"""``hapta cache``: what the cache makes of a URL, what it did and holds, and emptying it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hapta.app.control import ControlClient
from hapta.cli.options import config_options, load_config
from hapta.observe.redact import printable

_LABEL_WIDTH = 15
_COLUMNS = ("collection", "hits", "ratio", "misses", "bypasses", "invalidations", "responses", "bytes",
            "evicted", "not admitted")  # fmt: skip
_TOTAL = "(all)"


@click.group("cache")
def command() -> None:
    """Explain what the cache does with a URL, show its figures, empty it.

    \b
    hapta cache explain /api/collections/posts/records            as a guest
    hapta cache explain URL --as users/9d8w3n1v6z0c2yq            as a user
    hapta cache stats                                             figures since the start
    hapta cache purge posts                                       drop what depends on a collection

    Speaks to the Hapta that runs with this configuration, through hapta.sock in server.state_dir; run it as
    the same user.

    Exit code: 0 done, 2 no Hapta runs here, or there is no such collection or account.
    """


@command.command("explain")
@config_options
@click.argument("url")
@click.option(
    "--as",
    "caller",
    metavar="WHO",
    default="guest",
    show_default=True,
    help="guest, superuser, or COLLECTION/ID of a user.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
def explain(config_path: Path | None, overrides: Sequence[str], url: str, caller: str, as_json: bool) -> None:
    """Say who shares the answer to a GET, what makes it unusable, and what is stored now.

    URL may be a whole URL or a path; what an SDK would escape need not be escaped.
    """
    found = _client(config_path, overrides).ask("GET", "/cache/explain", url=url, **{"as": caller})
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_explained(found)))


@command.command("stats")
@config_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def stats(config_path: Path | None, overrides: Sequence[str], as_json: bool) -> None:
    """Hits, misses and by-passes with their reasons, and what is stored, by collection."""
    found = _client(config_path, overrides).ask("GET", "/cache/stats")
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_counted(found)))


@command.command("purge")
@config_options
@click.argument("collection", required=False, default="")
@click.option("--all", "is_all", is_flag=True, help="Everything that is stored.")
def purge(config_path: Path | None, overrides: Sequence[str], collection: str, is_all: bool) -> None:
    """Drop what is stored of a collection, and whatever else depends on it.

    Never needed for correctness; harmless: what was dropped is fetched again when it is asked for.
    """
    if bool(collection) == is_all:
        raise click.UsageError("say which: COLLECTION, or --all")
    query = {"all": "yes"} if is_all else {"collection": collection}
    dropped = _client(config_path, overrides).ask("POST", "/cache/purge", **query)["dropped"]
    click.echo(f"{_number(dropped, 'response')} dropped.")


def _client(config_path: Path | None, overrides: Sequence[str]) -> ControlClient:
    loaded = load_config(config_path, overrides)
    return ControlClient(loaded.path(loaded.config.server.state_dir))


def _explained(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"GET {printable(found['target'])}"
    yield from _said("as", [found["as"]])
    if not found["is_storable"]:
        yield from _said("never stored", [_reason(found)])
        yield from _hooks(found)
        return
    yield from _said("for whom", found["shared_by"])
    yield from _said("unusable after", found["unusable_after"])
    midnight = ", or until midnight UTC" if found["ends_at_midnight"] else ""
    yield from _said("fresh for", [f"{found['lifetime_s']:g} s{midnight}"])
    yield from _hooks(found)
    yield from _said("now", [_now(found["now"])])


def _hooks(found: Mapping[str, Any]) -> Iterator[str]:
    modes: Mapping[str, str] = found.get("pb_hooks", {})
    if modes:
        because = found["pb_hooks_auto"]
        shown = ", ".join(f"{name}: {mode}" for name, mode in modes.items())
        yield from _said("pb_hooks", [shown, *([f'("auto" means: {because})'] if because else [])])


def _now(now: Mapping[str, Any]) -> str:
    state = now["state"]
    if state == "off":
        return "nothing is stored: cache.is_enabled is false"
    if state == "absent":
        return "nothing is stored; the next read of it fetches and stores it"
    if state == "not now":
        return f"nothing can be stored or served: {_reason(now)}"
    kept = f"{now['status']}, {now['bytes']:,} bytes, {now['age_s']:.0f} s old"
    if state == "fresh":
        return f"stored and fresh for another {now['ttl_s']:.0f} s ({kept})"
    if state == "unsettled":
        return f"stored, but not served while a write is open ({kept})"
    why = "something it depends on has changed" if now["is_outdated"] else "it is too old"
    return f"what is stored is not served any more: {why} ({kept})"


def _reason(found: Mapping[str, Any]) -> str:
    detail = f" ({found['detail']})" if found["detail"] else ""
    return f"{found['because']}{detail} [{found['reason']}]"


def _said(label: str, sentences: Sequence[str]) -> Iterator[str]:
    for number, sentence in enumerate(sentences):
        yield f"  {('' if number else label).ljust(_LABEL_WIDTH)} {printable(sentence)}"


def _counted(found: Mapping[str, Any]) -> Iterator[str]:
    rows = [_row(name, row) for name, row in found["collections"].items()]
    table = [_COLUMNS, *rows, _row(_TOTAL, found["totals"])]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for name, *figures in table:
        right = (cell.rjust(width) for cell, width in zip(figures, widths[1:], strict=True))
        yield "  ".join([name.ljust(widths[0]), *right])
    yield ""
    for what, title in (("how", "hits"), ("misses", "misses"), ("bypasses", "bypasses")):
        reasons = found["totals"][what]
        if reasons:
            shown = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
            yield f"{title}: {shown}"
    share = found["used_bytes"] / found["budget_bytes"]
    yield f"{found['used_bytes']:,} of {found['budget_bytes']:,} bytes used ({share:.0%})"
    yield from _troubles(found)


def _troubles(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["is_enabled"]:
        yield "The cache is off: cache.is_enabled is false."
    if found["doubts"]:
        yield f"{_number(found['doubts'], 'tag')} in doubt: the answer to a write was lost."
    for rule in found["unreadable_rules"]:
        yield f"Not read: {printable(rule)}"
    for view, why in found["unreadable_views"].items():
        yield f"Not stored: view {printable(view)}: {printable(why)}"


def _row(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    ratio = row["hit_ratio"]
    return (
        printable(name),
        f"{row['hits']:,}",
        "-" if ratio is None else f"{ratio:.1%}",
        f"{sum(row['misses'].values()):,}",
        f"{sum(row['bypasses'].values()):,}",
        *(f"{row[key]:,}" for key in ("invalidations", "responses", "bytes", "evicted", "not_admitted")),
    )


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
