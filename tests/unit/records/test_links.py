"""What counts as a link."""

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.records.links import count_links, link_hosts


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("", 0),
        ("http://a.b", 1),
        ("HTTPS://EVIL.example/path?q=1#x and more", 1),
        ("see www.x and evil.com.", 2),
        ("a.com b.com c.com", 3),
        ("http://a.com,http://b.com", 2),
        ("http://a.comhttp://b.com", 2),
        ("[x](http://a.b)(http://c.d)", 2),
        ("<a href=//evil.xyz>cheap</a>", 1),
        ('<a href="javascript://%0aalert(1)">x</a>', 1),
        ("bit.ly/x", 1),
        ("evil.whatever:8080", 1),
        ("192.0.2.1/x", 1),
        ("192.0.2.1", 0),
        ("buy at evil.top now", 1),
        ("пример.рф/купить", 1),
        ("xn--e1afmkfd.xn--p1ai", 1),
        ("ｅｖｉｌ．ｃｏｍ", 1),
        ("evil。com", 1),
        ("e\u200bvil.c\u00adom", 1),
        ("http:&#47;&#47;evil.zzz", 1),
        ("hxxp:\\\\evil.zzz", 1),
        ("user@evil.com", 0),
        ("http://user@evil.com", 1),
        ("mail me.and.you+x@mail.example.com!", 0),
        ("end.Today we begin. It ends.So what", 0),
        ("node.js file.py 3.14 e.g. i.e. v1.2/x 1/2", 0),
        ("a: b, c:d 12:30 and/or", 0),
    ],
)
def test_links_are_counted_by_what_spam_does(text: str, links: int) -> None:
    assert count_links(text) == links


@given(st.one_of(st.text(max_size=200), st.text(alphabet="ab.:/\\@ &#w0é。", max_size=60)))
def test_each_link_that_is_counted_leads_to_a_host(text: str) -> None:
    assert len(list(link_hosts(text))) == count_links(text)


@given(st.text(max_size=200))
def test_any_text_has_a_number_of_links(text: str) -> None:
    assert 0 <= count_links(text) <= len(text)


@given(st.text(alphabet="ab \n.,;!", max_size=60), st.text(alphabet="cd \n,;!", max_size=60))
def test_a_link_between_words_is_found_whatever_stands_around_it(before: str, after: str) -> None:
    assert count_links(f"{before} https://evil.example {after}") >= 1


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "a." * 50_000, "a@" * 50_000, "://" * 33_000, "a.com/" * 16_000, "&#47;" * 20_000]
)
def test_no_text_takes_more_than_its_length_explains(text: str) -> None:
    began = perf_counter()
    count_links(text)
    assert perf_counter() - began < 5.0
