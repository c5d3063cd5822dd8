"""Own writes cast doubt on identities, at a price nobody else can run up."""

import json

import pytest

from hapta.model.clock import ManualClock
from hapta.stages.doubt import cast_doubt
from tests.support.exchanges import Upstream, exchange
from tests.support.session_double import USERS, Database, Process

C = "/api/collections"


class Collections:
    """``users`` is an auth collection; rows of ``members`` go with those of ``teams``."""

    def auth_reached_by(self, name_or_id: str) -> tuple[str, ...] | None:
        return {"users": (USERS,), "posts": (), "teams": ("pbc_members",)}.get(name_or_id)


class Doubts:
    """Remembers on whom doubt fell."""

    def __init__(self) -> None:
        self.fell: list[str] = []

    def identity_changed(self, collection: str, record: str | None) -> None:
        self.fell.append(f"{collection}/{record}")

    def everybody_changed(self) -> None:
        self.fell.append("everybody")

    def everything_changed(self) -> None:
        self.fell.append("everything")


WRITES = {
    "an update": ("PATCH", f"{C}/users/records/ada", [f"{USERS}/ada"]),
    "a delete": ("DELETE", f"{C}/users/records/ada", ["everybody"]),
    "a creation": ("POST", f"{C}/users/records", []),
    "a confirmation": ("POST", f"{C}/users/confirm-password-reset", ["everybody"]),
    "a write to a collection without accounts": ("DELETE", f"{C}/posts/records/a", []),
    "a delete that takes accounts along": ("DELETE", f"{C}/teams/records/a", ["everybody"]),
    "a write to a collection nobody knows": ("PATCH", f"{C}/new/records/a", ["everybody"]),
    "a write to a route of an app's own": ("POST", "/api/like", ["everybody"]),
    "a change of the schema": ("PATCH", f"{C}/users", ["everything"]),
    "a read": ("GET", f"{C}/users/records/ada", []),
    "a read of a route of an app's own": ("GET", "/api/like", []),
}


@pytest.mark.parametrize(("method", "target", "expected"), WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("status", [200, 400])
async def test_on_whom_doubt_falls(method: str, target: str, expected: list[str], status: int) -> None:
    doubts = Doubts()
    await cast_doubt(doubts, Collections())(exchange(method, target), Upstream(status))
    assert doubts.fell == expected


async def test_a_batch_casts_the_doubts_of_its_requests() -> None:
    doubts = Doubts()
    requests = [
        {"method": "PATCH", "url": f"{C}/users/records/ada", "body": {}},
        {"method": "DELETE", "url": f"{C}/posts/records/a"},
    ]
    body = json.dumps({"requests": requests}).encode()
    asked = exchange("POST", "/api/batch", {"Content-Type": "application/json"}, body)
    await cast_doubt(doubts, Collections())(asked, Upstream())
    assert doubts.fell == [f"{USERS}/ada"]


async def test_what_a_guest_sends_asks_pocketbase_about_no_event_stream() -> None:
    """With a thousand streams open, each refused request would have cost PocketBase a thousand more."""
    process = Process(Database(), ManualClock())
    tokens = [await process.login(f"person{number}") for number in range(5)]
    for token in tokens:
        identity = await process.who(token)
        assert identity is not None
        assert identity.session is not None
        process.streams.owners.add(identity.session)
    asked = process.prover.asked
    stage = cast_doubt(process.keeper, Collections())
    await stage(exchange("POST", f"{C}/users/confirm-verification"), Upstream(400))
    await process.settle()
    assert process.prover.asked == asked
    assert all([await process.who(token) for token in tokens])
    assert process.prover.asked == asked + len(tokens), "they are proved again when they ask"
    await process.stop()
