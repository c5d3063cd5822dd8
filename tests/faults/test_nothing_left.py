"""After all that can go wrong the process holds nothing of it: no task, no slot, no connection, no body."""

import asyncio
import gc
import io
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from hapta.app import Gateway, Outputs
from hapta.config import load
from hapta.model.clock import SystemClock
from hapta.observe.access_log import AccessLog
from hapta.observe.events import Events
from hapta.observe.metrics import Metrics
from hapta.server.protocol import Connection
from hapta.stages.streams import EventStream
from hapta.upstream.client import Lane
from hapta.upstream.spool import SpooledBody
from hapta.upstream.wire.connection import WireResponse
from tests.faults.clients import ask, connection, request, upload
from tests.faults.conftest import SHORT
from tests.faults.test_clients_that_leave import leave
from tests.support.hapta import SECRET
from tests.support.process import free_port
from tests.support.upstream_double import Script, UpstreamDouble, chunk, chunked_head, response, says

RECORDS = "/api/collections/posts/records"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + bytes(500_000)
BREAKS: list[Script] = [
    says(response()),
    says(response(bytes(700_000))),
    says(response(bytes(700_000), 413, "Connection: close"), then="close", reads=False),
    says(then="reset"),
    says(then="stall"),
    says(b"HTTP/1.1 200 O", then="close"),
    says(HALF, then="reset"),
    says(HALF, then="stall"),
    says(chunked_head(), chunk(b"x"), b"zz\r\n", then="stall"),
    says(chunked_head("text/event-stream"), chunk(b"data:1\n\n"), then="stall"),
    says(chunked_head("text/event-stream"), chunk(b"data:1\n\n"), then="reset"),
]
KINDS = (Connection, EventStream, SpooledBody, WireResponse)


@pytest.fixture
async def gateway(double: UpstreamDouble, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway on the test's own event loop."""
    environ = {
        "DatabaseURL": double.url,
        "AdminEmail": "a@example.com",
        "AdminPassword": "p",
        "Secret": SECRET,
    }
    settings = {**SHORT, "server.port": free_port(), "metrics.enabled": "false"}
    loaded = load(None, environ, [f"{key}={value}" for key, value in settings.items()], tmp_path)
    clock, metrics = SystemClock(), Metrics()
    events = Events(loaded.config.log, io.BytesIO(), clock, ())
    access_log = AccessLog(loaded.config.log, io.BytesIO(), clock, metrics.log_lines_dropped.inc)
    running = Gateway(loaded, environ, Outputs(events, access_log, metrics), clock)
    await running.start()
    yield running
    await running.stop()
    access_log.close()


def misbehave(url: str, double: UpstreamDouble) -> None:
    """Every way an answer breaks, with clients that wait for it and clients that leave."""
    for method in ("GET", "POST"):
        for path in (RECORDS, "/api/custom/thing"):
            for script in BREAKS:
                double.plan(method, path, script)
                for how in ("close", "reset", "half-close"):
                    with connection(url) as raw:
                        body = bytes(1_500_000) if method == "POST" else None
                        raw.sendall(request(method, path, body=body))
                        if how != "close":
                            raw.settimeout(0.05)
                            with suppress(TimeoutError):
                                raw.recv(100)
                        leave(raw, how)
            with connection(url) as raw:
                raw.sendall(upload("POST", path, 2_000_000) + bytes(1_200_000))
                time.sleep(0.02)


def held(gateway: Gateway) -> Counter[str]:
    """How much is held of each kind; what must be the same before and after."""
    gc.collect()
    counts = Counter(type(each).__name__ for each in gc.get_objects() if type(each) in KINDS)
    counts["tasks"] = len(asyncio.all_tasks())
    database = gateway._database
    assert database is not None
    for lane in (Lane.RECORDS, Lane.TRANSFERS):
        counts[f"free slots of {lane}"] = database.client._gates[lane]._all._free
    counts["streams"] = len(gateway._streams)
    return +counts


async def test_no_task_slot_connection_or_body_is_left(gateway: Gateway, double: UpstreamDouble) -> None:
    for path in (RECORDS, "/api/custom/thing"):
        assert (await asyncio.to_thread(ask, gateway.url, "GET", path)).status == 200
    await asyncio.sleep(0.1)
    before = held(gateway)
    await asyncio.to_thread(misbehave, gateway.url, double)
    double.forget()
    after = held(gateway)
    ends_at = time.monotonic() + 5
    while after != before and time.monotonic() < ends_at:
        await asyncio.sleep(0.1)
        after = held(gateway)
    assert after == before
    for path in (RECORDS, "/api/custom/thing"):
        assert (await asyncio.to_thread(ask, gateway.url, "GET", path)).status == 200
