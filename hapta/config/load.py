"""From the sources to one :class:`Loaded`; later sources win.

Defaults, ``config.toml``, ``hapta.env`` (in the state folder, secrets only), ``.env`` (beside
``config.toml``), the environment, ``--set``. Every value is checked where it stands, so that a message can
name file and line or variable, and all problems come out at once; only a file that cannot be parsed hides
what else is wrong in it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hapta.config.certificate import Certificate, UnusableCertificate, read_certificate
from hapta.config.check import check
from hapta.config.errors import ConfigErrors
from hapta.config.fields import (
    EXAMPLES,
    FIELDS,
    FREE,
    NAMED,
    TABLES,
    Field,
    WrongValue,
    expected,
    find,
    from_text,
    from_value,
    shown,
    unknown,
)
from hapta.config.files import EnvFile, FileProblem, read_env, read_toml
from hapta.config.free import FreeTables, printable
from hapta.config.lines import Lines
from hapta.config.remote import check_secrets
from hapta.config.schema import Config
from hapta.config.secrets import SECRET_FIELDS, Secrets, meant_secret

T = TypeVar("T")
RESERVED = frozenset({"default", "login"})
"""Names of limits that stand in tables of their own, ``[ratelimit]`` and ``[login]``."""
_COLLECTIONS = (re.compile(r"[A-Za-z0-9_]{1,255}"), "letters, digits and _, as collections have")
_NAMES = {
    "limits": (re.compile(r"[a-z0-9][a-z0-9_-]{0,31}"), "a to z, 0 to 9, _ and -, at most 32 characters"),
    "cache.collections": _COLLECTIONS,
    "uploads.collections": _COLLECTIONS,
}


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
        certificate: of ``server.tls_cert``, where there is one and it was read.
    """

    config: Config
    secrets: Secrets
    base_dir: Path
    config_path: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    certificate: Certificate | None = None

    def path(self, name: str) -> Path:
        """The absolute path of a file or folder named in the configuration; a relative one counts from
        base_dir."""
        return self.base_dir / name

    def read_certificate(self) -> Certificate | None:
        """The certificate of ``server.tls_cert`` as it is now; ``None`` where there is none.

        Raises:
            UnusableCertificate: it cannot be served.
        """
        return _certificate(self.config, self.base_dir)


def load(
    config_path: Path | None,
    environ: Mapping[str, str],
    overrides: Sequence[str],
    cwd: Path,
    *,
    needs_secrets: bool = False,
) -> Loaded:
    """Read all sources.

    Args:
        config_path: a ``config.toml`` that must exist; ``None`` to do without one.
        environ: the environment.
        overrides: texts ``section.key=VALUE``, as given to ``--set``.
        cwd: the working directory, absolute.
        needs_secrets: the secrets must do for a start (:func:`~hapta.config.remote.check_secrets`), and so
            must the certificate.

    Raises:
        ConfigErrors: with every problem of every source.
    """
    path = None if config_path is None else cwd / config_path
    base_dir = path.parent if path else cwd
    reader = _Reader(cwd)
    if path:
        reader.take_toml(path)
    env_file = reader.read_env(base_dir / ".env")
    environment = {name: (text, f"environment {printable(name)}") for name, text in environ.items()}
    reader.take_variables(env_file)
    reader.take_variables(environment)
    for override in overrides:
        reader.take_override(override)
    config = reader.config()

    state_file = reader.read_env(base_dir / config.server.state_dir / "hapta.env")
    reader.take_secrets(state_file, is_ours=True)
    reader.take_secrets(env_file, is_ours=True)
    reader.take_secrets(environment, is_ours=False)
    secrets = Secrets.from_names(reader.secrets)
    certificate = None
    if needs_secrets:
        reader.problems += [error.line(reader.origins) for error in check_secrets(secrets, config)]
        try:
            certificate = _certificate(config, base_dir)
        except UnusableCertificate as exc:
            reader.problems.append(exc.error.line(reader.origins))
    if reader.problems:
        raise ConfigErrors(reader.problems)
    return Loaded(
        config=config,
        secrets=secrets,
        base_dir=base_dir,
        config_path=path,
        origins=reader.origins,
        certificate=certificate,
    )


def _certificate(config: Config, base_dir: Path) -> Certificate | None:
    server = config.server
    if not server.tls_cert or not server.tls_key:  # one alone is refused before
        return None
    return read_certificate(base_dir / server.tls_cert, base_dir / server.tls_key)


