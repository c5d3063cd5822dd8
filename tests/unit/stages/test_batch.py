"""A batch is read as Go reads it, or not at all."""

from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.model.errors import BodyTooLarge
from hapta.stages import batch
from hapta.stages.batch import UnreadableBatch, batch_payloads, sub_requests
from tests.support.exchanges import Body

REQUEST = {"method": "POST", "url": "/api/collections/posts/records", "body": {"title": "x"}}
DOCUMENT = {"requests": [REQUEST]}
TEXT = orjson.dumps(DOCUMENT)
MULTIPART = "multipart/form-data; boundary=XX"
FORM = "application/x-www-form-urlencoded"
ESCAPED = "%40jsonPayload=" + "".join(f"%{byte:02x}" for byte in TEXT)


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return b"--XX\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body", "query"),
    [
        ("application/json", TEXT, ""),
        ("application/json; charset=utf-8", TEXT, ""),
        (MULTIPART, multipart(part('name="@jsonPayload"', TEXT)), ""),
        (MULTIPART, multipart(part('name="a"', b"b"), part('NAME="@jsonPayload"; filename="x"', TEXT)), ""),
        (MULTIPART, multipart(part('name="@jsonPayload"', TEXT, "Content-Transfer-Encoding: binary")), ""),
        (MULTIPART, multipart(part('name="a"', b"b")), ESCAPED),
        (FORM, ESCAPED.encode(), ""),
        (FORM, b"a=b&" + ESCAPED.encode() + b"&c", ""),
        (FORM, b"a=b", ESCAPED),
    ],
)
async def test_the_json_of_a_batch_is_found_however_it_is_wrapped(
    content_type: str, body: bytes, query: str
) -> None:
    assert await batch_payloads(Body(body), content_type, query) == [DOCUMENT]


@pytest.mark.parametrize(
    "options",
    ["boundary=AA; boundary*=utf-8''XX", "boundary*=utf-8''XX; boundary=AA", "boundary=AA; boundary*0=XX",
     "boundary=AA; Boundary *0*=XX", 'boundary="\\AA"'],
)  # fmt: skip
async def test_a_boundary_that_go_would_read_otherwise_is_refused(options: str) -> None:
    innocent = b'--AA\r\nContent-Disposition: form-data; name="@jsonPayload"\r\n\r\n{}\r\n--AA--\r\n'
    body = innocent + multipart(part('name="@jsonPayload"', TEXT))
    with pytest.raises(UnreadableBatch):
        await batch_payloads(Body(body), f"multipart/form-data; {options}", "")


@pytest.mark.parametrize("name", ['"\\@jsonPayload"', '"\\@json\\Payload"'])
async def test_a_name_that_is_the_payload_for_go_alone_is_refused(name: str) -> None:
    with pytest.raises(UnreadableBatch):
        await batch_payloads(Body(multipart(part(f"name={name}", TEXT))), MULTIPART, "")


async def test_a_backslash_in_the_name_of_a_file_is_none_of_our_business() -> None:
    body = multipart(
        part('name="@jsonPayload"', TEXT), part('name="requests.0.f"; filename="C:\\a\\".txt"', b"x")
    )
    assert await batch_payloads(Body(body), MULTIPART, "") == [DOCUMENT]


async def test_all_documents_of_a_form_are_found() -> None:
    body = multipart(part('name="@jsonPayload"', b"{}"), part('name="@jsonPayload"', TEXT))
    assert await batch_payloads(Body(body), MULTIPART, "%40jsonPayload=[1]") == [{}, DOCUMENT, [1]]


async def test_garbage_writes_nothing_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UnreadableBatch):
        await batch_payloads(Body(b"garbage"), MULTIPART, "")
    assert not caplog.records


@pytest.mark.parametrize("body", [None, Body(b"")])
async def test_without_a_body_there_is_nothing(body: Body | None) -> None:
    assert await batch_payloads(body, FORM, ESCAPED) == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", TEXT + b" {}"),
        ("application/json", b'{"a":"\\ud800"}'),
        ("application/json", b'{"a":"\xff"}'),
        ("application/json", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
        ("", TEXT),
        ("text/plain", TEXT),
        ("application/xml", b"<b><Requests><Method>DELETE</Method></Requests></b>"),
        ("multipart/form-data", multipart(part('name="@jsonPayload"', TEXT))),
        ("multipart/mixed; boundary=XX", multipart(part('name="@jsonPayload"', TEXT))),
        (MULTIPART, b"nonsense"),
        (MULTIPART, multipart(part('name="@jsonPayload"', b"{"))),
        (MULTIPART, multipart(part("name*=utf-8''%40jsonPayload", TEXT))),
        (MULTIPART, multipart(part("name=\"a\"; name*=utf-8''%40jsonPayload", TEXT))),
        (MULTIPART, multipart(part('name*0="@json"; name*1="Payload"', TEXT))),
        (
            MULTIPART,
            multipart(part('name="@jsonPayload"', TEXT, "Content-Transfer-Encoding: Quoted-Printable")),
        ),
        (FORM, b"%40jsonPayload={"),
    ],
)
async def test_what_two_readers_could_read_differently_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(UnreadableBatch):
        await batch_payloads(Body(body), content_type, "")


@pytest.mark.parametrize("content_type", ["application/json", FORM, MULTIPART])
async def test_there_is_a_bound_on_the_json_and_none_on_the_files(
    content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MAX_PAYLOAD_BYTES", 200)
    files = multipart(
        part('name="requests.0.file"; filename="x"', b"x" * 500), part('name="@jsonPayload"', TEXT)
    )
    assert await batch_payloads(Body(files), MULTIPART, "") == [DOCUMENT]
    long = b'{"requests":[' + b" " * 200 + b"]}"
    body = {"application/json": long, FORM: b"%40jsonPayload=" + long.replace(b" ", b"+")}
    with pytest.raises(BodyTooLarge):
        await batch_payloads(
            Body(body.get(content_type, multipart(part('name="@jsonPayload"', long)))), content_type, ""
        )


@pytest.mark.parametrize(
    "document",
    [
        DOCUMENT,
        {"Requests": [{"METHOD": "POST", "Url": REQUEST["url"], "bODY": {"title": "x"}}]},
        {"requeſts": [REQUEST]},
    ],
)
def test_members_are_found_in_any_letter_case_as_go_finds_them(document: object) -> None:
    assert list(sub_requests(document)) == [REQUEST]


@pytest.mark.parametrize(
    "document", [None, 1, "x", [], [DOCUMENT], {}, {"requests": None}, {"requests": {"0": REQUEST}}]
)
def test_what_holds_no_requests_holds_none(document: object) -> None:
    assert list(sub_requests(document)) == []


@pytest.mark.parametrize(
    "document", [{"requests": [], "Requests": [REQUEST]}, {"requests": [{"url": "/a", "URL": "/b"}]}]
)
def test_a_member_twice_in_different_case_is_refused(document: object) -> None:
    with pytest.raises(UnreadableBatch):
        list(sub_requests(document))


@given(
    st.binary(max_size=60) | st.sampled_from([TEXT, multipart(part('name="@jsonPayload"', TEXT))]),
    st.sampled_from(["application/json", MULTIPART, FORM, "", "multipart/form-data; boundary="])
    | st.text(max_size=30),
    st.text(max_size=20),
)
async def test_nothing_but_refusals_comes_of_any_bytes(body: bytes, content_type: str, query: str) -> None:
    with suppress(UnreadableBatch):
        for document in await batch_payloads(Body(body), content_type, query):
            list(sub_requests(document))
