"""Every answer leaves with the request id; a page may read why it was refused."""

import orjson
import pytest

from hapta.model.errors import AdminOnly, BodyTooSlow, HaptaError, Overloaded
from hapta.model.exchange import Answer, Exchange
from hapta.stages.accept import EXPOSED, accept
from tests.support.exchanges import Upstream, exchange, fields

ORIGIN = {"Origin": "https://front.example"}


async def test_every_answer_carries_the_request_id() -> None:
    answer = await accept(exchange(), Upstream())
    assert fields(answer, b"x-request-id") == [b"request-1"]


@pytest.mark.parametrize("error", [HaptaError(), AdminOnly(), Overloaded(2.2), BodyTooSlow()])
async def test_a_refusal_becomes_pocketbase_s_error_form(error: HaptaError) -> None:
    async def refuse(exchange: Exchange) -> Answer:
        raise error

    answer = await accept(exchange(headers=ORIGIN), refuse)
    assert isinstance(answer.body, bytes)
    assert orjson.loads(answer.body) == {"data": {}, "message": error.message, "status": error.status}
    assert answer.status == error.status
    assert answer.closes_connection is error.closes_connection
    assert fields(answer, b"x-request-id") == [b"request-1"]
    assert fields(answer, b"access-control-allow-origin") == [b"*"]
    assert fields(answer, b"retry-after") == ([b"3"] if isinstance(error, Overloaded) else [])


async def test_hapta_s_headers_are_exposed_where_the_answer_may_be_read() -> None:
    allowed = Upstream(headers=[(b"Access-Control-Allow-Origin", b"*")])
    assert fields(await accept(exchange(headers=ORIGIN), allowed), b"access-control-expose-headers") == [
        EXPOSED
    ]
    assert not fields(await accept(exchange(), allowed), b"access-control-expose-headers")
    assert not fields(await accept(exchange(headers=ORIGIN), Upstream()), b"access-control-expose-headers")


@pytest.mark.parametrize(("given", "sent"), [(b"X-Mine", b"X-Mine, " + EXPOSED), (b" * ", b" * ")])
async def test_what_an_app_exposes_itself_stays(given: bytes, sent: bytes) -> None:
    headers = [(b"Access-Control-Allow-Origin", b"*"), (b"access-control-expose-headers", given)]
    answer = await accept(exchange(headers=ORIGIN), Upstream(headers=headers))
    assert fields(answer, b"access-control-expose-headers") == [sent]
