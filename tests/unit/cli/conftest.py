"""Commands run in an empty folder, before a Hapta that stands in for a real one."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hapta.config import SECRET_FIELDS
from tests.unit.cli.stand_in import StandIn


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without Hapta's names."""
    for name in list(os.environ):
        if name in SECRET_FIELDS or name.startswith("HAPTA_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path


@pytest.fixture
def running(home: Path) -> Iterator[StandIn]:
    with StandIn(str(home / "hapta.sock")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
