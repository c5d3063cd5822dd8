"""Those whose own record is in an answer that others share, against the real PocketBase."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.isolation import stage
from tests.isolation.callers import GUEST, Caller, Doors
from tests.isolation.wire import Reply
from tests.support.pocketbase import PASSWORD

PEOPLE, POSTS = "people0000col01", "posts00000col01"
MIA, EVE, LEO = "mia000000000001", "eve000000000001", "leo000000000001"
OPEN = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"), "")
COLLECTIONS: list[dict[str, Any]] = [
    {
        "id": PEOPLE,
        "name": "people",
        "type": "auth",
        "authAlert": {"enabled": False},
        "manageRule": None,
        "fields": [
            {"name": "emailAddress", "type": "text"},
            {"name": "data", "type": "json"},
            {"name": "friends", "type": "relation", "collectionId": PEOPLE, "maxSelect": 9},
        ],
        **OPEN,
    },
    {
        "id": POSTS,
        "name": "posts",
        "type": "base",
        "fields": [
            {"name": "author", "type": "relation", "collectionId": PEOPLE, "maxSelect": 1},
            {"name": "data", "type": "json"},
        ],
        **OPEN,
    },
]
DECOY = {"author": {"emailVisibility": False, "id": MIA}, "expand": {"author": {"id": MIA}}}
LIST = "/api/collections/posts/records?expand=author.friends"
READS = [
    LIST,
    "/api/collections/people/records",
    f"/api/collections/people/records/{MIA}",
    f"/api/collections/people/records/{MIA}?expand=friends.friends,posts_via_author.author",
]
ODD = [
    pytest.param("", id="empty"),
    pytest.param("\"a\\b\"/<c>&'d'@x.org", id="quotes and HTML"),
    pytest.param("\u2028\u2029\x7f\x80ü\U0001f600\ufeff\uffff", id="as they are"),
    pytest.param("\x01\x08\t\n\x0b\x0c\r\x1b\x1f", id="control characters"),
    pytest.param(b"\xff\xc3(\xed\xa0\x80", id="not UTF-8"),
    pytest.param("x" * 300 + "@x.org", id="longer than is kept"),
]


class World:
    """Three people, of whom Leo shows his e-mail, and twenty posts of theirs."""

    def __init__(self, doors: Doors, superuser: Caller) -> None:
        self.doors, self.superuser = doors, superuser
        self.callers = {row: Caller(row[:3], row) for row in (MIA, EVE, LEO)}

    async def build(self) -> None:
        body: Any = {"collections": COLLECTIONS, "deleteMissing": True}
        answer = await self.doors.through(self.superuser, "PUT", "/api/collections/import", body=body)
        assert answer.status == 204, answer
        for name in ("posts", "people"):  # of the test before
            await self.doors.through(self.superuser, "DELETE", f"/api/collections/{name}/truncate")
        for row in self.callers:
            account = {"password": PASSWORD, "passwordConfirm": PASSWORD, "emailVisibility": row == LEO}
            body = {"id": row, "email": email_of(row), "data": DECOY, "friends": [], **account}
            await self.write("POST", "people/records", body)
        for row, caller in self.callers.items():
            await self.write("PATCH", f"people/records/{row}", {"friends": list(self.callers)})
            await self.doors.log_in(caller, "people", email_of(row))
        for number in range(20):
            author = (MIA, EVE, LEO, MIA)[number % 4]
            await self.write("POST", "posts/records", {"author": author, "data": DECOY})

    async def write(self, method: str, path: str, body: Any, *, directly: bool = False) -> None:
        send = self.doors.direct if directly else self.doors.through
        answer = await send(self.superuser, method, f"/api/collections/{path}", body=body)
        assert answer.status == 200, answer

    async def read(self, row: str, target: str = LIST, method: str = "GET", **headers: str) -> Reply:
        """Through Hapta; ``""`` reads as a guest."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.doors.through(self.callers.get(row, NOBODY), method, target, sent)

    async def told(self, row: str, target: str = LIST) -> bytes:
        """What PocketBase itself says."""
        return (await self.doors.direct(self.callers.get(row, NOBODY), "GET", target)).body


NOBODY = Caller(GUEST)


def email_of(row: str) -> str:
    return f"{row[:3]}@example.com"


def status(reply: Reply) -> str:
    return reply.headers["cache-status"]


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with stage.running(tmp_path_factory.mktemp("overlay")) as urls:
        yield urls


@pytest.fixture
async def world(urls: tuple[str, str]) -> AsyncIterator[World]:
    async with stage.doors(urls) as doors:
        world = World(doors, await doors.superuser())
        await world.build()
        yield world


