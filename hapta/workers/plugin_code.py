"""Where a worker finds the functions it is to run; imported there, never by the gateway.

A plugin is read as a whole, its sources are kept and modules are made from these: what is compared with the
disk is what runs. (Python's own loader trusts a compiled file if second and size of the source are the same,
which two versions saved in one second may be.) It is loaded anew when its sources changed. When the new ones
do not load, the last ones that did go on in this worker, as in the gateway, and standard error says why.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

from hapta.workers.wire import Target

_Stamp = tuple[tuple[str, int, int, int, int], ...]
_INIT = "__init__.py"


class _Loader(SourceFileLoader):
    """Makes a module from a source that was read before, and no compiled file of it."""

    def __init__(self, name: str, path: str, source: bytes) -> None:
        super().__init__(name, path)
        self._source = source

    def path_stats(self, path: object) -> Any:
        raise OSError("no compiled file is looked for")

    def get_data(self, path: object) -> bytes:
        return self._source if path == self.path else super().get_data(str(path))


class _Plugin:
    """One plugin: its sources as they were read, its modules."""

    def __init__(self, file: str, name: str) -> None:
        self.name = name
        self.file = file
        self._stamp: _Stamp | None = None
        self._seen: Mapping[str, bytes] | None = None
        self._sources: Mapping[str, bytes] = {}
        self._is_loaded = False

    def refresh(self) -> None:
        """Load it if that was never done, or its sources changed.

        Raises:
            BaseException: it does not load, and never did.
        """
        try:
            stamp = _stamp(self.file)
            if self._is_loaded and stamp == self._stamp:
                return
            sources = _read(self.file)
        except OSError:
            if self._is_loaded:  # being replaced just now, perhaps: what was loaded goes on
                return
            raise
        if not self._is_loaded or sources != self._seen:
            self._seen = sources
            self._load(sources)
        self._stamp = stamp

    def _load(self, sources: Mapping[str, bytes]) -> None:
        if not self._is_loaded and self.name in sys.modules:
            raise ImportError(f"{self.name} is a module already; the plugin {self.file} needs another name")
        before, kept = self._sources, self._take_out()
        self._sources = sources
        try:
            spec = self.find_spec(self.name)
            if spec is None or spec.loader is None:
                raise FileNotFoundError(f"{self.file} is not there")
            module = module_from_spec(spec)
            _make_parents(self.name)
            sys.modules[self.name] = module
            spec.loader.exec_module(module)
        except BaseException:
            self._take_out()
            self._sources = before
            if not self._is_loaded:
                raise
            sys.modules.update(kept)
            print(f"{self.file} changed and does not load; its last version goes on", file=sys.stderr)
            traceback.print_exc()
        else:
            self._is_loaded = True

    def _take_out(self) -> dict[str, ModuleType]:
        """Forget its modules; returns them."""
        names = [name for name in sys.modules if name == self.name or name.startswith(f"{self.name}.")]
        return {name: sys.modules.pop(name) for name in names}

    def find_spec(self, fullname: str) -> ModuleSpec | None:
        """The module of that name, if it is made of one of these sources."""
        if fullname == self.name:
            return self._spec(fullname, self.file, is_package=os.path.basename(self.file) == _INIT)
        if not fullname.startswith(f"{self.name}."):
            return None
        stem = os.path.join(os.path.dirname(self.file), *fullname[len(self.name) + 1 :].split("."))
        as_package = os.path.join(stem, _INIT)
        return self._spec(fullname, as_package, is_package=True) or self._spec(fullname, f"{stem}.py")

    def _spec(self, fullname: str, path: str, *, is_package: bool = False) -> ModuleSpec | None:
        source = self._sources.get(path)
        if source is None:
            return None
        folders = [os.path.dirname(path)] if is_package else None
        loader = _Loader(fullname, path, source)
        return spec_from_file_location(fullname, path, loader=loader, submodule_search_locations=folders)


def _make_parents(name: str) -> None:
    """Python finds a module ``a.b`` only where there is an ``a``."""
    parents = name.split(".")[:-1]
    for count in range(1, len(parents) + 1):
        parent = ".".join(parents[:count])
        try:
            importlib.import_module(parent)
        except ModuleNotFoundError:
            package = sys.modules[parent] = ModuleType(parent)
            package.__path__ = []


def _python_files(file: str) -> list[str]:
    """Of a plugin: the file; of a folder, all below it, in order."""
    if os.path.basename(file) != _INIT:
        return [file]
    found = []
    for folder, folders, names in os.walk(os.path.dirname(file)):
        folders[:] = sorted(name for name in folders if name.isidentifier() and name != "__pycache__")
        found += [os.path.join(folder, name) for name in sorted(names) if name.endswith(".py")]
    return found


def _stamp(file: str) -> _Stamp:
    """What changes when a source does, unless somebody takes pains that it does not."""
    stamps = []
    for path in _python_files(file):
        stat = os.stat(path)
        stamps.append((path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return tuple(stamps)


def _read(file: str) -> dict[str, bytes]:
    sources = {}
    for path in _python_files(file):
        with open(path, "rb") as source:
            sources[path] = source.read()
    return sources


class Library:
    """The functions a worker knows."""

    def __init__(self) -> None:
        self._plugins: dict[str, _Plugin] = {}
        sys.meta_path.insert(0, self)

    def find(self, target: Target) -> Callable[..., Any]:
        """The function of that name.

        Raises:
            BaseException: there is none, or what is run when its module is loaded failed.
        """
        file, name, submodule, qualname = target
        if file:
            self._plugin(file, name).refresh()
        module = importlib.import_module(f"{name}.{submodule}" if submodule else name)
        function = getattr(module, qualname)
        if not callable(function):
            raise TypeError(f"{qualname} of {name} is not a function")
        return function  # type: ignore[no-any-return]

    def _plugin(self, file: str, name: str) -> _Plugin:
        plugin = self._plugins.get(name)
        if plugin is None:
            plugin = self._plugins[name] = _Plugin(file, name)
        elif plugin.file != file:
            raise ImportError(f"{name} is the plugin {plugin.file}; {file} needs another name")
        return plugin

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What Python asks for every module it imports (:data:`sys.meta_path`)."""
        specs = (plugin.find_spec(fullname) for plugin in self._plugins.values())
        return next((spec for spec in specs if spec), None)


@cache
def library() -> Library:
    """The one of this worker; also for jobs that are given the target of another function."""
    return Library()
