"""Posts are no link farms."""

import pytest

from hapta.hooks.change import Action
from hapta.plugins import Reject
from hapta.testing import TestedPlugin, load_plugin, make_change
from tests.unit.examples import EXAMPLES

LINKS = " ".join(f"https://example.com/{number}" for number in range(4))


@pytest.fixture
def plugin() -> TestedPlugin:
    return load_plugin(EXAMPLES / "link_limit.py")


async def test_a_few_links_pass(plugin: TestedPlugin) -> None:
    change = make_change("posts", "create", {"body": LINKS.rpartition(" ")[0]})
    assert await plugin.write(change) == change
    assert await plugin.write(make_change("posts", "update", {"title": LINKS}))


@pytest.mark.parametrize("action", ["create", "update"])
async def test_too_many_are_refused_at_their_field(plugin: TestedPlugin, action: Action) -> None:
    with pytest.raises(Reject) as caught:
        await plugin.write(make_change("posts", action, {"body": LINKS}))
    assert caught.value.errors["body"].data() == {"code": "too_many_links", "message": "At most 3 links."}


async def test_the_bound_is_a_setting() -> None:
    plugin = load_plugin(EXAMPLES / "link_limit.py", {"max_links": 4})
    assert await plugin.write(make_change("posts", "create", {"body": LINKS}))
