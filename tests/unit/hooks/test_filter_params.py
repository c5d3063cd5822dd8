"""Values in filters, read back by the parser that reads filters as PocketBase does."""

import math
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.filters.nodes import Comparison, Number, Text
from hapta.filters.parser import parse
from hapta.hooks.filter_params import filled_in, quoted

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def _values(filter: str) -> list[Any]:
    return [term.item.right for term in parse(filter).terms if isinstance(term.item, Comparison)]


@given(TEXTS, st.text("\\'\"nrt{:a}"))
def test_any_text_is_read_back_as_it_was(first: str, second: str) -> None:
    filter = filled_in("a = {:a} && b = {:b}", {"a": first, "b": second})
    values = _values(filter)
    assert len(values) == 2
    assert [value.value for value in values if isinstance(value, Text)] == [first, second]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_any_number_is_read_back_as_it_was(number: float) -> None:
    (value,) = _values(filled_in("a = {:n}", {"n": number}))
    assert isinstance(value, Number)
    assert float(value.text) == float(number)


def test_what_the_sdk_writes_other_values_as() -> None:
    filter = filled_in("{:a} {:b} {:c} {:d}", {"a": None, "b": True, "c": {"k": ["it's"]}, "d": False})
    assert filter == 'null true \'{"k":["it\\\'s"]}\' false'


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, "a\0b", "\ud800", datetime(2030, 1, 1), object()],
    ids=["nan", "infinity", "NUL", "half a character", "no time zone", "an object"],
)
def test_what_cannot_be_written_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"filter|surrogates"):
        quoted(value)


def test_a_value_that_is_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="no b"):
        filled_in("a = {:b}", {"a": 1})
