"""Texts of forms, taken for values as PocketBase takes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.records.errors import UnreadableBody
from hapta.records.forms import format_number, infer, members, pairs


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_in_its_fewest_digits_without_an_exponent(number: float) -> None:
    text = format_number(number)
    assert "e" not in text.lower()
    assert float(text) == number
    assert infer(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.0",
        "01",
        "+1",
        ".5",
        "5.",
        "1e5",
        "-",
        "1.2.3",
        "1\n",
        "٣",
        "9007199254740993",
        "1" * 400,
        "True",
    ],
)
def test_what_is_not_written_just_so_stays_a_text(text: str) -> None:
    assert infer(text) == text
    assert isinstance(infer(text), str)


def test_names_and_values_are_decoded_in_order() -> None:
    assert pairs(b"a=b+c%2B&&d&=e&a=%C3%A9") == [("a", "b c+"), ("d", ""), ("", "e"), ("a", "é")]
    assert members(pairs(b"a=1&b=x&a=true&b=%5B1%5D&c=")) == {"a": [1, True], "b": ["x", "[1]"], "c": ""}


@pytest.mark.parametrize("form", [b"a;b", b"a=%", b"a=%f", b"a=%zz", b"a=%ff", b"a=\xff", b"a&" * 10_001])
def test_what_go_refuses_or_others_read_otherwise_is_refused(form: bytes) -> None:
    with pytest.raises(UnreadableBody):
        pairs(form)
