"""Preflights: learned per origin, answered as PocketBase would, never learned from what is no grant.

Row ``preflight-max-age`` of ``docs/differences.md``.
"""

from collections.abc import Sequence

import pytest

from hapta.config import CorsConfig
from hapta.model.clock import ManualClock
from hapta.model.exchange import Answer, Exchange
from hapta.stages.cors import MAX_ORIGIN_BYTES, preflights
from tests.support.exchanges import Upstream, exchange, fields

LIST = "/api/collections/posts/records"


class PocketBase(Upstream):
    """Answers preflights as PocketBase does."""

    async def __call__(self, exchange: Exchange) -> Answer:
        self.asked.append(exchange)
        headers = [(b"Access-Control-Allow-Methods", b"GET,POST"), (b"Access-Control-Allow-Origin", b"*")]
        if asked := exchange.headers.get("Access-Control-Request-Headers"):
            headers.append((b"Access-Control-Allow-Headers", asked.encode("utf-8", "replace")))
        return Answer(204, headers)


def _preflight(
    target: str = LIST, origin: str = "https://a.example", method: str = "GET", asked: str | None = None
) -> Exchange:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    if asked is not None:
        headers["Access-Control-Request-Headers"] = asked
    return exchange("OPTIONS", target, headers)


def _lines(answer: Answer) -> set[tuple[bytes, bytes]]:
    return set(answer.headers)


async def _times_asked(*exchanges: Exchange, config: CorsConfig | None = None) -> int:
    stage, upstream = preflights(config or CorsConfig(), ManualClock()), PocketBase()
    for one in exchanges:
        await stage(one, upstream)
    return len(upstream.asked)


async def test_the_second_preflight_of_an_origin_is_answered_from_memory_and_equal() -> None:
    stage, upstream = preflights(CorsConfig(), ManualClock()), PocketBase()
    first = await stage(_preflight(asked="authorization"), upstream)
    again = await stage(_preflight(asked="authorization"), upstream)
    assert len(upstream.asked) == 1
    assert (again.status, _lines(again)) == (first.status, _lines(first))
    assert fields(again, b"access-control-max-age") == [b"600"]


@pytest.mark.parametrize("asked", [None, "", "x-a", "X-Odd,  x-b ,"])
async def test_the_headers_asked_for_are_echoed_anew_each_time(asked: str | None) -> None:
    stage, upstream = preflights(CorsConfig(), ManualClock()), PocketBase()
    await stage(_preflight(asked="authorization"), upstream)
    answer = await stage(_preflight(asked=asked), upstream)
    assert len(upstream.asked) == 1
    assert fields(answer, b"access-control-allow-headers") == ([asked.encode()] if asked else [])


async def test_bytes_that_are_not_utf_8_are_no_reason_to_fail() -> None:
    stage, upstream = preflights(CorsConfig(), ManualClock()), PocketBase()
    odd = _preflight(asked="x-\udcff")
    assert (await stage(odd, upstream)).status == 204
    await stage(_preflight(asked="x-a"), upstream)
    assert fields(await stage(odd, upstream), b"access-control-allow-headers") == [b"x-\xff"]
    assert len(upstream.asked) == 2, "learned from an answer that echoed something else"


async def test_origins_are_kept_apart() -> None:
    assert await _times_asked(_preflight(), _preflight(origin="https://b.example"), _preflight()) == 2


@pytest.mark.parametrize(
    ("target", "method"),
    [("/nothing", "GET"), ("/api/custom/x", "POST"), (LIST, "PUT"), (LIST, "get"), (LIST + "/", "GET")],
)
async def test_routes_nobody_knows_are_asked_for_each_time(target: str, method: str) -> None:
    assert await _times_asked(*[_preflight(target, method=method)] * 2) == 2


async def test_after_its_time_pocketbase_is_asked_again() -> None:
    clock = ManualClock()
    stage, upstream = preflights(CorsConfig(memo_s=60), clock), PocketBase()
    for seconds in (0, 59, 2):
        clock.advance(seconds)
        await stage(_preflight(), upstream)
    assert len(upstream.asked) == 2


async def test_only_so_many_origins_are_remembered() -> None:
    origins = [_preflight(origin=f"https://{n}.example") for n in (1, 2, 3, 3, 1)]
    assert await _times_asked(*origins, config=CorsConfig(memo_origins=2)) == 4


async def test_a_huge_origin_is_not_remembered() -> None:
    assert await _times_asked(*[_preflight(origin="x" * (MAX_ORIGIN_BYTES + 1))] * 2) == 2


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (204, [], b""),
        (200, [(b"Access-Control-Allow-Origin", b"*")], b""),
        (204, [(b"Access-Control-Allow-Origin", b"*"), (b"Access-Control-Allow-Headers", b"x-fixed")], b""),
        (404, [(b"Access-Control-Allow-Origin", b"*")], b"{}"),
        (502, [], b"{}"),
    ],
)
async def test_what_is_no_echoing_grant_is_not_remembered(
    status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
) -> None:
    stage, upstream = preflights(CorsConfig(), ManualClock()), Upstream(status, headers, body)
    answers = [await stage(_preflight(), upstream) for _ in range(2)]
    assert len(upstream.asked) == 2
    assert all((answer.status, answer.body) == (status, body) for answer in answers)


async def test_an_app_s_own_max_age_stays() -> None:
    given = [(b"Access-Control-Allow-Origin", b"*"), (b"Access-Control-Max-Age", b"5")]
    answer = await preflights(CorsConfig(), ManualClock())(_preflight(), Upstream(204, given))
    assert fields(answer, b"access-control-max-age") == [b"5"]


@pytest.mark.parametrize(
    "other",
    [
        exchange("OPTIONS", LIST),
        exchange("OPTIONS", LIST, {"Origin": "https://a.example"}),
        exchange("OPTIONS", LIST, {"Access-Control-Request-Method": "GET"}),
        exchange("GET", LIST, {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}),
        exchange("OPTIONS", LIST, {"Origin": "a", "Access-Control-Request-Method": "GET"}, b"body"),
    ],
    ids=["no CORS", "no method", "no origin", "a GET", "a body"],
)
async def test_what_is_no_preflight_passes(other: Exchange) -> None:
    stage, upstream = preflights(CorsConfig(), ManualClock()), PocketBase()
    for _ in range(2):
        answer = await stage(other, upstream)
        assert not fields(answer, b"access-control-max-age")
    assert len(upstream.asked) == 2
