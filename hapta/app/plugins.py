"""The operator's plugins in a running gateway: loaded, started, replaced when their files change, and ended.

A plugin that cannot be loaded or started stops Hapta's start: what it guards must not go unguarded. While
Hapta runs, one that changes is loaded beside the version at work and takes its place only when its
``startup`` hooks are through; where that fails the old one stays.
"""

import asyncio
import io
import os
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from hapta.app.plugin_services import GatewayServices
from hapta.builtin.tables import builtin_plugins
from hapta.config import Loaded
from hapta.feed import ChangeFeed
from hapta.feed.changes import Change as FeedChange
from hapta.feed.watch import SchemaWatch
from hapta.hooks.api import PluginApi
from hapta.hooks.change import RowChange
from hapta.hooks.database import Database
from hapta.hooks.loader import Plugin, PluginErrors, Source, find_plugins, load_plugin, load_plugins, shown
from hapta.hooks.registry import EMPTY, Hook, Registry
from hapta.hooks.run import HookRunner
from hapta.hooks.watchers import Watchers
from hapta.model.clock import Clock, SystemClock
from hapta.model.errors import OperatorError
from hapta.model.schema import Schema
from hapta.model.tasks import TaskSet
from hapta.observe.events import Events
from hapta.observe.hook_metrics import HookMetrics
from hapta.workers.pool import WorkerPool

LOOK_EVERY_S: Final = 0.5
_DRAIN_S = 5.0
_ARE_LEFT_EVERY_S = 0.02
_Mark: TypeAlias = tuple[tuple[str, int, int, int], ...]
Setup: TypeAlias = Callable[[PluginApi], None]


@dataclass(slots=True)
class _Seen:
    """What was last looked at, and what was found wrong with it, so that it is said once."""

    mark: _Mark = ()
    refused: _Mark = ()


