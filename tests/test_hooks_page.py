"""docs/hooks.md says what the table of kinds says, and its examples run."""

import re
from pathlib import Path

import pytest

from hapta.hooks.spec import KINDS
from hapta.testing import load_plugin

PAGE = Path(__file__).parent.parent / "docs" / "hooks.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def rows() -> list[str]:
    """The table as it must stand."""
    found = []
    for kind in KINDS.values():
        gets = ", ".join(f"`{each}`" for each in kind.gets).replace("|", "\\|") or "–"
        found.append(f"| `{kind.name}` | {kind.when} | {gets} | {kind.may} | {kind.role} |")
    return found


def test_the_page_has_each_kind_as_the_table_says_and_no_other() -> None:
    shown = re.findall(
        r"^\| `\w+` \| .*$", TEXT.partition("## The kinds")[2].partition("\nA *guard*")[0], re.MULTILINE
    )
    assert shown == rows()


@pytest.mark.parametrize("block", [block for block in BLOCKS if "def setup" in block])
def test_each_plugin_of_the_page_can_be_loaded(block: str, tmp_path: Path) -> None:
    file = tmp_path / "shown.py"
    file.write_text(block, encoding="utf-8")
    assert load_plugin(file).hooks


@pytest.mark.parametrize("block", [block for block in BLOCKS if "async def test_" in block])
async def test_each_test_of_the_page_passes(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PAGE.parent.parent)
    names: dict[str, object] = {}
    exec(compile(block, str(PAGE), "exec"), names)
    tests = [each for name, each in names.items() if name.startswith("test_")]
    assert tests
    for each in tests:
        await each()  # type: ignore[operator]
