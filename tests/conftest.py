"""Fixtures of integration tests: real PocketBase instances and Hapta as a subprocess.

``pocketbase`` and ``hapta`` live for the whole session and share one set of rows: a test makes its own
records there and leaves the seeded ones as they are. A test that compares writes takes ``make_twins``, one
that stops or breaks something ``make_pocketbase`` and ``make_hapta``.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.sdk.runner import HERE
from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase, from_template, make_template
from tests.support.twins import Twins

# how long an example takes says more of the machine than of the code
settings.register_profile("hapta", deadline=None)
settings.load_profile("hapta")

MakePocketBase = Callable[[], PocketBase]
MakeHapta = Callable[..., Hapta]
MakeTwins = Callable[..., Twins]


@pytest.fixture(scope="session")
def pocketbase_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seeded folder instances are copied from; test processes side by side share one.

    Seeding hashes the passwords of all accounts in one batch: several at once may outlast its deadline.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return make_template(tmp_path_factory.mktemp("template"))
    shared = tmp_path_factory.getbasetemp().parent / "template"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            make_template(tmp_path_factory.mktemp("template")).rename(shared)
    return shared


@pytest.fixture(scope="session")
def pocketbase(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    """A real PocketBase with its own data folder, one for the whole session."""
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
    yield instance
    instance.close()


@pytest.fixture(scope="session")
def hapta(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapta]:
    """``hapta serve`` in front of ``pocketbase``, for the session; ends with 0 and without a traceback."""
    server = Hapta(tmp_path_factory.mktemp("hapta"), pocketbase.url)
    with ExitStack() as closing:
        closing.callback(server.stop)
        server.start()
        yield server


@pytest.fixture
def make_pocketbase(
    pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakePocketBase]:
    """Further PocketBase instances with the seeded rows, gone after the test."""
    with ExitStack() as closing:

        def make() -> PocketBase:
            instance = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
            closing.callback(instance.close)
            return instance

        yield make


@pytest.fixture
def make_hapta(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeHapta]:
    """Further Haptas: ``make_hapta(upstream=URL, server__header_timeout_s=1)``, gone after the test.

    Without ``upstream`` the session's ``pocketbase`` stands behind it, with ``upstream=None`` an embedded
    one. ``env`` and ``arguments`` as in :class:`tests.support.hapta.Hapta`; ``started=False`` leaves starting
    to the test. Every one the test has not ended itself must end with exit code 0 and without a traceback.
    """
    with ExitStack() as closing:

        def make(*, started: bool = True, env: Any = None, arguments: Any = (), **settings: Any) -> Hapta:
            if "upstream" in settings:
                upstream = settings.pop("upstream")
            else:
                upstream = request.getfixturevalue("pocketbase").url
            chosen = {key.replace("__", "."): value for key, value in settings.items()}
            server = Hapta(tmp_path_factory.mktemp("hapta"), upstream, chosen, env, arguments)
            closing.callback(server.stop)
            if started:
                server.start()
            return server

        yield make


@pytest.fixture
def make_twins(make_pocketbase: MakePocketBase, make_hapta: MakeHapta) -> MakeTwins:
    """Two fresh PocketBases with the same rows, a Hapta before one of them; settings as in ``make_hapta``."""

    def make(**settings: Any) -> Twins:
        direct, behind = make_pocketbase(), make_pocketbase()
        return Twins(direct, behind, make_hapta(upstream=behind.url, **settings))

    return make


@pytest.fixture
def twins(make_twins: MakeTwins) -> Twins:
    """:func:`make_twins` with default settings."""
    return make_twins()


@pytest.fixture(scope="session")
def node() -> str:
    """The ``node`` executable, the packages of package-lock.json being installed."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.fail("the SDK tests need Node 20 or newer with npm on PATH: install it, they are not skipped")
    lock = HERE / "package-lock.json"
    installed = HERE / "node_modules" / ".package-lock.json"
    with lock.open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # another test session in the same tree may be installing
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            command = [npm, "ci", "--no-audit", "--no-fund"]
            answer = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
            assert answer.returncode == 0, f"npm ci failed:\n{answer.stdout}{answer.stderr}"
    return found
