"""The admin lock, looked at by somebody who wants to get through.

Rows of ``docs/differences.md`` proved here: ``admin-routes``, ``admin-identity``, ``admin-dashboard``,
``admin-batch``.
"""

import base64
import json

import jwt
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.config import AdminConfig
from hapta.model.errors import AdminOnly, HaptaError, NotFound
from hapta.model.exchange import Exchange
from hapta.records.errors import UnreadableBatch
from hapta.stages.admin import (
    SUPERUSERS_ID,
    admin_lock,
    batch_lock,
    is_superusers,
    token_collection,
)
from tests.support.exchanges import Upstream, exchange

C = "/api/collections"
SECRET = "x" * 32
SUPERUSER = jwt.encode(
    {"collectionId": SUPERUSERS_ID, "id": "a", "type": "auth", "exp": 9_999_999_999}, SECRET
)
USER = jwt.encode({"collectionId": "_pb_users_auth_", "id": "a", "type": "auth"}, SECRET)
FILE = jwt.encode({"collectionId": SUPERUSERS_ID, "id": "a", "type": "file"}, SECRET)


async def _outcome(one: Exchange, config: AdminConfig | None = None) -> type[HaptaError] | None:
    upstream = Upstream()
    try:
        await admin_lock(config or AdminConfig())(one, upstream)
    except HaptaError as error:
        assert not upstream.asked
        return type(error)
    assert len(upstream.asked) == 1
    return None


def _outside(method: str, target: str, *headers: tuple[str, str], body: bytes | None = None) -> Exchange:
    return exchange(method, target, headers, body, is_admin_client=False, client="6.6.6.6")


NAMES = (
    "_superusers",
    "_SUPERUSERS",
    "_SuperUsers",
    "_\u017fuperusers",
    "_superu\u017fer\u017f",
    "%5Fsuperusers",
    "%5f%73%75%70%65%72%75%73%65%72%73",
    "_%C5%BFuperusers",
    SUPERUSERS_ID,
    "pbc%5F3142635823",
)


@pytest.mark.parametrize("name", NAMES)
async def test_superusers_cannot_sign_in_from_outside_whatever_they_are_called(name: str) -> None:
    for action in ("auth-with-password", "auth-with-otp", "auth-with-oauth2", "auth-refresh", "request-otp"):
        assert await _outcome(_outside("POST", f"{C}/{name}/{action}")) is AdminOnly
    assert await _outcome(_outside("GET", f"{C}/{name}/auth-methods")) is AdminOnly
    assert await _outcome(_outside("POST", f"{C}/{name}/confirm-password-reset")) is AdminOnly


@pytest.mark.parametrize("name", NAMES)
async def test_records_of_superusers_are_not_there_from_outside(name: str) -> None:
    for method, target in (
        ("GET", "/records"),
        ("POST", "/records"),
        ("GET", "/records/a"),
        ("PATCH", "/records/a"),
    ):
        assert await _outcome(_outside(method, f"{C}/{name}{target}")) is NotFound
    assert await _outcome(_outside("GET", f"/api/files/{name}/a/b.png")) is AdminOnly


@pytest.mark.parametrize(
    "name", ["superusers", "_superuser", "_superuserss", "_superusers ", "users", "pbc_3142635824", ""]
)
def test_other_collections_are_not_taken_for_superusers(name: str) -> None:
    assert not is_superusers(name)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/api/settings"),
        ("HEAD", "/api/settings"),
        ("GET", "/api/settings/"),
        ("GET", "/api/%73ettings"),
        ("GET", "/%61pi/settings"),
        ("PATCH", "/api/settings?x"),
        ("GET", C),
        ("GET", f"{C}/"),
        ("GET", f"{C}/posts"),
        ("GET", f"{C}/posts%2Frecords"),
        ("PUT", f"{C}/import"),
        ("DELETE", f"{C}/posts/truncate"),
        ("POST", f"{C}/users/impersonate/a"),
        ("GET", "/api/logs"),
        ("POST", "/api/crons/x"),
        ("POST", "/api/sql"),
        ("GET", f"/api/backups/a.zip?token={FILE}"),
        ("POST", "/api/backups/upload"),
        ("POST", "/api/backups/a.zip/restore"),
    ],
)
async def test_routes_of_superusers_are_not_there_from_outside(method: str, target: str) -> None:
    assert await _outcome(_outside(method, target)) is NotFound
    assert await _outcome(_outside(method, target, ("Authorization", SUPERUSER))) is NotFound
    assert await _outcome(exchange(method, target, {"Authorization": SUPERUSER})) is None


