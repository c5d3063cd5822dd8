"""JSON is taken apart alike with and without msgspec."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.stages import split_json

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text('a"\\{[,:]} é', max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\{,', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=_VALUES, indent=st.sampled_from([None, 1]))
def test_by_hand_it_is_the_same(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent).encode()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_decode_object", "_decode_list"):
            patch.setattr(split_json, name, _gives_up)
        if isinstance(value, dict):
            found = {name: json.loads(bytes(raw)) for name, raw in split_json.members(text).items()}
            assert found == value
        elif isinstance(value, list):
            assert [json.loads(bytes(raw)) for raw in split_json.elements(text)] == value
        else:
            for read in (split_json.members, split_json.elements):
                with pytest.raises(split_json.OddJson):
                    read(text)


def _gives_up(raw: bytes) -> Any:
    raise msgspec.ValidationError


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{]",
        b"[}",
        b"[1,]",
        b"[[]",
        b"[]]",
        b"[][]",
        b"[1],[2]",
        b'["a]',
        b"[{]}]",
        b"[1 2]",
        b"[nope]",
    ],
)
def test_what_is_no_array_is_none(text: bytes) -> None:
    with pytest.raises(split_json.OddJson):
        split_json.elements(text)


@pytest.mark.parametrize(
    "text", [b'{"a"}', b'{"a",1}', b"{1:2}", b'{"a":1,}', b'{"a":[}', b'{"a":1}{}', b"[]"]
)
def test_what_is_no_object_is_none(text: bytes) -> None:
    with pytest.raises(split_json.OddJson):
        split_json.members(text)
