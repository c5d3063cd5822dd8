"""What is written down is what is built."""

import re
import tomllib
from pathlib import Path

import pytest

from hapta.config import SECRET_FIELDS, Config, Secrets, load
from hapta.config.fields import FIELDS
from hapta.config.reference import BEGIN, END, render_tables, render_toml

ROOT = Path(__file__).parent.parent
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_the_shipped_config_toml_is_the_rendering() -> None:
    assert (ROOT / "config.toml").read_text(encoding="utf-8") == render_toml(), (
        "run python -m hapta.config.reference"
    )


def test_the_shipped_config_toml_loads_to_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes((ROOT / "config.toml").read_bytes())
    loaded = load(Path("config.toml"), {}, [], tmp_path)
    assert loaded.config == Config()
    assert set(loaded.origins) == set(FIELDS)


@pytest.mark.parametrize("key", FIELDS)
def test_every_key_has_its_line_in_the_documentation(key: str) -> None:
    assert CONFIGURATION.count(f"| `{key}` |") == 1


def test_the_tables_of_the_documentation_are_the_rendering() -> None:
    rendered = CONFIGURATION.partition(BEGIN)[2].partition(END)[0]
    assert rendered.strip() == render_tables().strip(), "run python -m hapta.config.reference"


def test_the_keys_named_in_the_documentation_s_prose_exist() -> None:
    prose = CONFIGURATION.partition(BEGIN)[0]
    named = set(re.findall(r"`((?:server|upstream|admin|cors|ratelimit|metrics|log)\.[a-z_]+)`", prose))
    assert named
    assert named <= set(FIELDS)


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", CONFIGURATION, re.DOTALL))
def test_toml_in_the_documentation_loads(block: str, tmp_path: Path) -> None:
    assert tomllib.loads(block)
    (tmp_path / "config.toml").write_text(block)
    load(Path("config.toml"), {}, [], tmp_path)


@pytest.mark.parametrize("name", SECRET_FIELDS)
def test_every_secret_is_documented_and_stands_in_the_example_without_a_value(name: str) -> None:
    assert f"`{name}`" in CONFIGURATION
    assert f"\n{name}=\n" in (ROOT / ".env.example").read_text(encoding="utf-8")


def test_the_example_copied_as_it_is_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes((ROOT / ".env.example").read_bytes())
    loaded = load(None, {}, [], tmp_path, needs_secrets=True)
    assert (loaded.config, loaded.secrets, loaded.origins) == (Config(), Secrets(), {})