@pytest.mark.parametrize(
    "value",
    [
        SUPERUSER,
        f"Bearer {SUPERUSER}",
        f"bearer {SUPERUSER}",
        f"bEARER   {SUPERUSER}",
        f"Bearer\t{SUPERUSER}",
        f"  {SUPERUSER}  ",
        FILE,
    ],
)
@pytest.mark.parametrize("target", [f"{C}/posts/records", "/api/health", "/api/custom/x", "/api/batch", "/"])
async def test_a_superuser_s_token_is_worthless_outside(value: str, target: str) -> None:
    assert await _outcome(_outside("GET", target, ("Authorization", value))) is AdminOnly
    assert await _outcome(_outside("GET", target, ("authorization", value))) is AdminOnly


@pytest.mark.parametrize("order", [(SUPERUSER, USER), (USER, SUPERUSER), ("", SUPERUSER), (SUPERUSER, "")])
async def test_of_several_tokens_none_may_be_a_superuser_s(order: tuple[str, str]) -> None:
    one = _outside("GET", "/api/x", *(("Authorization", value) for value in order))
    assert await _outcome(one) is AdminOnly


@pytest.mark.parametrize(
    "query",
    [
        f"token={FILE}",
        f"a=b&token={FILE}",
        f"token=&token={FILE}",
        f"%74oken={FILE}",
        f"%74%6f%6B%65%6e={FILE}",
        "token=" + FILE.replace(".", "%2E").replace("e", "%65"),
        f"token={FILE}&token={USER}",
    ],
)
async def test_a_superuser_s_file_token_is_worthless_outside(query: str) -> None:
    assert await _outcome(_outside("GET", f"/api/files/posts/a/b.png?{query}")) is AdminOnly


@pytest.mark.parametrize(
    "query",
    ["token=", "token", "token=x", f"token={USER}", f"tokens={FILE}", f"token%00={FILE}", f"x=token={FILE}"],
)
async def test_other_queries_pass(query: str) -> None:
    assert await _outcome(_outside("GET", f"/api/files/posts/a/b.png?{query}")) is None


@pytest.mark.parametrize(
    "value", ["", "x", "a.b.c", "a.b", USER, f"Bearer {USER}", "Basic dTpw", "..", "a.e30.c", "é.é.é"]
)
async def test_everybody_else_passes(value: str) -> None:
    assert await _outcome(_outside("GET", f"{C}/posts/records", ("Authorization", value))) is None


async def test_the_dashboard_is_open_unless_it_is_closed() -> None:
    closed = AdminConfig(ui="networks")
    assert await _outcome(_outside("GET", "/_/")) is None
    for target in ("/_/", "/_", "/_/a.js", "/%5F/", "/_/..%2F"):
        assert await _outcome(_outside("GET", target), closed) is NotFound
        assert await _outcome(exchange("GET", target), closed) is None


def test_claims_are_read_as_they_stand_signed_or_not() -> None:
    payload = base64.urlsafe_b64encode(b'{"collectionId":"pbc_3142635823"}').decode()
    assert (
        token_collection(f"x.{payload}.x") == token_collection(f"x.{payload.rstrip('=')}.") == SUPERUSERS_ID
    )
    assert token_collection(SUPERUSER) == SUPERUSERS_ID


