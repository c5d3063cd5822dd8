"""A plugin in a test: loaded as the gateway loads it, its hooks run in their order and within deadlines.

What a hook raises reaches the test: :class:`~hapta.plugins.Reject` as it is, any other exception as the cause
of a :class:`~hapta.hooks.reject.HookFailed`, watchers' too.
"""

import asyncio
import copy
import pickle
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, NoReturn, Self

from hapta.hooks.api import Log
from hapta.hooks.change import NOTHING, Change, Login, Record, RowChange, Upload, Viewer, Written
from hapta.hooks.database import Database
from hapta.hooks.feed_columns import FeedColumns
from hapta.hooks.loader import Plugin, Source
from hapta.hooks.loader import load_plugin as load
from hapta.hooks.registry import Hook, Registry
from hapta.hooks.reject import HookFailed
from hapta.hooks.run import HookRunner
from hapta.model.clock import SystemClock
from hapta.model.schema import Collection
from hapta.model.tasks import TaskSet
from hapta.testing.memory import MemoryDatabase
from hapta.workers.errors import JobFailed, JobTimedOut, NotTransferable

DEADLINE_S: Final = 5.0
"""Of hooks without one of their own; as ``[hooks] guard_deadline_s`` has it."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """What the plugin, or Hapta about it, has logged."""

    level: str
    message: str
    fields: Mapping[str, object]


class _Log:
    def __init__(self, lines: list[LogLine]) -> None:
        self._lines = lines

    def debug(self, message: str, **fields: object) -> None:
        self._lines.append(LogLine("debug", message, fields))

    def info(self, message: str, **fields: object) -> None:
        self._lines.append(LogLine("info", message, fields))

    def warning(self, message: str, **fields: object) -> None:
        self._lines.append(LogLine("warning", message, fields))

    def error(self, message: str, **fields: object) -> None:
        self._lines.append(LogLine("error", message, fields))


class _RunnerLog:
    """What Hapta says of the plugin's hooks."""

    def __init__(self, lines: list[LogLine]) -> None:
        self._lines = lines

    def error(self, event: str, **fields: object) -> None:
        self._lines.append(LogLine("error", str(fields.pop("message", event)), fields))


