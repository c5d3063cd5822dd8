"""The operator's plugins in a running gateway: loaded, started, replaced when their files change, and ended.

A plugin that cannot be loaded or started stops Hapta's start: what it guards must not go unguarded. While
Hapta runs, one that changes is loaded beside the version at work and takes its place only when its
``startup`` hooks are through; where that fails the old one stays.
"""

import asyncio
import io
import os
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from hapta.app.feed_scorers import Scorer, feed_problems, place_of
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
from hapta.workers.functions import target_of
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


@dataclass(frozen=True, slots=True)
class _Ready:
    """A version that is loaded and started, and not at work yet.

    Attributes:
        mark: of its files.
        tasks: those of the version it is to replace.
    """

    plugin: Plugin
    mark: _Mark
    tasks: TaskSet


@dataclass(frozen=True, slots=True)
class Readied:
    """What another configuration makes of the plugins; see :meth:`Plugins.prepare`.

    Attributes:
        loaded: the configuration.
        own_hooks: of Hapta's own plugins.
        ready: what comes, or takes the place of the version at work.
        gone: names of those that end.
    """

    loaded: Loaded
    own_hooks: list[Hook]
    ready: list[_Ready]
    gone: list[str]


class Plugins:
    """All plugins, from :meth:`load` to :meth:`stop`.

    Args:
        loaded: the configuration.
        builtin: Hapta's own, by name.
        pool: for heavy work.

    Attributes:
        registry: the hooks of now.
        changing: held by whoever changes which plugins are at work.
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
        self._checks: Mapping[str, Mapping[str, Any]] = loaded.config.validate
        self._origins = loaded.origins
        self._feeds = frozenset(loaded.config.feeds)
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
        self.changing = asyncio.Lock()
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

    def scorer(self, feed: str) -> Scorer | None:
        """The plugin's function that scores a ranked feed, if there is one."""
        for hook in self.registry.all_of("feed"):
            if hook.feed == feed:
                function = self._services.found_by_workers(hook.plugin, hook.function)
                return Scorer(hook.plugin, target_of(function), place_of(hook))
        return None

    def load(self) -> None:
        """Load all that are enabled; nothing of them runs yet.

        Raises:
            PluginErrors: what is wrong with any of them.
        """
        self._own_hooks = builtin_hooks(self._builtin, self._services)
        sources = find_plugins(self._folder, self._tables)
        plugins = load_plugins(sources, self._tables, self._origins, self._services)
        _check_feeds(plugins, (), self._feeds)
        for plugin in plugins:
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
            async with self.changing:
                now = await asyncio.to_thread(self._look)
                if now == before:  # nobody is writing just now
                    await self._reload(now)
                before = now

    def _look(self) -> dict[str, _Mark]:
        """What stands there, by name of the plugin; an unknown name for a folder in disorder."""
        try:
            return {source.name: _mark(source.root) for source in self._find(self._tables)}
        except PluginErrors as exc:
            return {"": tuple((problem, 0, 0, 0) for problem in exc.problems)}

    def _find(self, tables: Mapping[str, Mapping[str, Any]]) -> list[Source]:
        """
        Raises:
            PluginErrors: as :func:`find_plugins`, and where the folder itself is gone or cannot be read: its
                plugins are not meant to stop their work by that.
        """
        try:
            if self._plugins:
                os.stat(self._folder)
            return find_plugins(self._folder, tables)
        except OSError as exc:
            raise PluginErrors([f"{shown(self._folder)}: {exc.strerror}"]) from exc

    async def _reload(self, now: dict[str, _Mark]) -> None:
        try:
            sources = self._find(self._tables)
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
        outcome = (
            "the version before it stays at work" if source.name in self._plugins else "it is not at work"
        )
        try:
            others = [plugin for plugin in self.plugins if plugin.name != source.name]
            table = self._tables.get(source.name, {})
            ready = await self._start_anew(source, mark, table, self._origins, others, self._feeds)
        except PluginErrors as exc:
            seen.refused = mark
            self._refused(exc.problems, outcome)
            return
        requests = weakref.ref(self.registry)
        old = self._put(ready)
        self._renew()
        if old is not None:
            self._endings.spawn(self._replaced(old, ready.tasks, requests), name=f"end of plugin {old.name}")

    async def _start_anew(
        self,
        source: Source,
        mark: _Mark,
        table: Mapping[str, Any],
        origins: Mapping[str, str],
        others: Sequence[Plugin],
        feeds: frozenset[str],
    ) -> _Ready:
        """Load and start what stands there, beside the version at work.

        Args:
            others: plugins that will be at work with it.
            feeds: those that are configured.

        Raises:
            PluginErrors: it cannot be; nothing of it is left.
        """
        new = load_plugin(source, table, origins, self._services)
        _check_feeds([new], others, feeds)
        ready = _Ready(new, mark, self._services.take_tasks(source.name))
        self._files[new.module.__name__] = str(source.file.absolute())
        for hook in _of_kind(new, "startup"):
            try:
                await self.runner.call(hook)
            except Exception as exc:
                await self._give_up(ready)
                raise PluginErrors([_of_startup(hook, exc)]) from exc
            except asyncio.CancelledError:  # the gateway stops; both versions end with it
                await self._services.give_back(source.name, ready.tasks).cancel()
                raise
        return ready

    async def _give_up(self, ready: _Ready) -> None:
        """The version at work stays."""
        new = ready.plugin
        await self._services.give_back(new.name, ready.tasks).cancel()
        self._files.pop(new.module.__name__, None)
        new.unload()

    def _put(self, ready: _Ready) -> Plugin | None:
        """Put it where the version at work was; returns that one."""
        new = ready.plugin
        old = self._plugins.get(new.name)
        seen = self._seen.setdefault(new.name, _Seen())
        seen.mark, seen.refused = ready.mark, ()
        self._take(new)
        self._started.add(new.name)
        self._metrics.reloaded("done")
        file = shown(new.source.file)
        self._events.info("plugin_loaded", message=f"{file} is at work", plugin=new.name)
        return old

    # another configuration

    async def prepare(self, loaded: Loaded) -> Readied:
        """Load and start what another configuration asks for: plugins that were off, or have other settings,
        or files that changed. :attr:`changing` is held from here to :meth:`commit` or :meth:`discard`.

        Raises:
            ConfigErrors, PluginErrors: what is wrong with any of them; all stays as it is.
        """
        tables, checks = loaded.config.plugins, loaded.config.validate
        own_hooks = self._own_hooks
        if checks != self._checks:
            own_hooks = builtin_hooks(builtin_plugins(checks, loaded.origins), self._services)
        wanted = [source for source in self._find(tables) if source.is_enabled]
        names = {source.name for source in wanted}
        readied = Readied(loaded, own_hooks, [], [name for name in self._plugins if name not in names])
        problems: list[str] = []
        staying, feeds = self._staying(wanted, tables), frozenset(loaded.config.feeds)
        problems += feed_problems((hook for plugin in staying for hook in plugin.hooks), feeds)
        try:
            for source in wanted:
                mark, table = _mark(source.root), tables.get(source.name, {})
                if self._is_at_work(source.name, mark, table):
                    continue
                others = [*staying, *(ready.plugin for ready in readied.ready)]
                try:
                    new = await self._start_anew(source, mark, table, loaded.origins, others, feeds)
                    readied.ready.append(new)
                except PluginErrors as exc:
                    problems += exc.problems
            if problems:
                raise PluginErrors(dict.fromkeys(problems))  # each newcomer tells what is wrong with the rest
        except BaseException:
            await self.discard(readied)
            raise
        return readied

    def _staying(self, wanted: Iterable[Source], tables: Mapping[str, Mapping[str, Any]]) -> list[Plugin]:
        """Those at work that are not to be replaced."""
        return [
            self._plugins[source.name]
            for source in wanted
            if self._is_at_work(source.name, _mark(source.root), tables.get(source.name, {}))
        ]

    def _is_at_work(self, name: str, mark: _Mark, table: Mapping[str, Any]) -> bool:
        """With these files and settings."""
        if name not in self._plugins or table != self._tables.get(name, {}):
            return False
        return mark == self._seen[name].mark

    async def discard(self, readied: Readied) -> None:
        """It is not to be, after all."""
        for ready in readied.ready:
            for hook in _of_kind(ready.plugin, "shutdown"):
                await self.runner.watch(hook)
            await self._give_up(ready)

    def commit(self, readied: Readied) -> None:
        """From now on it is as it was prepared."""
        config, requests = readied.loaded.config, weakref.ref(self.registry)
        self._tables, self._origins, self._checks = config.plugins, readied.loaded.origins, config.validate
        self._feeds = frozenset(config.feeds)
        self.runner.configure(
            guard_deadline_s=config.hooks.guard_deadline_s, watcher_deadline_s=config.hooks.watcher_deadline_s
        )
        has_other_checks = readied.own_hooks is not self._own_hooks
        self._own_hooks = readied.own_hooks
        ended: list[tuple[Plugin, TaskSet]] = []
        for name in readied.gone:
            self._seen.pop(name, None)
            plugin = self._plugins.pop(name)
            ended.append((plugin, self._services.take_tasks(name)))
            message = f"{shown(plugin.source.file)} is not at work any more; its hooks are off"
            self._events.info("plugin_removed", message=message, plugin=name)
        for ready in readied.ready:
            old = self._put(ready)
            if old is not None:
                ended.append((old, ready.tasks))
        if ended or readied.ready or has_other_checks:
            self._renew()
        for plugin, tasks in ended:
            name = f"end of plugin {plugin.name}"
            self._endings.spawn(self._replaced(plugin, tasks, requests), name=name)
        if has_other_checks:
            self._tasks.spawn(self._start_own(readied.own_hooks), name="startup of own checks")

    async def _start_own(self, hooks: Sequence[Hook]) -> None:
        for hook in hooks:
            if hook.kind.name == "startup":
                await self.runner.watch(hook)

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
            for hook in _of_kind(plugin, "shutdown"):
                await self.runner.watch(hook)
        await tasks.cancel()
        self._files.pop(plugin.module.__name__, None)
        plugin.unload()

    def _refused(self, problems: Iterable[str], outcome: str) -> None:
        self._metrics.reloaded("refused")
        for problem in problems:
            self._events.error("plugin_refused", message=f"{problem}; {outcome}")


def _check_feeds(new: Iterable[Plugin], others: Iterable[Plugin], feeds: frozenset[str]) -> None:
    """
    Raises:
        PluginErrors: plugins score what is not there, or is scored already; the new ones are unloaded.
    """
    news = list(new)
    problems = feed_problems((hook for plugin in (*others, *news) for hook in plugin.hooks), feeds)
    if problems:
        for plugin in news:
            plugin.unload()
        raise PluginErrors(problems)


def _of_kind(plugin: Plugin, kind: str) -> list[Hook]:
    return [hook for hook in plugin.hooks if hook.kind.name == kind]


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
    _check_feeds(plugins, (), frozenset(loaded.config.feeds))
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
