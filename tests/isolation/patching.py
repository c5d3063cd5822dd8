"""Changing a function of a loaded program wherever a module has taken it by name."""

import importlib
import pkgutil
import sys
from types import ModuleType
from typing import Any


def load_all(package: ModuleType) -> None:
    """Import every module of a package, so that all names are taken before one is changed."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def replace_everywhere(original: Any, changed: Any) -> None:
    """Put ``changed`` in the place of ``original`` in all loaded modules of Hapta."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "hapta":
            for key, value in list(vars(module).items()):
                if value is original:
                    setattr(module, key, changed)
