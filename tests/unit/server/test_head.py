"""hapta.server.head: what was made of header fields holds for these very ones, under these very settings."""

from dataclasses import replace
from typing import Any, cast

import pytest
from aiohttp import HttpVersion10, HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy

from hapta.config import ServerConfig
from hapta.model.address import is_within, parse_address, parse_networks
from hapta.server.connections import ConnectionTable
from hapta.server.head import Head, RawHeaders
from hapta.server.protocol import Connection, Reception

FIELDS = ((b"Host", b"a"), (b"X-Forwarded-For", b"203.0.113.1"))


def reception(**changes: Any) -> Reception:
    def never(*_: object) -> bytes:
        raise AssertionError("nothing is refused here")

    made = Reception(
        config=ServerConfig(),
        trusted=parse_networks(["127.0.0.1"]),
        admin_networks=parse_networks(["203.0.113.0/24"]),
        table=ConnectionTable(10, 10),
        on_refused=never,
        on_open_changed=never,
        render_error=never,
        on_bad_request=lambda peer, error, request_id: None,
        on_crash=lambda request_id, exc: None,
    )
    return replace(made, **changes)


class Peer:
    """The other end, as a connection knows it."""

    def __init__(self, address: str, under: Reception, *, is_tls: bool) -> None:
        self.is_tls = is_tls
        self.peer = parse_address(address)
        self.is_peer_trusted = is_within(self.peer, under.trusted)
        self.is_admin_network = is_within(self.peer, under.admin_networks)


def made(
    under: Reception, fields: RawHeaders = FIELDS, peer: str = "127.0.0.1", *, is_tls: bool = False
) -> Head:
    headers = CIMultiDictProxy(CIMultiDict((name.decode(), value.decode()) for name, value in fields))
    connection = cast("Connection", Peer(peer, under, is_tls=is_tls))
    return Head.of(fields, HttpVersion11, headers, connection, under, expects_continue=False)


def test_a_proxy_of_ours_says_whose_request_it_is() -> None:
    head = made(reception())
    assert (head.client_text, head.scheme, head.is_admin) == ("203.0.113.1", "http", True)
    assert head.client == parse_address("203.0.113.1")
    assert not head.is_forwarded_by_stranger


def test_over_tls_the_scheme_is_https_unless_a_proxy_of_ours_says_otherwise() -> None:
    under, plain = reception(), (b"X-Forwarded-Proto", b"http")
    assert made(under, is_tls=True).scheme == "https"
    assert made(under, (*FIELDS, plain), is_tls=True).scheme == "http"
    assert made(under, (*FIELDS, plain), peer="203.0.113.9", is_tls=True).scheme == "https"


def test_a_stranger_says_nothing_and_may_not_act_as_superuser() -> None:
    head = made(reception(), peer="203.0.113.9")
    assert (head.client_text, head.is_admin, head.is_forwarded_by_stranger) == ("203.0.113.9", False, True)
    assert made(reception(), ((b"Host", b"a"),), peer="203.0.113.9").is_admin


def test_it_holds_for_the_same_bytes() -> None:
    under = reception()
    assert made(under).is_of(
        tuple((bytes(name), bytes(value)) for name, value in FIELDS), HttpVersion11, under
    )


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS[:1],
        FIELDS[::-1],
        (*FIELDS, (b"X-Forwarded-For", b"6.6.6.6")),
        (FIELDS[0], (b"x-forwarded-for", b"203.0.113.1")),
        (FIELDS[0], (b"X-Forwarded-For", b"203.0.113.2")),
    ],
)
def test_it_holds_for_no_others(fields: RawHeaders) -> None:
    under = reception()
    assert not made(under).is_of(fields, HttpVersion11, under)


def test_it_holds_for_no_other_version() -> None:
    under = reception()
    assert not made(under).is_of(FIELDS, HttpVersion10, under)


@pytest.mark.parametrize(
    "changes",
    [
        {"config": ServerConfig(max_header_bytes=4096)},
        {"trusted": ()},
        {"admin_networks": parse_networks(["198.51.100.0/24"])},
    ],
)
def test_it_holds_under_no_other_settings(changes: dict[str, Any]) -> None:
    before = reception()
    after = replace(before, **changes)
    assert made(before).is_of(FIELDS, HttpVersion11, before)
    assert not made(before).is_of(FIELDS, HttpVersion11, after)
