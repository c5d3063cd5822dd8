"""What may be stored, what of it is kept, and what it weighs."""

import gc
import tracemalloc

import pytest

from hapta.cache.generations import Standing
from hapta.cache.stored import etag_of, may_store
from hapta.cache.weight import HeaderPool
from hapta.model.exchange import Header
from tests.unit.cache.support import HEADERS, Fence, store, stored

JSON: Header = (b"Content-Type", b"application/json")
NOT_FOUND = b'{"data":{},"message":"The requested resource wasn\'t found.","status":404}'


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([JSON], id="json"),
        pytest.param([(b"content-type", b"Application/JSON; charset=UTF-8")], id="charset"),
        pytest.param([JSON, (b"Vary", b"Origin")], id="vary-origin"),
        pytest.param([JSON, (b"VARY", b"origin"), (b"vary", b" Origin ")], id="vary-twice"),
        pytest.param([JSON, (b"X-Of-A-Hook", b"1"), (b"Date", b"x")], id="further"),
        pytest.param([JSON, (b"Access-Control-Allow-Origin", b"*")], id="cors"),
    ],
)
def test_a_plain_json_answer_may_be_stored(headers: list[Header]) -> None:
    assert may_store("GET", 200, headers)
    assert may_store("GET", 200, headers, is_view=True)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="no-type"),
        pytest.param([JSON, JSON], id="two-types"),
        pytest.param([(b"Content-Type", b"text/html")], id="html"),
        pytest.param([(b"Content-Type", b"application/jsonp")], id="nearly-json"),
        pytest.param([(b"Content-Type", b"application/json; charset=latin1")], id="latin1"),
        pytest.param([JSON, (b"Vary", b"*")], id="vary-all"),
        pytest.param([JSON, (b"Vary", b"Origin, Cookie")], id="vary-more"),
        pytest.param([JSON, (b"Vary", b"Origin"), (b"Vary", b"Accept-Language")], id="vary-second-line"),
        pytest.param([JSON, (b"Vary", b"")], id="vary-empty"),
        *(
            pytest.param([JSON, (name, b"x")], id=name.decode())
            for name in (
                b"Set-Cookie", b"set-cookie", b"Content-Encoding", b"Cache-Control", b"ETag",
                b"Last-Modified", b"Expires", b"Pragma", b"Age", b"Trailer", b"Content-Range",
                b"WWW-Authenticate", b"Location", b"Clear-Site-Data",
            )
        ),
    ],
)  # fmt: skip
def test_what_means_more_than_a_plain_answer_may_not(headers: list[Header]) -> None:
    assert not may_store("GET", 200, headers)


@pytest.mark.parametrize("status", [0, 199, 201, 204, 206, 301, 304, 400, 401, 403, 410, 429, 500, 503])
def test_no_other_status_may_be_stored(status: int) -> None:
    assert not may_store("GET", status, [JSON], is_view=True, body=NOT_FOUND)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "QUERY"])
def test_only_get_fills(method: str) -> None:
    assert not may_store(method, 200, [JSON])


def test_the_404_of_a_view_may_be_stored_in_pocketbase_s_own_form() -> None:
    assert may_store("GET", 404, [JSON], is_view=True, body=NOT_FOUND)
    assert not may_store("GET", 404, [JSON], body=NOT_FOUND)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"not json",
        b'{"data":{},"message":"x","status":403}',
        b'{"data":{"id":1},"message":"x","status":404}',
        b'{"data":{},"message":"x","status":404,"more":1}',
        b'{"data":{},"message":5,"status":404}',
        b'{"data":' + b'{"a":' * 5000,
    ],
)
def test_a_404_of_another_form_may_not(body: bytes) -> None:
    assert not may_store("GET", 404, [JSON], is_view=True, body=body)