class Plugins:
    """All plugins, from :meth:`load` to :meth:`stop`.

    Args:
        loaded: the configuration.
        builtin: Hapta's own, by name.
        pool: for heavy work.
    """

    def __init__(
        self,
        loaded: Loaded,
        builtin: Iterable[tuple[str, Setup]],
        pool: WorkerPool | None,
        *,
        clock: Clock,
        events: Events,
        metrics: HookMetrics,
    ) -> None:
        self._config = loaded.config.hooks
        self._tables = loaded.config.plugins
        self._origins = loaded.origins
        self._folder = loaded.path(loaded.config.hooks.dir)
        self._builtin = tuple(builtin)
        self._events = events
        self._metrics = metrics
        self._files: dict[str, str] = {}
        self._services = GatewayServices(pool, events, file_of=self._files.get)
        self._own_hooks: list[Hook] = []
        self._plugins: dict[str, Plugin] = {}
        self._seen: dict[str, _Seen] = {}
        self._problem: tuple[str, ...] = ()
        self._tasks = TaskSet()
        self._endings = TaskSet()
        self._started: set[str] = set()
        self._on_change: list[Callable[[], None]] = []
        self._schema: SchemaWatch | None = None
        self._feed: ChangeFeed | None = None
        self._told: set[str] = set()
        self.registry: Registry = EMPTY
        self.runner = HookRunner(
            guard_deadline_s=self._config.guard_deadline_s,
            watcher_deadline_s=self._config.watcher_deadline_s,
            meter=metrics,
            log=events,
            clock=clock,
        )
        self.watchers = Watchers(self.runner, metrics, events)

    def on_change(self, callback: Callable[[], None]) -> None:
        """``callback`` is told when the registry is another."""
        self._on_change.append(callback)

    @property
    def plugins(self) -> Sequence[Plugin]:
        """Those at work, by name."""
        return [self._plugins[name] for name in sorted(self._plugins)]

    def load(self) -> None:
        """Load all that are enabled; nothing of them runs yet.

        Raises:
            PluginErrors: what is wrong with any of them.
        """
        self._own_hooks = builtin_hooks(self._builtin, self._services)
        sources = find_plugins(self._folder, self._tables)
        for plugin in load_plugins(sources, self._tables, self._origins, self._services):
            self._take(plugin)
        for source in sources:
            self._seen[source.name] = _Seen(_mark(source.root))
        self._renew()

    def _take(self, plugin: Plugin) -> None:
        self._plugins[plugin.name] = plugin
        self._files[plugin.module.__name__] = str(plugin.source.file.absolute())

    async def start(self, database: Database, feed: ChangeFeed, schema: SchemaWatch) -> None:
        """Run what is to run at the start, and follow changes of rows and of files.

        Raises:
            OperatorError: a plugin's ``startup`` fails.
        """
        self._services.connect(database)
        self._feed, self._schema = feed, schema
        self.watchers.hold()  # what changes meanwhile is told once they have started
        feed.on_change(self._row_changed)
        schema.on_change(self._schema_changed)
        for hook in self.registry.all_of("startup"):
            self._started.add(hook.plugin)
            try:
                await self.runner.call(hook)
            except Exception as exc:
                raise OperatorError(_of_startup(hook, exc)) from exc
        if self.registry.collections():
            await schema.confirmed(0.0)  # startup hooks make collections
        self._started.update(self._plugins)
        self.watchers.release()
        self._schema_changed(schema.snapshot)
        if self._config.reload:
            self._tasks.spawn(self._follow_files(), name="plugin files")

    async def stop(self) -> None:
        """Let watchers finish, tell the plugins, and end what they left running."""
        await self._tasks.cancel()
        await self._endings.finish(_DRAIN_S)
        await self._endings.cancel()
        self._cut_off(await self.watchers.drain(_DRAIN_S))
        await self.watchers.stop()
        for plugin in self.plugins:
            await self._end(plugin, self._services.take_tasks(plugin.name))

    def _cut_off(self, calls: int) -> None:
        if calls:
            message = "calls of watchers were still waiting at the end"
            self._events.warning("watchers_cut_off", message=message, calls=calls)

    # changes of rows

    def _row_changed(self, change: FeedChange) -> None:
        if not self.registry.all_of("on_change") or self._schema is None:
            return
        collection = self._schema.snapshot.by_id.get(change.collection_id)
        if collection is None:
            return
        hooks = self.registry.on("on_change", collection, change.action)
        if hooks:
            told = RowChange(collection.name, change.action, change.record_id, change.record)
            self.watchers.tell(hooks, told)

    def _schema_changed(self, schema: Schema) -> None:
        if self._feed is None:
            return
        wanted = [c.id for c in schema.by_id.values() if self.registry.of("on_change", c)]
        self._feed.wants_full(wanted, by="plugins")
        unmet = {name for name in self.registry.collections() if schema.resolve(name) is None}
        for name in sorted(unmet - self._told):
            self._events.warning(
                "plugins", message=f"hooks name the collection {name}, which does not exist: they do nothing"
            )
        self._told = unmet

    # changes of files

    async def _follow_files(self) -> None:
        before: dict[str, _Mark] = {}
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = await asyncio.to_thread(self._look)
            if now == before:  # nobody is writing just now
                await self._reload(now)
            before = now

    def _look(self) -> dict[str, _Mark]:
        """What stands there, by name of the plugin; an unknown name for a folder in disorder."""
        try:
            return {source.name: _mark(source.root) for source in self._find()}
        except PluginErrors as exc:
            return {"": tuple((problem, 0, 0, 0) for problem in exc.problems)}

    def _find(self) -> list[Source]:
        """
        Raises:
            PluginErrors: as :func:`find_plugins`, and where the folder itself is gone or cannot be read: its
                plugins are not meant to stop their work by that.
        """
        try:
            if self._plugins:
                os.stat(self._folder)
            return find_plugins(self._folder, self._tables)
        except OSError as exc:
            raise PluginErrors([f"{shown(self._folder)}: {exc.strerror}"]) from exc

    async def _reload(self, now: dict[str, _Mark]) -> None:
        try:
            sources = self._find()
        except PluginErrors as exc:
            if exc.problems != self._problem:
                self._refused(exc.problems, "the plugins stay as they are")
            self._problem = exc.problems
            return
        self._problem = ()
        for source in sources:
            seen = self._seen.setdefault(source.name, _Seen())
            mark = now.get(source.name, ())
            if source.is_enabled and mark not in (seen.mark, seen.refused):
                await self._replace(source, mark, seen)
        for name in [name for name in self._plugins if name not in now]:
            await self._remove(name)

    async def _replace(self, source: Source, mark: _Mark, seen: _Seen) -> None:
        """Put what stands there now in the place of the version at work, if it is fit for that."""
        old = self._plugins.get(source.name)
        outcome = "it is not at work" if old is None else "the version before it stays at work"
        try:
            table = self._tables.get(source.name, {})
            new = load_plugin(source, table, self._origins, self._services)
        except PluginErrors as exc:
            seen.refused = mark
            self._refused(exc.problems, outcome)
            return
        tasks = self._services.take_tasks(source.name)
        self._files[new.module.__name__] = str(source.file.absolute())
        for hook in (hook for hook in new.hooks if hook.kind.name == "startup"):
            try:
                await self.runner.call(hook)
            except asyncio.CancelledError:  # the gateway stops; both versions end with it
                await self._services.give_back(source.name, tasks).cancel()
                raise
            except Exception as exc:
                seen.refused = mark
                await self._services.give_back(source.name, tasks).cancel()
                self._files.pop(new.module.__name__, None)
                new.unload()
                self._refused([_of_startup(hook, exc)], outcome)
                return
        seen.mark, seen.refused = mark, ()
        requests = weakref.ref(self.registry)
        self._take(new)
        self._started.add(new.name)
        self._renew()
        self._metrics.reloaded("done")
        self._events.info("plugin_loaded", message=f"{shown(source.file)} is at work", plugin=source.name)
        if old is not None:
            self._endings.spawn(self._replaced(old, tasks, requests), name=f"end of plugin {old.name}")

    async def _remove(self, name: str) -> None:
        requests = weakref.ref(self.registry)
        plugin = self._plugins.pop(name)
        self._seen.pop(name, None)
        self._renew()
        file = shown(plugin.source.file)
        self._events.warning("plugin_removed", message=f"{file} is gone; its hooks are off", plugin=name)
        tasks = self._services.take_tasks(name)
        self._endings.spawn(self._replaced(plugin, tasks, requests), name=f"end of plugin {name}")

    async def _replaced(self, plugin: Plugin, tasks: TaskSet, requests: "weakref.ref[Registry]") -> None:
        """End a plugin once the requests that began with it, which hold the registry of then, are through."""
        for _ in range(round(_DRAIN_S / _ARE_LEFT_EVERY_S)):
            if requests() is None:
                break
            await asyncio.sleep(_ARE_LEFT_EVERY_S)
        self._cut_off(await self.watchers.retire(plugin.hooks, _DRAIN_S))
        await self._end(plugin, tasks)

    def _renew(self) -> None:
        self.registry = Registry(
            [*self._own_hooks, *(hook for plugin in self.plugins for hook in plugin.hooks)]
        )
        self._metrics.loaded.set(len(self._plugins))
        if self._schema is not None:
            self._schema_changed(self._schema.snapshot)
        for tell in self._on_change:
            tell()

    async def _end(self, plugin: Plugin, tasks: TaskSet) -> None:
        if plugin.name in self._started:
            for hook in (hook for hook in plugin.hooks if hook.kind.name == "shutdown"):
                await self.runner.watch(hook)
        await tasks.cancel()
        self._files.pop(plugin.module.__name__, None)
        plugin.unload()

    def _refused(self, problems: Iterable[str], outcome: str) -> None:
        self._metrics.reloaded("refused")
        for problem in problems:
            self._events.error("plugin_refused", message=f"{problem}; {outcome}")


