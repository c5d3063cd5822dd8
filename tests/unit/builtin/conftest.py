"""The built-in plugins, loaded from the text of a config.toml as hapta.testing loads any plugin."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hapta.builtin.tables import builtin_plugins
from hapta.config import ConfigErrors, load
from hapta.testing import MemoryDatabase, TestedPlugin, load_plugin

Load = Callable[..., TestedPlugin]
Problems = Callable[[str], list[str]]
_PLUGIN = """
import tomllib
from hapta.builtin.tables import builtin_plugins
def setup(api):
    dict(builtin_plugins(tomllib.loads({toml!r})["validate"], {{}}))[{name!r}](api)
"""


@pytest.fixture
def builtin(tmp_path: Path) -> Load:
    """Load ``validate`` or ``permissions`` with the tables in a text."""

    def load_one(name: str, toml: str, database: MemoryDatabase | None = None) -> TestedPlugin:
        file = tmp_path / f"{name}.py"
        file.write_text(_PLUGIN.format(toml=toml, name=name))
        return load_plugin(file, database=database)

    return load_one


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    """What is wrong with the tables in a text."""

    def problems_of(toml: str) -> list[str]:
        (tmp_path / "config.toml").write_text(toml)
        loaded = load(Path("config.toml"), {}, [], tmp_path)
        try:
            builtin_plugins(loaded.config.validate, loaded.origins)
        except ConfigErrors as exc:
            return str(exc).splitlines()
        return []

    return problems_of
