"""Processes found by what they were started with."""

from pathlib import Path

from tests.embedded.support import is_running


def processes_in(folder: str) -> list[int]:
    """Running processes with ``folder`` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it has just ended
            if folder.encode() in command and is_running(int(entry.name)):
                found.append(int(entry.name))
    return found


def pocketbase_pid(folder: str) -> int:
    """The PocketBase (not its guard) whose data lies in ``folder``."""
    pids = [
        pid
        for pid in processes_in(folder)
        if b"pocketbase" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    ]
    assert len(pids) == 1, pids
    return pids[0]
