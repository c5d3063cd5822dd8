"""What stands around hooks in tests of theirs: doors that keep what passes, a runner, a meter."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hapta.hooks.api import PluginApi
from hapta.hooks.run import HookRunner
from hapta.model.clock import ManualClock
from hapta.model.schema import Collection


class Doors:
    """A :class:`~hapta.hooks.api.Services`, the meter and the log of a runner."""

    database: Any = None

    def __init__(self) -> None:
        self.spawned: list[str] = []
        self.runs: list[tuple[str, str, str]] = []
        self.dropped: list[tuple[str, str]] = []
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def log_of(self, plugin: str) -> Any:
        return None

    async def offload(
        self, plugin: str, function: Callable[..., Any], args: tuple[Any, ...], deadline_s: float | None
    ) -> Any:
        return function(*args)

    def spawn(self, plugin: str, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        coroutine.close()
        self.spawned.append(name)

    def hook_done(self, plugin: str, kind: str, outcome: str, seconds: float) -> None:
        self.runs.append((plugin, kind, outcome))

    def watcher_dropped(self, plugin: str, kind: str) -> None:
        self.dropped.append((plugin, kind))

    def error(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))


def plugin_api(name: str = "one", doors: Doors | None = None) -> PluginApi:
    return PluginApi(name, {}, {}, doors or Doors())


def runner(doors: Doors, clock: ManualClock | None = None) -> HookRunner:
    return HookRunner(
        guard_deadline_s=0.05, watcher_deadline_s=0.05, meter=doors, log=doors, clock=clock or ManualClock()
    )


def collection(name: str, id: str = "", *, is_system: bool = False) -> Collection:
    return Collection(id or f"pbc_{name}", name, "base", is_system, {}, (), "", {})


async def never(*args: Any) -> None:
    await asyncio.sleep(60)
