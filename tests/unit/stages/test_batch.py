"""A batch is read as Go reads it, or not at all."""

from collections.abc import AsyncIterator
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.model.errors import BodyTooLarge
from hapta.model.exchange import Exchange
from hapta.records import multipart as multipart_reader
from hapta.records.batch import MAX_REQUESTS
from hapta.records.errors import UnreadableBatch
from hapta.records.forms import MAX_FIELDS
from hapta.records.multipart import MAX_PART_HEADERS, MAX_PARTS
from hapta.stages.batch import batch_payloads, batch_requests, sub_requests
from tests.support.exchanges import Body, exchange

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
        (
            MULTIPART,
            multipart(
                part('name="a"', b"b"), part('name="@jsonPayload"', TEXT, "Content-Type: application/json")
            ),
            "",
        ),
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
        (MULTIPART, multipart(part('name="a"', part('name="@jsonPayload"', TEXT)[:-2]))),
        (
            MULTIPART,
            multipart(b'--XX\r\nA: b\nContent-Disposition: form-data; name="@jsonPayload"\r\n\r\n{}\r\n'),
        ),
        (MULTIPART, b"a\r\n" + multipart(part('name="@jsonPayload"', TEXT))),
        (MULTIPART, multipart(part('name="a"', b"b")) + multipart(part('name="@jsonPayload"', TEXT))),
        (MULTIPART, multipart(part('name="@jsonPayload"; filename="x"', TEXT))),
    ],
)
async def test_what_two_readers_could_read_differently_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(UnreadableBatch):
        await batch_payloads(Body(body), content_type, "")


@pytest.mark.parametrize("content_type", ["application/json", FORM, MULTIPART])
async def test_there_is_a_bound_on_the_json_and_none_on_the_files(
    content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart_reader, "MAX_TEXT_BYTES", 200)
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
        {"re_quests": [{"m-ethod": "POST", "url_": REQUEST["url"], "--body": {"title": "x"}}]},
        {"requeſts": [REQUEST]},
    ],
)
def test_members_are_found_however_go_finds_them(document: object) -> None:
    assert list(sub_requests(document)) == [REQUEST]


@pytest.mark.parametrize(
    "document", [None, 1, "x", [], [DOCUMENT], {}, {"requests": None}, {"requests": {"0": REQUEST}}]
)
def test_what_holds_no_requests_holds_none(document: object) -> None:
    assert list(sub_requests(document)) == []


@pytest.mark.parametrize(
    "document",
    [
        {"requests": [], "Requests": [REQUEST]},
        {"requests": [], "re-quests": [REQUEST]},
        {"requests": [{"url": "/a", "URL": "/b"}]},
    ],
)
def test_a_member_twice_written_differently_is_refused(document: object) -> None:
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


class Counted(Body):
    """Tells how often it is read."""

    reads = 0

    def chunks(self) -> AsyncIterator[bytes]:
        self.reads += 1
        return super().chunks()


def sent_batch(body: bytes, content_type: str = "application/json") -> tuple[Exchange, Counted]:
    one, counted = exchange("POST", "/api/batch", {"Content-Type": content_type}), Counted(body, 65_536)
    one.body = counted
    return one, counted


async def test_a_batch_is_read_once_and_only_what_stages_ask_for_is_kept() -> None:
    sent = {"METHOD": "PUT", "url": "/a", "body": {"id": "x", "text": "a" * 1000}, "headers": {"a": "b"}}
    one, counted = sent_batch(orjson.dumps({"requests": [sent, {"url": 1, "body": {"id": [1]}}, 7]}))
    for _ in range(3):
        assert await batch_requests(one) == [
            {"method": "PUT", "url": "/a", "body": {"id": "x"}},
            {"body": {"id": True}},
            {},
        ]
    assert counted.reads == 1


async def test_a_batch_that_cannot_be_read_is_not_read_again() -> None:
    one, counted = sent_batch(b"[")
    for _ in range(3):
        with pytest.raises(UnreadableBatch):
            await batch_requests(one)
    assert counted.reads == 1


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param(MULTIPART, multipart(*[part('name="a"', b"")] * (MAX_PARTS + 1)), id="parts"),
        pytest.param(
            MULTIPART, multipart(part('name="a"', b"", *["A: b"] * (MAX_PART_HEADERS + 1))), id="part headers"
        ),
        pytest.param(FORM, b"a=b&" * (MAX_FIELDS + 1), id="fields"),
        pytest.param(
            "application/json", orjson.dumps({"requests": [{}] * (MAX_REQUESTS + 1)}), id="requests"
        ),
    ],
)
async def test_how_much_there_is_to_look_at_has_a_bound(content_type: str, body: bytes) -> None:
    one, _ = sent_batch(body, content_type)
    with pytest.raises(UnreadableBatch):
        await batch_requests(one)


async def test_as_many_parts_as_pocketbase_reads_are_read() -> None:
    parts = [part('name="@jsonPayload"', TEXT), *[part('name="a"', b"")] * (MAX_PARTS - 1)]
    one, _ = sent_batch(multipart(*parts), MULTIPART)
    assert len(await batch_requests(one)) == len(DOCUMENT["requests"])
