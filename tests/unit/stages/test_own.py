"""Hapta's own routes; row ``own-paths`` of ``docs/differences.md``."""

import orjson
import pytest

from hapta.model.errors import NotFound
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.pipeline import fold
from hapta.stages.own import health_routes, no_own_route
from tests.support.exchanges import Upstream, exchange


def _stage(reason: str | None = None):
    async def why() -> str | None:
        return reason

    async def stage(asked: Exchange, forward: Handler) -> Answer:
        return await fold([health_routes(why), no_own_route], forward)(asked)

    return stage


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_live_is_200_whatever_happens(method: str) -> None:
    answer = await _stage("PocketBase is away")(exchange(method, "/api/hapta/health/live"), Upstream())
    assert answer.status == 200


@pytest.mark.parametrize(("reason", "status"), [(None, 200), ("PocketBase is away", 503)])
async def test_ready_tells_why_not(reason: str | None, status: int) -> None:
    answer = await _stage(reason)(exchange(target="/api/hapta/health/ready"), Upstream())
    body = orjson.loads(answer.body)
    assert (answer.status, body["code"], body["data"]) == (status, status, {})
    assert body["message"] == (reason or "Hapta is ready.")
    assert (b"Cache-Control", b"no-store") in answer.headers


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/api/hapta"),
        ("GET", "/api/hapta/"),
        ("GET", "/api/hapta/health"),
        ("GET", "/api/hapta/health/live/"),
        ("GET", "/api/hapta/health%2Flive/x"),
        ("POST", "/api/hapta/health/live"),
        ("OPTIONS", "/api/hapta/health/live"),
        ("GET", "/_hapta"),
        ("GET", "/_hapta/index.html"),
        ("GET", "/%5Fhapta/x"),
        ("GET", "/api/%68apta/x"),
    ],
)
async def test_what_is_hapta_s_never_reaches_pocketbase(method: str, target: str) -> None:
    upstream = Upstream()
    with pytest.raises(NotFound):
        await _stage()(exchange(method, target), upstream)
    assert not upstream.asked


@pytest.mark.parametrize("target", ["/api/haptaX", "/api/Hapta/x", "/hapta", "/api/health", "/api/x/hapta"])
async def test_everything_else_is_passed_on(target: str) -> None:
    upstream = Upstream()
    await _stage()(exchange(target=target), upstream)
    assert len(upstream.asked) == 1
