"""An error of the connection reaches whoever waits for the rest of the body."""

import asyncio

import aiohttp
import pytest
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.streams import StreamReader

from hapta.upstream.connector import _Protocol


def reading(protocol: _Protocol) -> StreamReader:
    """The body of an answer under way on ``protocol``."""
    payload = StreamReader(protocol, 1024, loop=asyncio.get_running_loop())
    protocol._payload = payload
    return payload


async def test_an_error_of_the_framing_reaches_the_body() -> None:
    protocol = _Protocol(asyncio.get_running_loop())
    payload = reading(protocol)
    protocol.set_exception(BadHttpMessage("Invalid character in chunk size"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await payload.read()


async def test_a_body_that_is_whole_or_has_an_error_of_its_own_stays_as_it_is() -> None:
    protocol = _Protocol(asyncio.get_running_loop())
    payload = reading(protocol)
    payload.feed_data(b"whole")
    payload.feed_eof()
    protocol.set_exception(BadHttpMessage("later"))
    assert await payload.read() == b"whole"

    protocol = _Protocol(asyncio.get_running_loop())
    payload = reading(protocol)
    own = aiohttp.ClientConnectionError("given up")
    payload.set_exception(own)
    protocol.set_exception(BadHttpMessage("later"))
    assert payload.exception() is own
