"""A caller's own e-mail is never kept over a change of their record."""

import asyncio
from typing import Any

import pytest

from hapta.cache.generations import Generations
from hapta.cache.tags import all_rows, record
from hapta.identity.auth_records import MAX_CHARACTERS, AuthRecords
from hapta.model.clock import ManualClock
from hapta.model.errors import UpstreamLost
from hapta.stages.own_emails import OwnEmails
from tests.feed.support import holds

ROW = ("users_id", "a")


class Scripted:
    """A superuser's client that answers when the test lets it, with what the row is when it is asked."""

    def __init__(self) -> None:
        self.email: Any = "a@x.org"
        self.asked = 0
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def request(self, method: str, path: str) -> tuple[int, Any]:
        self.asked += 1
        email = self.email
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        collection, id_ = path.split("/")[3::2]
        return 200, {"id": id_, "collectionId": collection, "email": email}


@pytest.fixture
def superuser() -> Scripted:
    return Scripted()


@pytest.fixture
def generations() -> Generations:
    return Generations(ManualClock())


@pytest.fixture
def auth_records(superuser: Scripted) -> AuthRecords:
    return AuthRecords(superuser)


@pytest.fixture
def emails(auth_records: AuthRecords, generations: Generations) -> OwnEmails:
    return OwnEmails(auth_records, generations, max_emails=2)


async def test_it_is_asked_for_once(emails: OwnEmails, superuser: Scripted) -> None:
    assert emails.known(ROW) is None
    assert await asyncio.gather(*(emails.ask(ROW) for _ in range(5))) == ["a@x.org"] * 5
    assert emails.known(ROW) == "a@x.org"
    assert await emails.ask(ROW) == "a@x.org"
    assert superuser.asked == 1


async def test_an_empty_one_is_one_too(emails: OwnEmails, superuser: Scripted) -> None:
    superuser.email = ""
    assert await emails.ask(ROW) == ""
    assert emails.known(ROW) == ""


@pytest.mark.parametrize("tag", [record(*ROW), all_rows(ROW[0])])
async def test_a_change_of_the_record_ends_it(
    emails: OwnEmails, superuser: Scripted, generations: Generations, tag: tuple[str, ...]
) -> None:
    await emails.ask(ROW)
    generations.move([record(ROW[0], "b")])
    assert emails.known(ROW) == "a@x.org"
    generations.move([tag])
    assert emails.known(ROW) is None
    superuser.email = "b@x.org"
    assert await emails.ask(ROW) == "b@x.org"


async def test_a_gap_ends_it(emails: OwnEmails, generations: Generations) -> None:
    await emails.ask(ROW)
    generations.move_everything()
    assert emails.known(ROW) is None


async def test_what_was_kept_for_other_uses_before_is_not_taken(
    emails: OwnEmails, superuser: Scripted, auth_records: AuthRecords, generations: Generations
) -> None:
    await auth_records.fields(*ROW)
    superuser.email = "b@x.org"
    generations.move([record(*ROW)])  # of which the auth records hear a moment later
    assert await emails.ask(ROW) == "b@x.org"


async def test_an_answer_that_a_change_overtook_is_not_kept(
    emails: OwnEmails, superuser: Scripted, generations: Generations
) -> None:
    superuser.gate.clear()
    task = asyncio.ensure_future(emails.ask(ROW))
    assert await holds(lambda: superuser.asked == 1)
    generations.move([record(*ROW)])
    superuser.gate.set()
    assert await task is None
    assert emails.known(ROW) is None


async def test_while_a_write_to_the_record_is_open_it_is_not_told(
    emails: OwnEmails, superuser: Scripted, generations: Generations
) -> None:
    await emails.ask(ROW)
    write = generations.begin([record(*ROW)])
    assert emails.known(ROW) is None
    assert await emails.ask(ROW) is None
    assert superuser.asked == 1
    write.close(has_changed=False)
    assert emails.known(ROW) == "a@x.org"


@pytest.mark.parametrize(
    "email",
    [
        pytest.param("a" * (MAX_CHARACTERS + 1), id="too long"),
        pytest.param(None, id="none"),
        pytest.param("\ud800", id="half a surrogate pair"),
    ],
)
async def test_what_cannot_be_put_into_an_answer_is_not_kept(
    emails: OwnEmails, superuser: Scripted, email: object
) -> None:
    superuser.email = email
    assert await emails.ask(ROW) is None
    assert len(emails) == 0


async def test_a_pocketbase_that_does_not_answer_tells_none(emails: OwnEmails, superuser: Scripted) -> None:
    superuser.failure = UpstreamLost()
    assert await emails.ask(ROW) is None
    superuser.failure = None
    assert await emails.ask(ROW) == "a@x.org"


async def test_so_many_are_kept(emails: OwnEmails) -> None:
    for name in "abcd":
        await emails.ask((ROW[0], name))
    assert len(emails) == 2
