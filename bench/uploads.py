"""Uploads: straight to PocketBase, through Hapta, and through Hapta when it looks at them; and Hapta's memory
while a large one passes.

Records are deleted again. All servers share one core; ratios are taken within a round.
"""

import io
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from http.client import HTTPResponse
from typing import Any

import httpx
from PIL import Image

from bench import proc
from bench.errors import BenchError
from bench.hapta import hapta
from bench.plan import Plan, Section
from bench.pocketbase import PocketBase, pocketbase
from bench.statistics import Spread, ratios, table

DIRECT, PASSED = "PocketBase", "Hapta, no policy"
POLICY, HOOK, REENCODED = "Hapta, [uploads]", "Hapta, a validate hook", "Hapta, images made anew"
_MIB = 1024 * 1024
_PIECE_BYTES = 256 * 1024
_SIZES = {"1 MiB": _MIB, "64 MiB": 64 * _MIB}
_LARGE_BYTES = 1024 * _MIB
_PHOTO = (4000, 3000)
_PHOTOS = 3
_SAMPLE_S = 0.01
_PATH = "/api/collections/uploads/records"
_BOUNDARY = "bench-9f2c4e7a1b3d5f60"
_COLLECTION: dict[str, Any] = {
    "name": "uploads",
    "type": "base",
    "createRule": "",
    "deleteRule": "",
    "fields": [{"name": "file", "type": "file", "maxSelect": 1, "maxSize": 2**32}],
}
_PLUGIN = """
def setup(api):
    @api.validate("uploads", on={"create"})
    async def check(change): ...
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One round of one way.

    Attributes:
        size: what was sent, in words.
        value: MB (10⁶ bytes) a second; where the size is ``memory``, bytes Hapta grew by.
    """

    round: int
    size: str
    what: str
    value: float


def measure(plan: Plan) -> Section:
    """Run everything, and make the tables."""
    runs: list[Run] = []
    with ExitStack() as stack:
        upstream = stack.enter_context(pocketbase(plan.home))
        _make_collection(upstream)
        ports = {DIRECT: upstream.port}
        for what, settings in _settings(plan).items():
            home = plan.folder(f"hapta-{len(ports)}")
            if what == HOOK:
                (home / "plugins").mkdir()
                (home / "plugins" / "bench.py").write_text(_PLUGIN, encoding="utf-8")
            ports[what] = stack.enter_context(hapta(home, upstream, settings)).port
        for number in range(plan.runs):
            for size, count in _SIZES.items():
                files = _filling(count, plan.seconds)
                runs += [
                    _pass(plan, number, size, what, ports[what], files)
                    for what in (DIRECT, PASSED, POLICY, HOOK)
                ]
            size = f"a JPEG of {_PHOTO[0] * _PHOTO[1] // 10**6} megapixels"
            runs += [
                _pass(plan, number, size, what, ports[what], [_photo()] * _PHOTOS)
                for what in (DIRECT, PASSED, POLICY, REENCODED)
            ]
        for number in range(plan.runs):
            grown = _memory(plan, upstream, number)
            plan.say(f"uploads, round {number + 1}: Hapta grows by {grown / _MIB:.1f} MiB")
            runs.append(Run(number, "memory", POLICY, grown))
    return Section("uploads", render(runs), [asdict(run) for run in runs])


def _settings(plan: Plan) -> dict[str, dict[str, object]]:
    spool: dict[str, object] = {"server.spool_dir": plan.folder("spool")}
    policy = {**spool, "uploads.is_enabled": "true"}
    return {PASSED: spool, POLICY: policy, HOOK: spool, REENCODED: {**policy, "uploads.reencode": "true"}}


def _make_collection(upstream: PocketBase) -> None:
    headers = {"Authorization": upstream.token}
    made = httpx.post(f"{upstream.url}/api/collections", json=_COLLECTION, headers=headers, timeout=30)
    made.raise_for_status()


