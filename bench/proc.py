"""What the kernel knows of processes and cores: ``/proc``, read and parsed."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def parse_parent(stat: str) -> int:
    """The parent's pid in the text of ``/proc/PID/stat``, whose second field may hold anything."""
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def parse_cpu_s(stat: str) -> float:
    """Seconds of user and system time in the text of ``/proc/PID/stat`` (proc(5): utime, stime)."""
    fields = stat[stat.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def parse_rss_bytes(status: str) -> int:
    """Resident memory in the text of ``/proc/PID/status``; 0 for a process that is ending."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def parse_busy_s(stat: str) -> float:
    """Seconds all cores were busy, stolen time included, in the text of ``/proc/stat``."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) * _TICK_S


def tree(pid: int) -> list[int]:
    """``pid`` and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (stat := _read(folder / "stat")):
            children.setdefault(parse_parent(stat), []).append(int(folder.name))
    found, to_do = [], [pid]
    while to_do:
        found.append(to_do.pop())
        to_do += children.get(found[-1], [])
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of processor time ``pids`` have used."""
    return sum(parse_cpu_s(stat) for pid in pids if (stat := _read(_PROC / str(pid) / "stat")))


def rss_bytes(pids: Iterable[int]) -> int:
    """Resident memory of ``pids``."""
    return sum(parse_rss_bytes(_read(_PROC / str(pid) / "status")) for pid in pids)


def listener(port: int) -> int | None:
    """The process that listens on a TCP port of this machine; ``None`` when none is seen."""
    rows = (row.split() for name in ("tcp", "tcp6") for row in _read(_PROC / "net" / name).splitlines()[1:])
    # proc(5): local address, then state 0A for listening, then at the tenth place the inode
    wanted = {
        f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port
    }
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and not wanted.isdisjoint(_links(folder / "fd")):
            return int(folder.name)
    return None


def _links(folder: Path) -> set[str]:
    """Where the links in a folder lead; nothing of one that is not ours to see, or has gone."""
    found = set()
    with suppress(OSError):
        for link in folder.iterdir():
            with suppress(OSError):
                found.add(str(link.readlink()))
    return found


def busy_s() -> float:
    """Seconds of processor time everything on this machine has used."""
    return parse_busy_s((_PROC / "stat").read_text(encoding="ascii"))


def _read(path: Path) -> str:
    """The text, or nothing when the process has ended meanwhile."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
