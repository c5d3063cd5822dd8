"""``python -m tests.shaping.serve NAME PLUGIN …``: ``hapta serve …`` with the hooks of one file and a planted
bug, unless its name is ``none``. The file is read again when it changes."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hapta
from hapta.app.gateway import Gateway
from hapta.cli import main
from hapta.hooks.loader import Source, load_plugin
from hapta.hooks.registry import Registry
from tests.isolation.patching import load_all
from tests.shaping.planted import PLANTED


class _Database:
    """Reads as the superuser, as the gateway's own does."""

    def __init__(self) -> None:
        self.gateway: Gateway | None = None

    async def list(self, collection: str, *, sort: str = "") -> list[dict[str, Any]]:
        assert self.gateway is not None
        database: Any = self.gateway._database
        path = f"/api/collections/{collection}/records?sort={sort}"
        _, answer = await database.superuser.request("GET", path)
        rows: list[dict[str, Any]] = answer["items"]
        return rows


class Hooks:
    """Those of the file, as it is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read: int | None = None
        self._registry = Registry()
        self.database = _Database()

    def registry(self, gateway: Gateway) -> Registry:
        self.database.gateway = gateway
        changed = self._file.stat().st_mtime_ns
        if changed != self._read:
            self._read = changed
            services: Any = SimpleNamespace(log_of=lambda name: None, database=self.database)
            source = Source("shaped", self._file, is_example=False, is_enabled=True)
            self._registry = Registry(load_plugin(source, {}, {}, services).hooks)
        return self._registry


if __name__ == "__main__":
    name, file, *arguments = sys.argv[1:]
    load_all(hapta)
    hooks = Hooks(Path(file))
    Gateway._registry = lambda self: hooks.registry(self)  # type: ignore[method-assign]
    if name != "none":
        PLANTED[name]()
    sys.exit(main(["serve", *arguments]))
