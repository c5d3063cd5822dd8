"""The plugin that ``plugins/README.md`` shows does what it says."""

import re
from pathlib import Path

import pytest

from hapta.hooks.loader import find_plugins
from hapta.plugins import Reject
from hapta.testing import load_plugin, make_change
from tests.unit.examples import EXAMPLES

README = EXAMPLES.parent / "README.md"


async def test_the_least_plugin_refuses_shouting(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 1
    file = tmp_path / "no_shouting.py"
    file.write_text(blocks[0])
    plugin = load_plugin(file)
    await plugin.write(make_change("posts", "create", {"title": "A quiet word"}))
    with pytest.raises(Reject):
        await plugin.write(make_change("posts", "create", {"title": "LISTEN TO ME NOW"}))


def test_it_names_all_examples_and_they_are_off() -> None:
    sources = find_plugins(EXAMPLES.parent, {})
    assert [source.name for source in sources] == [
        "audit_log",
        "first_chance",
        "hashtags",
        "link_limit",
        "webhooks",
    ]
    assert all(source.is_example and not source.is_enabled for source in sources)
    for source in sources:
        assert f"(examples/{source.file.name})" in README.read_text()
