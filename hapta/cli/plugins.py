"""``hapta plugins``: what hooks there are and in which order they run, a new plugin, and trying them out."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hapta.app.plugins import hooks_at_rest
from hapta.cli.options import config_options, load_config
from hapta.cli.rows import print_row
from hapta.config import Loaded
from hapta.hooks.loader import PluginErrors, Source, doc_of, find_plugins, is_plugin_name, shown
from hapta.hooks.registry import Hook
from hapta.hooks.reject import Reject, Rejected
from hapta.model.errors import OperatorError
from hapta.testing import load_plugin, make_caller, make_change

_TEMPLATE = '''\
"""{title}: say in one line what it does; `hapta plugins list` shows this."""

from hapta.plugins import Change, PluginApi, Reject, Settings


class {struct}(Settings, frozen=True):
    max_characters: int = 280
    """Characters allowed in a post; a key of [plugins.{name}] in config.toml."""


def setup(api: PluginApi) -> None:
    settings = api.settings({struct})

    @api.validate("posts", on={{"create", "update"}})
    async def not_too_long(change: Change) -> None:
        characters = len(str(change.fields.get("body", "")))
        if characters > settings.max_characters:
            message = f"At most {{settings.max_characters}} characters."
            raise Reject("body", code="too_long", message=message)
'''
_COLUMNS = ("kind", "hook", "collections", "on", "priority", "where")


@click.group("plugins")
def command() -> None:
    """Show the hooks in their order, start a new plugin, try plugins out.

    \b
    hapta plugins list            every hook in the order in which it runs, with file and line
    hapta plugins new my_plugin   a file to begin with, in the folder of the plugins
    hapta plugins test            load all, run their startup and shutdown on a database in memory

    Exit code: 0 all is well, 1 a plugin failed its test or refused the write, 2 one cannot be loaded.
    """


@command.command("list")
@config_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def list_(config_path: Path | None, overrides: Sequence[str], as_json: bool) -> None:
    """Every hook in the order in which it runs, Hapta's own included; then the plugins.

    Loads the plugins as `hapta serve` would, and runs none of their hooks.
    """
    loaded = load_config(config_path, overrides)
    hooks = hooks_at_rest(loaded)
    sources = _sources(loaded)
    if as_json:
        found = {"hooks": [_told(hook) for hook in hooks], "plugins": [_of(source) for source in sources]}
        click.echo(json.dumps(found, indent=2))
        return
    click.echo("\n".join([*_table(hooks), *_plugins(sources)]))


@command.command("new")
@config_options
@click.argument("name")
def new(config_path: Path | None, overrides: Sequence[str], name: str) -> None:
    """Write a small plugin NAME to begin with; it is at work as soon as it stands there."""
    if not is_plugin_name(name):
        raise click.BadParameter("a plugin's name is made of a to z, 0 to 9 and _, and begins with a letter")
    loaded = load_config(config_path, overrides)
    folder = loaded.path(loaded.config.hooks.dir)
    file = folder / f"{name}.py"
    if (folder / name).exists():
        raise OperatorError(f"{shown(folder / name)} is there already; choose another name")
    title = name.replace("_", " ").capitalize()
    struct = "".join(part.capitalize() for part in name.split("_"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as written:
            written.write(_TEMPLATE.format(title=title, struct=struct, name=name))
    except FileExistsError:
        raise OperatorError(f"{shown(file)} is there already; choose another name") from None
    except OSError as exc:
        raise OperatorError(f"{shown(file)} cannot be written: {exc.strerror}") from None
    click.echo(f"{shown(file)} written; hapta plugins test {name} tries it, docs/hooks.md has all hooks")


@command.command("test")
@config_options
@click.argument("names", nargs=-1)
@click.option(
    "--write",
    "write",
    metavar="JSON",
    help='Send one write through the plugins, such as \'{"collection": "posts", "action": "create", '
    '"fields": {"title": "x"}}\'; "id", "old" and "caller" ("COLLECTION/ID") may be given too.',
)
def test(config_path: Path | None, overrides: Sequence[str], names: Sequence[str], write: str | None) -> int:
    """Load each plugin (or those NAMED) with its settings and run its startup and shutdown, on a database in
    memory; nothing is served, PocketBase is not asked."""
    loaded = load_config(config_path, overrides)
    hooks_at_rest(loaded)  # says at once what cannot be loaded, of all of them
    known = {source.name: source for source in _sources(loaded)}
    if unknown := [name for name in names if name not in known]:
        raise OperatorError(f"there is no plugin {', '.join(unknown)} in {loaded.config.hooks.dir}")
    chosen = [known[name] for name in names] or [each for each in known.values() if each.is_enabled]
    given = None if write is None else _parsed(write)
    failed = 0
    for source in chosen:
        settings = {
            key: value
            for key, value in loaded.config.plugins.get(source.name, {}).items()
            if key != "is_enabled"
        }
        problem, detail = asyncio.run(_tried(source, settings, given))
        failed += bool(problem)
        print_row("FAIL" if problem else "ok", source.name, problem or detail)
    return 1 if failed else 0


async def _tried(
    source: Source, settings: Mapping[str, Any], write: Mapping[str, Any] | None
) -> tuple[str, str]:
    """What went wrong with one plugin, and what it did."""
    try:
        async with load_plugin(source.file, settings=settings) as plugin:
            detail = f"{len(plugin.hooks)} hook{'s' * (len(plugin.hooks) != 1)}"
            if write is None:
                return "", detail
            try:
                change = await plugin.write(_change(write))
            except Reject as reject:
                refusal = Rejected(reject, write["action"])
                shown_as = {"data": refusal.data, "message": refusal.message, "status": refusal.status}
                return "refuses: " + json.dumps(shown_as), ""
            return "", f"passes: {json.dumps(dict(change.fields), default=str)}"
    except PluginErrors as exc:
        return str(exc), ""
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}", ""


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as exc:
        raise OperatorError(f"--write: no JSON: {exc}") from None
    if not isinstance(given, dict) or not {"collection", "action"} <= given.keys():
        raise OperatorError('--write: expected an object with "collection" and "action"')
    if given["action"] not in ("create", "update", "delete"):
        raise OperatorError('--write: "action" is "create", "update" or "delete"')
    if unknown := given.keys() - {"collection", "action", "fields", "id", "old", "caller"}:
        raise OperatorError(f"--write: unknown: {', '.join(sorted(unknown))}")
    return given


def _change(given: Mapping[str, Any]) -> Any:
    caller = None
    if given.get("caller"):
        collection, _, record = str(given["caller"]).partition("/")
        caller = make_caller(collection, record)
    return make_change(
        given["collection"],
        given["action"],
        given.get("fields") or {},
        id=given.get("id"),
        old=given.get("old"),
        caller=caller,
    )


def _sources(loaded: Loaded) -> list[Source]:
    return find_plugins(loaded.path(loaded.config.hooks.dir), loaded.config.plugins)


def _told(hook: Hook) -> dict[str, Any]:
    return {
        "kind": hook.kind.name,
        "plugin": hook.plugin,
        "hook": hook.name,
        "collections": sorted(hook.collections),
        "on": sorted(hook.actions) if hook.kind.has_actions else [],
        "field": hook.field,
        "feed": hook.feed,
        "depends_on": sorted(hook.depends_on),
        "reads": sorted(hook.reads),
        "priority": hook.priority,
        "where": f"{shown(Path(hook.file))}:{hook.line}",
    }


def _table(hooks: Sequence[Hook]) -> Iterator[str]:
    if not hooks:
        yield "No hooks."
        return
    rows = [_COLUMNS]
    for told in map(_told, hooks):
        collections = ", ".join(told["collections"]) + (f" .{told['field']}" if told["field"] else "")
        cells = (told["kind"], told["hook"], collections or told["feed"], ", ".join(told["on"]))
        rows.append((*cells, str(told["priority"]), told["where"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _of(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "file": shown(source.file),
        "is_enabled": source.is_enabled,
        "is_example": source.is_example,
        "about": doc_of(source),
    }


def _plugins(sources: Sequence[Source]) -> Iterator[str]:
    if sources:
        yield ""
    width = max((len(source.name) for source in sources), default=0)
    for source in sources:
        state = "on " if source.is_enabled else "off"
        yield f"{state}  {source.name:<{width}}  {doc_of(source)}".rstrip()
    if any(not source.is_enabled for source in sources):
        yield "\nWhat is off is switched on by is_enabled = true in its table [plugins.<name>]."
