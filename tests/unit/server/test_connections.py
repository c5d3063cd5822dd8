"""Connections are counted in all and by address, and given back exactly."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.server.connections import ConnectionTable

A, B = ip_address("1.2.3.4"), ip_address("1.2.3.5")


def test_one_address_gets_so_many_connections() -> None:
    table = ConnectionTable(total=10, per_address=2)
    assert [table.admit(A, counts_by_address=True) for _ in range(3)] == [None, None, "address"]
    assert table.admit(B, counts_by_address=True) is None
    assert table.open == 3


def test_all_together_get_so_many_connections() -> None:
    table = ConnectionTable(total=2, per_address=2)
    assert [table.admit(ip_address(n), counts_by_address=True) for n in (1, 2, 3)] == [None, None, "total"]
    assert table.open == 2


def test_a_connection_given_back_may_come_again() -> None:
    table = ConnectionTable(total=1, per_address=1)
    for _ in range(3):
        assert table.admit(A, counts_by_address=True) is None
        table.release(A, counts_by_address=True)
    assert table.open == 0


def test_our_own_proxies_count_in_all_only() -> None:
    table = ConnectionTable(total=3, per_address=1)
    assert [table.admit(A, counts_by_address=False) for _ in range(4)] == [None, None, None, "total"]


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:0:ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("1.2.3.4", "1.2.3.5", False),
        ("1.2.3.4", "2001:db8::1", False),
    ],
)
def test_an_ipv6_network_counts_as_one_address(one: str, other: str, are_same: bool) -> None:
    table = ConnectionTable(total=10, per_address=1)
    assert table.admit(ip_address(one), counts_by_address=True) is None
    assert (table.admit(ip_address(other), counts_by_address=True) == "address") is are_same


@given(st.lists(st.tuples(st.booleans(), st.ip_addresses(), st.booleans()), max_size=60))
def test_after_all_have_left_nothing_is_counted(steps: list[tuple[bool, object, bool]]) -> None:
    table = ConnectionTable(total=20, per_address=2)
    held = []
    for comes, address, counts in steps:
        if comes:
            if table.admit(address, counts_by_address=counts) is None:
                held.append((address, counts))
        elif held:
            leaving = held.pop()
            table.release(leaving[0], counts_by_address=leaving[1])
        assert table.open == len(held) <= 20
    for address, counts in held:
        table.release(address, counts_by_address=counts)
    assert table.open == 0
    assert table.admit(A, counts_by_address=True) is table.admit(A, counts_by_address=True) is None
    assert table.admit(A, counts_by_address=True) == "address"
