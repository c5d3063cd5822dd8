"""What a plugin's ``setup`` gets: decorators that register hooks, and the doors to everything else."""

import inspect
import re
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import CodeType, FunctionType
from typing import Any, Protocol, TypeVar

from hapta.hooks.database import Database
from hapta.hooks.feed_columns import ScoreFunction
from hapta.hooks.registry import EVERY, Hook, HookFunction
from hapta.hooks.settings import S, Settings, read_settings
from hapta.hooks.spec import ACTIONS, KINDS
from hapta.model.schema import fold_name

F = TypeVar("F", bound=HookFunction)
Score = TypeVar("Score", bound=ScoreFunction)
_NAME = re.compile(r"\*|[A-Za-z0-9_]{1,255}")
_FIELD = re.compile(r"[A-Za-z0-9_]{1,255}")
_DEPENDENCY = re.compile(r"auth(?:\.[A-Za-z0-9_]{1,255})?")


class MisusedApi(Exception):
    """A plugin registers something that cannot be.

    Attributes:
        line: of the function it is about; 0 if it is about none.
    """

    def __init__(self, problem: str, function: object = None) -> None:
        super().__init__(problem)
        code = getattr(function, "__code__", None)
        self.line = code.co_firstlineno if code is not None else 0


class Log(Protocol):
    """The event log, with the plugin's name on each line."""

    def debug(self, message: str, **fields: object) -> None: ...
    def info(self, message: str, **fields: object) -> None: ...
    def warning(self, message: str, **fields: object) -> None: ...
    def error(self, message: str, **fields: object) -> None: ...


class Services(Protocol):
    """What stands behind the doors; the gateway's, or those of :mod:`hapta.testing`."""

    @property
    def database(self) -> Database: ...

    def log_of(self, plugin: str) -> Log: ...

    async def offload(
        self, plugin: str, function: Callable[..., Any], args: tuple[Any, ...], deadline_s: float | None
    ) -> Any: ...

    def spawn(self, plugin: str, coroutine: Coroutine[Any, Any, None], name: str) -> None: ...