class _Reader:
    """Collects values, where they came from and what is wrong; what is wrong keeps its default meanwhile."""

    def __init__(self, cwd: Path) -> None:
        self.problems: list[str] = []
        self.origins: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._named: dict[str, str] = {}
        self._wrong: set[str] = set()
        self._free = FreeTables(self.problems, self.origins)
        self._cwd = cwd

    def take_toml(self, path: Path) -> None:
        name = self._name(path)
        try:
            tables, lines = read_toml(path, name)
        except FileProblem as exc:
            self.problems.append(str(exc))
            return
        for table, content in tables.items():
            where = f"{name}:{lines.of(table)}"
            if not _is_known(table) or not isinstance(content, dict):
                self.problems.append(f"{where}: {printable(table)}: {_not_a_table(table, content)}")
            elif table in TABLES:
                self._take_table(table, content, name, lines)
            elif table in FREE:
                self._free.take(table, content, lambda key: f"{name}:{lines.of(key)}")
            else:
                self._take_named(table, content, name, lines)

    def _take_table(self, table: str, content: Mapping[str, Any], name: str, lines: Lines) -> None:
        for key, value in content.items():
            inner = f"{table}.{key}"
            where = f"{name}:{lines.of(inner)}"
            if inner not in NAMED and inner not in TABLES:
                self._take(table, key, where, from_value, value)
            elif isinstance(value, dict):
                take = self._take_table if inner in TABLES else self._take_named
                take(inner, value, name, lines)
            else:
                self.problems.append(f"{where}: {inner}: expected a table, got {shown(value)}")

    def _take_named(self, outer: str, tables: Mapping[str, Any], name: str, lines: Lines) -> None:
        for inner, content in tables.items():
            table = f"{outer}.{inner}"
            where = f"{name}:{lines.of(table)}"
            if not isinstance(content, dict):
                problem = f"expected a table such as [{EXAMPLES[outer]}], got {shown(content)}"
                if inner in NAMED[outer]:
                    problem = f"is a key of a table with a name of its own, such as [{EXAMPLES[outer]}]"
                self.problems.append(f"{where}: {printable(table)}: {_secret_here(inner) or problem}")
            elif self._is_named(outer, inner, where):
                self._take_table(table, content, name, lines)

    def _is_named(self, outer: str, inner: str, where: str) -> bool:
        """Whether ``[outer.inner]`` may be; from now on it is, keys or not."""
        table = f"{outer}.{inner}"
        grammar, words = _NAMES[outer]
        is_reserved = outer == "limits" and inner in RESERVED
        if is_reserved or not grammar.fullmatch(inner):
            problem = "is the name of a limit Hapta brings; choose another"
            if not is_reserved:
                problem = f"expected a name of {words}"
            self.problems.append(f"{where}: {printable(table)}: {problem}")
            return False
        self._named.setdefault(table, where)
        return True

    def take_variables(self, variables: EnvFile) -> None:
        """Take the ``HAPTA_TABLE__KEY`` among ``variables``."""
        for variable, (text, where) in sorted(variables.items()):
            if variable.startswith("HAPTA_") and "__" in variable:
                table, _, key = variable.removeprefix("HAPTA_").lower().partition("__")
                self._take_text(table, key, "__", where, text)

    def take_override(self, override: str) -> None:
        key, equals, text = override.partition("=")
        table, dot, name = key.strip().partition(".")
        if not equals or not dot:  # the text is not repeated: it may be a secret in the wrong place
            problem = "expected section.key=VALUE, such as --set server.port=9000"
            self.problems.append(f"--set: {_secret_here(table) or problem}")
            return
        named, _, last = f"{table}.{name}".rpartition(".")
        is_known = find(named, last) is not None or last in NAMED.get(named, ())
        where = f"--set {printable(override)}" if is_known else "--set"
        if table in FREE:
            where = f"--set {printable(key.strip())}"  # without the value: Hapta cannot know what it is
        self._take_text(table, name, ".", where, text)

    def _take_text(self, table: str, name: str, divider: str, where: str, text: str) -> None:
        if table in FREE:
            return self._take_free_text(table, name, divider, where, text)
        first, _, rest = name.partition(divider)
        if f"{table}.{first}" in NAMED or f"{table}.{first}" in TABLES:
            table, name = f"{table}.{first}", rest
        if table not in NAMED:
            return self._take(table, name, where, from_text, text)
        # a collection's name may hold two underscores, as the divider of variables does; no key does
        inner, found, key = name.rpartition(divider) if divider == "__" else name.partition(divider)
        if not found:
            problem = f"expected {table}.<name>.<key>, such as {EXAMPLES[table]}.{next(iter(NAMED[table]))}"
            self.problems.append(f"{where}: {printable(f'{table}.{name}'.rstrip('.'))}: {problem}")
        elif self._is_named(table, inner, where):
            self._take(f"{table}.{inner}", key, where, from_text, text)
        return None

    def _take_free_text(self, table: str, name: str, divider: str, where: str, text: str) -> None:
        if divider == "__":  # a name may hold two underscores
            inner, _, path = name.rpartition(divider)
            return self._free.take_text(table, inner, [path], where, text)
        inner, _, path = name.partition(divider)
        return self._free.take_text(table, inner, path.split(divider), where, text)

    def config(self) -> Config:
        """All values so far as one :class:`Config`, after the rules between keys."""
        tables: dict[str, Any] = dict(self._free.tables)
        for table in self._named:
            _table_at(tables, table)
        for key, value in self._values.items():
            table, _, name = key.rpartition(".")
            _table_at(tables, table)[name] = value
        self._drop_incomplete(tables)
        config = msgspec.convert(tables, Config)
        for error in check(config):
            if not self._wrong.intersection(error.keys):
                self.problems.append(error.line(self.origins))
        return config

    def _drop_incomplete(self, tables: dict[str, Any]) -> None:
        for table, where in self._named.items():
            outer, _, inner = table.rpartition(".")
            given = _table_at(tables, table)
            for key in NAMED[outer].values():
                if key.is_required and key.name not in given:
                    if f"{table}.{key.name}" not in self._wrong:
                        problem = f"{key.name} is missing; expected {expected(key)}"
                        self.problems.append(f"{where}: {table}: {problem}")
                    _table_at(tables, outer).pop(inner, None)

    def read_env(self, path: Path) -> EnvFile:
        try:
            values, problems = read_env(path, self._name(path))
        except FileProblem as exc:
            self.problems.append(str(exc))
            return {}
        self.problems += problems
        return values

    def take_secrets(self, variables: EnvFile, *, is_ours: bool) -> None:
        """Take the secrets among ``variables``; in a file of our own, a name that is nearly right is an
        error."""
        for name, (text, where) in variables.items():
            if name in SECRET_FIELDS:
                if text:
                    self.secrets[name], self.origins[name] = text, where
            elif is_ours and (meant := meant_secret(name)):
                self.problems.append(f"{where}: {printable(name)}: unknown name; did you mean {meant}?")

    def _take(self, table: str, name: str, where: str, convert: Callable[[Field, T], Any], value: T) -> None:
        key = f"{table}.{name}"
        field = find(table, name)
        if field is None:
            problem = _secret_here(name) or unknown(table, name)
            self.problems.append(f"{where}: {printable(key)}: {problem}")
            return
        try:
            self._values[key] = convert(field, value)
        except WrongValue as exc:
            self.problems.append(f"{where}: {key}: {exc}")
            self._wrong.add(key)
        else:
            self.origins[key] = where

    def _name(self, path: Path) -> str:
        """What messages call a file: its path as seen from the working directory."""
        return printable(str(path.relative_to(self._cwd) if path.is_relative_to(self._cwd) else path))


def _table_at(tables: dict[str, Any], path: str) -> dict[str, Any]:
    """The table with this dotted name, made if it is not there; names hold no dots."""
    for name in path.split("."):
        tables = tables.setdefault(name, {})
    return tables


def _is_known(table: str) -> bool:
    return table in TABLES or table in NAMED or table in FREE


def _not_a_table(name: str, value: object) -> str:
    if problem := _secret_here(name):
        return problem
    if _is_known(name):
        return f"expected a table, got {shown(value)}"
    if name in FIELDS:
        return "a dotted key stands without quotes"
    if not isinstance(value, dict) and (owners := [table for table, keys in TABLES.items() if name in keys]):
        return f"stands outside of its table; put it below the line [{owners[0]}]"
    return unknown(name)


def _secret_here(name: str) -> str | None:
    if meant := meant_secret(name):
        return f"{meant} is a secret; it belongs into .env or the environment, not here"
    return None