@dataclass(frozen=True, slots=True)
class File:
    """What is sent.

    Attributes:
        name: with its extension.
        pattern: is repeated until there are ``length`` bytes.
    """

    name: str
    length: int
    pattern: bytes

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The content."""
        pattern, left = memoryview(self.pattern), self.length
        while left:
            piece = pattern[: min(len(pattern), left)]
            yield piece
            left -= len(piece)


@cache
def _noise() -> bytes:
    return os.urandom(_PIECE_BYTES)


def _filling(count: int, seconds: float) -> list[File]:
    """As many files as fill the time at some 64 MB a second, two of them at least."""
    return [File("data.bin", count, _noise())] * max(2, int(seconds * 64 * _MIB / count))


@cache
def _photo() -> File:
    """Not smooth, as photos are not, and no two runs have the same one."""
    width, height = _PHOTO
    grain = Image.frombytes("RGB", (width // 4, height // 4), os.urandom(width * height // 16 * 3))
    made = io.BytesIO()
    grain.resize(_PHOTO, Image.Resampling.BICUBIC).save(made, "JPEG", quality=85)
    return File("photo.jpg", made.tell(), made.getvalue())


def _pass(plan: Plan, number: int, size: str, what: str, port: int, files: Sequence[File]) -> Run:
    """Send the files one after the other over one connection."""
    took, records = 0.0, []
    with socket.create_connection(("127.0.0.1", port), timeout=300) as connection:
        # else the last bytes of a body wait until the ones before them are acknowledged
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for file in files:
            began = time.perf_counter()
            records.append(send(connection, file))
            took += time.perf_counter() - began
    _delete(port, records)
    per_s = sum(file.length for file in files) / took / 1e6
    plan.say(f"uploads, round {number + 1}: {size}: {what}: {per_s:,.0f} MB/s")
    return Run(number, size, what, per_s)


def send(connection: socket.socket, file: File) -> str:
    """Create a record with a file; its id.

    Raises:
        BenchError: it is refused.
    """
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
    connection.sendall(
        (
            f"POST {_PATH} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
            f"Content-Length: {len(head) + file.length + len(tail)}\r\n\r\n"
        ).encode()
        + head
    )
    for piece in file.pieces():
        connection.sendall(piece)
    connection.sendall(tail)
    status, answer = _answer(connection)
    if status != 200:
        raise BenchError(f"an upload was answered with {status}: {answer[:200].decode(errors='replace')}")
    return str(json.loads(answer)["id"])


def _answer(connection: socket.socket) -> tuple[int, bytes]:
    answer = HTTPResponse(connection)
    try:
        answer.begin()
        return answer.status, answer.read()
    finally:
        answer.close()


def _delete(port: int, records: Sequence[str]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for record in records:
            client.delete(f"{_PATH}/{record}").raise_for_status()


def _memory(plan: Plan, upstream: PocketBase, number: int) -> float:
    """Bytes that a gateway of its own grows by while it looks at one large file."""
    home = plan.folder(f"memory-{number}")
    with hapta(home, upstream, {"server.spool_dir": home, "uploads.is_enabled": "true"}) as ours:
        _pass(plan, number, "1 MiB, to warm up", POLICY, ours.port, [File("data.bin", _MIB, _noise())] * 3)
        before = proc.rss_bytes([ours.pid])
        with _peak(ours.pid) as peak:
            large = [File("data.bin", _LARGE_BYTES, _noise())]
            _pass(plan, number, f"{_LARGE_BYTES // _MIB} MiB", POLICY, ours.port, large)
        return float(max(peak) - before)


@contextmanager
def _peak(pid: int) -> Iterator[list[int]]:
    """Resident memory of a process, looked at all the time."""
    seen = [proc.rss_bytes([pid])]
    ends = threading.Event()

    def look() -> None:
        while not ends.wait(_SAMPLE_S):
            seen.append(proc.rss_bytes([pid]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ends.set()
        thread.join()


def render(runs: Sequence[Run]) -> str:
    """A table of rates, and a line for memory."""
    rows = []
    for size in dict.fromkeys(run.size for run in runs if run.size != "memory"):
        of_size = [run for run in runs if run.size == size]
        direct = [run.value for run in of_size if run.what == DIRECT]
        for what in dict.fromkeys(run.what for run in of_size):
            rates = [run.value for run in of_size if run.what == what]
            rows.append([f"{size}: {what}", Spread.of(rates).shown(), ratios(rates, direct).shown(2)])
    grown = Spread.of(run.value / _MIB for run in runs if run.size == "memory").shown(1)
    large = f"{_LARGE_BYTES // _MIB:,} MiB"
    return (
        f"{table(['file, to', 'MB/s', '× PocketBase'], rows)}\n\n"
        f"With `[uploads]` on, Hapta's resident memory grows by {grown} MiB while a file of {large} passes."
    )
