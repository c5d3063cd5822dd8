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
    )
    texts = [made_up(number) for number in range(MAX_PROOFS + 5)]
    upstream = Upstream(200, JSON, json.dumps({"comments": texts}).encode())
    answer = await stage(exchange("GET", "/api/comments"), upstream)
    assert prover.asked == MAX_PROOFS
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body)["comments"] == [*texts[:MAX_PROOFS], *[""] * 5]
