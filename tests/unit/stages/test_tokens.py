"""Answers of unknown routes are searched for tokens, at a price that has a bound."""

import base64
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from hapta.sessions.keys import KeyRing
from hapta.stages.tokens import MAX_PROOFS, swap_tokens
from tests.support.exchanges import Upstream, exchange

if TYPE_CHECKING:
    from hapta.identity.keeper import SessionKeeper
    from hapta.identity.proof import Prover

RING = KeyRing.of("a secret of at least thirty-two bytes", None)
JSON = [(b"Content-Type", b"application/json")]


class NobodyLives:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def lives(self, token: str, collection: str, record: str) -> bool:
        self.asked += 1
        return False


def made_up(number: int) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"collectionId": "users", "exp": 4e9, "id": f"r{number}", "refreshable": True, "type": "auth"}
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{'A' * 43}"


async def everybody(*_: object) -> None:
    """Let them in."""


@pytest.mark.parametrize(
    ("content_type", "asked"),
    [
        ("application/json", 1),
        ("Application/JSON; charset=utf-8", 1),
        ("application/problem+json", 1),
        ("application/vnd.api+json;ext=x", 1),
        ("text/json", 1),
        ("text/plain", 0),
        ("application/x-ndjson", 0),
    ],
)
async def test_json_by_whatever_name_is_searched(content_type: str, asked: int) -> None:
    prover = NobodyLives()
    stage = swap_tokens(
        cast("SessionKeeper", None),
        cast("Prover", prover),
        RING,
        is_auth_collection=lambda _: True,
        on_login=lambda *_: None,
        admit=everybody,
    )
    body = json.dumps({"token": made_up(1)}).encode()
    await stage(exchange("GET", "/api/x"), Upstream(200, [(b"Content-Type", content_type.encode())], body))
    assert prover.asked == asked


async def test_text_full_of_made_up_tokens_costs_few_proofs_and_the_rest_is_cut_out() -> None:
    prover = NobodyLives()
    stage = swap_tokens(
        cast("SessionKeeper", None),
        cast("Prover", prover),
        RING,
        is_auth_collection=lambda _: True,
        on_login=lambda *_: None,
        admit=everybody,
    )
    texts = [made_up(number) for number in range(MAX_PROOFS + 5)]
    upstream = Upstream(200, JSON, json.dumps({"comments": texts}).encode())
    answer = await stage(exchange("GET", "/api/comments"), upstream)
    assert prover.asked == MAX_PROOFS
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body)["comments"] == [*texts[:MAX_PROOFS], *[""] * 5]


@pytest.mark.parametrize(
    ("action", "status", "body", "is_told"),
    [
        ("auth-with-otp", 401, b"{}", True),
        ("auth-with-otp", 403, b"{}", True),
        ("auth-with-oauth2", 403, b"{}", True),
        ("auth-with-otp", 400, b'{"mfaId":"x"}', True),
        ("auth-with-otp", 400, b"{}", False),
        ("auth-with-otp", 429, b'{"mfaId":"x"}', False),
        ("auth-with-password", 403, b"{}", False),
    ],
)
async def test_a_login_that_failed_late_puts_sessions_in_doubt(
    action: str, status: int, body: bytes, is_told: bool
) -> None:
    told: list[tuple[str, str | None]] = []
    stage = swap_tokens(
        cast("SessionKeeper", None),
        cast("Prover", NobodyLives()),
        RING,
        is_auth_collection=lambda _: True,
        on_login=lambda *login: told.append(login),
        admit=everybody,
    )
    one = exchange("POST", f"/api/collections/users/{action}", body=body)
    await stage(one, Upstream(status, JSON, b"{}"))
    assert told == ([("users", None)] if is_told else [])
