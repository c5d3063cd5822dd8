"""hapta.observe.listener"""

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from hapta.model.errors import OperatorError
from hapta.model.operation import OperationClass
from hapta.observe.listener import MetricsListener
from hapta.observe.metrics import Metrics


@pytest.fixture
async def listener() -> AsyncIterator[MetricsListener]:
    metrics = Metrics()
    metrics.request_done(OperationClass.HEALTH, 200, 0.001)
    listener = MetricsListener(metrics, "127.0.0.1", 0)
    await listener.start()
    yield listener
    await listener.stop()


async def ask(listener: MetricsListener, method: str, path: str) -> tuple[int, str, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{listener.port}{path}") as answer,
    ):
        return answer.status, answer.headers["Content-Type"], await answer.read()


async def test_metrics_are_answered_in_prometheus_text_form(listener: MetricsListener) -> None:
    status, content_type, body = await ask(listener, "GET", "/metrics")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'hapta_http_requests_total{class="health",status="200"} 1.0' in body


async def test_head_is_answered_without_a_body(listener: MetricsListener) -> None:
    assert (await ask(listener, "HEAD", "/metrics"))[::2] == (200, b"")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/metrics/"), ("POST", "/metrics"), ("GET", "/api/health")]
)
async def test_everything_else_is_not_there(listener: MetricsListener, method: str, path: str) -> None:
    assert (await ask(listener, method, path))[0] == 404


async def test_port_0_tells_the_real_port(listener: MetricsListener) -> None:
    assert listener.port > 0


async def test_a_port_in_use_is_the_operators_to_solve() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError, match=rf"metrics\.port: 127\.0\.0\.1:{port} is in use"):
            await MetricsListener(Metrics(), "127.0.0.1", port).start()


async def test_an_address_of_another_machine_is_the_operators_to_solve() -> None:
    with pytest.raises(OperatorError, match=r"metrics\.host: cannot listen on \"192\.0\.2\.1\""):
        await MetricsListener(Metrics(), "192.0.2.1", 0).start()


async def test_a_stopped_listener_frees_its_port() -> None:
    first = MetricsListener(Metrics(), "127.0.0.1", 0)
    await first.start()
    await first.stop()
    second = MetricsListener(Metrics(), "127.0.0.1", first.port)
    await second.start()
    await second.stop()


async def test_stopping_what_never_started_does_nothing() -> None:
    await MetricsListener(Metrics(), "127.0.0.1", 0).stop()