class PluginApi:
    """One plugin's access to Hapta. Hooks are registered in ``setup`` and only there.

    Args:
        name: of the plugin, which is that of its file or folder.
        values: its table in the configuration.
        origins: where each of its keys was set.
        services: what stands behind the doors.

    Attributes:
        name: of the plugin.
        log: the event log.
        hooks: registered so far.
    """

    def __init__(
        self, name: str, values: Mapping[str, Any], origins: Mapping[str, str], services: Services
    ) -> None:
        self.name = name
        self.log = services.log_of(name)
        self.hooks: list[Hook] = []
        self._values = values
        self._origins = origins
        self._services = services
        self._is_closed = False
        self._has_settings = False

    # doors

    @property
    def database(self) -> Database:
        """PocketBase, with superuser rights, through Hapta: what is written this way is coherent with the
        cache. Usable from ``startup`` on."""
        return self._services.database

    def settings(self, struct: type[S]) -> S:
        """The plugin's settings from ``[plugins.<name>]``.

        Raises:
            ConfigErrors: wrong, unknown or missing keys, with file and line; the plugin is not loaded.
        """
        self._has_settings = True
        return read_settings(self.name, struct, self._values, self._origins)

    async def offload(self, function: Callable[..., Any], *args: Any, deadline_s: float | None = None) -> Any:
        """Run a function in a process of the pool, off the event loop.

        Args:
            function: plain, at the top level of the plugin's own module or of an installed one.
            args: whatever ``pickle`` takes; so must the result be.
            deadline_s: seconds until it is killed; ``None``: ``[workers] deadline_s``.

        Raises:
            JobFailed: it raised; type, message and trace of that.
            JobTimedOut: it was killed at its deadline.
            WorkerLost: its process died.
            Overloaded: too many jobs wait already.
            TypeError: the function cannot be found from another process.
        """
        return await self._services.offload(self.name, function, args, deadline_s)

    def spawn(self, coroutine: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run something beside all else, from ``startup`` on; it is cancelled at shutdown, and what it
        raises is logged.

        Raises:
            MisusedApi: it is called in ``setup``.
        """
        if not self._is_closed:
            coroutine.close()
            raise MisusedApi("spawn is for startup and what follows, not for setup")
        self._services.spawn(self.name, coroutine, name)

    # decorators

    def on_upload(
        self, *collections: str, field: str = "", priority: int = 0, deadline_s: float | None = None
    ) -> Callable[[F], F]:
        """See :data:`~hapta.hooks.spec.KINDS`.

        Args:
            collections: names or ids; ``"*"`` for all but system ones.
            field: only files for this field; empty: for all.
            priority: lower runs first.
            deadline_s: seconds it may take; ``None``: ``[hooks] guard_deadline_s``.
        """
        return self._decorator("on_upload", collections, priority, deadline_s, fields=(field,))

    def transform(
        self,
        *collections: str,
        on: Iterable[str] = ACTIONS,
        priority: int = 0,
        deadline_s: float | None = None,
    ) -> Callable[[F], F]:
        """See :data:`~hapta.hooks.spec.KINDS`; ``on``: the actions it runs on."""
        return self._decorator("transform", collections, priority, deadline_s, on=on)

    def validate(
        self,
        *collections: str,
        on: Iterable[str] = ACTIONS,
        priority: int = 0,
        deadline_s: float | None = None,
    ) -> Callable[[F], F]:
        """See :data:`~hapta.hooks.spec.KINDS`; ``on``: the actions it runs on."""
        return self._decorator("validate", collections, priority, deadline_s, on=on)

    def on_auth(
        self, *collections: str, priority: int = 0, deadline_s: float | None = None
    ) -> Callable[[F], F]:
        """See :data:`~hapta.hooks.spec.KINDS`. Without collections: whoever logs in, superusers too."""
        return self._decorator("on_auth", collections or (EVERY,), priority, deadline_s)

    def can_read(
        self,
        collection: str,
        *fields: str,
        depends_on: Iterable[str] = (),
        reads: Iterable[str] = (),
        deadline_s: float | None = None,
    ) -> Callable[[F], F]:
        """Say who may read fields. The function gets the viewer and a row, or ``None`` for "whichever row":
        then it says ``True`` only if that holds for all. Where it says ``False`` the field is not shown, not
        filtered or sorted by, and its files are not served. Superusers read everything.

        Args:
            collection: name or id.
            fields: at least one; ``"*"`` for all that no other ``can_read`` of this plugin names, except
                ``id``, ``collectionId`` and ``collectionName``.
            depends_on: what of the viewer it asks for (:class:`~hapta.hooks.change.Viewer`).
            reads: collections whose rows its word depends on.
        """
        if not fields:
            raise MisusedApi("can_read needs a collection and at least one field")
        return self._decorator(
            "can_read", (collection,), 0, deadline_s, fields=fields, depends_on=depends_on, reads=reads
        )

    def on_answer(
        self,
        *collections: str,
        depends_on: Iterable[str] = (),
        reads: Iterable[str] = (),
        priority: int = 0,
        deadline_s: float | None = None,
    ) -> Callable[[F], F]:
        """Shape rows. The function gets a list of rows (``fields`` of the request may have left some of their
        members out) and the viewer, and changes the rows in place. What it makes is stored for all whose
        declared values are the same, until a row of the collection or of ``reads`` changes.

        Args:
            depends_on, reads: as of :meth:`can_read`.
        """
        return self._decorator(
            "on_answer", collections, priority, deadline_s, depends_on=depends_on, reads=reads
        )

    def after_write(
        self,
        *collections: str,
        on: Iterable[str] = ACTIONS,
        priority: int = 0,
        deadline_s: float | None = None,
    ) -> Callable[[F], F]:
        """See :data:`~hapta.hooks.spec.KINDS`. It runs behind the answer, one write after the other."""
        return self._decorator("after_write", collections, priority, deadline_s, on=on)

    def on_change(
        self,
        *collections: str,
        on: Iterable[str] = ACTIONS,
        priority: int = 0,
        deadline_s: float | None = None,
    ) -> Callable[[F], F]:
        """See :data:`~hapta.hooks.spec.KINDS`. One event after the other; while the feed is down none come,
        and what happened meanwhile is not told later."""
        return self._decorator("on_change", collections, priority, deadline_s, on=on)

    def feed(self, name: str) -> Callable[[Score], Score]:
        """Score the rows of a ranked feed in its preset's place. The function is a plain one at the level of
        the plugin's module, for it runs in a worker process: ``api.feed("home")(score)`` in ``setup``.

        It gets :class:`~hapta.hooks.feed_columns.FeedColumns` and returns a numpy array with one number for
        each row, the greater the better; a row whose number is not finite is left out. It has the feed's
        ``deadline_s``.

        Args:
            name: of the feed, as in ``[feeds.<name>]``.
        """
        if not isinstance(name, str):
            raise MisusedApi('feed needs the name of a feed: write api.feed("home")(score)', name)

        def register(function: Score) -> Score:
            check_score_function(function)
            if self._is_closed:
                raise MisusedApi("feed is called outside of setup", function)
            code: CodeType = function.__code__
            hook = Hook(
                KINDS["feed"],
                self.name,
                function,
                file=code.co_filename,
                line=code.co_firstlineno,
                number=len(self.hooks),
                feed=name,
            )
            self._check_name(hook)
            self.hooks.append(hook)
            return function

        return register

    def startup(self, function: F) -> F:
        """See :data:`~hapta.hooks.spec.KINDS`."""
        return self._decorator("startup", (), 0, None)(function)

    def shutdown(self, function: F) -> F:
        """See :data:`~hapta.hooks.spec.KINDS`."""
        return self._decorator("shutdown", (), 0, None)(function)

    def close(self) -> None:
        """``setup`` is over: nothing more can be registered.

        Raises:
            ConfigErrors: its table has keys, and nobody asked for them.
        """
        if not self._has_settings:
            self.settings(Settings)
        self._is_closed = True

    def _decorator(
        self,
        kind_name: str,
        collections: tuple[str, ...],
        priority: int,
        deadline_s: float | None,
        *,
        on: Iterable[str] = ACTIONS,
        fields: tuple[str, ...] = ("",),
        depends_on: Iterable[str] = (),
        reads: Iterable[str] = (),
    ) -> Callable[[F], F]:
        kind = KINDS[kind_name]
        for name in collections:
            if callable(name):  # a guard that is not there would never be missed
                raise MisusedApi(f'{kind_name} is used without (): write @api.{kind_name}("posts")', name)
        actions = frozenset([on] if isinstance(on, str) else on)
        needs, sources = _texts(depends_on), _texts(reads)

        def register(function: F) -> F:
            _check_function(kind_name, len(kind.gets), function)
            if self._is_closed:
                raise MisusedApi(f"{kind_name} is called outside of setup", function)
            if kind.is_of_collections and not collections:
                raise MisusedApi(f'{kind_name} needs a collection, or "*" for all', function)
            for name in (*collections, *sources):
                if not isinstance(name, str) or not _NAME.fullmatch(name):
                    raise MisusedApi(f"{kind_name}: {name!r} is no name of a collection", function)
            for name in fields:
                if name and not _FIELD.fullmatch(name) and (kind_name, name) != ("can_read", EVERY):
                    raise MisusedApi(f"{kind_name}: {name!r} is no name of a field", function)
                if kind_name == "can_read" and name in _ALWAYS_SHOWN:
                    raise MisusedApi(f"can_read: {name} is what rows are told apart by", function)
            if not actions or not actions <= ACTIONS:
                raise MisusedApi(f"{kind_name}: on is some of {', '.join(sorted(ACTIONS))}", function)
            for name in needs:
                if not _DEPENDENCY.fullmatch(name):
                    problem = f'{kind_name}: depends_on takes "auth", "auth.id", "auth.FIELD", not {name!r}'
                    raise MisusedApi(problem, function)
            if not isinstance(priority, int):
                raise MisusedApi(f"{kind_name}: priority is a whole number, not {priority!r}", function)
            if deadline_s is not None and not 0 < deadline_s <= _LONGEST_S:
                raise MisusedApi(f"{kind_name}: deadline_s is a number > 0 and <= {_LONGEST_S:g}", function)
            for field in fields:
                hook = Hook(
                    kind,
                    self.name,
                    function,
                    frozenset(collections),
                    actions,
                    field,
                    needs,
                    sources,
                    priority,
                    deadline_s,
                    function.__code__.co_filename,
                    function.__code__.co_firstlineno,
                    len(self.hooks),
                )
                self._check_name(hook)
                self.hooks.append(hook)
            return function

        return register

    def _check_name(self, hook: Hook) -> None:
        for other in self.hooks:
            if other.name == hook.name and other.function is not hook.function:
                problem = f"the name {hook.name} is used twice (line {other.line})"
                raise MisusedApi(problem, hook.function)
            if hook.feed and hook.feed == other.feed:
                problem = f"the feed {hook.feed} is scored already (line {other.line})"
                raise MisusedApi(problem, hook.function)
            if hook.kind.name == "can_read" == other.kind.name and hook.field == other.field:
                shared = set(map(fold_name, hook.collections)) & set(map(fold_name, other.collections))
                if shared:
                    problem = f"can_read of {min(shared)}.{hook.field} is there already (line {other.line})"
                    raise MisusedApi(problem, hook.function)


_LONGEST_S = 3600.0
_ALWAYS_SHOWN = frozenset({"id", "collectionId", "collectionName", "expand"})


def _texts(names: Iterable[str]) -> frozenset[str]:
    return frozenset([names] if isinstance(names, str) else names)


def _check_function(kind: str, arguments: int, function: object) -> None:
    if not inspect.isfunction(function) or not inspect.iscoroutinefunction(function):
        raise MisusedApi(f"{kind} takes a function made with `async def`, not {function!r}", function)
    try:
        inspect.signature(function).bind(*range(arguments))
    except TypeError:
        raise MisusedApi(
            f"{kind}: {function.__name__} must take {arguments} argument{'s' * (arguments != 1)} "
            f"({', '.join(KINDS[kind].gets) or 'none'})",
            function,
        ) from None


def check_score_function(function: object) -> None:
    """
    Raises:
        MisusedApi: a worker process could not find and run it.
    """
    advice = "define it with `def` at the level of the module, and name it in setup: api.feed(...)(score)"
    if not isinstance(function, FunctionType):
        raise MisusedApi(f"feed takes a function, not {function!r}: {advice}", function)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        problem = f"feed: {function.__name__} is async, and a worker process has no event loop: {advice}"
        raise MisusedApi(problem, function)
    is_found = getattr(sys.modules.get(function.__module__), function.__name__, None) is function
    if function.__qualname__ != function.__name__ or not is_found:
        problem = f"feed: a worker process could not find {function.__qualname__} by its name: {advice}"
        raise MisusedApi(problem, function)
    try:
        inspect.signature(function).bind(0)
    except TypeError:
        raise MisusedApi(f"feed: {function.__name__} must take 1 argument (FeedColumns)", function) from None
