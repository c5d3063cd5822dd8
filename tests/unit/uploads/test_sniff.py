"""Types by content alone; that PocketBase sees the same is shown in tests/uploads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.uploads.sniff import READ_BYTES, UNKNOWN, sniff
from tests.uploads.corpus import EXE, HONEST, ODD, SVG


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_file_is_known(name: str) -> None:
    data, type_ = HONEST[name]
    assert sniff(data).type == type_


@given(data=st.one_of(st.binary(max_size=5000), st.text(max_size=2000).map(lambda text: text.encode())))
def test_any_content_has_some_type(data: bytes) -> None:
    kind = sniff(data)
    assert kind.type == UNKNOWN or kind.names is None or kind.type in kind.names


@given(name=st.sampled_from(sorted(HONEST)), cut=st.integers(0, 600), more=st.binary(max_size=100))
def test_a_file_cut_short_or_with_more_behind_it_has_some_type(name: str, cut: int, more: bytes) -> None:
    kind = sniff(HONEST[name][0][:cut] + more)
    assert kind.names is None or kind.narrower <= kind.names


def test_only_the_beginning_is_looked_at() -> None:
    assert sniff(b"a" * READ_BYTES + b"\0" * 100) == sniff(b"a" * READ_BYTES)


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE HTML SYSTEM 'x'><p>",
        b"\xef\xbb\xbf <!-- c --> <!-- d --><html>",
        b"<script>alert(1)</script>",
        b"<sCrIpT src=x>",
        b"<body onload=x>",
        b"<svg><script>alert(1)</script></svg>",
        b'<s:svg xmlns:s="http://www.w3.org/2000/svg"/>',
        b'<?xml version="1.0"?><?xml-stylesheet href="x"?><!DOCTYPE svg [<!ENTITY a "b">]><svg/>',
        b"<?xml version='1.0'?>" + b" " * 3000 + b"<!-- x --><svg/>",
        ("\ufeff" + SVG.decode()).encode("utf-16-le"),
        ("\ufeff" + SVG.decode()).encode("utf-16-be"),
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "]>">]><svg xmlns="http://www.w3.org/2000/svg"/>',
        b"<!DOCTYPE x><a:svg xmlns:a='http://www.w3.org/2000/svg'/>",
        b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script/></html>',
    ],
)
def test_what_a_browser_would_run_is_no_plain_text(data: bytes) -> None:
    assert sniff(data).type in {"text/html", "image/svg+xml", "application/xhtml+xml"}


@pytest.mark.parametrize("name", ["text like a bitmap", "text like a tag", "csv", "mail"])
def test_text_that_begins_like_something_else_is_text(name: str) -> None:
    assert sniff(ODD[name]).type == "text/plain"


def test_an_exe_is_one_whatever_it_is_called() -> None:
    kind = sniff(EXE)
    assert kind.type == "application/vnd.microsoft.portable-executable"
    assert kind.names == {kind.type}


@pytest.mark.parametrize("name", ["zeros", "noise", "riff of no kind", "ttf"])
def test_what_is_not_known_may_be_anything(name: str) -> None:
    kind = sniff(ODD[name])
    assert not kind.is_known
    assert kind.names is None