@given(st.text() | st.text(alphabet="ab.=-_e30/+ é", max_size=30))
def test_no_token_is_too_odd_to_be_looked_at(token: str) -> None:
    collection = token_collection(token)
    assert collection is None or isinstance(collection, str)


def _batch(document: object) -> bytes:
    return orjson.dumps(document) if not isinstance(document, bytes) else document


def _sub(url: str, method: str = "POST") -> dict[str, object]:
    return {"requests": [{"method": "GET", "url": "/x"}, {"method": method, "url": url}]}


async def _batch_outcome(
    body: bytes, content_type: str = "application/json", query: str = ""
) -> type[HaptaError] | None:
    upstream = Upstream()
    try:
        one = _outside("POST", f"/api/batch{query}", ("Content-Type", content_type), body=body)
        await batch_lock(one, upstream)
    except HaptaError as error:
        assert not upstream.asked
        return type(error)
    return None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "GET", ""])
async def test_a_batch_cannot_name_superusers(name: str, method: str) -> None:
    for url in (
        f"{C}/{name}/records",
        f"{C}/{name}/records/a?x",
        f"{C}/{name}/records?#x",
        f"{C}/{name}/records?filter=%zz",
        f"/{C}/{name}/records",
        f"{C}/{name}",
    ):
        assert await _batch_outcome(_batch(_sub(url, method))) is AdminOnly


@pytest.mark.parametrize(
    "document",
    [
        {"Requests": [{"METHOD": "POST", "URL": f"{C}/_superusers/records"}]},
        {"requests": [{"method": "POST", "Url": f"{C}/_superusers/records"}]},
        b'{"requests":[{"method":"POST","url":"\\u002fapi/collections/\\u005fsuperusers/records"}]}',
        b'{"re\\u0071uests":[{"u\\u0072l":"/api/collections/_superusers/records","method":"POST"}]}',
    ],
)
async def test_a_batch_hides_superusers_behind_no_spelling_of_json(document: object) -> None:
    assert await _batch_outcome(_batch(document)) is AdminOnly


async def test_a_batch_hides_superusers_in_no_wrapping() -> None:
    text = json.dumps(_sub(f"{C}/_superusers/records")).encode()
    escaped = "%40jsonPayload=" + "".join(f"%{byte:02x}" for byte in text)
    multipart = (
        b'--XX\r\nContent-Disposition: form-data; name="@jsonPayload"\r\n\r\n' + text + b"\r\n--XX--\r\n"
    )
    form = "application/x-www-form-urlencoded"
    assert await _batch_outcome(multipart, "multipart/form-data; boundary=XX") is AdminOnly
    assert await _batch_outcome(multipart, 'multipart/form-data; boundary="XX"') is AdminOnly
    assert await _batch_outcome(multipart, 'Multipart/Form-Data; boundary="XX"') is UnreadableBatch
    assert await _batch_outcome(escaped.encode(), form) is AdminOnly
    assert await _batch_outcome(b"a=b", form, f"?{escaped}") is AdminOnly


@pytest.mark.parametrize(
    "document",
    [
        _sub(f"{C}/posts/records"),
        _sub(f"{C}/posts/records?filter=name='_superusers'"),
        {"requests": [{"method": "POST", "url": f"{C}/posts/records", "body": {"url": f"{C}/_superusers"}}]},
        {"requests": [{"method": 1, "url": 2}, None, "x"]},
        {},
        [],
    ],
)
async def test_other_batches_pass(document: object) -> None:
    assert await _batch_outcome(_batch(document)) is None


async def test_from_the_admin_networks_a_batch_is_not_looked_at() -> None:
    upstream = Upstream()
    await batch_lock(exchange("POST", "/api/batch", {"Content-Type": "x"}, b"{"), upstream)
    assert len(upstream.asked) == 1
