"""What was read from a body and written anew makes the record that the body itself would have made.

Rows of ``docs/differences.md`` proved here: ``strict-bodies``.
"""

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hapta.model.errors import BadRequest
from hapta.records.body import read_record_body
from hapta.records.encode import encode
from hapta.records.errors import UnreadableBody, UnsupportedType
from tests.records.odd import FORM, JSON, MULTIPART, RECORDS, Odd, comparable, multipart, part
from tests.records.test_values import NAMED, ODD_TEXTS, VALUES
from tests.support.exchanges import Body, whole

PAYLOAD = 'name="@jsonPayload"'
UNREADABLE = 400, {"data": {}, "message": UnreadableBody.message, "status": 400}
UNSUPPORTED = 400, {"data": {}, "message": UnsupportedType.message, "status": 400}


async def both_ways(odd: Odd, content: bytes, content_type: str, query: str = "") -> None:
    """The record a body makes is the one its other form makes.

    Raises:
        UnreadableBody: there is no other form.
    """
    read = await read_record_body(Body(content, 1 + len(content) // 3), content_type, query)
    anew = encode(read.members, read.files, read.query_members)
    direct = odd.send(content, content_type, query)
    again = odd.send(await whole(anew), anew.content_type, query)
    assert comparable(again) == comparable(direct)
    assert direct[0] == 200 or "data" in direct[1]
    assert direct not in (UNREADABLE, UNSUPPORTED)
    if direct[0] == 200 and read.files:
        assert odd.contents(again[1]) == odd.contents(direct[1])


@pytest.mark.parametrize(
    ("content", "content_type", "query"),
    [
        pytest.param(b'{"text":"a","json":{"b":[1,2.50,-0,1e3]}}', JSON, "text=q", id="JSON"),
        pytest.param(b' \n{"text":"a"}\t', "application/json; charset=utf-8", "", id="JSON with white space"),
        pytest.param(b'{"text":"a"}', "application/jsonx", "", id="JSON by its beginning"),
        pytest.param(b"null", JSON, "", id="JSON null"),
        pytest.param(
            b'{"number":9007199254740993,"json":[12345678901234567890123]}', JSON, "", id="large numbers"
        ),
        pytest.param(b'{"text":"\\u0000\\ud83d\\ude00<>&\xc3\xa9"}', JSON, "", id="characters"),
        pytest.param(b'{"Text":"a","TEXT":"b","text":"c"}', JSON, "", id="letter case"),
        pytest.param(b'{"json":' + b"[" * 100 + b"]" * 100 + b"}", JSON, "", id="deep"),
        pytest.param(b"text=a+b%2Bc&choices=a&choices=b&number=3&bool=true&x&=y", FORM, "", id="form"),
        pytest.param(b"choices=a", FORM, "choices=b&email=q@r.ss&text=query", id="form with a query"),
        pytest.param(
            b"%40jsonPayload=%7B%22text%22%3A%22p%22%7D&number=3", FORM, "text=q", id="form with a payload"
        ),
        pytest.param("text=é".encode(), FORM + "; charset=UTF-8", "", id="form in UTF-8"),
        pytest.param(
            multipart(part('name="text"', b"a"), part('name="number"', b"3")), MULTIPART, "", id="multipart"
        ),
        pytest.param(
            multipart(part("name=text", b"a")), 'multipart/form-data; boundary="XX"', "", id="quoted boundary"
        ),
        pytest.param(
            multipart(part('name="choices"', b"a")),
            MULTIPART,
            "choices=b&text=q&fields=*",
            id="multipart, query",
        ),
        pytest.param(
            multipart(part(PAYLOAD, b'{"text":"p","json":{"a":1}}'), part(PAYLOAD, b'{"number":5}')),
            MULTIPART,
            "text=q",
            id="payloads",
        ),
        pytest.param(
            multipart(
                part('name="files"; filename="a.one"', b"1\r\n--X\r\n\r\n--", "Content-Type: text/plain"),
                part('name="files"; filename="C:\\dir\\b.two"', bytes(range(256)) * 50),
                part(
                    'name="files"; filename="../x/c \xc3\xa9\\".three"', b"", 'Content-Type: odd stuff; x="y"'
                ),
                part(
                    'name="file"; filename="e.four"', b"4", "Content-Transfer-Encoding: binary", "X-Other: y"
                ),
                part('name="text"', b"t", "Content-Type: text/plain; charset=utf-8"),
            ),
            MULTIPART,
            "number=7",
            id="files",
        ),
        pytest.param(
            multipart(part('name="file"; filename=""', b"", "Content-Type: a/b")), MULTIPART, "", id="no file"
        ),
        pytest.param(
            multipart(part('name="files"; filename="/"', b"x")), MULTIPART, "", id="a slash for a name"
        ),
        pytest.param(
            multipart(part('name="files"', b"no.txt"), part('name="files"; filename="a.b"', b"x")),
            MULTIPART,
            "",
            id="a name beside a file",
        ),
        pytest.param(
            multipart(part('name="nobody"; filename="a.b"', b"x")), MULTIPART, "text=q", id="nobody's file"
        ),
        pytest.param(b"--XX--", MULTIPART, "text=q", id="no parts"),
    ],
)
async def test_a_body_and_its_other_form_make_the_same_record(
    content: bytes, content_type: str, query: str, odd: Odd
) -> None:
    await both_ways(odd, content, content_type, query)


HIDDEN = b'--XX\r\nContent-Disposition: form-data; name="email"\r\n\r\nq@r.ss'


@pytest.mark.parametrize(
    ("content", "content_type", "query"),
    [
        (b'{"text":"a","text":"b"}', JSON, ""),
        (b'{"json":{"a":1,"a":2}}', JSON, ""),
        (b'{"text":"a"} {"text":"b"}', JSON, ""),
        (b'\xef\xbb\xbf{"text":"a"}', JSON, ""),
        (b'{"text":"\xff"}', JSON, ""),
        (b'{"text":"\\ud800"}', JSON, ""),
        (b'{"text":"a","number":1e400}', JSON, ""),
        (b'{"number":' + b"1" * 400 + b"}", JSON, ""),
        (b'{"number":NaN}', JSON, ""),
        (b'{"number":01}', JSON, ""),
        (b'{"text":"a",}', JSON, ""),
        (b'{"text":"a\n"}', JSON, ""),
        (b'{"json":' + b"[" * 200 + b"]" * 200 + b"}", JSON, ""),
        (b'{"json":' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON, ""),
        (b"[1]", JSON, ""),
        (b'"x"', JSON, ""),
        (b"  ", JSON, ""),
        (b"", MULTIPART, ""),
        (b'{"text":"a"}', "", ""),
        (b'{"text":"a"}', "Application/JSON", ""),
        (b"<x><text>y</text></x>", "application/xml", ""),
        (b"text=a;b", FORM, ""),
        (b"text=%zz", FORM, ""),
        (b"text=%ff", FORM, ""),
        (b"text=\xff", FORM, ""),
        (b"text=a", FORM, "email=%zz"),
        (b"text=a", FORM, "email=a;b"),
        (b"text=a", FORM + "-x", ""),
        (b"text=a", FORM + "; a", ""),
        (b"text=a", FORM, "@jsonPayload={}"),
        (b"x&" * 10_001, FORM, ""),
        (b"%40jsonPayload=[]", FORM, ""),
        (b"%40jsonPayload=null", FORM, ""),
        (b"%40jsonPayload=", FORM, ""),
        (b"%40jsonPayload={%22text%22:%22p%22}&text=3", FORM, ""),
        (b"%40jsonPayload={%22text%22:%22p%22}&text=x&text=y", FORM, ""),
        (b"%40jsonPayload={%22text%22:[]}&text=x", FORM, ""),
        (b"%40jsonPayload={%22text%22:{}}", FORM, "text=x"),
        (
            multipart(part('name="text"', b"a")),
            MULTIPART,
            "%40jsonPayload=%7B%22json%22%3A%7B%22x%22%3A1%7D%7D",
        ),
        (multipart(part(PAYLOAD, b'{"json":{"a":1}}'), part(PAYLOAD, b'{"json":{"b":2}}')), MULTIPART, ""),
        (multipart(part(PAYLOAD + '; filename="x"', b'{"text":"p"}')), MULTIPART, ""),
        (multipart(part('name="text"', HIDDEN)), MULTIPART, ""),
        (multipart(part('name="files"; filename="x"', HIDDEN)), MULTIPART, ""),
        (multipart(part('name="text"', b"v\r\n--XX  \r\n" + HIDDEN[6:])), MULTIPART, ""),
        (multipart(part('name="text"', b"v\r\n--XXjunk")), MULTIPART, ""),
        (b"hello\r\n" + multipart(part('name="text"', b"v")), MULTIPART, ""),
        (b"\r\n" + multipart(part('name="text"', b"v")), MULTIPART, ""),
        (multipart(part('name="text"', b"v")) + b"junk", MULTIPART, ""),
        (multipart(part('name="text"', b"v")).replace(b"\r\n", b"\n"), MULTIPART, ""),
        (part('name="text"', b"v"), MULTIPART, ""),
        (part('name="text"', b"v") + b"--XX", MULTIPART, ""),
        (multipart(b"--XX\r\n\r\nv\r\n", part('name="text"', b"v")), MULTIPART, ""),
        (multipart(b"--XX\r\nA: b\r\n\r\nv\r\n", part('name="text"', b"v")), MULTIPART, ""),
        (multipart(part('name="text"', b"v", 'Content-Disposition: form-data; name="email"')), MULTIPART, ""),
        (
            multipart(part('name="text"', b"=41", "Content-Transfer-Encoding: quoted-printable")),
            MULTIPART,
            "",
        ),
        (multipart(part("name*=utf-8''text", b"v")), MULTIPART, ""),
        (multipart(part("name=\"x\"; filename*=utf-8''text", b"v")), MULTIPART, ""),
        (multipart(part('name="email"; name="text"', b"v")), MULTIPART, ""),
        (multipart(part('\r\n name="text"', b"v")), MULTIPART, ""),
        (multipart(part('name="te\\"xt"', b"v")), MULTIPART, ""),
        (multipart(part('name="te\nxt"', b"v")), MULTIPART, ""),
        (multipart(part('name="te\0xt"', b"v")), MULTIPART, ""),
        (multipart(part('name="text";', b"v")), MULTIPART, ""),
        (multipart(part('name=""', b"v")), MULTIPART, ""),
        (multipart(part('name="text"', b"\xff")), MULTIPART, ""),
        (multipart(part('name="text"', b"v")).replace(b"form-data", b"attachment"), MULTIPART, ""),
        (multipart(part('name="text"', b"v")).replace(b'"text"', b'"\xff"'), MULTIPART, ""),
        (multipart(part('name="files+"', b"v"), part('name="files+"; filename="x"', b"v")), MULTIPART, ""),
        (multipart(part('name="text"', b"v")), "multipart/form-data", ""),
        (multipart(part('name="text"', b"v")), "multipart/form-data; boundary=XX; boundary=YY", ""),
        (multipart(part('name="text"', b"v")), "multipart/form-data; boundary=YY; boundary*=utf-8''XX", ""),
        (multipart(part('name="text"', b"v")), 'multipart/form-data; boundary="\\XX"', ""),
        (multipart(part('name="text"', b"v")), "multipart/mixed; boundary=XX", ""),
        (multipart(*[part('name="x"', b"")] * 1001), MULTIPART, ""),
        (multipart(part('name="x"', b"", *[f"A{at}: b" for at in range(3000)])), MULTIPART, ""),
    ],
)
async def test_what_two_readers_could_read_differently_is_refused(
    content: bytes, content_type: str, query: str
) -> None:
    with pytest.raises(UnreadableBody):
        await read_record_body(Body(content, 65_536), content_type, query)


def test_a_body_that_cannot_be_read_is_refused_in_the_words_of_pocketbase(odd: Odd) -> None:
    assert odd.send(b'{"text":"a","text":"b"}') == UNREADABLE
    assert odd.send(multipart(part('name="text"', b"v"))[:-9], MULTIPART) == UNREADABLE
    assert odd.send(b"text=%zz", FORM) == UNREADABLE
    assert odd.send(b"<x/>", "text/plain") == UNSUPPORTED


async def test_without_a_body_there_are_no_members() -> None:
    for body in (None, Body(b"")):
        for content_type in ("", JSON, FORM):
            read = await read_record_body(body, content_type, "text=x")
            assert (read.is_empty, read.members, read.files) == (True, {}, {})


@pytest.mark.parametrize("text", ODD_TEXTS)
async def test_a_text_in_a_form_is_taken_for_what_pocketbase_takes_it_for(text: str, odd: Odd) -> None:
    for name in ("json", "text", "number"):
        await both_ways(odd, multipart(part(f'name="{name}"', text.encode())), MULTIPART)


async def test_any_members_in_json_make_the_same_record_from_both_forms(odd: Odd) -> None:
    @given(st.dictionaries(st.sampled_from([*NAMED, "nobody", "text+"]), VALUES, max_size=4), st.booleans())
    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    def check(members: dict[str, object], in_form: bool) -> None:
        text = orjson.dumps(members)
        read = odd.send(text)
        anew = encode(members, {})
        content = anew.in_memory
        assert content is not None
        assert comparable(odd.send(content)) == comparable(read)
        if in_form:
            assert comparable(odd.send(multipart(part(PAYLOAD, text)), MULTIPART)) == comparable(read)

    check()


TRICKS = [
    b"--XX",
    b"--XX--",
    b"\r\n",
    b"\n",
    b"\r",
    b'Content-Disposition: form-data; name="text"',
    b"\r\n\r\n",
    b"value",
    b'Content-Disposition: form-data; name="email"',
    b"q@r.ss",
    b'; filename="x.txt"',
    b"--",
    b" ",
    b"\t",
    b"--X",
    b"Content-Transfer-Encoding: quoted-printable",
    b"=41",
    b'Content-Disposition: form-data; name="@jsonPayload"',
    b'{"text":"json"}',
    b"content-disposition:form-data;name=url",
    b"http://a.b",
    b"\\",
    b'"',
    b";",
    b"\x00",
    b":",
    b"; name=number",
    b'Content-Disposition: form-data; name="files"; filename="a.txt"',
    b"--XX\r\n",
    b"\r\n--XX\r\n",
    b"\r\n--XX--\r\n",
]


async def test_whatever_a_body_is_made_of_pocketbase_agrees_with_what_is_read(odd: Odd) -> None:
    pieces = st.lists(st.sampled_from(TRICKS), max_size=8).map(b"".join)
    good = st.sampled_from(
        [
            part('name="text"', b"t"),
            part('name="email"', b"e@f.gg"),
            part('name="files"; filename="a.txt"', b"f"),
            part(PAYLOAD, b'{"text":"p"}'),
        ]
    )
    bodies = st.tuples(
        st.lists(good | pieces, max_size=4).map(b"".join), st.integers(0, 400), pieces, st.booleans()
    )
    examples = []

    @given(bodies)
    @settings(max_examples=600, suppress_health_check=list(HealthCheck))
    @example((part('name="text"', b"t"), 400, b"", True))
    def collect(made: tuple[bytes, int, bytes, bool]) -> None:
        start, at, inserted, is_closed = made
        examples.append(start[:at] + inserted + start[at:] + (b"--XX--\r\n" if is_closed else b""))

    collect()
    read = 0
    for content in examples:
        try:
            await both_ways(odd, content, MULTIPART)
            read += 1
        except BadRequest:
            continue
    assert read >= 10


async def test_a_member_that_the_query_would_bring_back_cannot_be_left_out_of_a_form(odd: Odd) -> None:
    content = multipart(part('name="files"; filename="a.txt"', b"f"))
    read = await read_record_body(Body(content), MULTIPART, "text=query")
    with pytest.raises(ValueError, match="text"):
        encode({}, read.files, read.query_members)
    anew = encode({"text": "mine"}, read.files, read.query_members)
    assert odd.send(await whole(anew), anew.content_type, "text=query")[1]["text"] == "mine"
    with pytest.raises(ValueError, match="text"):
        encode({"text": 5}, read.files, read.query_members)
    anew = encode({}, {}, read.query_members)
    assert odd.send(await whole(anew), anew.content_type, "text=query")[1]["text"] == ""


async def test_an_update_is_read_and_written_like_a_create(odd: Odd) -> None:
    record = odd.create({"number": 5})[1]["id"]
    read = await read_record_body(Body(b"number%2B=2&text=x"), FORM, "")
    anew = encode(read.members, read.files)
    body = odd.send(await whole(anew), anew.content_type, to=f"{RECORDS}/{record}", method="PATCH")[1]
    assert (body["number"], body["text"]) == (7, "x")