def _of_startup(hook: Hook, exc: Exception) -> str:
    where = f"{shown(Path(hook.file))}:{hook.line}"
    return f"{where}: startup of {hook.name}: {type(exc).__name__}: {exc}"


def _mark(root: Path) -> _Mark:
    """What tells one state of a plugin's files from another."""
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if _counts(path))
    found = []
    for file in files:
        try:
            state = os.stat(file)
        except OSError:
            continue  # on its way in or out
        found.append((str(file), state.st_mtime_ns, state.st_size, state.st_ino))
    return tuple(found)


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")


def hooks_at_rest(loaded: Loaded) -> list[Hook]:
    """All hooks of a configuration in their order, of plugins that are loaded and not run.

    Raises:
        ConfigErrors, PluginErrors: what is wrong with any of them.
    """
    events = Events(loaded.config.log, io.BytesIO(), SystemClock())
    services = GatewayServices(None, events, file_of=lambda _: None)
    hooks = builtin_hooks(builtin_plugins(loaded.config.validate, loaded.origins), services)
    sources = find_plugins(loaded.path(loaded.config.hooks.dir), loaded.config.plugins)
    plugins = load_plugins(sources, loaded.config.plugins, loaded.origins, services)
    for plugin in plugins:
        hooks += plugin.hooks
        plugin.unload()
    return list(Registry(hooks))


def builtin_hooks(builtin: Iterable[tuple[str, Setup]], services: GatewayServices) -> list[Hook]:
    """The hooks of Hapta's own plugins."""
    hooks: list[Hook] = []
    for name, setup in builtin:
        api = PluginApi(name, {}, {}, services)
        setup(api)
        api.close()
        hooks += api.hooks
    return hooks
