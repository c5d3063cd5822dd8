"""Names and contents in what is written anew."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.records.body import read_record_body
from hapta.records.content import BytesContent, FileContent, FilePart
from hapta.records.encode import encode
from hapta.upstream.spool import SpoolBudget, spool
from tests.support.exchanges import Body, whole

PART = FilePart("f", "a.txt", "text/plain", BytesContent(b"one"))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.binary(max_size=30))
async def test_a_file_goes_under_its_name_or_not_at_all(name: str, content: bytes) -> None:
    file = replace(PART, name=name, content=BytesContent(content))
    try:
        anew = encode({"a": 1}, {"f": [file]})
    except ValueError:
        assert name in ("", ".") or "/" in name or any(ord(char) < 32 or ord(char) == 127 for char in name)
        return
    read = await read_record_body(Body(await whole(anew), 10), anew.content_type, "")
    (again,) = read.files["f"]
    assert (again.key, again.name, again.content_type, await again.head(99)) == (
        "f",
        name,
        "text/plain",
        content,
    )
    assert read.members == {"a": 1}


@pytest.mark.parametrize("key", ["", "@jsonPayload", 'a"b', "a\\", "a\r\nb", "a\x00"])
def test_a_file_goes_under_no_key_that_is_read_otherwise(key: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        encode({}, {key: [PART]})


@pytest.mark.parametrize("declared", ["", "text", "a/b; c=d", "a/b\r\nX: y", "a/b\n"])
async def test_a_type_that_is_more_than_a_type_is_left_out(declared: str) -> None:
    anew = encode({}, {"f": [replace(PART, content_type=declared)]})
    read = await read_record_body(Body(await whole(anew)), anew.content_type, "")
    assert read.files["f"][0].content_type == "application/octet-stream"


async def test_files_are_read_from_where_a_body_is_held(tmp_path: Path) -> None:
    content = os.urandom(1_500_000)
    anew = encode({"a": 1}, {"f": [replace(PART, content=BytesContent(content)), PART]})
    held = await spool(anew, SpoolBudget(10**7), memory_bytes=1000, directory=str(tmp_path))
    assert held.in_memory is None
    read = await read_record_body(held, anew.content_type, "")
    first, second = read.files["f"]
    assert await second.head(99) == b"one"
    assert await first.head(2_000_000) == content
    held.close()


async def test_an_open_file_takes_the_place_of_a_content(tmp_path: Path) -> None:
    path = tmp_path / "made"
    path.write_bytes(bytes(range(256)) * 2000)
    with path.open("rb") as file:
        content = FileContent(file, 512_000)
        anew = encode({}, {"f": [replace(PART, content=content)]})
        for _ in range(2):
            read = await read_record_body(Body(await whole(anew), 65_536), anew.content_type, "")
            assert await read.files["f"][0].head(512_000) == path.read_bytes()
        shorter = replace(content, length=512_001)
        with pytest.raises(EOFError):
            await whole(encode({}, {"f": [replace(PART, content=shorter)]}))