@pytest.mark.parametrize("target", READS)
async def test_whoever_is_shown_gets_the_bytes_pocketbase_would_have_sent(world: World, target: str) -> None:
    await world.read("", target)
    for row in (MIA, EVE, LEO, ""):
        assert (await world.read(row, target)).body == await world.told(row, target)
    found = await world.read(MIA, target)
    assert found.body == await world.told(MIA, target) != await world.told("", target)
    assert status(found).startswith("hapta; hit; ")
    assert status(found).endswith("; detail=overlay")


async def test_the_first_read_of_a_member_fills_for_all(world: World) -> None:
    first = await world.read(MIA)
    assert status(first).endswith("; stored; detail=overlay")
    assert first.body == await world.told(MIA)
    assert [status(await world.read(row)).partition("ttl")[0] for row in ("", EVE)] == ["hapta; hit; "] * 2


async def test_it_is_private_and_has_a_validator_of_its_own(world: World) -> None:
    shared, own, other = [await world.read(row) for row in ("", MIA, EVE)]
    assert len({reply.headers["etag"] for reply in (shared, own, other)}) == 3
    assert own.headers["cache-control"] == "private, no-cache"
    assert own.headers["vary"] == "Origin, Authorization"
    assert shared.headers["cache-control"] == "no-cache"
    assert (await world.read(MIA, If_None_Match=own.headers["etag"])).status == 304
    assert (await world.read(MIA, If_None_Match=shared.headers["etag"])).body == own.body
    head = await world.read(MIA, method="HEAD")
    assert (head.headers["content-length"], head.headers["etag"]) == (str(len(own.body)), own.headers["etag"])


async def test_whoever_shows_their_email_to_all_shares_with_all(world: World) -> None:
    shared, leo = await world.read(""), await world.read(LEO)
    assert leo.headers["etag"] == shared.headers["etag"]
    assert "overlay" not in status(leo)


@pytest.mark.parametrize("directly", [False, True], ids=["through Hapta", "behind its back"])
async def test_a_changed_email_is_shown_at_once(world: World, directly: bool) -> None:
    await world.read(MIA)
    body = {"email": "mia2@example.com", "emailVisibility": False}
    await world.write("PATCH", f"people/records/{MIA}", body, directly=directly)
    await world.doors.log_in(world.callers[MIA], "people", "mia2@example.com")
    found = await world.read(MIA)
    assert found.body == await world.told(MIA)
    assert b'"email":"mia2@example.com"' in found.body
    assert status(await world.read(MIA)).endswith("; detail=overlay")


async def test_an_email_shown_or_hidden_is_so_at_once(world: World) -> None:
    for is_shown in (True, False):
        await world.read(MIA)
        await world.write("PATCH", f"people/records/{MIA}", {"emailVisibility": is_shown})
        for row in (MIA, EVE, ""):
            assert (await world.read(row)).body == await world.told(row)


@pytest.mark.parametrize("email", ODD)
async def test_any_email_is_written_as_pocketbase_writes_it(world: World, email: str | bytes) -> None:
    text = email if isinstance(email, bytes) else email.encode()
    query = f"UPDATE people SET email = CAST(X'{text.hex()}' AS TEXT) WHERE id = '{MIA}'"
    answer = await world.doors.through(world.superuser, "POST", "/api/sql", body={"query": query})
    assert answer.status == 200, answer
    await world.read("")
    found = await world.read(MIA)
    assert found.body == await world.told(MIA)
    assert status(await world.read(MIA)).endswith("; detail=overlay") == (len(text) <= 255)
    assert (await world.read(MIA)).body == found.body


async def test_where_managers_see_more_members_ask_for_themselves(world: World) -> None:
    await world.write("PATCH", "people", {"manageRule": "@request.auth.emailAddress = 'boss'"})
    await world.write("PATCH", f"people/records/{EVE}", {"emailAddress": "boss"})
    for _ in range(2):
        for row in (MIA, EVE, LEO, ""):
            found = await world.read(row)
            assert found.body == await world.told(row)
            assert "overlay" not in status(found)


async def test_switched_off_members_ask_for_themselves(tmp_path: Path) -> None:
    with stage.running(tmp_path, more={"cache.overlay": False}) as urls:
        async with stage.doors(urls) as doors:
            world = World(doors, await doors.superuser())
            await world.build()
            await world.read("")
            assert status(await world.read(MIA)) == "hapta; fwd=uri-miss; stored"
            found = await world.read(MIA)
            assert status(found).startswith("hapta; hit")
            assert "overlay" not in status(found)
            assert found.body == await world.told(MIA)
