"""Short runs of the whole rig, and planted faults it must notice: a stale answer, a leak, a lost write."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer, unused_port
from yarl import URL

from hapta.model.clock import SystemClock
from hapta.workload.draws import WRITE_WEIGHTS
from hapta.workload.profiles import DEFAULT_SEED, PROFILES
from hapta.workload.report import Report
from hapta.workload.run import RunOptions, Watch, run

_DIRECT = RunOptions(profile="S", seed=DEFAULT_SEED, requests=300, is_direct=True)
_MANY_WRITES = replace(_DIRECT, profile="small and busy", requests=300)

Forward = Callable[[web.Request], Awaitable[web.Response]]
Gateway = Callable[[web.Request, Forward], Awaitable[web.Response]]
"""A stand-in for Hapta: answers a request, by forwarding it or otherwise."""


@pytest.fixture(autouse=True)
def _small_and_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile in which a short run holds every kind of write."""
    monkeypatch.setitem(PROFILES, _MANY_WRITES.profile, replace(PROFILES["S"], write_share=0.2))


async def _run(options: RunOptions) -> Report:
    return await run(options, SystemClock(), Watch(lambda _: None, lambda: None))


@asynccontextmanager
async def _serving(gateway: Gateway, upstream: str) -> AsyncIterator[str]:
    async def forward(request: web.Request) -> web.Response:
        url = URL(upstream + request.raw_path, encoded=True)
        headers = {k: v for k, v in request.headers.items() if k not in ("Host", "Content-Length")}
        body = await request.read()
        async with http.request(request.method, url, headers=headers, data=body or None) as answer:
            content = await answer.read()
            return web.Response(status=answer.status, body=content, content_type=answer.content_type)

    async def handle(request: web.Request) -> web.Response:
        if request.path.startswith("/api/hapta/health/"):
            return web.json_response({"code": 200})
        return await gateway(request, forward)

    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", handle)
    async with ClientSession() as http, TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def _run_through(gateway: Gateway, options: RunOptions) -> Report:
    port = unused_port()
    async with _serving(gateway, f"http://127.0.0.1:{port}") as url:
        nodes = replace(options, is_direct=False, nodes=(url,), shim_port=port)
        return await _run(replace(nodes, admin_email="bench@example.com", admin_password="for this run only"))


def _never_invalidated(*, is_shared: bool) -> Gateway:
    """The cache not to build: by URL (and token, unless shared), and no write is heard of."""
    stored: dict[tuple[str, str], tuple[int, bytes, str]] = {}

    async def gateway(request: web.Request, forward: Forward) -> web.Response:
        if request.method != "GET":
            return await forward(request)
        key = (request.raw_path, "" if is_shared else request.headers.get("Authorization", ""))
        if key not in stored:
            answer = await forward(request)
            assert isinstance(answer.body, bytes)
            stored[key] = (answer.status, answer.body, answer.content_type)
        status, body, content_type = stored[key]
        return web.Response(status=status, body=body, content_type=content_type)

    return gateway


async def _plain(request: web.Request, forward: Forward) -> web.Response:
    return await forward(request)


async def test_without_a_cache_all_but_the_verifications_arrive_and_all_answers_are_right() -> None:
    report = await _run(_DIRECT)
    found = report.as_dict()
    left_out = found["not_yet"]["verify"]["requests"]
    extra = found["not_yet"]["notification"]["requests"]
    assert left_out > 0
    assert found["upstream_requests"] == 300 - left_out + extra
    assert found["record_operations"] + found["file_requests"] == found["upstream_requests"]
    assert found["file_requests"] == found["by_kind"]["file"]["requests"]
    assert (found["stale"], found["leaks"], found["failed"]) == (0, 0, 0)
    assert found["compared"] == found["upstream_requests"]
    assert found["logins"]["requests"] == 21
    assert report.is_clean


async def test_the_report_is_one_json_object_with_the_promised_keys_and_a_table() -> None:
    report = await _run(replace(_DIRECT, requests=40))
    found = json.loads(json.dumps(report.as_dict()))
    promised = "profile seed requests upstream_requests record_operations file_requests stale leaks seconds"
    assert list(found)[:9] == promised.split()
    text = report.as_text()
    assert "measured" in text
    assert all(level in text for level in ("L0", "L1", "L2", "L3", "L4", "L5", "L6"))


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("with_private_posts", [False, True], ids=["public", "variant P"])
async def test_pocketbase_itself_has_nothing_stale_and_no_leaks(
    with_private_posts: bool, concurrency: int
) -> None:
    report = await _run(replace(_MANY_WRITES, with_private_posts=with_private_posts, concurrency=concurrency))
    assert {kind for kind in WRITE_WEIGHTS if report.tally.requests[kind]} == WRITE_WEIGHTS.keys()
    assert report.findings.examples == []
    assert report.findings.compared > 0
    assert report.is_clean


async def test_a_gateway_that_only_forwards_is_clean_and_answers_verifications_by_itself() -> None:
    report = await _run_through(_plain, replace(_DIRECT, requests=100))
    assert report.findings.examples == []
    found = report.as_dict()
    assert found["by_kind"]["verify"]["hits"] == found["by_kind"]["verify"]["requests"] > 0
    assert found["by_kind"]["view"]["hits"] == 0


async def test_planted_staleness_is_found_one_at_a_time() -> None:
    report = await _run_through(_never_invalidated(is_shared=False), _MANY_WRITES)
    assert report.findings.stale > 0
    assert report.findings.leaks == 0
    assert report.findings.failed == 0
    assert not report.is_clean
    assert report.as_dict()["by_kind"]["home"]["hits"] > 0


async def test_planted_staleness_is_found_with_many_clients() -> None:
    options = replace(_MANY_WRITES, concurrency=16)
    report = await _run_through(_never_invalidated(is_shared=False), options)
    assert report.findings.stale > 0
    assert report.findings.failed == 0


@pytest.mark.parametrize("concurrency", [1, 16])
async def test_a_planted_leak_is_found(concurrency: int) -> None:
    options = replace(_DIRECT, requests=300, with_private_posts=True, concurrency=concurrency)
    report = await _run_through(_never_invalidated(is_shared=True), options)
    assert report.findings.leaks > 0
    assert not report.is_clean


async def test_a_write_that_was_acknowledged_but_never_sent_is_found() -> None:
    async def forgets_edits(request: web.Request, forward: Forward) -> web.Response:
        if request.method == "PATCH" and "/posts/" in request.path:
            return web.json_response({"id": urlsplit(request.path).path.rpartition("/")[2]})
        return await forward(request)

    report = await _run_through(forgets_edits, replace(_MANY_WRITES, requests=100))
    assert report.findings.stale > 0


async def test_refused_requests_are_failures() -> None:
    async def busy(request: web.Request, forward: Forward) -> web.Response:
        if request.path.endswith("/records") and request.method == "GET":
            return web.json_response({"status": 503, "message": "busy", "data": {}}, status=503)
        return await forward(request)

    report = await _run_through(busy, replace(_DIRECT, requests=40))
    assert report.findings.failed > 0
    assert not report.is_clean
