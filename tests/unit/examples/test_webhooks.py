"""What webhooks sign, when they try again, where they do not go."""

import asyncio
import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.hooks.loader import PluginErrors
from hapta.testing import load_plugin, make_row_change
from tests.unit.examples import EXAMPLES

SECRET = "0123456789abcdef0123456789abcdef"
SHOP = {"url": "https://shop.example.com/hooks", "secret": "SHOP_SECRET", "collections": ["posts"]}
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def load(**receiver: Any) -> Any:
    return load_plugin(EXAMPLES / "webhooks.py", {"receivers": {"shop": {**SHOP, **receiver}}})


@pytest.fixture
def webhooks(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    return load().module


def test_the_signature_is_that_of_standard_webhooks(webhooks: Any) -> None:
    # the example of https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md
    key = webhooks.key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    made = webhooks.signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    signed = b"a.1." + body
    mac = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    assert webhooks.signature(SECRET.encode(), "a", 1, body) == "v1," + base64.b64encode(mac).decode()


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("1.1.1.1", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff0e::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::1", False),
        ("2001:0:a00:1::", False),
    ],
)
def test_addresses_of_the_internet_and_others(webhooks: Any, address: str, is_public: bool) -> None:
    assert webhooks.is_public(address) is is_public


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0x7f000001", "127.1", "2130706433"])
async def test_a_name_for_this_machine_resolves_to_nothing(webhooks: Any, host: str) -> None:
    with pytest.raises(webhooks.Refused):
        await webhooks.PublicResolver().resolve(host, 80)


async def test_one_private_address_among_public_ones_is_refused(
    webhooks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def both(*args: Any, **more: Any) -> Any:
        return [(2, 1, 6, "", (address, 80)) for address in answers]

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", both)
    answers = ["1.1.1.1", "1.0.0.1"]
    found = await webhooks.PublicResolver().resolve("both.example", 80)
    assert [each["host"] for each in found] == answers, "what was looked at is what is connected to"
    answers = ["1.1.1.1", "10.0.0.1"]
    with pytest.raises(webhooks.Refused):
        await webhooks.PublicResolver().resolve("both.example", 80)


@pytest.mark.parametrize(
    ("receiver", "problem"),
    [
        pytest.param({"url": "http://shop.example.com/"}, "url is https", id="not encrypted"),
        pytest.param({"url": "https://user:pw@shop.example.com/"}, "without a user", id="a password in it"),
        pytest.param({"url": "https://127.0.0.1/"}, "not an address of the internet", id="this machine"),
        pytest.param({"url": "https://[::ffff:10.0.0.1]/"}, "not an address of the internet", id="mapped"),
        pytest.param({"url": "https://2130706433/"}, "not an address of the internet", id="as a number"),
        pytest.param({"url": "https://127.1/"}, "not an address of the internet", id="a short form"),
        pytest.param({"secret": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE holds no secret", id="no secret"),
        pytest.param({"secret": "SHORT"}, "SHORT holds no secret of 24 bytes", id="a short secret"),
        pytest.param({"on": ["rename"]}, "receivers", id="no action"),
        pytest.param({"urls": "x"}, "urls", id="an unknown key"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch, receiver: dict[str, Any], problem: str
) -> None:
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    monkeypatch.setenv("SHORT", "whsec_c2hvcnQ=")
    with pytest.raises(PluginErrors, match=problem) as caught:
        load(**receiver)
    assert SECRET not in str(caught.value)


@given(st.integers(1, 200), st.floats(0, 1))
def test_delays_double_up_to_their_bound_and_are_spread(tries: int, chance: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_SECRET", SECRET)
        webhooks = load().module
    settings = webhooks.Webhooks(receivers={}, first_delay_s=5.0, longest_delay_s=3600.0)
    longest = min(5.0 * 2.0 ** (tries - 1), 3600.0)
    assert longest / 2 <= webhooks.delay_s(settings, tries, chance) <= longest


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("120", 120.0),
        ("Tue, 01 Jan 2030 00:02:00 GMT", 120.0),
        ("Mon, 31 Dec 2029 00:00:00 GMT", 0.0),
        ("9999999999", 86400.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("1e9", 0.0),
        ("٣", 3.0),
        ("", 0.0),
    ],
)
def test_retry_after_is_read(webhooks: Any, header: str | None, seconds: float) -> None:
    assert webhooks.retry_after_s(header, NOW) == seconds


@given(
    st.text()
    | st.from_regex(
        r"(Mon, )?[0-9]{1,9} Jan [0-9]{1,9} [0-9]{1,9}:[0-9]{1,9}(:[0-9]{1,20})? ([+-][0-9]{1,20}|GMT)?"
    )
)
def test_whatever_a_receiver_asks_for_is_a_time_within_bounds(header: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_SECRET", SECRET)
        webhooks = load().module
    assert 0.0 <= webhooks.retry_after_s(header, NOW) <= 86400.0


def test_a_receiver_is_told_the_fields_it_was_promised_and_no_others(webhooks: Any) -> None:
    event = make_row_change("posts", "update", {"id": "p1", "title": "x", "internal": "y"})
    told = [
        webhooks.payload(webhooks.Receiver(**{**SHOP, "fields": fields}), event, NOW)
        for fields in ((), ("title",), ("*",))
    ]
    assert told[0] == {
        "type": "posts.update",
        "timestamp": "2030-01-01T00:00:00+00:00",
        "data": {"collection": "posts", "action": "update", "id": "p1"},
    }
    assert told[1]["data"]["record"] == {"title": "x"}
    assert told[2]["data"]["record"]["internal"] == "y"


def test_a_row_too_large_to_send_is_left_out(webhooks: Any) -> None:
    event = make_row_change("posts", "update", {"id": "p1", "title": "x" * webhooks.LARGEST_BODY})
    told = webhooks.payload(webhooks.Receiver(**{**SHOP, "fields": ("*",)}), event, NOW)
    assert "record" not in told["data"]


def test_the_same_event_is_one_delivery_and_another_is_another(webhooks: Any) -> None:
    def id_of(receiver: str = "shop", action: Any = "update", **record: Any) -> str:
        event = make_row_change("posts", action, {"id": "p1", **record})
        return str(webhooks.delivery_id(receiver, event))

    assert id_of(updated="1") == id_of(updated="1")
    others = [id_of(updated="1"), id_of(updated="2"), id_of("other", updated="1"), id_of(), id_of()]
    others += [id_of(action="create"), id_of(created="1"), id_of(action="delete", updated="1")]
    assert id_of(action="delete") == id_of(action="delete")
    assert len(set(others)) == len(others)
