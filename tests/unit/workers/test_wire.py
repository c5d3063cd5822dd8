"""Pickling within a bound."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.workers.wire import PROTOCOL, TooLarge, pickled

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
