"""Which functions a worker can run: those it can find again by name.

A function is not sent, its name is. So it must stand at the level of a module that the worker can import, or
of a plugin, which is no module that could be imported but a file (:class:`FunctionRef`). Everything else is
refused where it is asked for, and the text says what to do instead.
"""

import hashlib
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from hapta.workers.wire import Target

_ADVICE = "give a function that is defined with def at the level of a module"


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A function of a plugin.

    The worker loads the plugin's file and keeps it until its content changes.

    Attributes:
        file: absolute path of the plugin's file; of a folder, of its ``__init__.py``.
        qualname: name of the function.
        name: the name as a module that the plugin has in the gateway; needed where instances of the plugin's
            own classes are given or come back, because a class is found by the name of its module. Empty: one
            made of ``file``.
        submodule: dotted name, below the plugin's, of the module of a folder in which the function stands;
            empty: ``file`` itself.

    Raises:
        TypeError: one of these cannot be found again.
    """

    file: str
    qualname: str
    name: str = ""
    submodule: str = ""

    def __post_init__(self) -> None:
        if not os.path.isabs(self.file) or not self.file.endswith(".py") or "\0" in self.file:
            raise TypeError(f"expected the absolute path of a Python file, got {self.file!r}")
        if problem := _problem_of_name(self.qualname):
            raise TypeError(problem)
        for dotted in filter(None, (self.name, self.submodule)):
            if not all(part.isidentifier() for part in dotted.split(".")):
                raise TypeError(f"expected the name of a module, got {dotted!r}")
        if self.submodule and os.path.basename(self.file) != "__init__.py":
            raise TypeError(f"{self.file} is a single file and has no module {self.submodule!r}")

    @classmethod
    def of(cls, function: Callable[..., Any], file: str, name: str) -> "FunctionRef":
        """The one to a function of the plugin that was loaded from ``file`` as the module ``name``.

        Raises:
            TypeError: it is none that a worker could find.
        """
        module, qualname = _module_and_name(function)
        if module != name and not module.startswith(f"{name}."):
            raise TypeError(f"{qualname} is not of this plugin but of {module}: {_ADVICE} of the plugin")
        return cls(file, qualname, name, module[len(name) + 1 :])

    @property
    def target(self) -> Target:
        """What a worker is told."""
        name = self.name or f"hapta_worker_{hashlib.sha256(os.fsencode(self.file)).hexdigest()[:16]}"
        return self.file, name, self.submodule, self.qualname


def target_of(function: "Callable[..., Any] | FunctionRef") -> Target:
    """What a worker is told to run.

    Raises:
        TypeError: a worker could not find it; the text says what to do.
    """
    if isinstance(function, FunctionRef):
        return function.target
    module, qualname = _module_and_name(function)
    return "", module, "", qualname


def _module_and_name(function: Callable[..., Any]) -> tuple[str, str]:
    if not isinstance(function, FunctionType | BuiltinFunctionType):
        kind = type(function).__name__
        raise TypeError(f"a worker cannot run {function!r}, which is of type {kind}: {_ADVICE}")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{function.__qualname__} is async, a worker has no event loop: define it with def")
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        raise TypeError(f"{function.__qualname__} is a method of a {type(owner).__name__}: {_ADVICE}")
    module, qualname = function.__module__, function.__qualname__
    if problem := _problem_of_name(qualname):
        raise TypeError(problem)
    if module == "__main__":
        raise TypeError(f"{qualname} stands in the program itself: move it into a module of its own")
    if getattr(sys.modules.get(module), qualname, None) is not function:
        raise TypeError(f"{module}.{qualname} is not (or no longer) this function: {_ADVICE}")
    return module, qualname


def _problem_of_name(qualname: str) -> str | None:
    if "<lambda>" in qualname:
        return f"{qualname} is a lambda, which has no name: {_ADVICE}"
    if "<locals>" in qualname:
        return f"{qualname} is defined within another function: {_ADVICE}"
    if "." in qualname:
        return f"{qualname} is a method: {_ADVICE}"
    return None if qualname.isidentifier() else f"{qualname!r} is not the name of a function: {_ADVICE}"
