"""Any split of a stream of requests gives the answers it gives unsplit, and those are the full way's."""

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fastlane.site import LIST, VIEW, Caller, Line, Site, body, fixed, get, status

MIRROR = "/api/custom/mirror"
HEADS = [get(VIEW), get(LIST), get(f"{VIEW}?x=1"), get(VIEW, "Accept: */*", "User-Agent: test")]
_FATE = re.compile(rb"\r\n(Cache-Status|Age): [^\r]*")
_BODIES = st.lists(
    st.one_of(st.sampled_from([*HEADS, b"\r\n\r\n", b"0\r\n\r\n", b"GET "]), st.binary(max_size=20)),
    max_size=3,
).map(b"".join)


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    """A POST whose chunks are cut anywhere, also within heads."""
    content, out = draw(_BODIES), get(MIRROR, "Transfer-Encoding: chunked", method="POST")
    while content:
        size = draw(st.integers(1, len(content)))
        out += b"%x\r\n%s\r\n" % (size, content[:size])
        content = content[size:]
    return out + b"0\r\n\r\n"


def measured(content: bytes) -> bytes:
    return get(MIRROR, f"Content-Length: {len(content)}", method="POST") + content


MESSAGES = st.lists(
    st.one_of(
        st.sampled_from(HEADS),
        st.sampled_from(HEADS),
        st.sampled_from([get("/api/custom/slow?ms=15"), get(VIEW, method="HEAD"), b"\r\n" + HEADS[0]]),
        st.integers(0, 2).map(lambda number: get(VIEW, f"X-R: {number}")),
        _BODIES.map(measured),
        chunked(),
    ),
    min_size=1,
    max_size=7,
)


def borders(messages: list[bytes]) -> list[int]:
    """Ends of heads and messages, and both ends of every known head, also where it is the body."""
    data, at, found = b"".join(messages), 0, set[int]()
    for message in messages:
        found |= {at + message.find(b"\r\n\r\n") + 4, at + len(message)}
        at += len(message)
    for head in HEADS:
        found |= {end for hit in re.finditer(re.escape(head), data) for end in hit.span()}
    return sorted(found - {0, len(data)})


def answers(site: Site, messages: list[bytes], cuts: list[int]) -> list[bytes]:
    """What comes back, but for what the cache did: behind a POST all is fetched, so heads differ."""
    forgets = any(message.startswith(b"POST") for message in messages)
    with Line(site.url) as line:
        for head in HEADS:
            line.ask(head)
    data = b"".join(messages)
    with Line(site.url) as line:
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            line.send(data[start:end])
            time.sleep(0.0008)
        methods = [message.lstrip().partition(b" ")[0].decode() for message in messages]
        found = [_FATE.sub(b"", fixed(line.raw(method))) for method in methods]
    return [answer[:12] + b"\r\n\r\n" + body(answer) for answer in found] if forgets else found


@pytest.fixture(scope="module", autouse=True)
def _known(on: Site) -> Iterator[None]:
    """All heads are known, and stay so: a connection is open."""
    with Caller(on) as holder:
        for target in (VIEW, LIST, f"{VIEW}?x=1"):
            holder.warm(target)
        Caller(on, "Accept: */*", "User-Agent: test", line=holder.line).warm(VIEW)
        yield


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(messages=MESSAGES, data=st.data())
def test_any_split_gives_the_answers_of_the_full_way(
    on: Site, off: Site, messages: list[bytes], data: st.DataObject
) -> None:
    length = sum(map(len, messages))
    some = borders(messages)
    chosen = set(data.draw(st.lists(st.sampled_from(some), max_size=12))) if some else set()
    chosen |= set(data.draw(st.lists(st.integers(1, length - 1), max_size=3)))
    cuts = sorted(chosen)
    expected = answers(off, messages, [])
    assert answers(on, messages, []) == expected
    assert answers(on, messages, cuts) == expected


def test_three_requests_cut_at_any_one_place_are_answered_the_same(on: Site) -> None:
    messages = [HEADS[0], measured(HEADS[1]), HEADS[1]]
    expected = answers(on, messages, [])
    assert [status(answer) for answer in expected] == [200] * 3
    assert body(expected[1]) == HEADS[1]
    for at in range(1, sum(map(len, messages))):
        assert answers(on, messages, [at]) == expected, at


def test_requests_in_single_bytes_are_answered_the_same(on: Site) -> None:
    messages = [HEADS[3], HEADS[0]]
    assert answers(on, messages, [*range(1, sum(map(len, messages)))]) == answers(on, messages, [])


def test_the_lane_took_part(on: Site) -> None:
    told = on.told
    for _ in range(3):
        answers(on, HEADS, borders(HEADS))
    with Caller(on) as guest:
        guest.warm(VIEW)
    assert on.told > told
