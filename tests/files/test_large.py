"""Large files: told while they arrive, then from the disk, at no cost of memory, whoever comes and goes."""

import asyncio
import hashlib
import os
import shutil
import time

import aiohttp
import httpx
import pytest

from tests.faults.clients import connection, request, reset
from tests.faults.gauges import memory_bytes
from tests.files.conftest import Gallery, MakeGallery
from tests.support.process import wait_until

MIB = 1024 * 1024
HIT = "hapta; hit"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def upload(gallery: Gallery, size: int) -> tuple[str, bytes]:
    content = os.urandom(MIB) * (size // MIB)
    return gallery.upload(("large.bin", content))[1][0], content


def fetches(gallery: Gallery) -> list[str]:
    return [line[:4] for line in gallery.asked()]


def test_a_large_file_is_fetched_once_and_then_told_whole_and_in_parts(gallery: Gallery) -> None:
    path, content = upload(gallery, 24 * MIB)
    assert digest(gallery.get(path).content) == digest(content)
    wait_until(lambda: gallery.ask(path, method="HEAD").get("cache-status") == HIT, "kept", 5)
    before = fetches(gallery)
    assert digest(gallery.get(path).content) == digest(content)
    for start, end in [(0, 0), (5 * MIB - 3, 9 * MIB), (23 * MIB, 24 * MIB - 1), (24 * MIB - 1, 24 * MIB)]:
        part = gallery.get(path, Range=f"bytes={start}-{end}")
        assert part.status_code == 206
        assert part.content == content[start : end + 1]
        assert part.headers["cache-status"] == HIT
    assert fetches(gallery) == before
    assert before.count("GET ") == 1


def test_the_end_of_a_large_file_is_not_waited_for(gallery: Gallery) -> None:
    path, content = upload(gallery, 24 * MIB)
    part = gallery.get(path, Range="bytes=-100")
    assert part.content == content[-100:]
    assert part.headers["cache-status"] in ("hapta; fwd=bypass; detail=ahead", "hapta; fwd=uri-miss; stored")
    wait_until(lambda: gallery.ask(path, method="HEAD").get("cache-status") == HIT, "kept", 10)
    assert digest(gallery.get(path).content) == digest(content)


@pytest.mark.parametrize("size", [100_000, 3 * MIB], ids=["small", "large"])
async def test_of_two_hundred_who_want_it_at_once_one_asks_pocketbase(gallery: Gallery, size: int) -> None:
    content = os.urandom(size)
    path = gallery.upload(("x.bin", content))[1][0]

    async def one(client: aiohttp.ClientSession) -> bool:
        async with client.get(gallery.hapta.url + path) as answer:
            return answer.status == 200 and digest(await answer.read()) == digest(content)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        assert all(await asyncio.gather(*[one(client) for _ in range(200)]))
    assert fetches(gallery) == ["GET "]


def test_a_client_that_hardly_reads_holds_up_nobody(gallery: Gallery) -> None:
    path, content = upload(gallery, 24 * MIB)
    with connection(gallery.hapta.url, receive_buffer=4096) as slow:
        slow.sendall(request("GET", path))
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")
        assert digest(gallery.get(path).content) == digest(content)
        wait_until(lambda: gallery.ask(path, method="HEAD").get("cache-status") == HIT, "kept", 5)
    assert fetches(gallery).count("GET ") == 1


def test_who_leaves_in_the_middle_ends_nothing_for_the_rest(gallery: Gallery) -> None:
    path, content = upload(gallery, 24 * MIB)
    with connection(gallery.hapta.url) as leaving:
        leaving.sendall(request("GET", path))
        assert leaving.recv(1000).startswith(b"HTTP/1.1 200")
        reset(leaving)
    assert digest(gallery.get(path).content) == digest(content)
    wait_until(lambda: gallery.ask(path, method="HEAD").get("cache-status") == HIT, "kept", 5)
    assert fetches(gallery).count("GET ") == 1


def test_killed_in_the_middle_of_a_fetch_nothing_torn_is_left(gallery: Gallery) -> None:
    path, content = upload(gallery, 96 * MIB)
    folder = gallery.hapta.home / "hapta-files"
    with connection(gallery.hapta.url) as waiting:
        waiting.sendall(request("GET", path))
        wait_until(lambda: any(folder.iterdir()), "the fetch has begun", 10)
        gallery.hapta.kill()
    gallery.hapta.start()
    assert not [one for one in folder.iterdir() if one.name.startswith("hapta-fetch-")]
    assert digest(gallery.get(path).content) == digest(content)


def test_memory_stays_flat(gallery: Gallery) -> None:
    path, content = upload(gallery, 96 * MIB)
    gallery.get(gallery.picture)
    before = memory_bytes(gallery.hapta.pid, "VmRSS")
    for _ in range(2):
        with httpx.stream("GET", gallery.hapta.url + path, timeout=60) as answer:
            received = hashlib.sha256()
            for piece in answer.iter_raw(MIB):
                received.update(piece)
        assert received.hexdigest() == digest(content)
    grown = memory_bytes(gallery.hapta.pid, "VmHWM") - before
    print(f"grown by {grown / MIB:.1f} MiB")
    assert grown < 24 * MIB
    assert gallery.ask(path, method="HEAD").get("cache-status") == HIT


def test_where_the_disk_takes_nothing_files_are_passed_on_and_one_warning_tells(
    make_gallery: MakeGallery,
) -> None:
    gallery = make_gallery()
    path, content = upload(gallery, 2 * MIB)
    shutil.rmtree(gallery.hapta.home / "hapta-files")
    for _ in range(2):
        assert digest(gallery.get(path).content) == digest(content)
        assert gallery.status(gallery.text).startswith("hapta; fwd=uri-miss")
        time.sleep(0.1)
    assert gallery.hapta.log.count("files cannot be kept") == 1
