"""hapta.selftest.installation"""

import re
from typing import Any

import httpx
import pytest

from hapta.selftest import Credentials, Installation
from hapta.selftest.installation import Failed, explained, no_answer
from hapta.selftest.own import LEFTOVER

URL = "http://hapta.example"


def test_credentials_show_no_secret() -> None:
    shown = repr(Credentials("a@example.com", "s3cret", "s3cret", "u@example.com", "s3cret"))
    assert "s3cret" not in shown
    assert "a@example.com" in shown


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (
            httpx.ConnectError("All connection attempts failed"),
            f"connection refused at {URL}: is `hapta serve` running there?",
        ),
        (
            httpx.ConnectError("[Errno -2] Name or service not known"),
            f"no connection to {URL}: [Errno -2] Name or service not known",
        ),
        (
            httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
            f"no TLS connection to {URL}: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed",
        ),
        (httpx.ConnectTimeout(""), f"no connection to {URL} within 5 s"),
        (httpx.ReadTimeout(""), f"no answer from {URL} within 15 s"),
        (
            httpx.RemoteProtocolError("Server disconnected"),
            f"no whole answer from {URL}: Server disconnected",
        ),
        (httpx.ReadError(""), f"no whole answer from {URL}: ReadError"),
    ],
)
def test_a_missing_answer_is_told_in_the_operators_words(exc: httpx.HTTPError, reason: str) -> None:
    assert no_answer(exc, URL) == reason


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        pytest.param(httpx.Response(502, html="<h1>Bad</h1>"), "502 without an error body", id="no JSON"),
        pytest.param(httpx.Response(502, json=[1]), "502 without an error body", id="no object"),
        pytest.param(
            httpx.Response(400, json={"message": "Nope.", "data": {}}), "400 Nope.", id="PocketBase's"
        ),
        pytest.param(
            httpx.Response(400, json={"message": "x" * 999, "data": []}), f"400 {'x' * 200}", id="long"
        ),
    ],
)
def test_a_refusal_is_told_with_its_message(answer: httpx.Response, shown: str) -> None:
    assert explained(answer) == shown


async def answered(response: httpx.Response, **more: Any) -> Any:
    transport = httpx.MockTransport(lambda _: response)
    async with Installation(URL, Credentials(), transport) as installation:
        return await installation.expect(200, "GET", "/x", **more)


async def test_the_expected_answer_is_given_parsed() -> None:
    assert await answered(httpx.Response(200, json={"a": 1})) == {"a": 1}
    assert await answered(httpx.Response(200)) is None


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(404, json={"message": "Gone.", "data": {}}), "GET /x: expected 200, got 404 Gone."),
        (httpx.Response(200, html="<p>"), "/x: expected JSON, got text/html; charset=utf-8"),
    ],
)
async def test_another_answer_than_the_expected_is_a_failure(response: httpx.Response, reason: str) -> None:
    with pytest.raises(Failed, match=re.escape(reason)):
        await answered(response)


def test_names_are_random_and_known_as_leftovers_later() -> None:
    names = {Installation(URL, Credentials()).collection for _ in range(20)}
    assert len(names) == 20
    assert all(LEFTOVER.fullmatch(name) and LEFTOVER.fullmatch(f"{name}_users") for name in names)


@pytest.mark.parametrize(
    "name",
    ["hapta_test", "hapta_test_mine", "posts", "hapta_test_0123456789abc", "x_hapta_test_0123456789ab"],
)
def test_collections_of_the_operator_are_no_leftovers(name: str) -> None:
    assert not LEFTOVER.fullmatch(name)
