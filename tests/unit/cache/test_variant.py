"""A variant: what it is made of, and how the store keeps it."""

import gzip
import random
from dataclasses import replace

import pytest

from hapta.cache.store import ResponseStore
from hapta.cache.stored import Stored
from hapta.cache.variant import MIN_BYTES, Variant, coded_etag, compressed, may_be_coded
from tests.unit.cache.support import store, stored

MIB = 2**20
TEXT = b'{"items":[%s]}' % b",".join(b'{"id":"%d"}' % n for n in range(1000))


def variant_of(one: Stored) -> Variant:
    return Variant.made(one, compressed(one.body))


def kept(held: ResponseStore, key: str, body: bytes = TEXT) -> tuple[Stored, Variant]:
    one = stored(key, body)
    assert held.put(key, one)
    variant = variant_of(one)
    assert held.attach(key, variant)
    return one, variant


def test_it_is_the_same_answer_with_a_validator_of_its_own() -> None:
    one = stored("a", TEXT)
    coded = variant_of(one).coded
    assert coded is not None
    assert gzip.decompress(coded.body) == TEXT
    assert coded.etag == coded_etag(one.etag) != one.etag
    assert coded.headers == (*one.headers, (b"Content-Encoding", b"gzip"))
    assert compressed(TEXT) == coded.body, "the bytes behind a strong validator changed"


def test_what_does_not_shrink_is_sent_as_it_is_and_not_tried_again() -> None:
    held, noise = store(MIB), random.Random(1).randbytes(5000)
    one, variant = kept(held, "a", noise)
    assert variant.coded is None
    assert held.variant("a", one) is variant


@pytest.mark.parametrize(
    ("status", "size", "may"), [(200, MIN_BYTES, True), (200, MIN_BYTES - 1, False), (404, MIN_BYTES, False)]
)
def test_small_ones_and_errors_have_none(status: int, size: int, may: bool) -> None:
    assert may_be_coded(stored("a", bytes(size), status=status)) is may


def test_its_weight_counts_and_goes_with_it() -> None:
    held = store(MIB)
    empty = held.weight
    one, variant = kept(held, "a")
    assert held.weight == empty + one.weight + variant.weight
    assert held.tallies["posts"].weight == one.weight + variant.weight
    held.check_invariants()
    held.discard("a")
    assert (held.weight, held.variant("a", one)) == (empty, None)
    held.check_invariants()


def test_a_newer_response_never_has_the_variant_of_the_older() -> None:
    held = store(MIB)
    one, variant = kept(held, "a")
    newer = replace(one, stored_at=1.0)
    assert held.variant("a", newer) is None
    held.put("a", newer)
    assert held.variant("a", newer) is held.variant("a", one) is None
    assert not held.attach("a", variant), "made of what is there no more"
    held.check_invariants()


def test_it_stays_while_its_response_moves_through_the_store() -> None:
    held = store(4 * MIB)
    one, variant = kept(held, "a")
    for number in range(20):
        held.get("a")
        held.put(f"other{number}", stored("other", bytes(5000)))
        held.check_invariants()
    assert held.variant("a", one) is variant


def test_none_is_kept_that_would_make_a_response_too_large() -> None:
    held = store(MIB)
    one = stored("a", random.Random(1).randbytes(50_000) + bytes(held.max_response_bytes - 60_000))
    assert held.put("a", one)
    assert not held.attach("a", variant_of(one))
    assert held.peek("a") is one
    held.check_invariants()


def test_the_budget_is_kept_whatever_is_attached() -> None:
    held, draw = store(MIB), random.Random(7)
    for _ in range(3000):
        key = f"k{draw.randrange(300)}"
        one = held.get(key)
        if one is None:
            held.put(key, stored(key, TEXT[: draw.randrange(1500, 12_000)]))
        elif held.variant(key, one) is None:
            held.attach(key, variant_of(one))
        elif draw.random() < 0.1:
            held.discard(key)
        assert held.weight <= MIB
        held.check_invariants()
    assert held.tallies["posts"].evicted > 0


def test_in_a_full_store_a_response_never_loses_its_place_to_its_variant() -> None:
    held = store(2**20)
    for number in range(2_000):  # all in demand, so nobody is admitted in their place
        key = f"k{number % 400}"
        if held.get(key) is None:
            held.put(key, stored(key, random.Random(number).randbytes(2_000)))
    tried = 0
    for number in range(300):
        key = f"new{number}"
        one = stored(key, TEXT[:4_000])
        if not held.put(key, one):
            continue
        tried += 1
        held.attach(key, variant_of(one))
        assert held.peek(key) is one
        held.check_invariants()
    assert tried > 5
