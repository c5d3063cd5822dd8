"""docs/caching.md against the code: reasons, modes, keys."""

import re
from pathlib import Path

import pytest

from hapta.cache.plan import HooksMode, Reason
from hapta.config.fields import FIELDS

PAGE = (Path(__file__).parents[3] / "docs" / "caching.md").read_text(encoding="utf-8")


def test_the_page_lists_every_reason_and_no_other() -> None:
    table = PAGE.partition("## When nothing is stored")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`([a-z]+)`", " ".join(cells))) == sorted(map(str, Reason))


@pytest.mark.parametrize("mode", HooksMode)
def test_the_page_names_every_mode_of_hooks(mode: HooksMode) -> None:
    assert f"| `{mode}` |" in PAGE


def test_the_keys_the_page_names_exist() -> None:
    named = set(re.findall(r"`((?:cache|feed|upstream)\.[a-z_]+)`", PAGE))
    assert named
    assert named <= set(FIELDS)
