"""What tests of sessions do again and again."""

import base64
import json
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase

GUEST = (200, None)
"""What :meth:`Door.who` gives for nobody."""
ENDED = (401, None)


@dataclass(frozen=True)
class Account:
    """An auth record."""

    id: str
    email: str
    collection: str


class Door:
    """One way to the API: directly or through a Hapta; a context manager."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.http.close()

    def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        headers = {**more.pop("headers", {}), **({} if token is None else {"Authorization": token})}
        return self.http.request(method, path, headers=headers, **more)

    def try_login(
        self, account: Account, token: str | None = None, password: str = PASSWORD
    ) -> httpx.Response:
        body = {"identity": account.email, "password": password}
        return self.ask("POST", f"/api/collections/{account.collection}/auth-with-password", token, json=body)

    def login(self, account: Account, token: str | None = None, password: str = PASSWORD) -> str:
        """A token for the account."""
        answer = self.try_login(account, token, password)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def refresh(self, token: str, collection: str = "users") -> str:
        """The next token."""
        answer = self.ask("POST", f"/api/collections/{collection}/auth-refresh", token)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def who(self, token: str | None) -> tuple[int, str | None]:
        """Status of an ordinary request, and whom PocketBase took its sender for."""
        answer = self.ask("GET", "/api/custom/hello/you", token)
        return answer.status_code, answer.json().get("who")

    def logout(self, token: str) -> None:
        answer = self.ask("POST", "/api/hapta/logout", token)
        assert answer.status_code == 204, answer.text


class Ground:
    """A PocketBase with a Hapta in front of it; a context manager.

    Attributes:
        through: the way through Hapta.
        direct: the way around it.
    """

    def __init__(self, pocketbase: PocketBase, hapta: Hapta) -> None:
        self.pocketbase = pocketbase
        self.hapta = hapta
        self.through = Door(hapta.url)
        self.direct = Door(pocketbase.url)
        self.admin_account = Account("", ADMIN_EMAIL, "_superusers")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.through.http.close()
        self.direct.http.close()

    def make_account(self, email: str, collection: str = "users", **fields: object) -> Account:
        body = {"email": email, "password": PASSWORD, "passwordConfirm": PASSWORD, "verified": True, **fields}
        answer = self.pocketbase.admin.post(f"/api/collections/{collection}/records", json=body)
        assert answer.status_code == 200, answer.text
        return Account(answer.json()["id"], email, collection)

    def make_auth_collection(self, name: str, *more_fields: dict[str, Any], **settings: Any) -> None:
        body = {
            "name": name,
            "type": "auth",
            "fields": list(more_fields),
            "authAlert": {"enabled": False},
            **settings,
        }
        answer = self.pocketbase.admin.post("/api/collections", json=body)
        assert answer.status_code == 200, answer.text

    def rows(self, collection: str, **query: Any) -> list[dict[str, Any]]:
        return self.pocketbase.rows(collection, **query)


def hash_cheaply(pocketbase: PocketBase, *collections: str) -> None:
    """Passwords of new accounts and logins take a millisecond instead of a hundred."""
    for name in collections:
        found = pocketbase.admin.get(f"/api/collections/{name}").json()
        fields = [{**f, "cost": 4} if f["type"] == "password" else f for f in found["fields"]]
        answer = pocketbase.admin.patch(f"/api/collections/{name}", json={"fields": fields})
        assert answer.status_code == 200, answer.text


def claims_of(token: str) -> dict[str, Any]:
    """What a browser reads out of a token."""
    payload = token.split(".")[1]
    return dict(json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), validate=True)))


def session_of(token: str) -> str:
    """The session id in a token of Hapta's."""
    return str(claims_of(token)["sid"])[:15]


def eventually(door: Door, token: str, expected: tuple[int, str | None], timeout_s: float = 5.0) -> float:
    """Ask until the answer is as expected; returns after how many seconds it was.

    Raises:
        AssertionError: it never was.
    """
    began = time.monotonic()
    while (found := door.who(token)) != expected:
        assert time.monotonic() - began < timeout_s, f"still {found}, expected {expected}"
        time.sleep(0.01)
    return time.monotonic() - began
