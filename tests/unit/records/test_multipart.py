"""Where the parts of a multipart body lie, in however many pieces it comes."""

import resource
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.model.errors import BodyTooLarge
from hapta.records import multipart
from hapta.records.body import read_record_body
from hapta.records.content import BodySlice, base_name
from hapta.records.encode import encode
from hapta.records.errors import UnreadableBody
from hapta.records.multipart import Part, boundary_of, read_parts
from tests.support.exchanges import Body


def written(parts: list[tuple[bytes, bytes]]) -> bytes:
    """A body of parts: the head's line, the content."""
    return (
        b"".join(b"--XX\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts)
        + b"--XX--\r\n"
    )


HEADS = st.sampled_from(
    [
        b'Content-Disposition: form-data; name="a"',
        b'content-disposition: form-data; name=a; filename="b.txt"',
        b'Content-Type: text/plain\r\nContent-Disposition: form-data; filename="c/d.txt"; name="e"',
    ]
)
CONTENTS = st.binary(max_size=40) | st.lists(st.sampled_from([b"\r\n", b"--", b"X", b"\r", b"\n", b"-"])).map(
    b"".join
)


@given(st.lists(st.tuples(HEADS, CONTENTS), max_size=4), st.integers(1, 50))
async def test_parts_are_where_they_were_put(parts: list[tuple[bytes, bytes]], piece_bytes: int) -> None:
    body = Body(written(parts), piece_bytes)
    if any(content.startswith(b"--XX") or b"\r\n--XX" in content for _, content in parts):
        with pytest.raises(UnreadableBody):
            await read_parts(body, b"XX")
        return
    found = await read_parts(body, b"XX")
    assert len(found) == len(parts)
    for one, (head, content) in zip(found, parts, strict=True):
        slice_ = BodySlice(body, one.start, one.length)
        assert b"".join([piece async for piece in slice_.chunks()]) == content
        assert one.text == (b"" if b"filename" in head else content)


@given(st.binary(max_size=80), st.integers(1, 20))
async def test_nothing_but_refusals_comes_of_any_bytes(content: bytes, piece_bytes: int) -> None:
    with pytest.raises(UnreadableBody):
        await read_parts(Body(b"--XX\r\n" + content, piece_bytes), b"XX")


async def test_a_part_tells_its_name_and_its_type() -> None:
    head = b'Content-Disposition: form-data; name="e"; filename="c\\\\d\\x.txt"'
    head += b"\r\nContent-Type:  a/b \r\nOther: x"
    assert await read_parts(Body(written([(head, b"xy")])), b"XX") == [
        Part("e", "c\\d\\x.txt", "a/b", 104, 2, b"")
    ]


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("a", "a"),
        ("a/b", "b"),
        ("a/b//", "b"),
        ("/", "/"),
        ("//", "/"),
        ("..", ".."),
        ("../x", "x"),
        ("a\\b", "a\\b"),
    ],
)
def test_of_a_path_the_last_piece_is_the_name_as_in_go(name: str, base: str) -> None:
    assert base_name(name) == base


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=----WebKitFormBoundaryAbC123", b"----WebKitFormBoundaryAbC123"),
        ('multipart/form-data; boundary="a=b?(c)"', b"a=b?(c)"),
        ("multipart/form-data; charset=utf-8; boundary=a", b"a"),
        ("multipart/form-data;boundary=a; charset=utf-8", b"a"),
    ],
)
def test_a_plain_boundary_is_read(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "options",
    [
        "",
        "; boundary=",
        '; boundary=""',
        "; boundary=a b",
        '; boundary="a b"',
        "; boundary=a=b",
        "; Boundary=a",
        "; boundary=" + "a" * 71,
        "; boundary=a; boundary=b",
        "; boundary=a;",
        "; boundary=\u00e9",
        "; boundary=a\n",
    ],
)
def test_any_other_boundary_is_refused(options: str) -> None:
    with pytest.raises(UnreadableBody):
        boundary_of(f"multipart/form-data{options}")


async def test_texts_have_a_bound_and_files_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MAX_TEXT_BYTES", 50)
    file = (b'Content-Disposition: form-data; name="a"; filename="b"', b"x" * 500)
    text = (b'Content-Disposition: form-data; name="a"', b"x" * 30)
    assert len(await read_parts(Body(written([file, text, file])), b"XX")) == 3
    with pytest.raises(BodyTooLarge):
        await read_parts(Body(written([text, file, text])), b"XX")


@pytest.mark.parametrize("count", [multipart.MAX_PARTS, multipart.MAX_PARTS + 1])
async def test_as_many_parts_as_pocketbase_reads_are_read(count: int) -> None:
    body = Body(written([(b'Content-Disposition: form-data; name="a"', b"")] * count), 65_536)
    if count <= multipart.MAX_PARTS:
        assert len(await read_parts(body, b"XX")) == count
    else:
        with pytest.raises(UnreadableBody):
            await read_parts(body, b"XX")


class Huge:
    """A body around a file that is nowhere: made as it is read, from wherever it is asked for."""

    def __init__(self, file_bytes: int) -> None:
        self._head = b'--XX\r\nContent-Disposition: form-data; name="f"; filename="huge.bin"\r\n\r\n'
        self._tail = b"\r\n--XX--\r\n"
        self.file_bytes = file_bytes
        self.read_bytes = 0

    @property
    def length(self) -> int:
        return len(self._head) + self.file_bytes + len(self._tail)

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._head
        async for piece in self.slice(len(self._head), self.file_bytes):
            yield piece
        yield self._tail

    async def slice(self, start: int, length: int) -> AsyncIterator[bytes]:
        assert start >= len(self._head)
        piece = bytes(256 * 1024)
        while length:
            taken = min(length, len(piece))
            self.read_bytes += taken
            yield piece[:taken]
            length -= taken


async def test_a_file_of_1_gib_is_read_and_written_in_flat_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    body = Huge(1 << 30)
    read = await read_record_body(body, "multipart/form-data; boundary=XX", "")
    (file,) = read.files["f"]
    assert (file.name, file.length, body.read_bytes) == ("huge.bin", 1 << 30, 1 << 30)
    assert await file.head(10) == bytes(10)
    assert body.read_bytes == (1 << 30) + 256 * 1024
    anew = encode(read.members, read.files)
    assert anew.in_memory is None
    assert anew.length == sum([len(piece) async for piece in anew.chunks()])
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 16 * 1024
