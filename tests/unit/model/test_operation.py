"""Requests are understood as PocketBase routes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.model.errors import BadRequest
from hapta.model.operation import Operation, OperationClass, classify
from hapta.model.target import parse_target

K = OperationClass
C = "/api/collections"
TABLE: list[tuple[str, str, OperationClass, str, str | None, str | None]] = [
    ("GET", f"{C}/posts/records", K.RECORD_READ, "list", "posts", None),
    ("HEAD", f"{C}/posts/records", K.RECORD_READ, "list", "posts", None),
    ("GET", f"{C}/POSTS/records?x=1", K.RECORD_READ, "list", "POSTS", None),
    ("GET", f"{C}/p%6Fsts/%72ecords", K.RECORD_READ, "list", "posts", None),
    ("POST", f"{C}/posts/records", K.RECORD_WRITE, "create", "posts", None),
    ("GET", f"{C}/posts/records/1", K.RECORD_READ, "view", "posts", "1"),
    ("HEAD", f"{C}/posts/records/1", K.RECORD_READ, "view", "posts", "1"),
    ("PATCH", f"{C}/posts/records/1", K.RECORD_WRITE, "update", "posts", "1"),
    ("DELETE", f"{C}/posts/records/1", K.RECORD_WRITE, "delete", "posts", "1"),
    ("GET", f"{C}/posts/records/a%2Fb", K.RECORD_READ, "view", "posts", "a/b"),
    ("POST", "/api/batch", K.RECORD_WRITE, "batch", None, None),
    ("POST", f"{C}/users/auth-with-password", K.AUTH_ANSWER, "auth-with-password", "users", None),
    ("POST", f"{C}/users/auth-with-oauth2", K.AUTH_ANSWER, "auth-with-oauth2", "users", None),
    ("POST", f"{C}/users/auth-with-otp", K.AUTH_ANSWER, "auth-with-otp", "users", None),
    ("POST", f"{C}/users/auth-refresh", K.AUTH_ANSWER, "auth-refresh", "users", None),
    ("POST", f"{C}/users/impersonate/1", K.AUTH_ANSWER, "impersonate", "users", "1"),
    ("GET", f"{C}/users/auth-methods", K.AUTH_ACTION, "auth-methods", "users", None),
    ("POST", f"{C}/users/request-otp", K.AUTH_ACTION, "request-otp", "users", None),
    ("POST", f"{C}/users/confirm-email-change", K.AUTH_ACTION, "confirm-email-change", "users", None),
    ("POST", "/api/files/token", K.AUTH_ACTION, "file-token", None, None),
    ("GET", "/api/files/posts/1/a.png", K.FILE, "download", "posts", "1"),
    ("HEAD", "/api/files/posts/1/a.png?thumb=1x1", K.FILE, "download", "posts", "1"),
    ("GET", "/api/realtime", K.REALTIME_STREAM, "connect", None, None),
    ("POST", "/api/realtime", K.REALTIME_SUBSCRIBE, "subscribe", None, None),
    ("GET", "/api/oauth2-redirect?a=b", K.OAUTH2_REDIRECT, "", None, None),
    ("POST", "/api/oauth2-redirect", K.OAUTH2_REDIRECT, "", None, None),
    ("GET", "/api/health", K.HEALTH, "", None, None),
    ("GET", "/_/", K.DASHBOARD, "", None, None),
    ("GET", "/_", K.DASHBOARD, "", None, None),
    ("HEAD", "/_/a/b.js", K.DASHBOARD, "", None, None),
    ("GET", "/api/hapta/health/live", K.OWN, "health/live", None, None),
    ("OPTIONS", "/api/hapta/health/live", K.PREFLIGHT, "", None, None),
    ("GET", "/_hapta/x", K.OWN, "", None, None),
    ("OPTIONS", f"{C}/posts/records", K.PREFLIGHT, "", None, None),
    ("OPTIONS", "/nothing", K.PREFLIGHT, "", None, None),
    ("GET", "/api/settings", K.ADMIN, "settings", None, None),
    ("PATCH", "/api/settings", K.ADMIN, "settings", None, None),
    ("POST", "/api/settings/test/email", K.ADMIN, "settings", None, None),
    ("GET", C, K.ADMIN, "schema", None, None),
    ("DELETE", f"{C}/posts", K.ADMIN, "schema", "posts", None),
    ("PUT", f"{C}/import", K.ADMIN, "schema", "import", None),
    ("GET", f"{C}/meta/scaffolds", K.ADMIN, "schema", "meta", None),
    ("POST", f"{C}/meta/dry-run-view", K.ADMIN, "schema", "meta", None),
    ("DELETE", f"{C}/posts/truncate", K.ADMIN, "truncate", "posts", None),
    ("GET", "/api/logs/1", K.ADMIN, "logs", None, None),
    ("POST", "/api/crons/x", K.ADMIN, "crons", None, None),
    ("POST", "/api/sql", K.ADMIN, "sql", None, None),
    ("GET", "/api/backups", K.ADMIN, "backups", None, None),
    ("GET", "/api/backups/a.zip?token=x", K.ADMIN, "backups", None, None),
    ("POST", "/api/backups/upload", K.ADMIN, "backup-upload", None, None),
    ("POST", "/api/backups/a.zip/restore", K.ADMIN, "restore", None, None),
    # what PocketBase does not route there is unknown
    ("GET", f"{C}/posts/records/", K.UNKNOWN, "", None, None),
    ("GET", f"{C}/posts/records/1/x", K.UNKNOWN, "", None, None),
    ("PUT", f"{C}/posts/records/1", K.UNKNOWN, "", None, None),
    ("get", f"{C}/posts/records", K.UNKNOWN, "", None, None),
    ("GET", f"{C}/users/auth-with-password", K.UNKNOWN, "", None, None),
    ("GET", "/API/health", K.UNKNOWN, "", None, None),
    ("GET", "/api/health/", K.UNKNOWN, "", None, None),
    ("GET", "//api/health", K.UNKNOWN, "", None, None),
    ("GET", "/api//health", K.UNKNOWN, "", None, None),
    ("GET", "/api%2Fhealth", K.UNKNOWN, "", None, None),
    ("GET", "/api/files/token", K.UNKNOWN, "", None, None),
    ("DELETE", "/api/files/posts/1/a.png", K.UNKNOWN, "", None, None),
    ("GET", "/api/batch", K.UNKNOWN, "", None, None),
    ("GET", "/api/custom/x", K.UNKNOWN, "", None, None),
    ("POST", "/_/", K.UNKNOWN, "", None, None),
    ("GET", "/", K.UNKNOWN, "", None, None),
    ("GET", "/api", K.UNKNOWN, "", None, None),
    ("GET", "/api/", K.UNKNOWN, "", None, None),
]


def _classify(method: str, target: str) -> Operation:
    return classify(method, parse_target(target, "").segments)


@pytest.mark.parametrize(("method", "target", "kind", "action", "collection", "record"), TABLE)
def test_a_request_is_understood(
    method: str, target: str, kind: OperationClass, action: str, collection: str | None, record: str | None
) -> None:
    found = _classify(method, target)
    assert (found.kind, found.action, found.collection, found.record) == (kind, action, collection, record)


@pytest.mark.parametrize(("method", "target", "kind"), [row[:3] for row in TABLE])
def test_only_superusers_administrate(method: str, target: str, kind: OperationClass) -> None:
    found = _classify(method, target)
    assert found.is_superuser_only is (kind is K.ADMIN or found.action == "impersonate")


@pytest.mark.parametrize(("method", "target", "kind"), [row[:3] for row in TABLE])
def test_only_backups_and_unknown_routes_stream_their_bodies(
    method: str, target: str, kind: OperationClass
) -> None:
    found = _classify(method, target)
    assert found.streams_body is (kind is K.UNKNOWN or found.action == "backup-upload")


@pytest.mark.parametrize("area", ["settings", "logs", "crons", "sql", "backups"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "QUERY"])
@pytest.mark.parametrize("tail", ["", "/", "/x", "/x/", "/x/y/z", "//", "/..", "/%2F"])
def test_nothing_below_an_administrator_s_area_is_open(area: str, method: str, tail: str) -> None:
    assert _classify(method, f"/api/{area}{tail}").is_superuser_only


@given(
    st.sampled_from(["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE", "x", ""])
    | st.text(),
    st.lists(
        st.sampled_from(
            ["api", "collections", "records", "files", "token", "_", "_hapta", "hapta", "meta", ""]
        )
        | st.text(max_size=8),
        max_size=8,
    ),
)
def test_every_request_has_a_class(method: str, segments: list[str]) -> None:
    found = classify(method, tuple(segments) or ("",))
    assert isinstance(found.kind, OperationClass)
    assert found.kind is not K.RECORD_READ or method in {"GET", "HEAD"}
    assert found.record is None or found.collection is not None


@given(st.sampled_from(["GET", "POST", "PATCH"]), st.text(alphabet="api/colectnsrd%2Ffrom_.;ſ", max_size=50))
def test_a_request_and_what_is_sent_upstream_are_of_one_class(method: str, tail: str) -> None:
    try:
        target = parse_target("/" + tail, "")
    except BadRequest:
        return
    assert classify(method, target.segments) == _classify(method, target.raw)
