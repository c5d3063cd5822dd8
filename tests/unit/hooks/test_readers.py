"""Which ``can_read`` hooks have a say about a field."""

from typing import Any

import pytest

from hapta.hooks.api import MisusedApi, PluginApi
from hapta.hooks.registry import EVERY, Registry
from hapta.model.schema import Collection

POSTS = Collection("posts_id", "posts", "base", False, {}, (), "", {})


class _Services:
    database: Any = None

    def log_of(self, plugin: str) -> Any:
        return None


def plugin(name: str, *fields: str) -> PluginApi:
    """One that registers a ``can_read`` for each field, called after it."""
    api = PluginApi(name, {}, {}, _Services())  # type: ignore[arg-type]
    for field in fields:

        async def may_read(viewer: Any, row: Any) -> bool:
            return False

        may_read.__name__ = "others" if field == EVERY else field
        api.can_read("posts", field)(may_read)
    return api


def names(field: str, *plugins: PluginApi) -> list[str]:
    registry = Registry(hook for each in plugins for hook in each.hooks)
    return [hook.name for hook in registry.readers(POSTS, field)]


def test_of_each_plugin_the_one_that_names_the_field_else_the_one_for_every_field() -> None:
    one, two = plugin("one", "title", EVERY), plugin("two", EVERY)
    assert names("title", one, two) == ["one.title", "two.others"]
    assert names("body", one, two) == ["one.others", "two.others"]
    assert names("body", plugin("three", "title")) == []


@pytest.mark.parametrize("field", ["id", "collectionId", "collectionName"])
def test_which_row_it_is_can_always_be_read(field: str) -> None:
    assert names(field, plugin("one", EVERY)) == []
    with pytest.raises(MisusedApi, match="what rows are told apart by"):
        plugin("one", EVERY, field)


def test_only_can_read_takes_every_field() -> None:
    api = plugin("one")

    async def look(upload: Any, change: Any) -> None: ...

    with pytest.raises(MisusedApi, match="is no name of a field"):
        api.on_upload("posts", field=EVERY)(look)
