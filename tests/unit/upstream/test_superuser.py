"""One superuser token, renewed by one login at a time; errors that name what to look at and no secret."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import jwt
import orjson
import pytest

from hapta.model.clock import ManualClock
from hapta.model.errors import HaptaError, OperatorError, UpstreamLost, UpstreamRefused
from hapta.upstream.client import UpstreamClient, UpstreamRequest, UpstreamResponse
from hapta.upstream.superuser import (
    USER_AGENT,
    Credentials,
    NotPocketBase,
    SuperuserClient,
    SuperuserRefused,
    wait_for_superuser,
)

URL = "http://10.0.0.5:8090"
LOGIN = "/api/collections/_superusers/auth-with-password"
HEALTH = {"code": 200, "message": "API is healthy.", "data": {}}
PASSWORD = Credentials("admin@example.com", "hunter2-hunter2")
Reply = tuple[int, Any]


class PocketBase:
    """Answers as PocketBase does, or as it is told.

    Attributes:
        live: tokens it takes.
        told: answers by path that come before its own.
    """

    base_url = URL

    def __init__(self, clock: ManualClock, life_s: float = 3600.0) -> None:
        self._clock = clock
        self._life_s = life_s
        self.password = "hunter2-hunter2"
        self.live: set[str] = set()
        self.told: dict[str, Callable[[], Reply]] = {}
        self.requests: list[UpstreamRequest] = []

    @property
    def logins(self) -> int:
        return sum(request.target == LOGIN for request in self.requests)

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        self.requests.append(request)
        await asyncio.sleep(0)
        return cast("UpstreamResponse", _Response(*self._answer(request)))

    def _answer(self, request: UpstreamRequest) -> Reply:
        path = request.target.partition("?")[0]
        if path in self.told:
            return self.told[path]()
        if path == "/api/health":
            return 200, HEALTH
        if path == LOGIN:
            assert isinstance(request.body, bytes)
            if orjson.loads(request.body)["password"] != self.password:
                return 400, {"data": {}, "message": "Failed to authenticate.", "status": 400}
            claims = {"id": "x", "exp": self._clock.now() + self._life_s, "n": len(self.requests)}
            self.live = {jwt.encode(claims, "of PocketBase, at least 32 bytes long")}
            return 200, {"token": next(iter(self.live)), "record": {}}
        if request.headers.get("Authorization") in self.live:
            return 200, {"items": []}
        return 403, {"data": {}, "message": "Only superusers can perform this action.", "status": 403}


class _Response:
    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self._body = body

    async def read(self) -> bytes:
        return self._body if isinstance(self._body, bytes) else orjson.dumps(self._body)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def pocketbase(clock: ManualClock) -> PocketBase:
    return PocketBase(clock)


def superuser(
    pocketbase: PocketBase, clock: ManualClock, credentials: Credentials = PASSWORD, **more: Any
) -> SuperuserClient:
    return SuperuserClient(cast("UpstreamClient", pocketbase), credentials, clock, **more)


async def test_it_logs_in_once_and_uses_the_token(pocketbase: PocketBase, clock: ManualClock) -> None:
    client = superuser(pocketbase, clock)
    await client.check()
    for _ in range(3):
        assert await client.request("GET", "/api/collections") == (200, {"items": []})
    assert pocketbase.logins == 1
    assert {request.headers["User-Agent"] for request in pocketbase.requests} == {USER_AGENT}


async def test_many_at_once_share_one_login(pocketbase: PocketBase, clock: ManualClock) -> None:
    client = superuser(pocketbase, clock)
    answers = await asyncio.gather(*[client.request("GET", "/api/collections") for _ in range(20)])
    assert {status for status, _ in answers} == {200}
    assert pocketbase.logins == 1


async def test_a_token_is_renewed_before_it_expires(pocketbase: PocketBase, clock: ManualClock) -> None:
    client = superuser(pocketbase, clock)
    await client.request("GET", "/api/collections")
    clock.advance(3299)
    await client.request("GET", "/api/collections")
    assert pocketbase.logins == 1
    clock.advance(2)
    await client.request("GET", "/api/collections")
    assert pocketbase.logins == 2


async def test_a_token_that_stopped_working_is_renewed_and_the_request_repeated_once(
    pocketbase: PocketBase, clock: ManualClock
) -> None:
    client = superuser(pocketbase, clock)
    await client.request("GET", "/api/collections")
    pocketbase.live.clear()
    assert (await client.request("GET", "/api/collections"))[0] == 200
    assert pocketbase.logins == 2
    pocketbase.told["/api/collections"] = lambda: (403, {})
    assert (await client.request("GET", "/api/collections"))[0] == 403
    assert pocketbase.logins == 3


async def test_a_given_token_is_used_as_it_is_and_never_renewed(
    pocketbase: PocketBase, clock: ManualClock
) -> None:
    pocketbase.live = {"a.b.c"}
    client = superuser(pocketbase, clock, Credentials(token="a.b.c"))
    await client.check()
    pocketbase.live.clear()
    assert (await client.request("GET", "/api/collections"))[0] == 403
    with pytest.raises(SuperuserRefused, match="check AdminToken") as caught:
        await client.check()
    assert pocketbase.logins == 0
    assert "a.b.c" not in str(caught.value)


async def test_a_refused_login_names_the_variables_and_no_value(
    pocketbase: PocketBase, clock: ManualClock
) -> None:
    pocketbase.password = "another"
    with pytest.raises(SuperuserRefused) as caught:
        await superuser(pocketbase, clock).check()
    text = str(caught.value)
    assert URL in text
    assert "AdminEmail and AdminPassword" in text
    assert "hunter2" not in text
    assert "hunter2" not in repr(PASSWORD)


async def test_the_embedded_account_is_set_right_once_and_the_login_repeated(
    pocketbase: PocketBase, clock: ManualClock
) -> None:
    pocketbase.password = "forgotten"
    repaired = 0

    async def repair() -> None:
        nonlocal repaired
        repaired += 1
        pocketbase.password = "hunter2-hunter2"

    await superuser(pocketbase, clock, on_refused=repair).check()
    assert (repaired, pocketbase.logins) == (1, 2)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((404, {"message": "not here"}), id="404"),
        pytest.param((200, b"<html>"), id="HTML"),
        pytest.param((200, ["healthy"]), id="a list"),
        pytest.param((200, {"status": "ok"}), id="another JSON"),
        pytest.param((200, b""), id="nothing"),
    ],
)
async def test_what_does_not_answer_as_pocketbase_does_is_none(
    pocketbase: PocketBase, clock: ManualClock, answer: Reply
) -> None:
    pocketbase.told["/api/health"] = lambda: answer
    with pytest.raises(NotPocketBase, match="check DatabaseURL"):
        await superuser(pocketbase, clock).check()


@pytest.mark.parametrize("answer", [(200, b"<html>"), (200, {"record": {}}), (200, {"token": 5}), (200, [])])
async def test_a_login_without_a_token_in_its_answer_is_refused(
    pocketbase: PocketBase, clock: ManualClock, answer: Reply
) -> None:
    pocketbase.told[LOGIN] = lambda: answer
    with pytest.raises(SuperuserRefused):
        await superuser(pocketbase, clock).check()


@pytest.mark.parametrize(
    ("error", "words"), [(UpstreamRefused(), "cannot be reached"), (UpstreamLost(), "does not answer")]
)
async def test_without_wait_an_unreachable_pocketbase_is_the_operators_problem(
    pocketbase: PocketBase, clock: ManualClock, error: HaptaError, words: str
) -> None:
    pocketbase.told["/api/health"] = raising(error)
    with pytest.raises(OperatorError, match=words):
        await wait_for_superuser(superuser(pocketbase, clock), keep_trying=False, on_wait=lambda _: None)


async def test_with_wait_it_is_tried_again_and_the_reason_told_once(
    pocketbase: PocketBase, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        if seconds:
            pauses.append(seconds)
        if len(pauses) == 12:
            pocketbase.told.pop("/api/health", None)

    monkeypatch.setattr(asyncio, "sleep", pause)
    pocketbase.told["/api/health"] = raising(UpstreamRefused())
    told: list[str] = []
    await wait_for_superuser(superuser(pocketbase, clock), keep_trying=True, on_wait=told.append)
    assert len(told) == 1
    assert URL in told[0]
    assert pauses[0] == 0.25
    assert pauses == sorted(pauses)
    assert max(pauses) == 5.0


async def test_with_wait_refused_credentials_end_it_all_the_same(
    pocketbase: PocketBase, clock: ManualClock
) -> None:
    pocketbase.password = "another"
    with pytest.raises(SuperuserRefused):
        await wait_for_superuser(superuser(pocketbase, clock), keep_trying=True, on_wait=lambda _: None)


def raising(error: Exception) -> Callable[[], Reply]:
    def answer() -> Reply:
        raise error

    return answer
