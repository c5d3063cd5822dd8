"""Requests are found on a connection however its bytes are cut."""

import orjson
import pytest

from hapta.workload.framing import RequestFraming, count_sub_requests

_BATCH = orjson.dumps({"requests": [{"method": "POST", "url": "/api/collections/a/records"}] * 3})
_MULTIPART = (
    b'--X\r\nContent-Disposition: form-data; name="@jsonPayload"\r\n\r\n' + _BATCH + b"\r\n"
    b'--X\r\nContent-Disposition: form-data; name="requests.0.files"; filename="a"\r\n\r\n'
    b"GET / HTTP/1.1\r\n\r\n\r\n--X--\r\n"
)


def _request(head: str, body: bytes = b"") -> bytes:
    return head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


_STREAM = b"".join(
    [
        _request("GET /api/health HTTP/1.1\nHost: a"),
        _request("PATCH /api/a HTTP/1.1\nHost: a\ncontent-length: 18", b"GET /no HTTP/1.1\r\n"),
        _request(
            "POST /api/b HTTP/1.1\nTransfer-Encoding: chunked",
            b"5;x=y\r\nGET /\r\na\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
        ),
        _request(f"POST /api/batch HTTP/1.1\nContent-Length: {len(_BATCH)}", _BATCH),
        _request(
            "POST /api/batch HTTP/1.1\nContent-Type: multipart/form-data; boundary=X\n"
            "Transfer-Encoding: Chunked",
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(_MULTIPART), _MULTIPART),
        ),
        _request("DELETE /api/c HTTP/1.1\nHost: a"),
    ]
)


@pytest.mark.parametrize("size", [1, 2, 7, 64, len(_STREAM)])
def test_every_request_is_seen_once_however_the_bytes_are_cut(size: int) -> None:
    seen: list[str] = []
    framing = RequestFraming(
        lambda method, target: seen.append(f"{method} {target}"),
        lambda number: seen.append(f"batch of {number}"),
        lambda: seen.append("lost"),
    )
    for start in range(0, len(_STREAM), size):
        framing.feed(_STREAM[start : start + size])
    assert seen == [
        "GET /api/health",
        "PATCH /api/a",
        "POST /api/b",
        "POST /api/batch",
        "batch of 3",
        "POST /api/batch",
        "batch of 3",
        "DELETE /api/c",
    ]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x16\x03\x01 not http\r\n\r\n", id="not HTTP"),
        pytest.param(_request("POST /a HTTP/1.1\nContent-Length: many"), id="no number"),
        pytest.param(_request("POST /a HTTP/1.1\nTransfer-Encoding: chunked", b"zz\r\n"), id="no chunk"),
    ],
)
def test_a_connection_that_cannot_be_followed_is_said_to_be_lost_once(data: bytes) -> None:
    lost: list[bool] = []
    framing = RequestFraming(lambda *_: None, lambda _: None, lambda: lost.append(True))
    framing.feed(data)
    framing.feed(_request("GET / HTTP/1.1"))
    assert lost == [True]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"requests":{}}', b'{"requests":1}'])
def test_a_batch_that_pocketbase_refuses_counts_nothing(body: bytes) -> None:
    assert count_sub_requests(body, b"") == 0
