"""JSON that is read and written without a doubt."""

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.records.strict_json import EXACT, MAX_DEPTH, dump, parse

LEAVES = st.none() | st.booleans() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.integers(-EXACT + 1, EXACT - 1)
DOCUMENTS = st.recursive(
    LEAVES | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


@given(DOCUMENTS)
def test_what_is_written_is_read_as_the_same(document: Any) -> None:
    assert parse(dump(document)) == document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"9007199254740991", 9007199254740991),
        (b"9007199254740993", 9007199254740992.0),
        (b"12345678901234567890", 12345678901234567168.0),
        (b"1e400", None),
        (b"-1" + b"0" * 400, None),
        (b"1.0", 1.0),
        (b"1e-400", 0.0),
    ],
)
def test_numbers_are_doubles(text: bytes, value: float | None) -> None:
    if value is None:
        with pytest.raises(ValueError, match="double"):
            parse(text)
    else:
        assert parse(text) == value


def test_a_negative_zero_keeps_its_sign() -> None:
    assert math.copysign(1, parse(b"-0")) == -1
    assert dump(-0.0) == b"-0.0"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_there_is_a_bound_on_the_depth(opening: bytes) -> None:
    def nested(levels: int) -> bytes:
        return opening * levels + b"1" + (b"]" if opening == b"[" else b"}") * levels

    assert dump(parse(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    for levels in (MAX_DEPTH + 1, 900, 5000):
        with pytest.raises(ValueError, match=r"deep|depth"):
            parse(nested(levels))
    with pytest.raises(ValueError, match="deep"):
        dump(orjson.loads(nested(MAX_DEPTH + 1)))


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53 + 1,
        2**70,
        b"x",
        {1: 2},
        {"a": object()},
        "\ud800",
        {"\ud800": 1},
        {1, 2},
    ],
)
def test_what_json_cannot_carry_unchanged_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dump({"x": [value]})
