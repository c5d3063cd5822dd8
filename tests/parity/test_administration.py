"""Superusers work from their networks or not at all, whatever a request says about where it comes from.

Rows of ``docs/differences.md`` proved here: ``admin-routes``, ``admin-identity``, ``own-errors``.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from hapta.model.address import FORWARDING_HEADERS
from tests.parity.case import Side, differences, js, request
from tests.parity.paths import POSTS
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD
from tests.support.twins import Twins
from tests.support.wire import Reply

ADMIN = "Authorization: $admin$"
ELSEWHERE = "X-Forwarded-For: 6.6.6.6"
LOGIN = "/api/collections/_superusers/auth-with-password"


def _settings(side: Side, *headers: str) -> Reply:
    return side.ask(request("GET", "/api/settings", ADMIN, *headers))


def _login(side: Side, *headers: str) -> Reply:
    return side.ask(js("POST", LOGIN, {"identity": ADMIN_EMAIL, "password": PASSWORD}, *headers))


@pytest.fixture(scope="module")
def behind_proxy(
    pair: Twins, sides: tuple[Side, Side], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Side]:
    """Through a Hapta to which this machine is a trusted proxy."""
    settings = {"server.trusted_proxies": "127.0.0.0/8"}
    with ExitStack() as closing:
        server = Hapta(tmp_path_factory.mktemp("proxied"), pair.behind.url, settings)
        closing.callback(server.stop)
        server.start()
        yield replace(sides[1], url=server.url)


def test_from_this_machine_a_superuser_works(sides: tuple[Side, Side]) -> None:
    assert _settings(sides[1]).status == 200
    assert _login(sides[1]).status == 200


@pytest.mark.parametrize("name", FORWARDING_HEADERS)
@pytest.mark.parametrize("value", ["127.0.0.1", "6.6.6.6", "", "nonsense"])
def test_a_loopback_peer_that_speaks_for_somebody_is_no_administrator(
    name: str, value: str, sides: tuple[Side, Side]
) -> None:
    forwarding = f"{name}: {value}"
    hidden = _settings(sides[1], forwarding)
    assert hidden.status == 404
    assert json.loads(hidden.body)["message"] == "The requested resource wasn't found."
    assert _login(sides[1], forwarding).status == 403
    assert sides[1].ask(request("GET", POSTS, ADMIN, forwarding)).status == 403
    assert sides[1].ask(request("GET", POSTS, "Authorization: $user$", forwarding)).status == 200


@pytest.mark.parametrize(
    ("headers", "is_admin"),
    [
        ((), True),
        (("X-Forwarded-For: 127.0.0.1",), True),
        (("X-Forwarded-For: 6.6.6.6, 127.0.0.1",), False),
        (("X-Forwarded-For: 127.0.0.1, 6.6.6.6",), False),
        (("X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 6.6.6.6"), False),
        (("X-Forwarded-For: ::ffff:6.6.6.6",), False),
        (("X-Forwarded-For: 6.6.6.6:127",), False),
        (("X-Forwarded-For:",), False),
        (("X-Forwarded-For: unix:",), False),
        (("X-Forwarded-For: 6.6.6.6, unknown",), False),
        (("X-Forwarded-Proto: https",), False),
        (("X-Real-IP: 127.0.0.1",), False),
        (("Forwarded: for=127.0.0.1",), False),
        (("X-Forwarded-For: 6.6.6.6", "X-Real-IP: 127.0.0.1", "X-Hapta-Client-IP: 127.0.0.1"), False),
    ],
)
def test_behind_a_trusted_proxy_the_client_it_names_decides(
    headers: tuple[str, ...], is_admin: bool, behind_proxy: Side
) -> None:
    assert _settings(behind_proxy, *headers).status == (200 if is_admin else 404)
    assert _login(behind_proxy, *headers).status == (200 if is_admin else 403)


def test_pocketbase_sees_the_client_a_trusted_proxy_names(behind_proxy: Side) -> None:
    reply = behind_proxy.ask(
        request("GET", "/api/custom/echo", ELSEWHERE, "X-Forwarded-Proto: https", "X-Forwarded-Host: a.b")
    )
    seen = json.loads(reply.body)
    assert seen["ip"] == "6.6.6.6"
    assert seen["headers"]["X-Hapta-Client-Ip"] == ["6.6.6.6"]
    assert seen["headers"]["X-Forwarded-For"] == ["6.6.6.6, 127.0.0.1"]
    assert seen["headers"]["X-Forwarded-Proto"] == ["https"]
    assert seen["headers"]["X-Forwarded-Host"] == ["a.b"]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/api/collections"),
        ("GET", "/api/logs"),
        ("GET", "/api/backups/x.zip?token=$file_admin$"),
        ("POST", "/api/sql"),
        ("POST", "/api/collections/users/impersonate/user00000000001"),
        ("GET", "/api/collections/_superusers/records"),
        ("GET", "/api/collections/_%C5%BFuperusers/records"),
    ],
)
def test_what_is_a_superuser_s_alone_looks_from_elsewhere_like_nothing(
    method: str, target: str, sides: tuple[Side, Side]
) -> None:
    nothing = sides[1].ask(request("POST", "/api/nothing"))
    hidden = sides[1].ask(request(method, target, ADMIN, ELSEWHERE))
    assert (hidden.status, hidden.body) == (nothing.status, nothing.body)


@pytest.mark.parametrize("name", ["token", "%74oken"])
def test_a_superuser_s_file_token_opens_nothing_from_elsewhere(name: str, sides: tuple[Side, Side]) -> None:
    target = f"/api/files/documents/document0000001/$contract$?{name}=$file_admin$"
    assert sides[1].ask(request("GET", target)).status == 200
    assert sides[1].ask(request("GET", target, ELSEWHERE)).status == 403


def test_a_batch_from_elsewhere_may_do_what_its_sender_may(sides: tuple[Side, Side]) -> None:
    comment = {"id": "elsewhere000001", "text": "x", "post": "post00000000001", "author": "user00000000001"}
    asked = js(
        "POST",
        "/api/batch",
        {
            "requests": [
                {"method": "POST", "url": "/api/collections/comments/records", "body": comment},
                {"method": "DELETE", "url": "/api/collections/comments/records/elsewhere000001"},
            ]
        },
        "Authorization: $user$",
        ELSEWHERE,
    )
    one, other = (side.ask(asked) for side in sides)
    assert one.status == 200
    assert not differences(*sides, one, other, method="POST", ordered=True)


def test_a_page_may_read_why_it_was_refused(sides: tuple[Side, Side]) -> None:
    refused = sides[1].ask(request("GET", POSTS, ADMIN, ELSEWHERE, "Origin: https://front.example"))
    assert refused.status == 403
    assert refused.get("access-control-allow-origin") == "*"
    assert refused.get("x-request-id") is not None
    assert json.loads(refused.body).keys() == {"data", "message", "status"}
