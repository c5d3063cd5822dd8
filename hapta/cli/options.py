"""The options every command shares; the one place that reads the process's environment."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from hapta.config import Loaded, load
from hapta.model.errors import OperatorError

F = TypeVar("F", bound=Callable[..., Any])

_DEFAULT_FILE = Path("config.toml")


def config_options(function: F) -> F:
    """Give a command ``--config`` and ``--set``, as its parameters ``config_path`` and ``overrides``."""
    config = click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="Read this config.toml; by default the one in the working directory, if there is one.",
    )
    override = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        help="Override one key, such as --set server.port=9000; may be repeated. Lists: comma separated.",
    )
    return config(override(function))


def load_config(config_path: Path | None, overrides: Sequence[str], *, needs_secrets: bool = False) -> Loaded:
    """Read the configuration of this process.

    Args:
        config_path: what ``--config`` said.
        overrides: what ``--set`` said.
        needs_secrets: refuse secrets that will not do for a start.

    Raises:
        OperatorError: with every problem.
    """
    try:
        cwd = Path.cwd()
    except OSError as exc:
        raise OperatorError(f"the working directory cannot be used: {exc.strerror}") from None
    if config_path is None and os.path.lexists(_DEFAULT_FILE):
        config_path = _DEFAULT_FILE
    return load(config_path, environment(), overrides, cwd, needs_secrets=needs_secrets)


def environment() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ  # noqa: TID251 - its one home; everybody else is handed what they need
