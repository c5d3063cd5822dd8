"""``Cache-Status`` in the words of RFC 9211."""

import pytest

from hapta.cache.plan import Reason
from hapta.cache.status import Forward, forwarded, hit, with_status


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (hit(299.9), b"hapta; hit; ttl=299"),
        (hit(0.2), b"hapta; hit; ttl=0"),
        (hit(-3.5), b"hapta; hit; ttl=-4"),
        (forwarded(Forward.URI_MISS, is_stored=True), b"hapta; fwd=uri-miss; stored"),
        (forwarded(Forward.URI_MISS, is_collapsed=True), b"hapta; fwd=uri-miss; collapsed"),
        (
            forwarded(Forward.STALE, is_stored=True, is_collapsed=True),
            b"hapta; fwd=stale; stored; collapsed",
        ),
        (forwarded(Forward.VARY_MISS), b"hapta; fwd=vary-miss"),
        (forwarded(Forward.METHOD), b"hapta; fwd=method"),
        (forwarded(Forward.REQUEST), b"hapta; fwd=request"),
        (forwarded(Forward.BYPASS, detail=Reason.FEED), b"hapta; fwd=bypass; detail=feed"),
    ],
)
def test_a_value_is_written_as_the_rfc_says(value: bytes, text: bytes) -> None:
    assert value == text


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_the_planner_can_be_told(reason: Reason) -> None:
    assert forwarded(Forward.BYPASS, detail=reason).endswith(b"; detail=" + reason.encode())


@pytest.mark.parametrize("detail", ["a b", "a;b", "a,b", 'a"', "a\r\nX: y", "1a", "ä"])
def test_what_is_no_token_cannot_be_a_detail(detail: str) -> None:
    with pytest.raises(ValueError, match="token"):
        forwarded(Forward.BYPASS, detail=detail)


def test_what_a_cache_nearer_to_the_origin_said_stays_before_ours() -> None:
    lines = [(b"Cache-Status", b"origin; hit"), (b"X", b"1")]
    assert with_status(lines, hit(1)) == [*lines, (b"Cache-Status", b"hapta; hit; ttl=1")]
    assert len(lines) == 2
