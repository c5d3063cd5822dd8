"""docs/limits.md against the code."""

import re
from pathlib import Path

import pytest

from hapta.config import Config, LoginConfig, load
from hapta.limits.gcra import Quota
from hapta.limits.rules import rules_of
from hapta.stages.login import RULE

PAGE = (Path(__file__).parents[3] / "docs" / "limits.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_configuration_on_the_page_loads(block: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(block)
    config = load(Path("config.toml"), {}, [], tmp_path).config
    assert len(rules_of(config.ratelimit, config.limits)) == 1 + len(config.limits)


def test_the_simple_form_on_the_page_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(BLOCKS[0])
    assert load(Path("config.toml"), {}, [], tmp_path).config == Config()
    assert rules_of(Config().ratelimit, {})[0].quota == Quota.of(600, 60.0, 200)


def test_the_figures_about_logins_are_the_defaults() -> None:
    login = LoginConfig()
    assert f"`login.failures` ({login.failures})" in PAGE
    assert f"`lock_s` ({login.lock_s:.0f} s)" in PAGE
    assert f"`max_lock_s` ({login.max_lock_s / 60:.0f} minutes)" in PAGE
    assert re.search(rf"`pace_s`\s+\({login.pace_s:.0f} s\)", PAGE)
    assert f"`{RULE}`" in PAGE
