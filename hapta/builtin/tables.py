"""From ``[validate.<collection>]`` to plugins: :func:`builtin_plugins`.

What can be found out about a table without a database is found out here, with file and line: checks and
operands there are not, arguments of the wrong type, patterns RE2 does not take. Whether a collection has a
field cannot: it is looked at when the plugin starts, and only told, for the schema may change.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from hapta.builtin import permissions, validation
from hapta.builtin.access import ALWAYS_READ, FIELD_NAME, FREE, Access, expressions, read_access
from hapta.builtin.checks import FieldChecks, read_checks
from hapta.builtin.seen import warn_of_unknown
from hapta.config import ConfigErrors
from hapta.config.problems import Problems
from hapta.plugins import PluginApi

Setup: TypeAlias = Callable[[PluginApi], None]
_ACCESS: Final = ("create_fields", "update_fields", "read_fields")
_OF_PASSWORDS: Final = frozenset({"password", "passwordConfirm", "oldPassword"})


@dataclass(frozen=True, slots=True)
class CollectionTable:
    """What is asked of one collection.

    Attributes:
        checks: by field.
        create, update, read: who may what.
    """

    checks: Mapping[str, FieldChecks]
    create: Access = FREE
    update: Access = FREE
    read: Access = FREE

    def fields(self) -> frozenset[str]:
        """All fields named, but those no record shows."""
        accesses = (self.create, self.update, self.read)
        rules = [rule for access in accesses for rule in (*access.rules.values(), access.others)]
        own = {name for expression in expressions(*rules) for name in expression.own}
        named = {*self.checks, *own, *(name for access in accesses for name in access.rules)}
        return frozenset(named - _OF_PASSWORDS - ALWAYS_READ)


def builtin_plugins(
    tables: Mapping[str, Mapping[str, Any]], origins: Mapping[str, str]
) -> list[tuple[str, Setup]]:
    """The plugins that do what the tables say, by name; none where there are no tables.

    Args:
        tables: ``[validate.<collection>]`` by collection.
        origins: where each key was set.

    Raises:
        ConfigErrors: everything that is wrong in them.
    """
    read: dict[str, CollectionTable] = {}
    lines: list[str] = []
    for collection, table in tables.items():
        problems = Problems(f"validate.{collection}", origins)
        read[collection] = _read_table(table, problems)
        lines += problems.lines
    if lines:
        raise ConfigErrors(lines)
    if not read:
        return []

    def setup_checks(api: PluginApi) -> None:
        for collection, table in read.items():
            if table.checks:
                validation.add_checks(api, collection, table.checks)
        _warn(api, {name: table.fields() for name, table in read.items()})

    def setup_permissions(api: PluginApi) -> None:
        for collection, table in read.items():
            if table.create is not FREE or table.update is not FREE:
                permissions.add_writes(api, collection, table.create, table.update, table.read)
            permissions.add_reads(api, collection, table.read)

    return [(validation.NAME, setup_checks), (permissions.NAME, setup_permissions)]


def _read_table(table: Mapping[str, Any], problems: Problems) -> CollectionTable:
    checks: dict[str, FieldChecks] = {}
    access: dict[str, Access] = {}
    for key, value in table.items():
        if key in _ACCESS:
            access[key] = read_access(key, value, problems)
        elif not FIELD_NAME.fullmatch(key):
            problems.add(key, f"expected the name of a field, or one of {', '.join(_ACCESS)}")
        elif not isinstance(value, dict):
            problems.add(key, "expected a table of checks, such as { min = 3, max = 200 }")
        else:
            checks[key] = read_checks(key, value, problems)
    return CollectionTable(checks, *(access.get(key, FREE) for key in _ACCESS))


def _warn(api: PluginApi, fields: Mapping[str, Iterable[str]]) -> None:
    async def look() -> None:
        for collection, names in fields.items():
            await warn_of_unknown(api, collection, names)

    api.startup(look)
