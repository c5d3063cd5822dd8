"""TLS connections before they are any, on the loop of the standard library; uvloop's is tested running."""

import asyncio
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp.web_response import Response
from aiohttp.web_server import Server

from hapta.config import ServerConfig
from hapta.config.certificate import read_certificate
from hapta.model.address import parse_networks
from hapta.server.connections import ConnectionTable
from hapta.server.handshakes import TlsAcceptor
from hapta.server.protocol import Connection, Reception
from tests.support.certificates import any_certificate, make_certificate

TIMEOUT_S = 0.3


class Here:
    """An acceptor, and what it tells."""

    def __init__(self, home: Path) -> None:
        self.refused: list[str] = []
        made = make_certificate(home)
        config = ServerConfig(header_timeout_s=TIMEOUT_S)
        self.reception = Reception(
            config=config,
            trusted=(),
            admin_networks=(),
            table=ConnectionTable(2, 2),
            on_refused=self.refused.append,
            on_open_changed=lambda _: None,
            render_error=lambda error, request_id: b"",
            on_bad_request=lambda peer, error, request_id: None,
            on_crash=lambda request_id, exc: None,
        )
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        loop = asyncio.get_running_loop()
        manager = Server(self._answer, loop=loop)
        self.acceptor = TlsAcceptor(
            self.socket,
            read_certificate(made.cert, made.key).context,
            self.reception,
            lambda: Connection(manager, self.reception, loop=loop),
        )

    async def _answer(self, _: object) -> Response:
        return Response(text="hello")

    async def connect(self, tls: ssl.SSLContext | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)

    async def until(self, counted: int, made: int = 0) -> None:
        """So many are counted, and so many of them have their handshake behind them."""
        reception = self.reception
        async with asyncio.timeout(5):
            while (reception.table.open, len(reception.connections)) != (counted, made):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    found = Here(tmp_path)
    yield found
    for connection in tuple(found.reception.connections):
        connection.abort()
    await found.acceptor.stop()
    await found.until(0)


async def test_a_handshake_has_a_deadline_and_its_place_is_given_back(here: Here) -> None:
    reader, writer = await here.connect(None)
    await here.until(1)
    assert await reader.read() == b""
    await here.until(0)
    assert here.refused == ["handshake"]
    writer.close()


async def test_handshakes_count_like_connections(here: Here) -> None:
    silent = [await here.connect(None) for _ in range(2)]
    await here.until(2)
    reader, third = await here.connect(None)
    with suppress(ConnectionError):
        assert await reader.read() == b""
    assert here.refused == ["total"]
    for _, writer in [*silent, (reader, third)]:
        writer.close()


async def test_a_connection_is_counted_once(here: Here) -> None:
    _, writer = await here.connect(any_certificate())
    await here.until(1, made=1)
    assert [connection.is_tls for connection in here.reception.connections] == [True]
    here.reception.configure(ServerConfig(), parse_networks(["127.0.0.1"]), ())
    writer.close()
    await writer.wait_closed()
    await here.until(0)


async def test_what_is_still_shaking_hands_is_cut_off_at_the_end(here: Here) -> None:
    reader, writer = await here.connect(None)
    await here.until(1)
    await here.acceptor.stop()
    assert await reader.read() == b""
    await here.until(0)
    writer.close()


async def test_who_comes_at_the_very_end_is_closed_too(here: Here) -> None:
    reader, writer = await here.connect(None)
    here.acceptor._accept()  # its handshake has not had its first turn
    await here.acceptor.stop()
    assert await reader.read() == b""
    writer.close()


async def test_who_finishes_during_the_drain_is_refused_and_gives_the_place_back(here: Here) -> None:
    here.reception.is_draining = True
    reader, writer = await here.connect(any_certificate())
    with suppress(ConnectionError):
        assert await reader.read() == b""
    await here.until(0)
    assert here.refused == ["draining"]
    writer.close()


async def test_who_comes_while_no_descriptor_is_left_is_accepted_later(here: Here) -> None:
    with socket.socket() as client:
        client.setblocking(False)
        lowest = os.open(os.devnull, os.O_RDONLY)
        os.close(lowest)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", here.port))
            await asyncio.sleep(0.1)
            assert here.reception.table.open == 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await here.until(1)
