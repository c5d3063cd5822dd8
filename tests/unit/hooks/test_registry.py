"""Which hooks concern a collection, and in which order."""

from typing import Any

import pytest

from hapta.hooks.registry import Registry
from tests.unit.hooks.support import collection, plugin_api


def named(name: str) -> Any:
    async def hook(change: Any) -> None: ...

    hook.__name__ = name
    return hook


def test_the_order_is_priority_then_plugin_then_registration() -> None:
    beta, alpha = plugin_api("beta"), plugin_api("alpha")
    beta.validate("posts")(named("first"))
    beta.validate("posts", priority=-1)(named("soon"))
    alpha.validate("*")(named("zeta"))
    alpha.validate("posts")(named("eta"))
    alpha.validate("posts", priority=5)(named("late"))
    registry = Registry([*beta.hooks, *alpha.hooks])
    order = [hook.name for hook in registry.on("validate", collection("posts"), "create")]
    assert order == ["beta.soon", "alpha.zeta", "alpha.eta", "beta.first", "alpha.late"]
    assert [hook.name for hook in registry.of("validate", collection("other"))] == ["alpha.zeta"]


@pytest.mark.parametrize(
    ("written", "name", "id", "is_system", "expected"),
    [
        ("posts", "Posts", "pbc_1", False, True),
        ("POST\u017f", "posts", "pbc_1", False, True),
        ("pbc_1", "renamed", "pbc_1", False, True),
        ("PBC_1", "renamed", "pbc_1", False, False),
        ("posts", "posts2", "pbc_1", False, False),
        ("*", "posts", "pbc_1", False, True),
        ("*", "_superusers", "pbc_1", True, False),
        ("_superusers", "_superusers", "pbc_1", True, True),
    ],
)
def test_a_hook_is_registered_by_name_in_any_case_by_id_or_for_all_but_system_ones(
    written: str, name: str, id: str, is_system: bool, expected: bool
) -> None:
    api = plugin_api()
    if not written.isascii():
        written = written.replace("\u017f", "s")
    api.validate(written)(named("hook"))
    found = Registry(api.hooks).of("validate", collection(name, id, is_system=is_system))
    assert bool(found) is expected


def test_logins_of_all_are_those_of_superusers_too() -> None:
    api = plugin_api()
    api.on_auth()(named("hook"))
    assert Registry(api.hooks).of("on_auth", collection("_superusers", is_system=True))


def test_only_actions_that_were_asked_for() -> None:
    api = plugin_api()
    api.validate("posts", on="delete")(named("hook"))
    registry = Registry(api.hooks)
    found = [
        action
        for action in ("create", "update", "delete")
        if registry.on("validate", collection("posts"), action)
    ]
    assert found == ["delete"]
