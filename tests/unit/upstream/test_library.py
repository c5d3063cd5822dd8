"""aiohttp's client sends the fields it was given."""

import asyncio

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from hapta.config import UpstreamConfig
from hapta.upstream.library import LibraryClient
from hapta.upstream.messages import Lane

GIVEN = CIMultiDict({"Host": "h", "X-A": "1"})


@pytest.mark.parametrize("body", [None, b"", b"{}"], ids=["no body", "an empty body", "a body"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_no_field_of_the_library_s_own_is_added_but_the_body_s_length(
    method: str, body: bytes | None
) -> None:
    client = LibraryClient("http://127.0.0.1:1", UpstreamConfig(), lambda: None)
    await client.open()
    try:
        session = client._sessions[Lane.RECORDS]
        request = session._request_class(
            method, URL(client._base_url), headers=GIVEN, data=body, loop=asyncio.get_running_loop()
        )
        added = {name: value for name, value in request.headers.items() if name not in GIVEN}
        assert added in ({}, {"Content-Length": str(len(body or b""))})
        assert "Content-Type" in request.skip_auto_headers  # else sending would make one up
        await request.close()
    finally:
        await client.close()


async def test_each_duration_has_one_timeout_of_its_own() -> None:
    client = LibraryClient("http://127.0.0.1:1", UpstreamConfig(connect_timeout_s=3.0), lambda: None)
    short, forever = client._timeout(5.0), client._timeout(None)
    assert short == aiohttp.ClientTimeout(total=None, sock_connect=3.0, sock_read=5.0)
    assert forever == aiohttp.ClientTimeout(total=None, sock_connect=3.0, sock_read=None)
    assert client._timeout(5.0) is short
