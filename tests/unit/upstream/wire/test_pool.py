"""Connections that come to be, or do not, while all of them are closed."""

import asyncio
from typing import Any

import pytest

from hapta.model.errors import UpstreamRefused
from hapta.upstream.wire.pool import WirePool


@pytest.mark.parametrize("how", ["fails", "is cancelled"])
async def test_closing_does_not_wait_for_a_connection_that_never_came_to_be(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def create_connection(*_: Any, **__: Any) -> None:
        begun.set()
        await go_on.wait()
        raise ConnectionResetError

    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        pool = WirePool("127.0.0.1", port, connect_timeout_s=1, keepalive_s=1)
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", create_connection)
        connecting = asyncio.ensure_future(pool.connect())
        await begun.wait()
        closing = asyncio.ensure_future(pool.close())
        await asyncio.sleep(0)
        if how == "fails":
            go_on.set()
        else:
            connecting.cancel()
        with pytest.raises((UpstreamRefused, asyncio.CancelledError)):
            await connecting
        await asyncio.wait_for(closing, 2)
