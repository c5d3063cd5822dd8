"""A batch that was read and written anew does what the batch itself would have done."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from hapta.records.batch import encode_batch, read_batch_body
from hapta.records.content import BytesContent
from hapta.records.errors import UnreadableBatch
from tests.records.odd import FORM, JSON, MULTIPART, RECORDS, Odd, comparable, multipart, part
from tests.support.exchanges import Body, whole

BATCH = "/api/batch"
PAYLOAD = 'name="@jsonPayload"'


@pytest.fixture(scope="module", autouse=True)
def _batches_are_on(odd: Odd) -> Iterator[None]:
    before = odd.admin.get("/api/settings").json()["batch"]
    odd.admin.patch("/api/settings", json={"batch": {**before, "enabled": True}}).raise_for_status()
    yield
    odd.admin.patch("/api/settings", json={"batch": before}).raise_for_status()


def request(body: Any = None, url: str = RECORDS, method: str = "POST", **more: Any) -> dict[str, Any]:
    return {"method": method, "url": url, **({} if body is None else {"body": body}), **more}


def batch(*requests: Any) -> bytes:
    return orjson.dumps({"requests": list(requests)})


async def both_ways(odd: Odd, content: bytes, content_type: str, query: str = "") -> list[Any]:
    """What a batch answers, which is what its other form answers."""
    anew = encode_batch(await read_batch_body(Body(content, 1 + len(content) // 3), content_type, query))
    status, direct = odd.send(content, content_type, query, to=BATCH)
    again = odd.send(await whole(anew), anew.content_type, query, to=BATCH)
    if status != 200:
        assert again == (status, direct)
        return []
    assert again[0] == 200
    for one, other in zip(direct, again[1], strict=True):
        if one["body"] is None:
            assert one == other
            continue
        assert comparable((one["status"], one["body"])) == comparable((other["status"], other["body"]))
        assert odd.contents(one["body"]) == odd.contents(other["body"])
    return list(direct)


FILES = (
    part(PAYLOAD, batch(request({"text": "a"}), request({"number": 3}), request())),
    part('name="requests.0.files"; filename="a.one"', b"1"),
    part('name="requests.0.files"; filename="b.two"', b"2"),
    part('name="requests[2].files+"; filename="c.three"', b"3"),
    part('name="requests[1].file"; filename="d.four"', b"4"),
)


@pytest.mark.parametrize(
    ("content", "content_type", "query", "texts"),
    [
        pytest.param(batch(request({"text": "a"}), request({"text": 5})), JSON, "", ["a", "5"], id="JSON"),
        pytest.param(batch(request(None, f"{RECORDS}?text=q")), JSON, "", ["q"], id="a query in a request"),
        pytest.param(
            batch(request({"text": "b", "id": "abcdefghijklmno"}, f"{RECORDS}?text=q&number=3", "DELETE")),
            JSON,
            "",
            [],
            id="a batch PocketBase refuses",
        ),
        pytest.param(
            batch(request({"text": "b"}, f"{RECORDS}?text=q", headers={"X-A": "b"})),
            JSON,
            "",
            ["b"],
            id="a query and a body",
        ),
        pytest.param(b"%40jsonPayload=" + batch(request({"text": "a"})), FORM, "x=y", ["a"], id="form"),
        pytest.param(multipart(*FILES), MULTIPART, "x=y", ["a", "", ""], id="files"),
        pytest.param(
            batch(request({"text": "u"}, method="PUT"), request({"text": "a"}, more=1)),
            JSON,
            "",
            ["u", "a"],
            id="upsert",
        ),
        pytest.param(batch(request({"text": "a"}, "/api/other")), JSON, "", [], id="another address"),
        pytest.param(batch(request({}, method="post")), JSON, "", [], id="a method in lower case"),
        pytest.param(batch(), JSON, "", [], id="no requests"),
    ],
)
async def test_a_batch_and_its_other_form_do_the_same(
    content: bytes, content_type: str, query: str, texts: list[str], odd: Odd
) -> None:
    assert [one["body"]["text"] for one in await both_ways(odd, content, content_type, query)] == texts


async def test_updates_and_deletes_go_the_same_way(odd: Odd) -> None:
    first, second = (odd.create({"number": 1})[1]["id"] for _ in range(2))
    content = batch(
        request({"number+": 2}, f"{RECORDS}/{first}", "PATCH"), request(None, f"{RECORDS}/{second}", "DELETE")
    )
    anew = encode_batch(await read_batch_body(Body(content), JSON, ""))
    status, answers = odd.send(await whole(anew), anew.content_type, to=BATCH)
    assert (status, answers[0]["body"]["number"], answers[1]["status"]) == (200, 3, 204)


async def test_what_was_changed_in_a_batch_is_what_is_stored(odd: Odd) -> None:
    first, second, third = await read_batch_body(Body(multipart(*FILES)), MULTIPART, "")
    file = replace(second.files["file"][0], name="mine.png", content=BytesContent(b"other"))
    changed = [
        replace(first, members={"text": "changed"}, files={}),
        replace(second, files={"file": (file,)}),
        third,
    ]
    anew = encode_batch(changed)
    answers = odd.send(await whole(anew), anew.content_type, to=BATCH)[1]
    assert [one["body"]["text"] for one in answers] == ["changed", "", ""]
    assert [odd.contents(one["body"]) for one in answers] == [[], [("png", b"other")], [("three", b"3")]]


@pytest.mark.parametrize(
    ("content", "content_type", "query"),
    [
        (b'{"requests":[],"requests":[]}', JSON, ""),
        (b'{"Requests":[]}', JSON, ""),
        (b'{"re_quests":[]}', JSON, ""),
        (b'{"reque\xc5\xbfts":[]}', JSON, ""),
        (b'{"requests":{}}', JSON, ""),
        (b'{"requests":null}', JSON, ""),
        (b"{}", JSON, ""),
        (b"[]", JSON, ""),
        (batch(1), JSON, ""),
        (batch(request(URL="/x")), JSON, ""),
        (batch(request([1])), JSON, ""),
        (batch(request(url="/x y")), JSON, ""),
        (batch(request(url="/x#y")), JSON, ""),
        (batch(request(url="/\u00e9")), JSON, ""),
        (batch(request(url="/x?a=%zz")), JSON, ""),
        (batch(request({"text": "x"}, f"{RECORDS}?@jsonPayload=" + "%7B%7D")), JSON, ""),
        (batch(request({"text": "x"}, f"{RECORDS}?text=1")), JSON, ""),
        (batch(request({"text": "x"}, f"{RECORDS}?id=abcdefghijklmno", "PUT")), JSON, ""),
        (batch(request(headers={"a": 1})), JSON, ""),
        (batch(request(headers=[])), JSON, ""),
        (batch({"method": 1, "url": "/"}), JSON, ""),
        (batch({"method": "POST"}), JSON, ""),
        (batch(request()), "text/plain", ""),
        (b"%40jsonPayload=" + batch(request()), FORM, "@jsonPayload={}"),
        (b"%40jsonPayload=" + batch(request()), FORM, "requests=x"),
        (b"%40jsonPayload=" + batch(request()) + b"&requests=x", FORM, ""),
        (b"%40jsonPayload={}&%40jsonPayload=" + batch(request()), FORM, ""),
        (multipart(*FILES, part('name="requests.3.file"; filename="x"', b"")), MULTIPART, ""),
        (multipart(*FILES, part('name="requests.01.file"; filename="x"', b"")), MULTIPART, ""),
        (multipart(*FILES, part('name="other"; filename="x"', b"")), MULTIPART, ""),
        (multipart(*FILES, part('name="requests[0].files"; filename="x"', b"")), MULTIPART, ""),
        (multipart(*FILES, part('name="requests.0.text"; filename="x"', b"")), MULTIPART, ""),
        (multipart(*FILES, part('name="requests"', b"x")), MULTIPART, ""),
        (multipart(*FILES, FILES[0]), MULTIPART, ""),
    ],
)
async def test_a_batch_that_two_readers_could_read_differently_is_refused(
    content: bytes, content_type: str, query: str
) -> None:
    with pytest.raises(UnreadableBatch):
        await read_batch_body(Body(content, 65_536), content_type, query)


def test_a_batch_that_cannot_be_read_is_refused_in_the_words_of_pocketbase(odd: Odd) -> None:
    refused = {"data": {}, "message": f"{UnreadableBatch.message}", "status": 400}
    assert odd.send(b'{"requests":[],"requests":[]}', to=BATCH) == (400, refused)


async def test_a_member_that_a_file_or_the_query_would_replace_cannot_be_sent() -> None:
    (one,) = await read_batch_body(Body(batch(request({"text": "a"}, f"{RECORDS}?text=q"))), JSON, "")
    for members in ({}, {"text": 1}):
        with pytest.raises(ValueError, match="text"):
            encode_batch([replace(one, members=members)])
    first, *_ = await read_batch_body(Body(multipart(*FILES)), MULTIPART, "")
    with pytest.raises(ValueError, match="file"):
        encode_batch([replace(first, members={"files": []})])
