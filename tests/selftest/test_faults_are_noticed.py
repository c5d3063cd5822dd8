"""Each check notices what it is there for: one fault at a time, before a real Hapta."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from hapta.selftest import CHECKS, Credentials, Result, Setup, Status, caching, realtime, run_suite, sessions
from hapta.selftest.suite import READ_ONLY_CHECKS
from tests.selftest.tampering import Endless, Fault, Replaced, Tampering, when, with_json
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase

RECORDS, FILES = "/records", "/api/files/"
MINE, REFRESH, LOGOUT = "/api/hapta/sessions", "_users/auth-refresh", "/api/hapta/logout"
ADMIN = Credentials(ADMIN_EMAIL, PASSWORD)


@pytest.fixture(scope="module")
def hapta(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapta]:
    """One with limits that can be reached, and not by a mere test."""
    limits = {"ratelimit.max": 12_000, "ratelimit.duration": 60, "ratelimit.burst": 1000}
    server = Hapta(tmp_path_factory.mktemp("hapta"), pocketbase.url, limits)
    server.start()
    yield server
    server.stop()


def run(
    hapta: Hapta, fault: Fault, *, read_only: bool = False, is_caching: bool | None = True
) -> list[Result]:
    setup = Setup(overlap_s=20.0, database_url=hapta.upstream, is_caching=is_caching)
    return asyncio.run(
        run_suite(
            hapta.url,
            ADMIN,
            lambda _: None,
            read_only=read_only,
            transport=Tampering(fault),
            setup=setup,
        )
    )


def left_behind(pocketbase: PocketBase) -> list[str]:
    """Collections of the tests, and rows of Hapta's that speak of one that is no more."""
    answer = pocketbase.admin.get("/api/collections", params={"perPage": 500}).raise_for_status()
    ids = {entry["id"] for entry in answer.json()["items"]}
    names = [entry["name"] for entry in answer.json()["items"] if entry["name"].startswith("hapta_test_")]
    rows = [*pocketbase.rows("hapta_sessions"), *pocketbase.rows("hapta_audit")]
    return [*names, *(row["id"] for row in rows if row["collection"] not in ids)]


def number_of_sessions(pocketbase: PocketBase) -> int:
    return len(pocketbase.rows("hapta_sessions"))


def refusal(status: int) -> Callable[[httpx.Response], httpx.Response]:
    return lambda _: httpx.Response(status, json={"status": status, "message": "No.", "data": {}})


def without(name: str) -> Callable[[httpx.Response], httpx.Response]:
    def change(answer: httpx.Response) -> httpx.Response:
        answer.headers.pop(name, None)
        return answer

    return change


def with_header(name: str, value: str) -> Callable[[httpx.Response], httpx.Response]:
    def change(answer: httpx.Response) -> httpx.Response:
        answer.headers[name] = value
        return answer

    return change


def shared_with_everybody() -> Fault:
    """A guest is shown what the owner was: the worst a cache can do."""
    seen: dict[httpx.URL, bytes] = {}

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.method == "GET" and RECORDS in request.url.path:
            if "Authorization" in request.headers:
                seen[request.url] = answer.content
            elif request.url in seen:
                return httpx.Response(200, content=seen[request.url], request=request)
        return answer

    return fault


def stale_views() -> Fault:
    """A record keeps the title it had when it was first viewed."""
    titles: dict[str, str] = {}

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.method == "GET" and f"{RECORDS}/" in request.url.path and answer.status_code == 200:
            title = titles.setdefault(request.url.path, answer.json()["title"])
            return httpx.Response(200, json={**answer.json(), "title": title}, request=request)
        return answer

    return fault


def as_pocketbase(answer: httpx.Response) -> httpx.Response:
    """The answer to a login with a token such as PocketBase's own in it."""
    claims = {"id": answer.json()["record"]["id"], "type": "auth", "collectionId": "pbc_1", "exp": 2**31}
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return with_json(answer, token=f"eyJhbGciOiJIUzI1NiJ9.{middle}.{'x' * 43}")


