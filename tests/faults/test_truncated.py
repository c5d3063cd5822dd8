"""An answer that is passed on while it arrives and breaks off: the client sees the connection cut."""

import pytest

from tests.faults.clients import connection, everything, request
from tests.faults.conftest import Watched
from tests.support.upstream_double import Ending, Script, chunk, chunked_head, says

FILE = "/api/files/documents/abcdefghijklmno/report.bin"
PIECE = bytes(range(256)) * 400  # 102,400 bytes: three are more than what is read whole
LENGTH_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1024000\r\n\r\n"
BYTES = "application/octet-stream"
ENDINGS: tuple[Ending, ...] = ("close", "reset", "stall")


def broken_off(then: Ending) -> dict[str, Script]:
    return {
        "announced length": says(LENGTH_HEAD, PIECE, PIECE, PIECE, 0.05, then=then),
        "chunked": says(chunked_head(BYTES), *[chunk(PIECE)] * 3, 0.05, then=then),
        "within a chunk": says(
            chunked_head(BYTES), chunk(PIECE), b"19000\r\n" + PIECE[:100], 0.05, then=then
        ),
    }


@pytest.mark.parametrize("path", [FILE, "/api/custom/report"])
@pytest.mark.parametrize("then", ENDINGS)
@pytest.mark.parametrize("framing", ["announced length", "chunked", "within a chunk"])
def test_half_an_answer_ends_in_a_cut_connection(
    watched: Watched, path: str, framing: str, then: Ending
) -> None:
    watched.double.plan("GET", path, broken_off(then)[framing])
    with connection(watched.url) as raw:
        raw.sendall(request("GET", path))
        received, _ = everything(raw)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"\r\n0\r\n\r\n" not in body[-7:]
    if framing == "announced length":
        assert b"Content-Length: 1024000" in head
        assert len(body) < 1_024_000
    else:
        assert b"Transfer-Encoding: chunked" in head


@pytest.mark.parametrize("then", ENDINGS)
def test_a_client_of_http_1_0_which_knows_no_chunks_sees_a_reset(watched: Watched, then: Ending) -> None:
    watched.double.plan("GET", FILE, broken_off(then)["chunked"])
    with connection(watched.url) as raw:
        raw.sendall(request("GET", FILE).replace(b"HTTP/1.1", b"HTTP/1.0"))
        _, was_cut = everything(raw)
    assert was_cut


@pytest.mark.parametrize("then", ENDINGS)
def test_a_long_list_that_breaks_off_is_cut_too(watched: Watched, then: Ending) -> None:
    path = "/api/collections/posts/records"
    watched.double.plan("GET", path, broken_off(then)["chunked"])
    with connection(watched.url) as raw:
        raw.sendall(request("GET", path))
        received, _ = everything(raw)
    assert received.startswith(b"HTTP/1.1 200")
    assert not received.endswith(b"0\r\n\r\n")


def test_a_whole_answer_of_the_same_shape_is_complete(watched: Watched) -> None:
    watched.double.plan("GET", FILE, says(LENGTH_HEAD, *[PIECE] * 10))
    watched.double.plan(
        "GET", "/api/custom/report", says(chunked_head(BYTES), *[chunk(PIECE)] * 10, chunk(b""))
    )
    for path in (FILE, "/api/custom/report"):
        with connection(watched.url) as raw:
            raw.sendall(request("GET", path, "Connection: close"))
            received, was_cut = everything(raw)
        assert not was_cut
        assert len(received) > 1_024_000


@pytest.mark.parametrize("then", ["close", "reset"])
def test_json_of_an_unknown_route_is_searched_for_tokens_first_so_half_of_it_is_504(
    watched: Watched, then: Ending
) -> None:
    watched.double.plan("GET", "/api/custom/report", says(chunked_head(), chunk(b'{"a":'), 0.05, then=then))
    with connection(watched.url) as raw:
        raw.sendall(
            request("GET", "/api/custom/report").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        received, _ = everything(raw)
    assert received.startswith(b"HTTP/1.1 504")
