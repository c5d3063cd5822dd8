"""The sketch: estimates of how often keys were asked for."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.cache.sketch import Sketch


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=100))
def test_an_estimate_is_never_too_low(hashes: list[int]) -> None:
    sketch = Sketch(256)
    for hashed in hashes:
        sketch.add(hashed)
    assert all(sketch.estimate(hashed) >= min(15, hashes.count(hashed)) for hashed in hashes)


def test_few_estimates_are_too_high() -> None:
    draw = random.Random(1)
    hashes = [draw.getrandbits(64) for _ in range(2000)]
    sketch = Sketch(8192)  # four counters a key and row
    for hashed in hashes:
        sketch.add(hashed)
    assert sum(sketch.estimate(hashed) > 1 for hashed in hashes) < 20


def test_counts_end_at_15_and_are_halved_once_a_sample_is_full() -> None:
    sketch = Sketch(16)
    for _ in range(sketch.sample - 1):
        sketch.add(7)
    assert sketch.estimate(7) == 15
    sketch.add(7)
    assert sketch.estimate(7) == 7


def test_its_memory_is_fixed() -> None:
    assert Sketch(1024).weight == 4096


@pytest.mark.parametrize("width", [0, -2, 3, 1000])
def test_a_width_is_a_power_of_two(width: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Sketch(width)
