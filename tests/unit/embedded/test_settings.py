"""hapta.embedded.settings"""

from typing import Any

import pytest

from hapta.embedded.settings import CLIENT_IP_HEADER, ensure_settings, wanted_changes
from hapta.model.errors import OperatorError

OURS = "http://127.0.0.1:8080"
RIGHT_PROXY = {"headers": [CLIENT_IP_HEADER], "useLeftmostIP": False}


@pytest.mark.parametrize(
    ("app_url", "public_url", "wanted"),
    [
        pytest.param("", "", OURS, id="unset"),
        pytest.param("http://localhost:8090", "", OURS, id="PocketBase's default"),
        pytest.param("http://localhost:8090/", "", OURS, id="the default with a slash"),
        pytest.param("http://127.0.0.1:9999", "", OURS, id="another loopback address"),
        pytest.param("http://[::1]:8080", "", OURS, id="loopback of IPv6"),
        pytest.param("http://app.localhost", "", OURS, id="a name of loopback"),
        pytest.param(OURS, "", None, id="ours already"),
        pytest.param(OURS + "/", "", None, id="ours with a slash"),
        pytest.param("https://example.com", "", None, id="a real one is left"),
        pytest.param("https://10.0.0.7", "", None, id="a private address is left"),
        pytest.param("not a url [", "", None, id="what cannot be read is left"),
        pytest.param(
            "https://old.example.com", "https://example.com", "https://example.com", id="configured"
        ),
        pytest.param("https://example.com/", "https://example.com", None, id="configured already"),
        pytest.param("http://localhost:8090", "https://example.com", "https://example.com", id="both"),
    ],
)
def test_the_address_in_mails_leads_through_hapta(app_url: str, public_url: str, wanted: str | None) -> None:
    current = {"trustedProxy": RIGHT_PROXY, "meta": {"appURL": app_url, "appName": "Acme"}}
    expected = {} if wanted is None else {"meta": {"appURL": wanted}}
    assert wanted_changes(current, public_url, OURS, CLIENT_IP_HEADER) == expected


@pytest.mark.parametrize(
    ("proxy", "wanted"),
    [
        pytest.param(RIGHT_PROXY, {}, id="right"),
        pytest.param({"headers": [], "useLeftmostIP": False}, {"headers": [CLIENT_IP_HEADER]}, id="default"),
        pytest.param(
            {"headers": ["X-Forwarded-For", CLIENT_IP_HEADER], "useLeftmostIP": False},
            {"headers": [CLIENT_IP_HEADER]},
            id="a header clients may send",
        ),
        pytest.param(
            {"headers": [CLIENT_IP_HEADER], "useLeftmostIP": True}, {"useLeftmostIP": False}, id="side"
        ),
        pytest.param(None, RIGHT_PROXY, id="absent"),
    ],
)
def test_pocketbase_takes_the_address_from_haptas_header_only(proxy: Any, wanted: dict[str, Any]) -> None:
    current = {"trustedProxy": proxy, "meta": {"appURL": OURS}}
    expected = {"trustedProxy": wanted} if wanted else {}
    assert wanted_changes(current, "", OURS, CLIENT_IP_HEADER) == expected


class Refusing:
    def __init__(self, refused: str, status: int) -> None:
        self.refused, self.status = refused, status

    async def request(self, method: str, path: str, json: Any = None) -> tuple[int, Any]:
        if method == self.refused:
            return self.status, {"status": self.status, "message": "No.", "data": {"meta": "invalid"}}
        return 200, {"trustedProxy": None, "meta": {}}


@pytest.mark.parametrize(
    ("method", "status", "problem"),
    [
        pytest.param("GET", 403, r"does not show its settings \(status 403\)", id="not shown"),
        pytest.param("PATCH", 400, r"refuses to change trustedProxy.headers, .*status 400", id="not changed"),
    ],
)
async def test_refused_settings_are_an_error(method: str, status: int, problem: str) -> None:
    with pytest.raises(OperatorError, match=problem):
        await ensure_settings(Refusing(method, status), public_url="", own_url=OURS)
