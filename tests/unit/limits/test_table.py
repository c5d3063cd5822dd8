"""Bounded memory: what is dropped, what is shared, and what it costs."""

import sys
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hapta.limits.gcra import NS, Quota
from hapta.limits.keys import address_key, fold
from hapta.limits.table import Table

QUOTA = Quota.of(60, 60.0, 2)
MINUTE = 60 * NS


@pytest.mark.parametrize(
    ("one", "other", "is_same", "is_folded_same"),
    [
        ("192.0.2.1", "192.0.2.2", False, True),
        ("192.0.2.1", "192.0.3.1", False, False),
        ("2001:db8:1:1::1", "2001:db8:1:1:ffff::2", True, True),
        ("2001:db8:1:1::1", "2001:db8:1:2::1", False, True),
        ("2001:db8:1:1::1", "2001:db8:2:1::1", False, False),
        ("::1", "0.0.0.0", False, False),
        ("::", "0.0.0.0", False, False),
    ],
)
def test_addresses_are_told_apart_as_one_customer_each(
    one: str, other: str, is_same: bool, is_folded_same: bool
) -> None:
    keys = address_key(ip_address(one)), address_key(ip_address(other))
    assert (keys[0] == keys[1]) is is_same
    assert (fold(keys[0]) == fold(keys[1])) is is_folded_same


def test_idle_keys_make_room_for_new_ones() -> None:
    table, now = Table(QUOTA, 2000), 0
    for key in range(50_000):
        now += NS // 10  # each is idle after a second: some ten are not at any time
        assert table.take(key, 1, now).remaining == 1
    assert len(table) <= 2000


def test_a_key_makes_room_the_moment_it_owes_nothing() -> None:
    table = Table(QUOTA, 1024)
    for key in range(1024):
        table.take(key, 1, 0)
    for key in range(1024):
        table.take(1_000_000 + key, 1, NS)
    assert len(table._shared.tats) == 0


def test_keys_that_owe_are_never_dropped() -> None:
    table = Table(QUOTA, 2000)
    for key in range(20_000):
        table.take(key * 1000, 1, 0)
    for key in range(2000):
        assert table.take(key * 1000, 1, 0).allowed
        assert not table.take(key * 1000, 1, 0).allowed


def test_at_the_cap_new_addresses_share_the_count_of_their_network() -> None:
    table = Table(QUOTA, 1000)
    for number in range(1000):
        table.take(address_key(ip_address(f"10.{number >> 8}.{number & 255}.1")), 1, 0)
    neighbours = [address_key(ip_address(f"192.0.2.{n}")) for n in range(1, 5)]
    assert [table.take(key, 1, 0).allowed for key in neighbours] == [True, True, False, False]
    assert table.take(address_key(ip_address("192.0.3.1")), 1, 0).allowed


def test_who_shared_a_count_takes_what_is_owed_along_when_there_is_room_again() -> None:
    table = Table(Quota.of(60, 60.0, 60), 1000)
    for number in range(1100):
        table.take(number << 8, 1, 0)
    address = address_key(ip_address("192.0.2.1"))
    for _ in range(60):
        assert table.take(address, 1, 0).allowed
    assert not table.take(address, 1, 0).allowed
    assert table.take(address, 1, 2 * NS).remaining == 1, "by now it has an entry of its own"
    assert table.take(address, 1, 2 * NS).remaining == 0


def test_when_networks_are_too_many_as_well_they_share_a_fixed_number_of_counts() -> None:
    table = Table(QUOTA, 1000)
    for number in range(100_000):
        table.take(number << 8, 1, 0)
    assert len(table) <= 1000 + 125
    last = [table.take((200_000 + number) << 8, 2, 0).allowed for number in range(2000)]
    assert not any(last), "every bucket is used"
    assert table.take(300_000 << 8, 1, MINUTE).allowed


@settings(max_examples=40, deadline=None)  # on a busy machine
@given(keys=st.lists(st.integers(0, 1500), max_size=3000), gap=st.integers(0, NS))
def test_no_key_is_ever_allowed_more_than_without_a_bound(keys: list[int], gap: int) -> None:
    small, large, now = Table(QUOTA, 1000), Table(QUOTA, 10**6), 0
    for key in keys:
        now += gap
        if small.take(key << 8, 1, now).allowed:
            assert large.take(key << 8, 1, now).allowed


def test_a_million_addresses_that_all_owe_fit_in_the_cap() -> None:
    table = Table(Quota.of(600, 60.0, 200), 100_000)
    for number in range(1_000_000):
        table.take(number * 4099 & 0xFFFFFFFF, 1, number)
    assert len(table) <= 112_500
    places = table._own.tats, table._shared.tats
    entries = sum(sys.getsizeof(number) for tats in places for pair in tats.items() for number in pair)
    assert entries + sum(map(sys.getsizeof, places)) < 15_000_000
