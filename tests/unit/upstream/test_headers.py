"""What travels on, what ends here, and what nobody may forge or strip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.upstream.headers import CLIENT_IP_HEADER, answer_headers, header, nominated, request_headers
from tests.support.exchanges import exchange

FORGED = "6.6.6.6"
FORWARDING = (
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "CF-Connecting-IP",
    "True-Client-IP",
    "Fly-Client-IP",
)


def test_end_to_end_fields_travel_on_in_order_and_as_often_as_they_came() -> None:
    sent = request_headers(
        exchange(headers=[("X-A", "1"), ("Cookie", "c"), ("x-a", "2"), ("X-Empty", "")]), None
    )
    assert [
        (name, value) for name, value in sent.items() if name.lower() in ("x-a", "cookie", "x-empty")
    ] == [
        ("X-A", "1"),
        ("Cookie", "c"),
        ("x-a", "2"),
        ("X-Empty", ""),
    ]


@pytest.mark.parametrize(
    "name",
    ["Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Upgrade",
     "Transfer-Encoding", "HTTP2-Settings", "Expect", "Content-Length", "content-length"],
)  # fmt: skip
def test_hop_by_hop_fields_end_here(name: str) -> None:
    assert name not in request_headers(exchange(headers={name: "close"}), None)


@pytest.mark.parametrize("name", [CLIENT_IP_HEADER, CLIENT_IP_HEADER.lower(), *FORWARDING, "X-Client-IP"])
def test_forged_forwarding_never_travels(name: str) -> None:
    sent = request_headers(exchange(headers=[(name, FORGED), (name, FORGED), ("Connection", name)]), None)
    assert not any(FORGED in value for value in sent.values())


@pytest.mark.parametrize("is_peer_trusted", [False, True])
@pytest.mark.parametrize(
    "name",
    ["X_Real_IP", "x_hapta_client_ip", "X--Real-IP", "X.Forwarded.For", "_X-Real-IP", "X-Real-IP-",
     "X~Real_IP", "CF_Connecting_IP", "X_Request_Id"],
)  # fmt: skip
def test_what_an_api_rule_would_take_for_a_field_of_ours_never_travels(
    name: str, is_peer_trusted: bool
) -> None:
    came = exchange(headers={name: FORGED, "X-Forwarded-For": "9.9.9.9"}, is_peer_trusted=is_peer_trusted)
    assert not any(FORGED in value for value in request_headers(came, None).values())


@pytest.mark.parametrize("name", ["X_Under", "X--Real", "X_Real_IP_2", "XReal-IP", "_"])
def test_other_odd_names_travel_on(name: str) -> None:
    assert request_headers(exchange(headers={name: "1"}), None)[name] == "1"


def test_of_a_trusted_proxy_the_chain_is_continued() -> None:
    given = {
        "X-Forwarded-For": "9.9.9.9",
        "X-Forwarded-Host": "api.example.org",
        "Forwarded": "for=9.9.9.9",
        "CF-Connecting-IP": "9.9.9.9",
        "X-Hapta-Client-IP": FORGED,
        "X-Real-IP": FORGED,
    }
    came = exchange(headers=given, is_peer_trusted=True, peer="10.0.0.1", client="9.9.9.9")
    sent = request_headers(came, None)
    assert sent["X-Forwarded-For"] == "9.9.9.9, 10.0.0.1"
    assert sent["X-Forwarded-Host"] == "api.example.org"
    assert sent["Forwarded"].startswith("for=9.9.9.9, for=10.0.0.1;")
    assert sent["CF-Connecting-IP"] == "9.9.9.9"
    assert sent.getall(CLIENT_IP_HEADER) == sent.getall("X-Real-IP") == ["9.9.9.9"]


def test_an_ipv6_peer_is_quoted_in_forwarded() -> None:
    sent = request_headers(exchange(peer="2001:db8::1", client="2001:db8::1"), None)
    assert sent["Forwarded"].startswith('for="[2001:db8::1]";')
    assert sent["X-Forwarded-For"] == sent[CLIENT_IP_HEADER] == "2001:db8::1"


def test_the_host_is_the_client_s_or_the_one_it_is_told() -> None:
    assert request_headers(exchange(headers={"Host": "a"}), None).getall("Host") == ["a"]
    assert request_headers(exchange(headers={"Host": "a"}), "b:1").getall("Host") == ["b:1"]


def test_the_request_id_is_hapta_s() -> None:
    sent = request_headers(exchange(headers={"X-Request-Id": "theirs"}), None)
    assert sent.getall("X-Request-Id") == ["request-1"]


@pytest.mark.parametrize(
    ("connection", "names"),
    [
        ("close", {"close"}),
        ("X-A, x-b ,", {"x-a", "x-b", ""}),
        (
            "Authorization, COOKIE, content-length, Host, Range, Origin, content-type, Content-Encoding, x",
            {"x"},
        ),
    ],
)
def test_a_nomination_spares_what_frames_authenticates_or_attributes(
    connection: str, names: set[str]
) -> None:
    assert nominated(connection) == names


def test_all_connection_lines_nominate() -> None:
    came = exchange(
        headers=[("Connection", "x-a"), ("Connection", "x-b"), ("X-A", "1"), ("X-B", "1"), ("X-C", "1")]
    )
    assert {"X-A", "X-B", "X-C"} & set(request_headers(came, None)) == {"X-C"}


def test_bytes_outside_utf_8_are_sent_as_iso_8859_1_reads_them() -> None:
    sent = request_headers(exchange(headers={"X-A": "Zo\udceb", "X-B": "Zoë"}), None)
    assert (sent["X-A"], sent["X-B"]) == ("Zoë", "Zoë")


@given(st.text(), st.text())
def test_whatever_came_can_be_sent(value: str, host: str) -> None:
    clean = [text.encode("utf-8", "replace").decode() for text in (value, host)]
    raw = {"X-A": clean[0], "Host": clean[1], "X-Forwarded-For": clean[0], "Forwarded": clean[0]}
    for trusted in (False, True):
        for sent in request_headers(exchange(headers=raw, is_peer_trusted=trusted), None).values():
            sent.encode()


@given(st.binary(max_size=12), st.booleans())
def test_bytes_of_any_kind_can_be_sent(value: bytes, trusted: bool) -> None:
    text = value.decode("utf-8", "surrogateescape")
    came = exchange(headers={"X-A": text, "Host": text, "X-Forwarded-For": text}, is_peer_trusted=trusted)
    for sent in request_headers(came, None).values():
        sent.encode()


def test_an_answer_loses_its_hop_by_hop_fields_and_keeps_the_rest_in_order() -> None:
    lines = [
        (b"Set-Cookie", b"a"),
        (b"Connection", b"X-Hop, content-type"),
        (b"x-hop", b"1"),
        (b"Content-Type", b"text/plain"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Content-Length", b"3"),
        (b"Keep-Alive", b"x"),
        (b"Set-Cookie", b"b"),
    ]
    assert answer_headers(lines) == [
        (b"Set-Cookie", b"a"),
        (b"Content-Type", b"text/plain"),
        (b"Set-Cookie", b"b"),
    ]


def test_the_first_value_of_a_field_is_found_in_any_case() -> None:
    lines = [(b"X-A", b"1"), (b"x-a", b"2")]
    assert (header(lines, b"x-a"), header(lines, b"x-b")) == (b"1", None)


def test_names_too_long_to_be_remembered_are_judged_all_the_same() -> None:
    odd = "X_Real_IP" + "_" * 100
    long = "X-" + "a" * 100
    sent = request_headers(exchange(headers=[(odd, FORGED), (long, "1")]), None)
    assert (odd in sent, sent[long]) == (False, "1")
    assert answer_headers([(long.encode(), b"1"), (b"KEEP-alive", b"x")]) == [(long.encode(), b"1")]


def test_a_client_s_forwarding_fields_are_its_own_whoever_asked_before() -> None:
    for peer, host in (("192.0.2.1", "a"), ("192.0.2.2", "a"), ("192.0.2.1", "b"), ("192.0.2.1", "a")):
        sent = request_headers(exchange(peer=peer, client=peer, headers={"Host": host}), None)
        assert sent.getall("X-Forwarded-For") == sent.getall(CLIENT_IP_HEADER) == [peer]
        assert (sent["X-Forwarded-Host"], sent["Forwarded"]) == (host, f'for={peer};host="{host}";proto=http')
