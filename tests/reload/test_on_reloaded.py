"""Who remembers what followed from the configuration is told at the very swap."""

import io
from pathlib import Path

import httpx
import pytest

from hapta.app import Gateway, Outputs
from hapta.config import Loaded, load
from hapta.model.clock import SystemClock
from hapta.model.errors import OperatorError
from hapta.observe.access_log import AccessLog
from hapta.observe.events import Events
from hapta.observe.metrics import Metrics
from tests.support.hapta import SECRET
from tests.support.pocketbase import GATEWAY_EMAIL, PASSWORD, PocketBase
from tests.support.process import free_port


async def test_the_callbacks_run_once_for_each_swap_and_for_no_refusal(
    pocketbase: PocketBase, tmp_path: Path
) -> None:
    environ = {"DatabaseURL": pocketbase.url, "Secret": SECRET}
    environ |= {"AdminEmail": GATEWAY_EMAIL, "AdminPassword": PASSWORD}
    settings = [f"server.port={free_port()}", "metrics.enabled=false", "log.access=off"]

    def read() -> Loaded:
        return load(None, environ, settings, tmp_path)

    loaded, clock, metrics, lines = read(), SystemClock(), Metrics(), io.BytesIO()
    access_log = AccessLog(loaded.config.log, io.BytesIO(), clock)
    outputs = Outputs(Events(loaded.config.log, lines, clock), access_log, metrics)
    gateway = Gateway(loaded, environ, outputs, clock, read)
    told: list[str] = []
    gateway.on_reloaded.append(lambda: told.append("one"))
    gateway.on_reloaded.append(lambda: told.append("other"))
    await gateway.start()
    try:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            settings.append("cors.max_age_s=5")
            reloaded = await gateway.reload()
            assert reloaded.changes == ("cors.max_age_s: 600 -> 5",)
            assert told == ["one", "other"]
            settings.append("cors.max_age_s=none")
            with pytest.raises(OperatorError, match=r"cors\.max_age_s: expected an integer"):
                await gateway.reload()
            assert told == ["one", "other"]
            assert (await client.get("/api/hapta/health/ready")).status_code == 200
    finally:
        await gateway.stop()
        access_log.close()
