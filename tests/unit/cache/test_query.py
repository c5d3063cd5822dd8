"""hapta.cache.query"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.cache.query import MAX_LENGTH, MAX_PAIRS, Query, encode_query, parse_query


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param("a=1&b=2", {"a": "1", "b": "2"}, id="two pairs"),
        pytest.param("pag%65=2", {"page": "2"}, id="a name with an escape"),
        pytest.param(
            "filter=a%3D%22b%26c%22", {"filter": 'a="b&c"'}, id="an escaped ampersand splits nothing"
        ),
        pytest.param("a=1+2%2B3", {"a": "1 2+3"}, id="plus is a space, unless escaped"),
        pytest.param("a", {"a": ""}, id="no equals sign"),
        pytest.param("a=&=b", {"a": "", "": "b"}, id="empty value, empty name"),
        pytest.param("&&a=1&", {"a": "1"}, id="empty pairs"),
        pytest.param("a=b=c", {"a": "b=c"}, id="only the first equals sign"),
        pytest.param("A=1&a=2", {"A": "1", "a": "2"}, id="names in their own case"),
        pytest.param("a=%C3%A9", {"a": "é"}, id="UTF-8"),
    ],
)
def test_a_query_is_read_as_go_reads_it(raw: str, values: dict[str, str]) -> None:
    assert parse_query(raw) == Query(values)


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        pytest.param("a=1&a=2", {"a": "1"}, id="the first of two"),
        pytest.param("a=1&%61=2", {"a": "1"}, id="the first of two, one escaped"),
        pytest.param("a=&a=2", {"a": ""}, id="an empty first value counts"),
        pytest.param("a=1;b=2&c=3", {"c": "3"}, id="a pair with a semicolon is dropped"),
        pytest.param("a;=1", {}, id="a semicolon in the name"),
        pytest.param("a=%zz&b=1", {"b": "1"}, id="a bad escape drops its pair"),
        pytest.param("a%=1&b=1", {"b": "1"}, id="a bad escape in the name"),
        pytest.param("a=1%&a=2", {"a": "2"}, id="a dropped pair is no first value"),
    ],
)
def test_what_go_drops_is_dropped_and_the_query_no_longer_plain(raw: str, values: dict[str, str]) -> None:
    assert parse_query(raw) == Query(values, is_plain=False)


def test_an_escaped_semicolon_drops_nothing() -> None:
    assert parse_query("a=1%3Bb") == Query({"a": "1;b"})


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("a=%FF", id="a value that is not UTF-8"),
        pytest.param("%ff=1", id="a name that is not UTF-8"),
        pytest.param("a=%ED%A0%80", id="a surrogate"),
        pytest.param("a=%C0%AF", id="an overlong form"),
        pytest.param("a=%00", id="a NUL"),
        pytest.param("a=1&b=%FF", id="also behind a good pair"),
        pytest.param("a=" + "x" * MAX_LENGTH, id="too long"),
        pytest.param("&".join(f"a{n}=" for n in range(MAX_PAIRS + 1)), id="too many pairs"),
    ],
)
def test_what_has_no_canonical_form_is_none(raw: str) -> None:
    assert parse_query(raw) is None


@given(
    st.lists(
        st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=8, unique_by=lambda pair: pair[0]
    )
)
def test_what_was_encoded_reads_as_it_was(pairs: list[tuple[str, str]]) -> None:
    clean = [pair for pair in pairs if "\0" not in pair[0] + pair[1]]
    raw = encode_query(clean)
    assert raw.isascii()
    assert parse_query(raw) == Query(dict(clean))


@given(st.text(max_size=200))
def test_no_query_is_too_odd_to_be_read(raw: str) -> None:
    found = parse_query(raw)
    assert found is None or parse_query(encode_query(found.values.items())) == Query(found.values)
