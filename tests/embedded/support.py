"""What tests of the embedded PocketBase share: events, a superuser's requests, programs that play it."""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from hapta.embedded import EmbeddedOptions, EmbeddedPocketBase, GivenSecrets, Prepared, prepare
from hapta.embedded.accounts import Account
from hapta.model.clock import SystemClock

ENVIRON = {"PATH": "/usr/bin:/bin", "Secret": "not for hooks", "NAME": "for hooks"}


class RecordedEvents:
    """An event log that remembers."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, dict[str, object]]] = []

    def info(self, event: str, **fields: object) -> None:
        self.all.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.all.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.all.append(("error", event, fields))

    def named(self, event: str) -> list[dict[str, object]]:
        return [fields for _, name, fields in self.all if name == event]


def make_ready(
    base_dir: Path,
    *,
    given: GivenSecrets | None = None,
    adopt_data: bool = False,
    events: RecordedEvents | None = None,
    **settings: Any,
) -> Prepared:
    """``prepare`` in ``base_dir``; ``settings`` are those of ``EmbeddedOptions.resolve``."""
    options = EmbeddedOptions.resolve(base_dir, environ=ENVIRON, **settings)
    return prepare(
        options, given or GivenSecrets(), SystemClock(), events or RecordedEvents(), adopt_data=adopt_data
    )


def embedded(prepared: Prepared, events: RecordedEvents | None = None, **settings: Any) -> EmbeddedPocketBase:
    return EmbeddedPocketBase(prepared, SystemClock(), events or RecordedEvents(), **settings)


class Superuser:
    """Requests with a superuser's token; satisfies ``SuperuserApi``."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def log_in(self, account: Account) -> int:
        """The status of a login, whose token then goes with every request."""
        body = {"identity": account.email, "password": account.password}
        answer = await self.client.post("/api/collections/_superusers/auth-with-password", json=body)
        if answer.status_code == 200:
            self.client.headers["Authorization"] = answer.json()["token"]
        return answer.status_code

    async def request(self, method: str, path: str, json: Any = None) -> tuple[int, Any]:
        answer = await self.client.request(method, path, json=json)
        return answer.status_code, answer.json() if answer.content else None


async def until(holds: Callable[[], object], at_most_s: float) -> float:
    """Wait until ``holds()``; returns for how long."""
    began = time.monotonic()
    async with asyncio.timeout(at_most_s):
        while not holds():  # noqa: ASYNC110 - what tests wait for comes with no event
            await asyncio.sleep(0.005)
    return time.monotonic() - began


def is_running(pid: int) -> bool:
    """Whether ``pid`` still does something; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def seconds_until_gone(pid: int, at_most_s: float) -> float:
    """How long ``pid`` goes on running."""
    began = time.monotonic()
    while is_running(pid):
        waited = time.monotonic() - began
        assert waited < at_most_s, f"process {pid} still runs after {waited:.1f} s"
        time.sleep(0.005)
    return time.monotonic() - began


def rows(database: Path) -> list[str]:
    """All that is in an SQLite database, as SQL."""
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def make_program(path: Path, source: str) -> str:
    """An executable Python script; its path."""
    path.write_text(f"#!{sys.executable} -IS\n{source}")
    path.chmod(0o755)
    return str(path)


HEALTHY = """
import socket, sys, os, time, signal
if sys.argv[1] == "superuser":
    sys.exit(0)
port = int(next(a for a in sys.argv if a.startswith("--http=")).rpartition(":")[2])
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", port))
server.listen(16)

def answer(status=200):
    connection, _ = server.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 %d x\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n" % status)
    connection.close()
"""
"""Begins a program that plays PocketBase: takes upserts, listens, can ``answer()`` one request."""
