"""Hapta's own routes about sessions, when PocketBase fails in the middle."""

import pytest

from hapta.identity.needs import SessionEnded
from hapta.model.clock import ManualClock
from hapta.model.errors import UpstreamLost
from hapta.stages.session_routes import session_routes
from tests.support.exchanges import Upstream, exchange
from tests.support.session_double import Database, Process


async def test_a_failure_in_the_middle_of_logging_out_everywhere_spares_no_session() -> None:
    process = Process(Database(), ManualClock())
    tokens = [await process.login() for _ in range(4)]
    identities = [await process.who(token) for token in tokens]
    failures = iter([UpstreamLost()])
    process.api.refuses = lambda method, path: next(failures, None) if method == "PATCH" else None
    asked = exchange("POST", "/api/hapta/logout-all")
    asked.identity = identities[0]
    with pytest.raises(UpstreamLost):
        await session_routes(process.keeper, process.rows, process.clock)(asked, Upstream())
    for token in tokens:
        with pytest.raises(SessionEnded):
            await process.who(token)
    await process.settle()
    assert all(row["ended"] for row in process.database.sessions.values())
    await process.stop()
