"""From the sources to one :class:`Loaded`; later sources win.

Defaults, ``config.toml``, ``hapta.env`` (in the state folder), ``.env`` (beside ``config.toml``), the environment,
``--set``. Every value is checked where it stands, so a message can name file and line or variable, and all problems
come out at once; only a file that cannot be read or parsed stops the reading of that file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hapta.config.check import check
from hapta.config.errors import ConfigErrors
from hapta.config.fields import FIELDS, TABLES, WrongValue, from_text, from_value, shown, unknown
from hapta.config.files import EnvFile, FileProblem, read_env, read_toml
from hapta.config.schema import Config
from hapta.config.secrets import SECRET_FIELDS, Secrets, secret_name_meant

import msgspec

_PREFIX = "HAPTA_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration, and where it came from.

    Attributes:
        config: every key.
        secrets: every secret.
        base_dir: absolute; the folder of ``config.toml``, or the working directory.
        config_path: the ``config.toml`` that was read, if one was.
        origins: for each dotted key and secret name that some source gave, that source: ``config.toml:3``,
            ``environment HAPTA_SERVER__PORT``.
    """

    config: Config
    secrets: Secrets
    base_dir: Path
    config_path: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """An absolute path for a folder or file named in the configuration; relative ones count from base_dir."""
        return self.base_dir / Path(name).expanduser()


def load(
    config_path: Path | None, environ: Mapping[str, str], overrides: Sequence[str], cwd: Path
) -> Loaded:
    """Read all sources.

    Args:
        config_path: a ``config.toml`` that must exist; ``None`` to do without.
        environ: the environment.
        overrides: texts ``section.key=VALUE``, as given to ``--set``.
        cwd: the working directory, absolute.

    Raises:
        ConfigErrors: with every problem of every source.
    """
    path = None if config_path is None else cwd / config_path
    reader = _Reader(cwd, path.parent if path else cwd)
    if path:
        reader.take_toml(path)
    env_file = reader.env_file(reader.base_dir / ".env")
    for name, (text, where) in env_file.items():
        reader.take_variable(name, text, where)
    for name, text in sorted(environ.items()):
        reader.take_variable(name, text, f"environment {name}")
    for override in overrides:
        reader.take_override(override)
    config = reader.config()

    state_file = reader.base_dir / Path(config.server.state_dir).expanduser() / "hapta.env"
    reader.take_secrets(reader.env_file(state_file))
    reader.take_secrets(env_file)
    reader.take_secrets({name: (text, f"environment {name}") for name, text in environ.items()})
    if reader.problems:
        raise ConfigErrors(reader.problems)
    return Loaded(
        config=config,
        secrets=Secrets.from_names(reader.secrets),
        base_dir=reader.base_dir,
        config_path=path,
        origins=reader.origins,
    )
