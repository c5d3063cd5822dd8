"""However much passes, up or down, memory stays flat: bodies lie in files or pass through."""

import hashlib
import io
import zipfile
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import MakeHapta, MakePocketBase
from tests.faults.gauges import Gauges, memory_bytes
from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase
from tests.support.process import free_port
from tests.support.upstream_double import Script, Talk, UpstreamDouble, chunk, chunked_head, response, says

MIB = 1024 * 1024
ROOM_BYTES = 64 * MIB
PIECE = bytes(range(256)) * 1024
SIZES = [
    pytest.param(256 * MIB, id="256 MiB"),
    pytest.param(1024 * MIB, id="1 GiB", marks=[pytest.mark.all_modes, pytest.mark.timeout(240)]),
]
BIG = {"name": "big", "type": "base", "createRule": "", "viewRule": "", "listRule": ""}
BIG_FILE = {"name": "file", "type": "file", "maxSelect": 1, "maxSize": 2048 * MIB}


@pytest.fixture
def roomy(make_pocketbase: MakePocketBase, make_hapta: MakeHapta) -> tuple[PocketBase, Hapta, Gauges]:
    """A PocketBase with a collection for large files, and a fresh Hapta before it."""
    pocketbase = make_pocketbase()
    pocketbase.admin.post("/api/collections", json={**BIG, "fields": [BIG_FILE]}).raise_for_status()
    port = free_port()
    hapta = make_hapta(upstream=pocketbase.url, metrics__enabled=True, metrics__port=port)
    return pocketbase, hapta, Gauges(hapta, port)


class Grown:
    """How much more memory Hapta ever took since this was made."""

    def __init__(self, hapta: Hapta) -> None:
        self._pid = hapta.pid
        self._before = memory_bytes(self._pid, "VmRSS")

    def assert_small(self) -> None:
        grown = memory_bytes(self._pid, "VmHWM") - self._before
        print(f"grown by {grown / MIB:.1f} MiB")
        assert grown < ROOM_BYTES


def multipart(size: int, name: str) -> tuple[str, Iterator[bytes], int]:
    """Content type, pieces and length of a form with one file of ``size`` bytes."""
    boundary = "----of-the-memory-test"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(size // len(PIECE)):
            yield PIECE
        yield tail

    return f"multipart/form-data; boundary={boundary}", pieces(), len(head) + size + len(tail)


@pytest.mark.parametrize("size", SIZES)
def test_a_large_file_up_in_a_record_and_down_again(
    roomy: tuple[PocketBase, Hapta, Gauges], size: int
) -> None:
    _, hapta, gauges = roomy
    grown = Grown(hapta)
    content_type, pieces, length = multipart(size, "large.bin")
    headers = {"Content-Type": content_type, "Content-Length": str(length)}
    with httpx.Client(base_url=hapta.url, timeout=180) as client:
        created = client.post("/api/collections/big/records", content=pieces, headers=headers)
        assert created.status_code == 200, created.text
        grown.assert_small()
        record = created.json()
        received, digest = 0, hashlib.sha256()
        with client.stream("GET", f"/api/files/big/{record['id']}/{record['file']}") as answer:
            assert answer.headers["Content-Length"] == str(size)
            for data in answer.iter_raw(MIB):
                received += len(data)
                digest.update(data)
    expected = hashlib.sha256()
    for _ in range(size // len(PIECE)):
        expected.update(PIECE)
    assert received == size
    assert digest.digest() == expected.digest()
    grown.assert_small()
    gauges.wait_until_quiet()


def test_a_backup_up_and_down_again(roomy: tuple[PocketBase, Hapta, Gauges]) -> None:
    pocketbase, hapta, gauges = roomy
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as backup:
        backup.writestr("filler.bin", bytes(64 * MIB))
    grown = Grown(hapta)
    token = pocketbase.admin.headers["Authorization"]
    headers = {"Authorization": token}
    with httpx.Client(base_url=hapta.url, timeout=60, headers=headers) as client:
        files = {"file": ("filler.zip", archive.getvalue(), "application/zip")}
        uploaded = client.post("/api/backups/upload", files=files)
        assert uploaded.status_code == 204, uploaded.text
        file_token = client.post("/api/files/token").json()["token"]
        received = 0
        with client.stream("GET", "/api/backups/filler.zip", params={"token": file_token}) as answer:
            assert answer.status_code == 200
            for data in answer.iter_raw(MIB):
                received += len(data)
    assert received == len(archive.getvalue())
    grown.assert_small()
    gauges.wait_until_quiet()


def pours(size: int) -> Script:
    """An answer of ``size`` bytes without a length."""

    async def script(talk: Talk) -> None:
        await says(chunked_head("application/octet-stream"))(talk)
        for _ in range(size // len(PIECE)):
            await talk.send(chunk(PIECE))
        await talk.send(chunk(b""))

    return script


@pytest.mark.parametrize("size", SIZES)
def test_a_large_body_up_and_down_through_an_unknown_route(
    double: UpstreamDouble, make_hapta: MakeHapta, size: int
) -> None:
    hapta = make_hapta(upstream=double.url)
    grown = Grown(hapta)
    arrived_bytes = []

    async def swallow(talk: Talk) -> None:
        await talk.whole()
        arrived_bytes.append(talk.received)
        await talk.send(response())

    double.plan("POST", "/api/custom/import", swallow)
    double.plan("GET", "/api/custom/export", pours(size))
    with httpx.Client(base_url=hapta.url, timeout=180) as client:
        body = (PIECE for _ in range(size // len(PIECE)))
        assert client.post("/api/custom/import", content=body).status_code == 200
        assert arrived_bytes == [size]
        grown.assert_small()
        with client.stream("GET", "/api/custom/export") as answer:
            assert sum(len(data) for data in answer.iter_raw(MIB)) == size
    grown.assert_small()


def test_a_large_answer_to_a_slow_reader_waits_upstream(
    double: UpstreamDouble, make_hapta: MakeHapta
) -> None:
    hapta = make_hapta(upstream=double.url)
    double.plan("GET", "/api/custom/export", pours(256 * MIB))
    grown = Grown(hapta)
    with (
        httpx.Client(base_url=hapta.url, timeout=30) as client,
        client.stream("GET", "/api/custom/export") as answer,
    ):
        pieces = answer.iter_raw(64 * 1024)
        for _ in range(100):
            next(pieces)
        grown.assert_small()
