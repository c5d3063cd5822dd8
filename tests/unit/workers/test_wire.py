"""Pickling within a bound."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.workers.wire import MAX_FAILURE_BYTES, PROTOCOL, TooLarge, joined, pickled, separated

_VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=20,
)


@given(value=_VALUES, slack=st.integers(-3, 3))
def test_what_fits_is_as_pickle_has_it_and_what_does_not_is_refused(value: Any, slack: int) -> None:
    whole = pickle.dumps(value, PROTOCOL)
    if slack < 0:
        with pytest.raises(TooLarge):
            pickled(value, len(whole) + slack)
    else:
        assert pickled(value, len(whole) + slack) == whole


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_large_pieces_count_in_full(kind: Any) -> None:
    with pytest.raises(TooLarge):
        pickled(kind(1_000_000), 999_999)
    assert len(pickle.loads(pickled(kind(1_000_000), 1_001_000))) == 1_000_000


def test_a_large_value_is_refused_before_all_of_it_is_made() -> None:
    asked = []

    class Piece:
        def __reduce__(self) -> tuple[Any, ...]:
            asked.append(1)
            return bytes, (100_000,)

        def __init__(self) -> None:
            self.data = bytes(10)

    pieces = [(Piece(), bytes(100_000)) for _ in range(1000)]
    with pytest.raises(TooLarge):
        pickled(pieces, 1_000_000)
    assert len(asked) < 20


@given(texts=st.lists(st.text(), min_size=1, max_size=4))
def test_the_texts_of_a_failure_arrive_as_they_were(texts: list[str]) -> None:
    arrived = separated(joined(*texts), len(texts))
    assert arrived == [text.replace("\0", "\\0") for text in texts]


def test_a_text_that_utf_8_does_not_have_is_told_all_the_same() -> None:
    assert separated(joined("file \udcff"), 1) == ["file \\udcff"]


@given(body=st.binary(), count=st.integers(1, 4))
def test_whatever_came_there_are_so_many_texts(body: bytes, count: int) -> None:
    assert len(separated(body, count)) == count


def test_the_longest_texts_are_within_what_a_reply_may_have() -> None:
    assert len(joined("\udcff" * 200, "\udcff" * 4000, "\udcff" * 16_000)) <= MAX_FAILURE_BYTES
