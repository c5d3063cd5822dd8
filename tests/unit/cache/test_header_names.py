"""hapta.cache.header_names"""

import pytest

from hapta.cache.header_names import may_stand_in_key, snake_case


@pytest.mark.parametrize(
    ("name", "rule_name"),
    [
        ("X-Token", "x_token"), ("x_token", "x_token"), ("X.Token", "x_token"), ("X--Token", "x_token"),
        ("-X-Token_", "x_token"), ("X2-T3", "x2_t3"), ("_", ""),
    ],
)  # fmt: skip
def test_a_field_gets_the_name_pocketbase_gives_it(name: str, rule_name: str) -> None:
    assert snake_case(name) == rule_name


@pytest.mark.parametrize("name", ["x_token", "accept_language", "user_agent", "x_api_key2", "referer"])
def test_a_clients_own_header_may_stand_in_a_key(name: str) -> None:
    assert may_stand_in_key(name)


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "cookie", "connection", "host", "content_length", "content_type", "accept_encoding",
        "x_forwarded_for", "x_forwarded_port", "forwarded", "x_real_ip", "cf_connecting_ip",
        "x_hapta_client_ip",
        "via", "x_request_id", "if_none_match", "range", "te", "transfer_encoding", "expect", "origin",
        "http2_settings", "X_Token", "x__token", "_x", "x_", "",
    ],
)  # fmt: skip
def test_what_is_written_on_the_way_or_never_arrives_may_not(name: str) -> None:
    assert not may_stand_in_key(name)
