"""Finds plugins in a folder and loads them; what can be refused is refused here, with file and line.

``plugins/NAME.py`` and ``plugins/NAME/__init__.py`` are plugins, on unless ``[plugins.NAME] is_enabled =
false``. ``plugins/examples/NAME.py`` are off unless it is ``true``. Each load makes a fresh module, so a
plugin that is loaded anew never meets its former self; nothing is written beside the sources.
"""

import ast
import importlib.util
import inspect
import itertools
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from hapta.config.errors import ConfigErrors
from hapta.hooks.api import MisusedApi, PluginApi, Services
from hapta.hooks.registry import Hook
from hapta.model.errors import OperatorError

EXAMPLES: Final = "examples"
PREFIX: Final = "hapta_plugin_"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_numbers = itertools.count(1)
OWN: Final = frozenset({"validate", "permissions"})
"""Names of Hapta's own plugins (:mod:`hapta.builtin`)."""


class PluginErrors(OperatorError):
    """Plugins cannot be loaded, one problem a line.

    Attributes:
        problems: the lines.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Source:
    """Where a plugin is.

    Attributes:
        name: of the plugin.
        file: its module, or the ``__init__.py`` of its package.
        is_example: it stands in the folder of examples.
        is_enabled: it is to be loaded.
    """

    name: str
    file: Path
    is_example: bool
    is_enabled: bool

    @property
    def root(self) -> Path:
        """All its files are below, or it is the only one."""
        return self.file.parent if self.file.name == "__init__.py" else self.file


@dataclass(frozen=True, slots=True)
class Plugin:
    """One that is loaded.

    Attributes:
        module: its module, in :data:`sys.modules` until :meth:`unload`.
        hooks: what it registered, in order.
        api: what its ``setup`` got.
    """

    source: Source
    module: ModuleType
    hooks: tuple[Hook, ...]
    api: PluginApi

    @property
    def name(self) -> str:
        return self.source.name

    def unload(self) -> None:
        """Forget its modules."""
        _forget(self.module.__name__)


def is_plugin_name(name: str) -> bool:
    """Whether a file or folder of this name can be a plugin."""
    return _NAME.fullmatch(name) is not None and name not in OWN


def find_plugins(folder: Path, tables: Mapping[str, Mapping[str, Any]]) -> list[Source]:
    """The plugins in a folder, by name.

    Args:
        folder: which need not exist.
        tables: ``[plugins.<name>]`` by name.

    Raises:
        PluginErrors: names that are none or come twice, and tables of plugins that are not there.
    """
    problems: list[str] = []
    found: dict[str, Source] = {}
    for is_example, file in [
        *_modules(folder, is_example=False),
        *_modules(folder / EXAMPLES, is_example=True),
    ]:
        root = file.parent if file.name == "__init__.py" else file
        name = root.stem if root.is_file() else root.name
        if not is_plugin_name(name):
            problems.append(f"{shown(file)}: a plugin's name is made of a to z, 0 to 9 and _, not {name!r}")
        elif name in found:
            if not is_example:  # an example copied out of its folder hides the original
                problems.append(f"{shown(file)}: there is {shown(found[name].file)} of the same name")
        else:
            is_on = tables.get(name, {}).get("is_enabled", not is_example)
            found[name] = Source(name, file, is_example, bool(is_on))
    missing = [name for name in tables if name not in found]
    problems += [f"[plugins.{name}]: there is no plugin {name} in {shown(folder)}" for name in missing]
    if problems:
        raise PluginErrors(problems)
    return [found[name] for name in sorted(found)]


def _modules(folder: Path, *, is_example: bool) -> Iterator[tuple[bool, Path]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_file() and path.suffix == ".py":
            yield is_example, path
        elif entry.is_dir() and (path / "__init__.py").is_file():
            yield is_example, path / "__init__.py"


def load_plugins(
    sources: Iterable[Source],
    tables: Mapping[str, Mapping[str, Any]],
    origins: Mapping[str, str],
    services: Services,
) -> list[Plugin]:
    """Load all that are enabled.

    Args:
        tables: ``[plugins.<name>]`` by name.
        origins: where each key was set.
        services: what stands behind the plugins' doors.

    Raises:
        PluginErrors: what is wrong with any of them; none is loaded then.
    """
    loaded: list[Plugin] = []
    problems: list[str] = []
    for source in sources:
        if not source.is_enabled:
            continue
        try:
            loaded.append(load_plugin(source, tables.get(source.name, {}), origins, services))
        except PluginErrors as exc:
            problems += exc.problems
    if problems:
        for plugin in loaded:
            plugin.unload()
        raise PluginErrors(problems)
    return loaded


def load_plugin(
    source: Source, values: Mapping[str, Any], origins: Mapping[str, str], services: Services
) -> Plugin:
    """Load one.

    Raises:
        PluginErrors: its problems, each with file and line.
    """
    name = f"{PREFIX}{source.name}_{next(_numbers)}"
    api = PluginApi(source.name, values, origins, services)
    try:
        with _no_bytecode():
            module = _execute(name, source)
            setup = getattr(module, "setup", None)
            if setup is None:
                raise PluginErrors([f"{shown(source.file)}:1: has no `def setup(api: PluginApi)`"])
            if not inspect.isfunction(setup) or inspect.iscoroutinefunction(setup):
                line = getattr(getattr(setup, "__code__", None), "co_firstlineno", 1)
                raise PluginErrors([f"{shown(source.file)}:{line}: setup is to be a plain function"])
            setup(api)
            api.close()
    except (PluginErrors, ConfigErrors) as exc:
        _forget(name)
        raise PluginErrors(exc.problems) from exc
    except MisusedApi as exc:
        _forget(name)
        line = exc.line or _line_within(exc, source)
        raise PluginErrors([f"{shown(source.file)}:{line}: {exc}"]) from exc
    except SyntaxError as exc:
        _forget(name)
        file = Path(exc.filename) if exc.filename else source.file
        raise PluginErrors([f"{shown(file)}:{exc.lineno or 1}: {exc.msg}"]) from exc
    except (Exception, SystemExit) as exc:
        _forget(name)
        line = _line_within(exc, source)
        raise PluginErrors([f"{shown(source.file)}:{line}: {type(exc).__name__}: {exc}"]) from exc
    return Plugin(source, module, tuple(api.hooks), api)


class _Loader(SourceFileLoader):
    """Compiles what stands there now: a cached form is told apart by the second and the length alone."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _execute(name: str, source: Source) -> ModuleType:
    locations = [str(source.file.parent)] if source.file.name == "__init__.py" else None
    loader = _Loader(name, str(source.file))
    spec = ModuleSpec(name, loader, origin=str(source.file), is_package=locations is not None)
    spec.submodule_search_locations = locations
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def _forget(name: str) -> None:
    for known in [known for known in sys.modules if known == name or known.startswith(name + ".")]:
        del sys.modules[known]


@contextmanager
def _no_bytecode() -> Iterator[None]:
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _line_within(exc: BaseException, source: Source) -> int:
    """The line of the plugin that led to an exception."""
    root = str(source.root)
    lines = [
        frame.lineno or 1
        for frame in traceback.extract_tb(exc.__traceback__)
        if frame.filename == root or frame.filename.startswith(root + os.sep)
    ]
    return lines[-1] if lines else 1


def shown(path: Path) -> str:
    """A path as seen from the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def doc_of(source: Source) -> str:
    """The first line of a plugin's docstring, without running it; empty if it has none."""
    try:
        tree = ast.parse(source.file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ""
    return (ast.get_docstring(tree) or "").partition("\n")[0]