def from_second_on(fault: Fault) -> Fault:
    """A fault that leaves the first refresh alone, which belongs to another check."""
    count = 0

    def later(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        nonlocal count
        count += REFRESH in request.url.path
        return fault(request, answer) if count > 1 else answer

    return later


def for_a_while(count: int, fault: Fault) -> Fault:
    """A fault in the first ``count`` answers from the audit, and no more: the clean-up asks there, too."""
    left = count

    def early(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        nonlocal left
        left -= "hapta_audit" in request.url.path
        return fault(request, answer) if left >= 0 else answer

    return early


def first_token_kept() -> Fault:
    """A refresh answers the token it was asked with."""

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if REFRESH in request.url.path and answer.status_code == 200:
            return with_json(answer, token=request.headers["Authorization"])
        return answer

    return fault


def another_token_each_time() -> Fault:
    """A refresh with a token that was refreshed before answers one more token."""
    seen: set[str] = set()

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if REFRESH in request.url.path and answer.status_code == 200:
            token = request.headers["Authorization"]
            if token in seen:
                return with_json(answer, token=answer.json()["token"] + "x")
            seen.add(token)
        return answer

    return fault


def no_overlap() -> Fault:
    """A token that was refreshed is refused."""
    retired: set[str] = set()

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        token = request.headers.get("Authorization", "")
        if REFRESH in request.url.path:
            retired.add(token)
        elif token in retired:
            return refusal(401)(answer)
        return answer

    return fault


def accepted_again(after: int) -> Fault:
    """Of the refusals of one token or another the first ``after`` stand, then all are accepted."""
    left = after

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        nonlocal left
        if request.url.path == MINE and "Authorization" in request.headers and answer.status_code == 401:
            left -= 1
            if left < 0:
                return httpx.Response(200, json={"items": []})
        return answer

    return fault


def everybody_logged_out() -> Fault:
    """After a logout nobody is let in."""
    is_out = False

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        nonlocal is_out
        is_out = is_out or request.url.path == LOGOUT
        return refusal(401)(answer) if is_out and request.url.path == MINE else answer

    return fault


def a_guest_is_somebody() -> Fault:
    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        is_guest = request.url.path == MINE and "Authorization" not in request.headers
        return httpx.Response(200, json={"items": []}) if is_guest else answer

    return fault


def shut_out_after_a_batch() -> Fault:
    """Once it refused a batch, it refuses everything."""
    is_shut = False

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        nonlocal is_shut
        is_shut = is_shut or answer.status_code == 429
        return refusal(429)(answer) if is_shut and "/hapta_test_" in request.url.path else answer

    return fault


def stream_that_stays_open() -> Fault:
    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if request.method == "GET" and request.url.path == "/api/realtime":
            return httpx.Response(200, headers=answer.headers, stream=Endless(answer), request=request)
        return answer

    return fault


def stream_with(change: Callable[[bytes], bytes]) -> Fault:
    return when(
        "GET",
        "/api/realtime",
        lambda answer: httpx.Response(200, headers=answer.headers, stream=Replaced(answer, change)),
    )


def a_repeated_list(changed: bytes) -> Fault:
    """A hit with other bytes than the answer before it."""

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if answer.headers.get("Cache-Status", "").startswith("hapta; hit"):
            return httpx.Response(200, headers=answer.headers, content=changed, request=request)
        return answer

    return fault


def stale_lists() -> Fault:
    """A list stays as it was when it was first a hit."""
    kept: dict[httpx.URL, bytes] = {}

    def fault(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if answer.headers.get("Cache-Status", "").startswith("hapta; hit"):
            kept.setdefault(request.url, answer.content)
        if request.url in kept and answer.status_code == 200:
            return httpx.Response(200, headers=answer.headers, content=kept[request.url], request=request)
        return answer

    return fault


FAULTS = [
    pytest.param(
        when("GET", "/health/live", refusal(404)), "live", "not as Hapta does", id="PocketBase itself"
    ),
    pytest.param(
        when("GET", "/health/ready", refusal(503)), "ready", "Hapta says 503 No.", id="not ready"
    ),
    pytest.param(
        when("GET", "/health/ready", lambda _: httpx.Response(200, json={"up": True})),
        "ready", "not as Hapta does", id="a health of another form",
    ),
    pytest.param(
        when("GET", "/api/health", refusal(502)), "PocketBase health", "502 No.", id="no upstream"
    ),
    pytest.param(
        when("GET", "/api/health", lambda _: httpx.Response(200, json={"status": "ok"})),
        "PocketBase health", "not as PocketBase does", id="another server",
    ),
    pytest.param(
        when("GET", "nothing_here", refusal(200)), "error form", "expected 404", id="no 404"
    ),
    pytest.param(
        when("GET", "nothing_here", lambda _: httpx.Response(404, json={"error": "x"})),
        "error form", "not in PocketBase's form", id="an error of another form",
    ),
    pytest.param(
        when("GET", "nothing_here", lambda _: httpx.Response(404, html="<h1>Not found</h1>")),
        "error form", "expected JSON, got text/html", id="an error page",
    ),
    pytest.param(
        when("GET", "nothing_here", without("X-Request-Id")),
        "error form", "no X-Request-Id", id="no request id",
    ),
    pytest.param(
        when("GET", "nothing_here", with_header("X-Request-Id", "other")),
        "error form", "came back changed", id="another request id",
    ),
    pytest.param(when("OPTIONS", "", refusal(405)), "CORS preflight", "expected 204", id="no preflight"),
    pytest.param(
        when("OPTIONS", "", with_header("Access-Control-Allow-Origin", "http://other.example")),
        "CORS preflight", "names another origin", id="another origin",
    ),
    pytest.param(
        when("OPTIONS", "", with_header("Access-Control-Allow-Methods", "GET")),
        "CORS preflight", "does not allow PATCH", id="no PATCH",
    ),
    pytest.param(
        when("OPTIONS", "", without("Access-Control-Allow-Headers")),
        "CORS preflight", "does not allow Authorization", id="no Authorization",
    ),
    pytest.param(
        when("GET", "/api/realtime", refusal(503)), "event stream", "expected 200, got 503", id="no stream"
    ),
    pytest.param(
        when("POST", "/api/realtime", refusal(400)),
        "event stream", "one address on both requests", id="two addresses",
    ),
    pytest.param(
        stream_with(lambda piece: piece.replace(b"PB_CONNECT", b"hello")),
        "event stream", "expected the event PB_CONNECT", id="another first event",
    ),
    pytest.param(
        stream_with(lambda _: b""), "event stream", "collect answers?", id="a stream that is collected"
    ),
    pytest.param(
        stream_with(lambda piece: piece.replace(b'"create"', b'"update"')),
        "realtime event", "not that of the created record", id="another event",
    ),
    pytest.param(
        stream_with(lambda piece: b"" if b'"record"' in piece else piece),
        "realtime event", "its event did not come", id="no event",
    ),
    pytest.param(
        when("POST", "_superusers/auth-with-password", refusal(400)),
        "superuser login", f"{ADMIN_EMAIL}: 400 No.", id="wrong password",
    ),
    pytest.param(
        when("POST", "_superusers/auth-with-password", lambda _: httpx.Response(401, json={"mfaId": "x"})),
        "superuser login", "a password alone is not enough; use AdminToken", id="MFA",
    ),
    pytest.param(
        when("POST", "_superusers/auth-with-password", refusal(403)),
        "superuser login", "add the address to admin.networks", id="admin lock",
    ),
    pytest.param(
        when("POST", "/api/collections", lambda a: refusal(400)(a) if a.status_code == 200 else a),
        "superuser login", "400 No.", id="no writes at all",
    ),
    pytest.param(
        when("POST", "_users/auth-refresh", lambda a: with_json(a, record={"id": "somebodyelse000"})),
        "user login", "another user's record", id="somebody else's session",
    ),
    pytest.param(
        from_second_on(when("POST", REFRESH, as_pocketbase)),
        "own tokens", "a token of PocketBase's own", id="PocketBase's token",
    ),
    pytest.param(
        from_second_on(when("POST", REFRESH, lambda a: with_json(a, meta=as_pocketbase(a).json()))),
        "own tokens", "a token of PocketBase's own", id="PocketBase's token beside Hapta's",
    ),
    pytest.param(
        when("POST", "/api/files/token", lambda _: httpx.Response(200, json={"token": "x"})),
        "own tokens", "takes Hapta's token: expected 401, got 200", id="taken directly",
    ),
    pytest.param(
        when("GET", MINE, lambda a: with_json(a, items=[]) if b'"items"' in a.content else a),
        "session list", "0 of the 0 listed sessions", id="no sessions listed",
    ),
    pytest.param(
        when("GET", MINE, lambda a: httpx.Response(200, content=a.content.replace(b'"exp"', b'"sealed"'))),
        "session list", "more than its owner should see: sealed", id="a secret listed",
    ),
    pytest.param(
        a_guest_is_somebody(), "session list", "a guest asks for sessions: expected 401", id="a guest's list"
    ),
    pytest.param(
        from_second_on(first_token_kept()), "token rotation", "the same token again", id="no rotation"
    ),
    pytest.param(
        from_second_on(another_token_each_time()),
        "token rotation", "two different ones", id="two tabs, two tokens",
    ),
    pytest.param(no_overlap(), "token rotation", "is sessions.overlap_s 0?", id="no overlap"),
    pytest.param(
        accepted_again(0), "replay refused", "used again: expected 401, got 200", id="a replay accepted"
    ),
    pytest.param(
        accepted_again(1), "replay refused", "does not end the session", id="a replay without consequence"
    ),
    pytest.param(
        for_a_while(2, when("GET", "hapta_audit/records", lambda a: with_json(a, items=[]))),
        "replay refused", "hapta_audit has no row", id="no audit",
    ),
    pytest.param(
        when("PATCH", "hapta_rotations/records", refusal(404)),
        "replay refused", "cannot be changed: 404", id="no row of a rotation",
    ),
    pytest.param(
        accepted_again(2), "forged token", "another signature: expected 401, got 200", id="a forgery accepted"
    ),
    pytest.param(when("POST", LOGOUT, refusal(500)), "logout", "expected 204, got 500", id="no logout"),
    pytest.param(
        accepted_again(3), "logout", "right after the logout the token still counts", id="a late logout"
    ),
    pytest.param(
        stream_that_stays_open(), "logout", "stream of a session that was logged out", id="a stream left open"
    ),
    pytest.param(
        everybody_logged_out(), "logout", "expected 200, got 401", id="the wrong session logged out"
    ),
    pytest.param(
        when("POST", RECORDS, lambda a: with_json(a, title="x") if b'"title":"open"' in a.content else a),
        "create", "title is 'x', not 'open'", id="another record created",
    ),
    pytest.param(
        when("GET", RECORDS + "/", lambda a: with_json(a, id="x") if a.status_code == 200 else a),
        "view", "id is 'x'", id="another record viewed",
    ),
    pytest.param(
        when("GET", "/hapta_test_", lambda a: with_json(a, items=[]) if b'"items"' in a.content else a),
        "list and filter", "the owner sees [] in the list", id="an empty list",
    ),
    pytest.param(
        shared_with_everybody(), "list and filter", "a guest sees ['open', 'private']", id="a shared list"
    ),
    pytest.param(stale_views(), "update", "title is 'open', not 'changed'", id="a stale view"),
    pytest.param(
        when("GET", RECORDS + "/", lambda a: refusal(200)(a) if a.status_code == 404 else a),
        "rules refuse", "a guest views a private record: expected 404", id="a rule that does not hold",
    ),
    pytest.param(
        when("GET", RECORDS, with_header("Cache-Status", "hapta; fwd=uri-miss")),
        "cache hit", "is no hit: hapta; fwd=uri-miss", id="never a hit",
    ),
    pytest.param(
        when("GET", RECORDS, with_header("Cache-Status", "hapta; fwd=bypass; detail=language")),
        "cache hit", "is no hit: hapta; fwd=bypass; detail=language", id="a rule that is not read",
    ),
    pytest.param(
        when("GET", RECORDS, without("Cache-Status")), "cache hit", "no Cache-Status", id="no Cache-Status"
    ),
    pytest.param(a_repeated_list(b'{"items":[]}'), "cache hit", "not the one", id="a hit of another answer"),
    pytest.param(when("GET", RECORDS, without("ETag")), "cache hit", "has no ETag", id="no ETag"),
    pytest.param(
        when("GET", RECORDS, with_header("ETag", '"0"')), "cache hit", "expected 304", id="another ETag"
    ),
    pytest.param(
        stale_lists(), "cache invalidation", "the list after it shows", id="a list that stays stale"
    ),
    pytest.param(
        when("POST", RECORDS, lambda a: with_json(a, file="") if b'.bin"' in a.content else a),
        "file upload", "names no file", id="a lost file",
    ),
    pytest.param(
        when("GET", FILES, lambda a: httpx.Response(a.status_code, content=a.content[::-1])),
        "file download", "other bytes came back", id="other bytes",
    ),
    pytest.param(
        when("GET", FILES, lambda a: httpx.Response(200, content=a.content)),
        "file range", "expected 206", id="no ranges",
    ),
    pytest.param(
        when("POST", "/api/batch", lambda a: httpx.Response(200, json=[{"status": 400, "body": {}}])),
        "batch", "status is 400", id="a batch that failed in part",
    ),
    pytest.param(
        when("POST", "/api/batch", lambda a: refusal(400)(a) if a.status_code == 429 else a),
        "limit", "with ", id="no limit",
    ),
    pytest.param(
        when("POST", "/api/batch", lambda a: httpx.Response(429, json={"error": "slow down"})),
        "limit", "not in PocketBase's form", id="a refusal of another form",
    ),
    pytest.param(
        when("POST", "/api/batch", without("Retry-After")),
        "limit", "does not say in Retry-After", id="no Retry-After",
    ),
    pytest.param(
        shut_out_after_a_batch(), "limit", "a list is refused, too: expected 200, got 429", id="shut out"
    ),
    pytest.param(
        when("GET", RECORDS + "/", lambda a: httpx.Response(200, json={}) if a.status_code == 404 else a),
        "delete", "expected 404, got 200", id="a deleted record still shown",
    ),
]  # fmt: skip


def test_a_whole_installation_passes_and_nothing_stays_behind(hapta: Hapta, pocketbase: PocketBase) -> None:
    before = number_of_sessions(pocketbase)
    results = run(hapta, lambda _, answer: answer)
    assert [r.name for r in results] == [*(check.name for check in CHECKS), "clean up"]
    assert {r.name: r.reason for r in results if r.status is not Status.OK} == {
        "test user login": "no TestUserEmail and TestUserPassword are set"
    }
    assert left_behind(pocketbase) == []
    assert number_of_sessions(pocketbase) == before


@pytest.mark.parametrize(("fault", "name", "reason"), FAULTS)
def test_a_fault_is_noticed_with_its_reason_and_nothing_stays_behind(
    hapta: Hapta,
    pocketbase: PocketBase,
    fault: Fault,
    name: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(realtime, "EVENT_S", 0.3)
    monkeypatch.setattr(sessions, "AUDIT_TRIES", 2)
    monkeypatch.setattr(caching, "TRIES", 3)
    read_only = name in {check.name for check in READ_ONLY_CHECKS}  # which saves the logins, slow on purpose
    results = {result.name: result for result in run(hapta, fault, read_only=read_only)}
    assert results[name].status is Status.FAIL
    assert reason in results[name].reason
    assert left_behind(pocketbase) == []


@pytest.mark.parametrize(
    ("fault", "is_caching", "reason"),
    [
        pytest.param(
            when("GET", RECORDS, with_header("Cache-Status", "hapta; fwd=bypass; detail=hooks")), True,
            "PocketBase's hooks may change answers", id="hooks",
        ),
        pytest.param(when("GET", RECORDS, without("Cache-Status")), False, "the cache is off", id="off"),
        pytest.param(when("GET", RECORDS, without("Cache-Status")), None, "the cache is off", id="unknown"),
    ],
)  # fmt: skip
def test_where_nothing_is_meant_to_be_stored_that_is_no_fault(
    hapta: Hapta, fault: Fault, is_caching: bool | None, reason: str
) -> None:
    results = {result.name: result for result in run(hapta, fault, is_caching=is_caching)}
    assert results["cache hit"].status is Status.SKIP
    assert reason in results["cache hit"].reason
    assert results["cache invalidation"].reason == "needs cache hit"
    assert not [result for result in results.values() if result.status is Status.FAIL]
