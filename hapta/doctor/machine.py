"""The Python that runs Hapta, and what its process may use."""

import importlib.util
import resource
from collections.abc import Iterator

from aiohttp import http_parser

from hapta.doctor.finding import Finding, fail, ok, warn

_OLDEST, _NEWEST = (3, 11), (3, 14)
_SPARE_FILES = 256
"""Files besides connections: logs, spooled bodies, listeners, the interpreter's own."""


def machine(version: tuple[int, int], open_files: int, max_connections: int) -> Iterator[Finding]:
    """Everything about the process.

    Args:
        version: of Python.
        open_files: the soft limit of open files.
        max_connections: ``server.max_connections``.
    """
    yield python(version)
    yield parser(is_c=http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy)
    yield event_loop(has_uvloop=importlib.util.find_spec("uvloop") is not None)
    yield open_file_limit(open_files, max_connections)


def soft_open_file_limit() -> int:
    """How many files this process may have open; "unlimited" is a very large number."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 2**62


def python(version: tuple[int, int]) -> Finding:
    """Is this a Python Hapta is tested with?"""
    shown = f"{version[0]}.{version[1]}"
    tested = f"{_OLDEST[0]}.{_OLDEST[1]} to {_NEWEST[0]}.{_NEWEST[1]}"
    if version < _OLDEST:
        return fail("Python", shown, f"use Python {tested}")
    if version > _NEWEST:
        return warn("Python", shown, f"Hapta is tested with Python {tested}")
    return ok("Python", shown)


def parser(*, is_c: bool) -> Finding:
    """Does aiohttp parse HTTP in C?  Its other parser is slow, and was not tested against smuggling."""
    if is_c:
        return ok("HTTP parser", "aiohttp's, in C")
    return fail(
        "HTTP parser",
        "aiohttp's fall-back in Python: slow, and not the one tested against request smuggling",
        "unset AIOHTTP_NO_EXTENSIONS and install aiohttp from a wheel: pip install --force-reinstall "
        "--only-binary aiohttp aiohttp",
    )


def event_loop(*, has_uvloop: bool) -> Finding:
    """Is the fast event loop there?"""
    if has_uvloop:
        return ok("event loop", "uvloop")
    return warn("event loop", "asyncio's own, about half as fast", "pip install uvloop")


def open_file_limit(limit: int, max_connections: int) -> Finding:
    """May the process open as many files as its connections need?  Each may need one to PocketBase, too."""
    needed = 2 * max_connections + _SPARE_FILES
    if limit >= needed:
        return ok("open files", f"up to {limit if limit < 2**62 else 'any number'}, {needed} needed")
    return warn(
        "open files",
        f"up to {limit}, but {needed} are needed for server.max_connections = {max_connections}",
        f"raise the limit (ulimit -n {needed}; in systemd LimitNOFILE={needed}), or lower "
        f"server.max_connections to {max(1, (limit - _SPARE_FILES) // 2)}",
    )
