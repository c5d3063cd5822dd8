"""What ``setup`` may register, and what is refused where it is written."""

from collections.abc import Callable
from typing import Any

import pytest

from hapta.hooks.api import MisusedApi, PluginApi
from tests.unit.hooks.support import Doors, plugin_api


async def hook(change: Any) -> None: ...


def plain(change: Any) -> None: ...


REFUSED: list[tuple[str, Callable[[PluginApi], Any]]] = [
    ("takes a function made with `async def`", lambda api: api.validate("posts")(plain)),  # type: ignore[type-var]
    ("must take 2 arguments (Upload, Change)", lambda api: api.on_upload("posts")(hook)),
    ("must take 0 arguments (none)", lambda api: api.startup(hook)),
    ("is used without ()", lambda api: api.validate(hook)),  # type: ignore[arg-type]
    ("needs a collection", lambda api: api.validate()(hook)),
    ("'po sts' is no name of a collection", lambda api: api.validate("po sts")(hook)),
    ("'a.b' is no name of a field", lambda api: api.on_upload("posts", field="a.b")(two)),
    ("on is some of create, delete, update", lambda api: api.validate("posts", on="view")(hook)),
    ("on is some of create, delete, update", lambda api: api.validate("posts", on=())(hook)),
    ("priority is a whole number", lambda api: api.validate("posts", priority="high")(hook)),  # type: ignore[arg-type]
    ("deadline_s is a number > 0 and <= 3600", lambda api: api.validate("posts", deadline_s=0)(hook)),
    ("deadline_s is a number > 0 and <= 3600", lambda api: api.validate("posts", deadline_s=1e9)(hook)),
    ("depends_on takes", lambda api: api.on_answer("posts", depends_on=["ip"])(two)),
    ("at least one field", lambda api: api.can_read("posts")),
]


async def two(one: Any, other: Any) -> None: ...


@pytest.mark.parametrize(("problem", "register"), REFUSED)
def test_what_cannot_be_is_refused(problem: str, register: Callable[[PluginApi], Any]) -> None:
    api = plugin_api()
    with pytest.raises(MisusedApi) as caught:
        register(api)
    assert problem in str(caught.value)
    assert api.hooks == []


def test_a_name_is_used_once_but_one_function_for_several_kinds() -> None:
    api = plugin_api()
    api.validate("posts")(hook)
    api.transform("posts")(hook)

    def again() -> Any:
        async def hook(change: Any) -> None: ...

        return hook

    with pytest.raises(MisusedApi, match=r"the name one\.hook is used twice") as caught:
        api.validate("topics")(again())
    assert caught.value.line == again().__code__.co_firstlineno


def test_nothing_is_registered_after_setup_and_nothing_spawned_before() -> None:
    doors = Doors()
    api = plugin_api("one", doors)

    async def work() -> None: ...

    with pytest.raises(MisusedApi, match="not for setup"):
        api.spawn(work(), name="early")
    api.close()
    api.spawn(work(), name="in time")
    assert doors.spawned == ["in time"]
    with pytest.raises(MisusedApi, match="outside of setup"):
        api.validate("posts")(hook)
