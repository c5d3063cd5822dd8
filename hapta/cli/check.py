"""``hapta check``: validate the configuration, start nothing, write nothing."""

import json
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import click

from hapta.app.plugins import hooks_at_rest
from hapta.cli.options import config_options, load_config
from hapta.config import SECRET_FIELDS, ConfigErrors, Loaded, looks_secret
from hapta.config.errors import ConfigError
from hapta.config.feeds import read_feeds
from hapta.config.fields import FIELDS, FREE, NAMED
from hapta.config.free import leaves
from hapta.filters.errors import FilterError
from hapta.filters.parser import MAX_CLIENT_BYTES, parse
from hapta.hooks.loader import PluginErrors
from hapta.model.clock import SystemClock

_MASK = "********"


@click.command("check")
@config_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def command(config_path: Path | None, overrides: Sequence[str], as_json: bool) -> int:
    """Validate the configuration and show where each value comes from.

    Reads config.toml, hapta.env, .env and the environment and loads the plugins as `hapta serve` would, and
    shows every problem with its file and line or variable. Starts nothing and writes nothing. Secrets are
    masked.

    Exit code: 0 the configuration is right, 2 it is not.
    """
    try:
        loaded = load_config(config_path, overrides, needs_secrets=True)
        _look_into(loaded)
    except ConfigErrors as exc:
        if not as_json:
            raise
        click.echo(json.dumps({"ok": False, "problems": exc.problems}, indent=2))
        return 2
    warnings = _warnings(loaded)
    report = {**_report(loaded), "warnings": warnings}
    click.echo(json.dumps(report, indent=2, default=str) if as_json else "\n".join(_text(loaded)))
    if not as_json:
        for warning in warnings:
            click.echo(f"hapta: warning: {warning}", err=True)
    return 0


def _look_into(loaded: Loaded) -> None:
    """What the free tables and the plugins are.

    Raises:
        ConfigErrors: everything that is wrong in them.
    """
    problems: list[str] = []
    for look in (lambda: _look_into_feeds(loaded), lambda: hooks_at_rest(loaded)):
        try:
            look()
        except (ConfigErrors, PluginErrors) as exc:
            problems += exc.problems
    if problems:
        raise ConfigErrors(problems)


def _look_into_feeds(loaded: Loaded) -> None:
    """The feeds, and whether their filters can be read; if they fit only a schema can tell."""
    problems = []
    for name, feed in read_feeds(loaded.config.feeds, loaded.origins).items():
        if not feed.filter:
            continue
        try:
            parse(feed.filter, max_bytes=MAX_CLIENT_BYTES)
        except FilterError as exc:
            problem = f"cannot be read: {exc.message} (at character {exc.position + 1})"
            keys = (f"feeds.{name}.filter", f"feeds.{name}")
            problems.append(ConfigError(keys, problem).line(loaded.origins))
    if problems:
        raise ConfigErrors(problems)


def _warnings(loaded: Loaded) -> list[str]:
    """What a start would take, and its clients would not."""
    warning = None if loaded.certificate is None else loaded.certificate.warning(SystemClock().now())
    return [] if warning is None else [warning]


def _report(loaded: Loaded) -> dict[str, Any]:
    return {
        "ok": True,
        "problems": [],
        "config": str(loaded.config_path) if loaded.config_path else None,
        "upstream": loaded.secrets.database_url,
        "values": [{"key": key, "value": value, "from": where} for key, value, where in _changed(loaded)],
        "secrets": [{"name": name, "from": where} for name, where in _secrets(loaded)],
    }


def _text(loaded: Loaded) -> Iterator[str]:
    yield f"Configuration  {loaded.config_path or 'no config.toml; defaults and environment'}"
    yield f"PocketBase     {_upstream(loaded)}"
    rows = [(key, json.dumps(value, default=str), where) for key, value, where in _changed(loaded)]
    yield "Values         " + ("all at their defaults" if not rows else "other than the defaults:")
    yield from _table(rows)
    secrets = [(name, _MASK, where) for name, where in _secrets(loaded)]
    yield "Secrets        " + ("none given" if not secrets else "given:")
    yield from _table(secrets)
    yield "The configuration is right."


def _upstream(loaded: Loaded) -> str:
    if loaded.secrets.database_url is not None:
        return loaded.secrets.database_url
    return f"embedded, data in {loaded.path(loaded.config.upstream.data_dir)} (DatabaseURL is not set)"


def _changed(loaded: Loaded) -> Iterator[tuple[str, object, str]]:
    for key, field in FIELDS.items():
        value = attrgetter(f"{field.table}.{field.name}")(loaded.config)
        if value != field.default:
            yield key, value, loaded.origins[key]
    for outer, fields in NAMED.items():
        for inner, table in attrgetter(outer)(loaded.config).items():
            for field in fields.values():
                value, key = getattr(table, field.attribute), f"{outer}.{inner}.{field.name}"
                if value != field.default:
                    yield key, value, loaded.origins[key]
    for outer in FREE:
        for inner, table in attrgetter(outer)(loaded.config).items():
            for key, value in leaves((outer, inner), table):
                yield key, _MASK if looks_secret(key, value) else value, loaded.origins[key]


def _secrets(loaded: Loaded) -> Iterator[tuple[str, str]]:
    return ((name, loaded.origins[name]) for name in SECRET_FIELDS if name in loaded.origins)


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