def test_lines_of_one_connection_request_or_moment_are_not_kept() -> None:
    dropped = [
        b"Connection", b"Keep-Alive", b"Transfer-Encoding", b"Content-Length", b"Date", b"Age", b"Set-Cookie",
        b"ETag", b"Cache-Control", b"Vary", b"Access-Control-Allow-Origin", b"access-control-expose-headers",
        b"X-Request-Id", b"Via", b"RateLimit", b"Trailer", b"Upgrade", b"TE", b"Retry-After",
    ]  # fmt: skip
    kept = [(b"Content-Type", b"application/json"), (b"X-Frame-Options", b"SAMEORIGIN"), (b"X-A", b"1")]
    made = stored(headers=[*kept[:2], *((name, b"x") for name in dropped), kept[2]])
    assert list(made.headers) == kept
    assert made.varies_by_origin
    assert not stored(headers=kept).varies_by_origin


def test_the_etag_is_strong_short_and_of_the_body_alone() -> None:
    assert stored(body=b"a").etag == etag_of(b"a") == stored(key="other", body=b"a", headers=[JSON]).etag
    assert etag_of(b"a") != etag_of(b"b")
    assert etag_of(b"a").startswith(b'"')
    assert etag_of(b"a").endswith(b'"')
    assert len(etag_of(b"a")) == 26


def test_it_is_live_while_it_is_fresh_and_its_fence_holds() -> None:
    fence = Fence()
    made = stored(stored_at=100.0, lifetime_s=10.0, fence=fence)
    assert made.ttl_s(103.0, 0.0) == 7.0
    assert made.is_live(109.9, 0.0)
    assert not made.is_live(110.0, 0.0)
    assert made.is_dead(110.0, 0.0)
    fence.now = Standing.UNSETTLED
    assert not made.is_live(103.0, 0.0)
    assert not made.is_dead(103.0, 0.0)
    fence.now = Standing.BROKEN
    assert made.is_dead(103.0, 0.0)


def test_it_ends_at_an_instant_of_the_wall_clock_too() -> None:
    made = stored(stored_at=100.0, lifetime_s=10.0, ends_at=5_000.0)
    assert made.ttl_s(103.0, 4_998.0) == 2.0
    assert made.ttl_s(109.0, 4_000.0) == 1.0
    assert not made.is_live(103.0, 5_000.0)


@pytest.mark.parametrize("body_bytes", [2, 500, 3_000, 30_000])
@pytest.mark.parametrize(("members", "has_places"), [(0, False), (30, False), (30, True)])
@pytest.mark.parametrize("has_headers_of_its_own", [False, True])
def test_the_weight_is_the_memory_it_takes(
    body_bytes: int, members: int, has_places: bool, has_headers_of_its_own: bool
) -> None:
    count, pool, held = 1000, HeaderPool(), store(2**30)

    def fill(first: int) -> None:
        for number in range(first, first + count):
            key = f"/api/collections/posts/records?page={number}&perPage=30"
            ids = frozenset(f"{number:07}{member:08}" for member in range(members))
            places = {("users", id_): (number + 500, number + 900) for id_ in ids if has_places}
            own = [(b"X-Number", b"%09d" % number)] if has_headers_of_its_own else []
            lines = [(bytes(bytearray(name)), bytes(bytearray(value))) for name, value in HEADERS]
            made = stored(
                key,
                bytes(body_bytes),
                members=ids,
                places=places,
                headers=[*lines, *own],
                pool=pool,
                stored_at=number * 1.5,
            )
            held.put(key, made)

    fill(0)  # fills the pool as well, which is bounded and not weighed
    before = held.tallies["posts"].weight
    tracemalloc.start()
    try:
        fill(count)
        fill(2 * count)
        gc.collect()  # empties the interpreter's own lists of tuples for reuse
        real = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    declared = held.tallies["posts"].weight - before
    assert len(held) == 3 * count
    assert 0.85 < declared / real < 1.15, declared / real


def test_equal_header_lines_are_kept_once_and_weighed_once() -> None:
    pool = HeaderPool()
    first, second = stored(pool=pool), stored(pool=pool, headers=[*HEADERS])
    assert first.headers is second.headers
    assert first.weight > second.weight


def test_the_pool_of_header_lines_is_bounded() -> None:
    pool = HeaderPool()
    lines = [((b"X", b"%d" % number),) for number in range(2000)]
    for line in lines:
        pool.share(line)
    assert pool.share(lines[-1])[1] == 0
    assert pool.share(lines[0])[1] > 0
    large = ((b"X", bytes(5000)),)
    assert pool.share(large)[1] == pool.share(large)[1] > 5000
