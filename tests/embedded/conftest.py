"""Fixtures of the embedded PocketBase."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hapta.embedded import EmbeddedPocketBase, GivenSecrets, Prepared
from tests.embedded.support import RecordedEvents, Superuser, embedded, make_ready

Start = Callable[..., Awaitable[EmbeddedPocketBase]]
LogIn = Callable[..., Awaitable[Superuser]]


@pytest.fixture
def events() -> RecordedEvents:
    return RecordedEvents()


@pytest.fixture
async def start(tmp_path: Path, events: RecordedEvents) -> AsyncIterator[Start]:
    """Prepare and start in ``tmp_path``; stopped at the end."""
    started: list[EmbeddedPocketBase] = []

    async def run(
        *,
        given: GivenSecrets | None = None,
        adopt_data: bool = False,
        timeout_s: float = 20.0,
        **settings: Any,
    ) -> EmbeddedPocketBase:
        prepared = make_ready(tmp_path, given=given, adopt_data=adopt_data, events=events, **settings)
        pocketbase = embedded(prepared, events, start_timeout_s=timeout_s)
        started.append(pocketbase)
        await pocketbase.start()
        return pocketbase

    yield run
    for pocketbase in started:
        await pocketbase.stop()


@pytest.fixture
async def log_in() -> AsyncIterator[LogIn]:
    """A superuser logged in at a running PocketBase as Hapta's own account or the operator's."""
    clients: list[httpx.AsyncClient] = []

    async def run(pocketbase: EmbeddedPocketBase, name: str = "service") -> Superuser:
        prepared: Prepared = pocketbase.prepared
        clients.append(httpx.AsyncClient(base_url=pocketbase.base_url, timeout=20))
        superuser = Superuser(clients[-1])
        assert await superuser.log_in(getattr(prepared, name)) == 200
        return superuser

    yield run
    for client in clients:
        await client.aclose()
