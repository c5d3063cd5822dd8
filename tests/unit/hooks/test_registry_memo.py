"""Hooks are found by kind, collection and action, in their order, as often as one asks."""

from dataclasses import replace

import pytest

from hapta.hooks.registry import Hook, Registry
from hapta.hooks.spec import KINDS
from hapta.model.schema import Collection

POSTS = Collection("pbc_posts", "posts", "base", False, {}, (), "", {})
USERS = replace(POSTS, id="pbc_users", name="users")
SYSTEM = replace(POSTS, id="pbc_others", name="_otps", is_system=True)


async def _nothing() -> None: ...


def _hook(
    plugin: str, *collections: str, kind: str = "validate", on: tuple[str, ...] = ("create", "update")
) -> Hook:
    return Hook(KINDS[kind], plugin, _nothing, frozenset(collections), frozenset(on))


REGISTRY = Registry(
    [
        _hook("later", "posts", on=("update",)),
        _hook("every", "*", on=("create",)),
        _hook("by_id", "pbc_posts", on=("create", "delete")),
        _hook("other_kind", "posts", kind="transform"),
    ]
)


@pytest.mark.parametrize(
    ("collection", "action", "plugins"),
    [
        (POSTS, "create", ["by_id", "every"]),
        (POSTS, "update", ["later"]),
        (POSTS, "delete", ["by_id"]),
        (USERS, "create", ["every"]),
        (USERS, "update", []),
        (SYSTEM, "create", []),
        (replace(POSTS, name="POSTS"), "update", ["later"]),
        (replace(POSTS, name="articles"), "update", []),
    ],
    ids=lambda value: value.name if isinstance(value, Collection) else str(value),
)
def test_those_of_an_action_are_found_again_and_again(
    collection: Collection, action: str, plugins: list[str]
) -> None:
    for _ in range(2):
        assert [hook.plugin for hook in REGISTRY.on("validate", collection, action)] == plugins


def test_without_an_action_all_of_the_collection_are_meant() -> None:
    assert [hook.plugin for hook in REGISTRY.on("validate", POSTS, "create")] == ["by_id", "every"]
    assert [hook.plugin for hook in REGISTRY.of("validate", POSTS)] == ["by_id", "every", "later"]
