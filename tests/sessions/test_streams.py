"""An event stream ends with the session it was bound to."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.sessions.conftest import MakeAccount
from tests.sessions.support import Account, Ground, session_of
from tests.support.pocketbase import PASSWORD
from tests.support.wire import Wire

SOON_S = 3.0


class Stream:
    """An open event stream.

    Attributes:
        client_id: as the first event told it.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        wire.send(b"GET /api/realtime HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = wire.until(b"\r\n\r\n")
        assert b" 200 " in head.partition(b"\r\n")[0], head
        self.client_id = json.loads(self.data())["clientId"]

    def data(self) -> bytes:
        """The data of the next event."""
        return self._wire.until(b"\n\n").partition(b"data:")[2].strip()

    def is_cut(self, within_s: float = SOON_S) -> bool:
        """Whether it ends, perhaps after a hint when to come back."""
        self._wire._socket.settimeout(within_s)
        try:
            self._wire.rest()
        except TimeoutError:
            return False
        return True


@pytest.fixture
def streams(ground: Ground) -> Iterator[ExitStack]:
    with ExitStack() as closing:
        yield closing


def opened(ground: Ground, closing: ExitStack) -> Stream:
    return Stream(closing.enter_context(Wire(ground.hapta.url)))


def subscribe(ground: Ground, stream: Stream, token: str | None, *topics: str, **more: Any) -> int:
    more = more or {"json": subscription(stream, *topics)}
    return ground.through.ask("POST", "/api/realtime", token, **more).status_code


def subscription(stream: Stream, *topics: str) -> dict[str, Any]:
    return {"clientId": stream.client_id, "subscriptions": list(topics or ("posts/*",))}


@contextmanager
def subscribed(ground: Ground, token: str | None) -> Iterator[Stream]:
    with ExitStack() as closing:
        stream = opened(ground, closing)
        assert subscribe(ground, stream, token) == 204
        yield stream


def test_logging_out_cuts_the_stream_and_no_other(ground: Ground, account: Account) -> None:
    token, other = ground.through.login(account), ground.through.login(account)
    with (
        subscribed(ground, token) as cut,
        subscribed(ground, other) as stays,
        subscribed(ground, None) as guest,
    ):
        ground.through.logout(token)
        assert cut.is_cut()
        assert not stays.is_cut(0.2)
        assert not guest.is_cut(0.2)


def test_a_new_generation_keeps_the_stream_and_its_logout_cuts_it(ground: Ground, account: Account) -> None:
    token = ground.through.login(account)
    with subscribed(ground, token) as stream:
        new = ground.through.refresh(token)
        assert subscribe(ground, stream, new) == 204
        assert not stream.is_cut(0.2)
        ground.through.logout(new)
        assert stream.is_cut()


def test_a_new_login_keeps_the_stream_of_the_session_it_replaces(ground: Ground, account: Account) -> None:
    """The SDK's OAuth2 waits for its answer with the stream still open."""
    token = ground.through.login(account)
    with subscribed(ground, token) as stream:
        new = ground.through.login(account, token)
        assert not stream.is_cut(0.2)
        ground.pocketbase.admin.post("/api/collections/posts/records", json={"title": "for the stream"})
        assert json.loads(stream.data())["record"]["title"] == "for the stream"
        ground.through.logout(new)
        assert stream.is_cut()


@pytest.mark.parametrize("way", ["through", "direct"])
def test_a_lost_identity_cuts_the_stream(ground: Ground, account: Account, way: str) -> None:
    token = ground.through.login(account)
    with subscribed(ground, token) as stream:
        door = getattr(ground, way)
        path = f"/api/collections/users/records/{account.id}"
        body = {"oldPassword": PASSWORD, "password": "new-horse-11", "passwordConfirm": "new-horse-11"}
        acting = token if way == "through" else ground.direct.login(account)
        assert door.ask("PATCH", path, acting, json=body).status_code == 200
        assert stream.is_cut()


def test_a_deleted_account_loses_its_stream(ground: Ground, account: Account) -> None:
    with subscribed(ground, ground.through.login(account)) as stream:
        ground.pocketbase.admin.delete(f"/api/collections/users/records/{account.id}").raise_for_status()
        assert stream.is_cut()


def test_deleting_the_row_in_the_dashboard_cuts_the_stream(ground: Ground, account: Account) -> None:
    token = ground.through.login(account)
    with subscribed(ground, token) as stream:
        path = f"/api/collections/hapta_sessions/records/{session_of(token)}"
        ground.pocketbase.admin.delete(path).raise_for_status()
        assert stream.is_cut()


def test_the_stream_of_an_adopted_token_ends_with_its_identity(
    ground: Ground, make_account: MakeAccount
) -> None:
    ada, ben = make_account(), make_account()
    with (
        subscribed(ground, ground.direct.login(ada)) as cut,
        subscribed(ground, ground.direct.login(ben)) as stays,
    ):
        ground.pocketbase.admin.delete(f"/api/collections/users/records/{ada.id}").raise_for_status()
        assert cut.is_cut()
        assert not stays.is_cut(0.2)


FORMS = {
    "a name in other letters": lambda s: {"json": {"CLIENTID": s.client_id, "subscriptions": ["posts/*"]}},
    "two names": lambda s: {
        "json": {
            "clientId": "x",
            "clientID": s.client_id,
            "clientid": s.client_id,
            "subscriptions": ["posts/*"],
        }
    },
    "a form": lambda s: {"data": {"clientId": s.client_id, "subscriptions": "posts/*"}},
    "a form, the name in the query": lambda s: {
        "params": {"clientId": s.client_id},
        "data": {"subscriptions": "posts/*"},
    },
    "JSON in a form": lambda s: {"data": {"@jsonPayload": json.dumps(subscription(s))}},
    "JSON in a form's query": lambda s: {
        "params": {"@jsonPayload": json.dumps(subscription(s))},
        "data": {"a": "b"},
    },
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_way_to_write_a_subscription_keeps_the_stream_after_the_logout(
    ground: Ground, account: Account, streams: ExitStack, form: Any
) -> None:
    token, stream = ground.through.login(account), opened(ground, streams)
    status = subscribe(ground, stream, token, **form(stream))
    assert status in (204, 400, 404)
    ground.through.logout(token)
    assert status != 204 or stream.is_cut()


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"content": b"{", "headers": {"Content-Type": "application/json"}}, id="broken"),
        pytest.param({"content": b"[]", "headers": {"Content-Type": "application/json"}}, id="a list"),
        pytest.param({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, id="another type"),
        pytest.param({"files": {"clientId": (None, "abc")}}, id="a multipart form"),
    ],
)
def test_a_subscription_that_cannot_be_read_is_refused_to_whoever_is_logged_in(
    ground: Ground, account: Account, streams: ExitStack, more: dict[str, Any]
) -> None:
    stream = opened(ground, streams)
    assert subscribe(ground, stream, ground.through.login(account), **more) == 400


def test_a_stream_cannot_be_bound_by_an_ended_session(
    ground: Ground, account: Account, streams: ExitStack
) -> None:
    token, stream = ground.through.login(account), opened(ground, streams)
    ground.through.logout(token)
    assert subscribe(ground, stream, token) == 401


def test_everything_that_ends_a_session_ends_all_its_streams(
    ground: Ground, account: Account, streams: ExitStack
) -> None:
    token = ground.through.login(account)
    several = [opened(ground, streams) for _ in range(3)]
    for stream in several:
        assert subscribe(ground, stream, token) == 204
    assert ground.through.ask("POST", "/api/hapta/logout-all", token).status_code == 204
    assert all(stream.is_cut() for stream in several)


def test_an_apps_own_event_stream_ends_with_the_session_that_opened_it(
    ground: Ground, account: Account, streams: ExitStack
) -> None:
    token, wire = ground.through.login(account), streams.enter_context(Wire(ground.hapta.url))
    request = (
        f"GET /api/custom/events HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
    )
    wire.send(request.encode())
    wire.until(f"data: {account.id}\n\n".encode())
    began = time.monotonic()
    ground.through.logout(token)
    wire.rest()
    assert time.monotonic() - began < SOON_S
