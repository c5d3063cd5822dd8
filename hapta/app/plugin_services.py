"""What stands behind the doors of plugins in a running gateway: database, log, pool, background tasks."""

import traceback
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from hapta.hooks.database import Database
from hapta.hooks.loader import PREFIX
from hapta.model.tasks import TaskSet
from hapta.observe.events import Events
from hapta.workers.functions import FunctionRef
from hapta.workers.pool import WorkerPool


class PluginLog:
    """The event log; each line says whose it is."""

    def __init__(self, events: Events, plugin: str) -> None:
        self._events = events
        self._plugin = plugin

    def debug(self, message: str, **fields: object) -> None:
        self._events.debug("plugin", **self._named(message, fields))

    def info(self, message: str, **fields: object) -> None:
        self._events.info("plugin", **self._named(message, fields))

    def warning(self, message: str, **fields: object) -> None:
        self._events.warning("plugin", **self._named(message, fields))

    def error(self, message: str, **fields: object) -> None:
        self._events.error("plugin", **self._named(message, fields))

    def _named(self, message: str, fields: Mapping[str, object]) -> dict[str, object]:
        return {"message": message, "plugin": self._plugin, **fields}


class GatewayServices:
    """A :class:`~hapta.hooks.api.Services`.

    Args:
        pool: for heavy work; ``None`` where plugins are only looked at.
        events: the event log.
        file_of: the file of the plugin that a module belongs to.
    """

    def __init__(
        self, pool: WorkerPool | None, events: Events, *, file_of: Callable[[str], str | None]
    ) -> None:
        self._pool = pool
        self._events = events
        self._file_of = file_of
        self._database: Database | None = None
        self._tasks: dict[str, TaskSet] = {}

    @property
    def database(self) -> Database:
        if self._database is None:
            raise RuntimeError("api.database is there from startup on, not in setup")
        return self._database

    def connect(self, database: Database) -> None:
        """PocketBase is there."""
        self._database = database

    def log_of(self, plugin: str) -> PluginLog:
        return PluginLog(self._events, plugin)

    async def offload(
        self, plugin: str, function: Callable[..., Any], args: tuple[Any, ...], deadline_s: float | None
    ) -> Any:
        if self._pool is None:
            raise RuntimeError(f"{plugin}: there are no workers here")
        wanted = self.found_by_workers(plugin, function)
        return await self._pool.run(wanted, *args, deadline_s=deadline_s)

    def found_by_workers(self, plugin: str, function: Callable[..., Any]) -> Callable[..., Any] | FunctionRef:
        """A function of a plugin as the pool takes it.

        Raises:
            RuntimeError: the plugin was replaced.
            TypeError: a worker could not find it.
        """
        module = getattr(function, "__module__", None) or ""
        if not module.startswith(PREFIX):
            return function
        name = module.partition(".")[0]
        file = self._file_of(name)
        if file is None:
            raise RuntimeError(f"{plugin} was replaced; its functions are gone")
        return FunctionRef.of(function, file, name)

    def spawn(self, plugin: str, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        tasks = self._tasks.setdefault(plugin, TaskSet())
        task = tasks.spawn(self._watched(plugin, coroutine, name), name=f"{plugin}: {name}")
        task.add_done_callback(lambda _: coroutine.close())  # it may have ended before it began

    async def _watched(self, plugin: str, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await coroutine
        except Exception as exc:
            self._events.error(
                "plugin_task_failed",
                message=f"{plugin}: {name}: {type(exc).__name__}: {exc}",
                plugin=plugin,
                trace="".join(traceback.format_exception(exc)),
            )

    def take_tasks(self, plugin: str) -> TaskSet:
        """The tasks of the version that is at work; what is spawned from now on is the next one's."""
        return self._tasks.pop(plugin, TaskSet())

    def give_back(self, plugin: str, tasks: TaskSet) -> TaskSet:
        """The version stays after all; the tasks of the one that was to replace it."""
        other = self._tasks.pop(plugin, TaskSet())
        self._tasks[plugin] = tasks
        return other
