"""The client is the nearest hop our own proxies name; what it wrote itself proves nothing."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from hapta.model.address import (
    FORWARDING_HEADERS,
    client_address,
    has_forwarding_headers,
    is_within,
    parse_address,
    parse_networks,
)

TRUSTED = parse_networks(["10.0.0.0/8", "fd00::/8"])
PROXY = ip_address("10.0.0.1")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", IPv4Address("127.0.0.1")),
        ("::1", IPv6Address("::1")),
        ("::ffff:10.1.2.3", IPv4Address("10.1.2.3")),
        ("::FFFF:0a01:0203", IPv4Address("10.1.2.3")),
        ("fe80::1%eth0", IPv6Address("fe80::1")),
    ],
)
def test_an_address_has_one_form(text: str, address: IPv4Address | IPv6Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "1.2.3.4.5", "0x7f000001", "127.0.0.01", "unix:", " "]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear"):
        parse_address(text)


def test_a_mapped_address_lies_in_the_ipv4_network() -> None:
    assert is_within(parse_address("::ffff:127.0.0.1"), parse_networks(["127.0.0.0/8"]))


def test_families_are_not_mixed_up() -> None:
    assert not is_within(ip_address("::1"), parse_networks(["0.0.0.0/0"]))
    assert not is_within(ip_address("127.0.0.1"), parse_networks(["::/0"]))


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("9.9.9.9, 1.2.3.4", "1.2.3.4"),
        ("127.0.0.1, 1.2.3.4", "1.2.3.4"),
        ("1.2.3.4, 10.9.9.9", "1.2.3.4"),
        ("10.0.0.7, 1.2.3.4, 10.9.9.9", "1.2.3.4"),
        ("10.0.0.7, 10.9.9.9", "10.0.0.7"),
        ("nonsense, 1.2.3.4", "1.2.3.4"),
        (" , 1.2.3.4 , ", "1.2.3.4"),
        ("1.2.3.4:5678", "1.2.3.4"),
        ("[2001:db8::1]:5678", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("1.2.3.4, fd00::2", "1.2.3.4"),
    ],
)
def test_the_chain_is_read_from_the_right(chain: str, client: str) -> None:
    assert client_address(PROXY, chain, TRUSTED) == ip_address(client)


@pytest.mark.parametrize(
    "chain", ["", " ", ",", "nonsense", "1.2.3.4, unix:", "1.2.3.4, unknown, 10.0.0.2", "_x"]
)
def test_a_chain_that_names_nobody_names_nobody(chain: str) -> None:
    assert client_address(PROXY, chain, TRUSTED) is None


@pytest.mark.parametrize("chain", ["", "127.0.0.1", "10.0.0.1", "nonsense"])
def test_of_a_peer_that_is_not_ours_no_word_is_believed(chain: str) -> None:
    peer = ip_address("1.2.3.4")
    assert client_address(peer, chain, TRUSTED) == peer


@given(st.text(alphabet="0123456789.:, ax[]%", max_size=60), st.ip_addresses())
def test_what_a_client_writes_before_its_own_address_changes_nothing(
    forged: str, client: IPv4Address
) -> None:
    if is_within(client, TRUSTED) or (
        isinstance(client, IPv6Address) and (client.ipv4_mapped or client.scope_id)
    ):
        return
    assert client_address(PROXY, f"{forged}, {client}", TRUSTED) == client


@pytest.mark.parametrize("name", FORWARDING_HEADERS)
def test_every_forwarding_header_tells_of_somebody_else(name: str) -> None:
    assert has_forwarding_headers(CIMultiDict({name.lower(): ""}))
    assert not has_forwarding_headers(CIMultiDict({"X-Other": "1.2.3.4"}))