class _Services:
    """Behind the plugin's doors."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lines: list[LogLine] = []
        self.tasks = TaskSet()
        self.failed: list[Exception] = []

    def log_of(self, plugin: str) -> Log:
        return _Log(self.lines)

    async def offload(
        self, plugin: str, function: Callable[..., Any], args: tuple[Any, ...], deadline_s: float | None
    ) -> Any:
        try:
            pickle.dumps(function)
        except (pickle.PicklingError, AttributeError, TypeError) as exc:
            raise TypeError(f"{function!r} cannot be found from another process") from exc
        job = asyncio.to_thread(function, *_transferred(args))
        try:
            result = await asyncio.wait_for(job, deadline_s)
        except TimeoutError as exc:
            raise JobTimedOut(deadline_s or 0.0, was_begun=True) from exc
        except Exception as exc:
            trace = "".join(traceback.format_exception(exc))
            raise JobFailed(type(exc).__name__, str(exc), trace) from exc
        return _transferred(result)

    def spawn(self, plugin: str, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = self.tasks.spawn(self._watched(coroutine), name=name)
        task.add_done_callback(lambda _: coroutine.close())  # it may have ended before it began

    async def _watched(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except Exception as exc:
            self.failed.append(exc)


class _Meter:
    def hook_done(self, plugin: str, kind: str, outcome: str, seconds: float) -> None:
        """Nobody counts."""


class TestedPlugin:
    """A loaded plugin. ``async with load_plugin(…) as plugin:`` runs its ``startup`` and ``shutdown``.

    Attributes:
        database: behind its door: the one given to :func:`load_plugin`, else a new ``MemoryDatabase``.
        log: what was logged so far.
        hooks: what it registered.
        module: its module, for tests of its plain functions; of no certain type.
    """

    __test__ = False  # for pytest, which takes every class of such a name for tests

    def __init__(self, plugin: Plugin, services: _Services, deadline_s: float) -> None:
        self._plugin = plugin
        self._services = services
        self._registry = Registry(plugin.hooks)
        self.hooks = plugin.hooks
        self.module: Any = plugin.module
        self.database: Any = services.database
        self.log = services.lines
        self._runner = HookRunner(
            guard_deadline_s=deadline_s,
            watcher_deadline_s=deadline_s,
            meter=_Meter(),
            log=_RunnerLog(services.lines),
            clock=SystemClock(),
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Run ``startup``."""
        for hook in self._registry.all_of("startup"):
            await self._run(hook)

    async def stop(self) -> None:
        """Run ``shutdown``, cancel what was spawned, forget the plugin's modules.

        Raises:
            ExceptionGroup: of what spawned coroutines have raised.
        """
        try:
            for hook in self._registry.all_of("shutdown"):
                await self._run(hook)
        finally:
            await self._services.tasks.cancel()
            self._plugin.unload()
        if self._services.failed:
            raise ExceptionGroup("spawned by the plugin", self._services.failed)

    async def write(self, change: Change) -> Change:
        """Send a write through: ``on_upload`` for each of its files, ``transform``, ``validate``.

        Returns:
            What PocketBase would get.

        Raises:
            Reject: a hook refuses it.
        """
        change = await self._uploads(change)
        for hook in self._on("transform", change):
            changed = await self._run(hook, change)
            if not isinstance(changed, Change) or _but_for_fields(changed) != _but_for_fields(change):
                self._blame(hook, "is to return the change with other fields, and nothing else")
            change = changed
        for hook in self._on("validate", change):
            await self._run(hook, change)
        return change

    async def upload(self, upload: Upload, change: Change) -> Upload:
        """Run ``on_upload`` for one file of a write."""
        for hook in self._registry.of("on_upload", _collection(change.collection)):
            if hook.field not in ("", upload.field):
                continue
            passed = await self._run(hook, upload, change)
            if passed is None:
                continue
            if not isinstance(passed, Upload) or replace(passed, name=upload.name) != upload:
                self._blame(hook, "is to return its upload under a name, and nothing else")
            upload = passed
        return upload

    async def login(self, login: Login) -> None:
        """Run ``on_auth``."""
        for hook in self._registry.of("on_auth", _collection(login.collection, is_auth=True)):
            await self._run(hook, login)

    async def answer(
        self, collection: str, rows: Sequence[Mapping[str, Any]], viewer: Mapping[str, Any] = NOTHING
    ) -> list[dict[str, Any]]:
        """Run ``on_answer`` on copies of rows; the rows as they are shown.

        Args:
            viewer: what is known of them (``{"auth.id": "…"}``); each hook gets what it has declared.
        """
        shown = [copy.deepcopy(dict(row)) for row in rows]
        for hook in self._registry.of("on_answer", _collection(collection)):
            await self._run(hook, shown, _viewer(hook, viewer))
        return shown

    async def can_read(
        self,
        collection: str,
        field: str,
        viewer: Mapping[str, Any] = NOTHING,
        row: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether a field is shown; ``row`` is ``None`` for "whichever row"."""
        for hook in self._registry.readers(_collection(collection), field):
            if not await self._run(hook, _viewer(hook, viewer), row):
                return False
        return True

    async def written(self, change: Change, record: Record | None = None) -> None:
        """Run ``after_write``."""
        for hook in self._on("after_write", change):
            await self._run(hook, Written(change, record))

    async def changed(self, event: RowChange) -> None:
        """Run ``on_change``."""
        for hook in self._registry.on("on_change", _collection(event.collection), event.action):
            await self._run(hook, event)

    def score(self, feed: str, columns: FeedColumns) -> Any:
        """Run its function for a ranked feed, here and without a deadline; the scores as they are ranked.

        Raises:
            HookFailed: it raised, or returned what is no array with one number for each row.
        """
        from hapta.ranking.job import checked  # which brings numpy

        hook = next((hook for hook in self._registry.all_of("feed") if hook.feed == feed), None)
        if hook is None:
            raise ValueError(f"the plugin scores no feed {feed!r}")
        try:
            return checked(hook.function(columns), len(columns))
        except Exception as exc:
            raise HookFailed from exc

    def _on(self, kind: str, change: Change) -> tuple[Hook, ...]:
        return self._registry.on(kind, _collection(change.collection), change.action)

    async def _uploads(self, change: Change) -> Change:
        for field, uploads in change.files.items():
            passed = tuple([await self.upload(upload, change) for upload in uploads])
            if passed == uploads:
                continue
            names = {old.name: new.name for old, new in zip(uploads, passed, strict=True)}
            value = change.fields.get(field)
            listed = [names.get(name, name) for name in value] if isinstance(value, list) else None
            change = replace(
                change,
                files=MappingProxyType({**change.files, field: passed}),
                fields=MappingProxyType({**change.fields, field: listed or names.get(str(value), value)}),
            )
        return change

    def _blame(self, hook: Hook, problem: str) -> NoReturn:
        self._runner.blame(hook, problem, "")
        raise HookFailed(f"{hook.name} {problem}")

    async def _run(self, hook: Hook, *args: Any) -> Any:
        return await self._runner.guard(hook, *args)


def load_plugin(
    path: str | Path,
    settings: Mapping[str, Any] = NOTHING,
    *,
    database: Database | None = None,
    deadline_s: float = DEADLINE_S,
) -> TestedPlugin:
    """Load a plugin from its file, or its folder.

    Args:
        settings: its table ``[plugins.<name>]``.
        database: behind its door; ``None``: a new :class:`~hapta.testing.MemoryDatabase`.
        deadline_s: of hooks without one of their own.

    Raises:
        PluginErrors: what Hapta would refuse to load.
    """
    path = Path(path).resolve()
    file = path / "__init__.py" if path.is_dir() else path
    name = path.stem if path.is_file() else path.name
    services = _Services(MemoryDatabase() if database is None else database)
    source = Source(name, file, is_example=False, is_enabled=True)
    plugin = load(source, settings, {}, services)
    return TestedPlugin(plugin, services, deadline_s)


def _but_for_fields(change: Change) -> Change:
    return replace(change, fields=NOTHING, sets=frozenset(), drops=frozenset())


def _transferred(value: Any) -> Any:
    """What the pool could not take along must not pass a test either."""
    try:
        return pickle.loads(pickle.dumps(value))
    except Exception as exc:
        raise NotTransferable(str(exc)) from exc


def _collection(name: str, *, is_auth: bool = False) -> Collection:
    """All a test knows of one is its name."""
    is_system = name.startswith(("_", "hapta_"))
    return Collection(name, name, "auth" if is_auth else "base", is_system, {}, (), "", {})


def _viewer(hook: Hook, values: Mapping[str, Any]) -> Viewer:
    known = {"auth": any(value is not None for value in values.values()), **values}
    return Viewer({name: known.get(name) for name in hook.depends_on})
