"""The rendering that ``config.toml`` and the documentation come from."""

import re
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from hapta.config import Config, LimitConfig
from hapta.config.fields import EXAMPLES, FIELDS, FREE, NAMED
from hapta.config.reference import BEGIN, END, as_toml, main, render_tables, render_toml


def test_every_key_is_rendered_with_its_default_and_an_explanation() -> None:
    assert msgspec.convert(tomllib.loads(render_toml()), Config) == Config()
    lines = render_toml().split("\n")
    for field in FIELDS.values():
        index = lines.index(f"{field.name} = {as_toml(field.default)}")
        assert lines[index - 1].startswith("# ")
    assert max(map(len, lines)) <= 110


def test_the_tables_have_one_row_a_key_with_all_four_cells() -> None:
    rows = [line for line in render_tables().split("\n") if line.startswith("| `")]
    named = [field.key for fields in NAMED.values() for field in fields.values()]
    assert sorted(row.split("`")[1] for row in rows) == sorted([*FIELDS, *named])
    assert all(all(cell.strip() for cell in row.strip("|").split(" | ")) for row in rows)


def test_a_table_with_a_name_of_its_own_is_an_example_that_can_be_taken_as_it_stands() -> None:
    example = render_toml().partition("# [limits.api]")[2].partition("\n[")[0]
    keys = [line[2:] for line in example.split("\n") if re.match(r"# [a-z_]+ = ", line)]
    limits = {"api": tomllib.loads("\n".join(keys))}
    assert msgspec.convert({"limits": limits}, Config).limits["api"] == LimitConfig(rate="100/minute")
    assert limits["api"].keys() == NAMED["limits"].keys()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (1024, "1024"),
        (10_000, "10_000"),
        (0.5, "0.5"),
        ("ä", '"ä"'),
        ((), "[]"),
        (("a",), '["a"]'),
    ],
)
def test_values_are_written_as_toml(value: object, text: str) -> None:
    assert as_toml(value) == text
    parsed = tomllib.loads(f"x = {text}")["x"]
    assert (tuple(parsed) if isinstance(parsed, list) else parsed) == value


def test_the_command_writes_once_and_checks_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "configuration.md"
    page.parent.mkdir()
    page.write_text(f"before\n{BEGIN}\nout of date\n{END}\nafter\n")
    monkeypatch.setattr(sys, "argv", ["reference", "--check", str(tmp_path)])
    assert main() == 1
    assert not (tmp_path / "config.toml").exists()
    monkeypatch.setattr(sys, "argv", ["reference", str(tmp_path)])
    assert main() == 0
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert "out of date" not in page.read_text()
    monkeypatch.setattr(sys, "argv", ["reference", "--check", str(tmp_path)])
    capsys.readouterr()
    assert main() == 0
    assert capsys.readouterr().out == ""


def test_a_table_whose_keys_are_not_hapta_s_is_an_example_that_can_be_taken_as_it_stands() -> None:
    commented = [line[2:] for line in render_toml().split("\n") if line.startswith("# ")]
    for table in FREE:
        start = commented.index(f"[{EXAMPLES[table]}]")
        heading = f"### [{table}.<"
        block = render_tables().partition(heading)[2].partition("```toml\n")[2].partition("```")[0]
        given = tomllib.loads("\n".join(commented[start : start + len(block.splitlines())]))
        assert msgspec.convert(given, Config) != Config()
        assert tomllib.loads(block) == given
