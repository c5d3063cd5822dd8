"""Uploads that are refused, that crash a hook, whose client leaves or whose worker hangs: nothing is stored,
and nothing of them is held any longer."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.gauges import Gauges
from tests.plugins.workshop import Workshop, errors_of, serving
from tests.support.pocketbase import PocketBase, from_template
from tests.support.process import free_port, wait_until
from tests.support.seed import png

PLUGIN = """
import asyncio


def setup(api):
    @api.on_upload("documents")
    async def look(upload, change):
        if upload.name == "slow.txt":
            note("slow")
            async for _ in upload.chunks():
                await asyncio.sleep(0.6)
        if upload.name == "crash.txt":
            raise RuntimeError("crash")
        if upload.name == "bad.txt":
            raise Reject(upload.field, code="bad", message="Bad.")

    @api.validate("documents")
    async def name(change):
        if change.fields.get("name") == "refuse":
            raise Reject("name", code="refused", message="No.")

    @api.after_write("documents")
    async def too_late(written):
        files = [upload for several in written.change.files.values() for upload in several]
        await asyncio.sleep(0.5)
        for upload in files:
            for read in (upload.sha256, lambda: upload.content(10_000_000)):
                try:
                    note("too_late", found=str(await read()))
                except Exception as error:
                    note("too_late", error=str(error))
"""
TABLES = """
[uploads]
is_enabled = true
max_file_bytes = 600_000

[uploads.collections.documents]
reencode = "yes"
types = ["text/plain", "image/png"]

[hooks]
guard_deadline_s = 1.0

[workers]
count = 1
max_queue = 1
deadline_s = 2.0
"""
DOCUMENTS = "/api/collections/documents/records"
BIG = b"x" * 500_000


@pytest.fixture(scope="module")
def pocketbase(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
    instance.admin.patch("/api/collections/documents", json={"createRule": ""}).raise_for_status()
    yield instance
    instance.close()


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def shop(
    pocketbase: PocketBase, metrics_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workshop]:
    home = tmp_path_factory.mktemp("hapta")
    metrics = {"metrics__enabled": True, "metrics__port": metrics_port, "server__memory_body_bytes": 10_000}
    with serving(home, pocketbase.url, {"look.py": PLUGIN}, TABLES, **metrics) as workshop:
        yield workshop


@pytest.fixture(scope="module")
def gauges(shop: Workshop, metrics_port: int) -> Gauges:
    return Gauges(shop.hapta, metrics_port)


def _spool_files(shop: Workshop) -> list[str]:
    """Temporary files that are open."""
    found = []
    for entry in Path(f"/proc/{shop.hapta.pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if "(deleted)" in target:
            found.append(target)
    return found


def _assert_given_back(shop: Workshop, gauges: Gauges) -> None:
    gauges.wait_for("spooled_bytes", 0)
    wait_until(lambda: not _spool_files(shop), "no temporary file")


@pytest.mark.parametrize(
    ("file", "content", "name", "status"),
    [
        ("bad.txt", BIG, "", 400),
        ("crash.txt", BIG, "", 500),
        ("slow.txt", BIG, "", 500),
        ("long.txt", BIG * 2, "", 400),
        ("type.png", BIG, "refuse", 400),
        ("page.txt", b"<!doctype html>" + BIG, "", 400),
        ("fine.txt", BIG, "refuse", 400),
        ("broken.png", png()[:-30] + bytes(100_000), "", 400),
    ],
)
def test_a_refused_upload_leaves_nothing_behind(
    shop: Workshop, pocketbase: PocketBase, gauges: Gauges, file: str, content: bytes, name: str, status: int
) -> None:
    before = len(pocketbase.rows("documents", fields="id"))
    alone = shop.client.post(DOCUMENTS, files=[("attachments", (file, content))], data={"name": name})
    assert alone.status_code == status, alone.text
    requests = [{"method": "POST", "url": DOCUMENTS, "body": {"name": each}} for each in ("a", name)]
    files = [
        ("requests.0.attachments", ("fine.txt", BIG)),
        ("requests.1.attachments", (file, content)),
        ("requests.1.attachments", ("fine.txt", BIG)),
    ]
    payload = {"@jsonPayload": json.dumps({"requests": requests})}
    together = shop.client.post("/api/batch", data=payload, files=files)
    assert together.status_code == status, together.text
    assert len(pocketbase.rows("documents", fields="id")) == before
    _assert_given_back(shop, gauges)


@pytest.mark.parametrize("share", [0.5, 0.999, 1.0])
def test_a_client_that_leaves_leaves_nothing_behind(shop: Workshop, gauges: Gauges, share: float) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="attachments"; filename="slow.txt"\r\n\r\n'
    body = head + BIG + b"\r\n--b--\r\n"
    request = (
        f"POST {DOCUMENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    address = httpx.URL(shop.hapta.url)
    told = len(shop.seen("slow"))
    with socket.create_connection((address.host, address.port or 80)) as client:
        client.sendall(request + body[: int(len(body) * share)])
        if share == 1.0:
            shop.wait_for("slow", told + 1)
        else:
            wait_until(lambda: gauges.value("spooled_bytes") > 0, "some of it is held")
    _assert_given_back(shop, gauges)


def test_who_reads_a_file_when_its_write_is_over_is_told_so(shop: Workshop) -> None:
    """And does not get an empty one."""
    for content in (b"short", BIG):
        told = len(shop.seen("too_late"))
        answer = shop.client.post(DOCUMENTS, files=[("attachments", ("late.txt", content))])
        answer.raise_for_status()
        for seen in shop.wait_for("too_late", told + 2)[told:]:
            assert "over" in seen.get("error", ""), seen


def _workers(shop: Workshop) -> list[int]:
    return [
        int(pid)
        for pid in Path(f"/proc/{shop.hapta.pid}/task/{shop.hapta.pid}/children").read_text().split()
        if b"hapta.workers" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def _picture(shop: Workshop) -> httpx.Response:
    return shop.client.post(DOCUMENTS, files=[("cover", ("a.png", png(), "image/png"))], data={"name": "pic"})


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_worker_that_hangs_or_dies_lets_no_picture_pass_and_is_replaced(
    shop: Workshop, pocketbase: PocketBase, gauges: Gauges, how: signal.Signals
) -> None:
    _picture(shop).raise_for_status()
    before = len(pocketbase.rows("documents", filter="name='pic'", fields="id"))
    (worker,) = _workers(shop)
    os.kill(worker, how)
    refused = _picture(shop)
    if how is signal.SIGSTOP:
        assert errors_of(refused) == {"cover": "validation_invalid_image"}
        assert len(pocketbase.rows("documents", filter="name='pic'", fields="id")) == before
    wait_until(lambda: _workers(shop) not in ([], [worker]), "another worker", 30.0)
    wait_until(lambda: _picture(shop).status_code == 200, "pictures are taken again", 30.0)
    _assert_given_back(shop, gauges)
