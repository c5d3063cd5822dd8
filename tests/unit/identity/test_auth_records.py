"""A value of an auth record is never kept over a change of it."""

import asyncio
from typing import Any

import pytest

from hapta.identity.auth_records import MAX_CHARACTERS, AuthFields, AuthRecords
from hapta.model.errors import OperatorError, UpstreamLost
from tests.feed.support import holds

USERS, STAFF = "users_id", "staff_id"


class Scripted:
    """A superuser's client that answers when the test lets it, with what the row is when it is asked."""

    def __init__(self) -> None:
        self.roles: dict[str, Any] = {}
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def request(self, method: str, path: str) -> tuple[int, Any]:
        assert method == "GET"
        self.asked.append(path)
        _, _, _, collection, _, record = path.split("/")
        role = self.roles.get(record)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if role is None:
            return 404, {"status": 404}
        return 200, {"id": record, "collectionId": collection, "role": role}


@pytest.fixture
def superuser() -> Scripted:
    made = Scripted()
    made.roles = {"a": "reader", "b": "editor"}
    return made


@pytest.fixture
def records(superuser: Scripted) -> AuthRecords:
    return AuthRecords(superuser)


async def role(records: AuthRecords, record: str = "a", collection: str = USERS) -> object:
    found = await records.fields(collection, record)
    return None if found is None else found.values["role"]


async def started(records: AuthRecords, superuser: Scripted) -> "asyncio.Task[AuthFields | None]":
    """A question that is under way."""
    superuser.gate.clear()
    task = asyncio.ensure_future(records.fields(USERS, "a"))
    before = len(superuser.asked)
    assert await holds(lambda: len(superuser.asked) > before)
    return task


async def test_it_is_asked_once(records: AuthRecords, superuser: Scripted) -> None:
    assert records.known(USERS, "a") is None
    assert await role(records) == "reader"
    assert await role(records) == "reader"
    assert records.known(USERS, "a") is await records.fields(USERS, "a")
    assert superuser.asked == ["/api/collections/users_id/records/a"]


async def test_many_at_once_ask_once(records: AuthRecords, superuser: Scripted) -> None:
    assert await asyncio.gather(*(role(records) for _ in range(50))) == ["reader"] * 50
    assert len(superuser.asked) == 1


async def test_who_leaves_does_not_end_it_for_the_others(records: AuthRecords, superuser: Scripted) -> None:
    first = await started(records, superuser)
    second = asyncio.ensure_future(records.fields(USERS, "a"))
    await asyncio.sleep(0)
    first.cancel()
    superuser.gate.set()
    found = await second
    assert found is not None
    assert found.values["role"] == "reader"
    assert len(superuser.asked) == 1


@pytest.mark.parametrize("record", ["a", None], ids=["the record", "all of its collection"])
async def test_after_a_change_it_is_asked_again(
    records: AuthRecords, superuser: Scripted, record: str | None
) -> None:
    held = await records.fields(USERS, "a")
    assert held is not None
    superuser.roles["a"] = "editor"
    records.record_changed(USERS, record)
    assert not held.is_current
    assert records.known(USERS, "a") is None
    assert await role(records) == "editor"


@pytest.mark.parametrize("change", ["record", "collection", "everything"])
async def test_a_value_read_before_a_change_is_not_kept_after_it(
    records: AuthRecords, superuser: Scripted, change: str
) -> None:
    task = await started(records, superuser)  # PocketBase has read the row: reader
    superuser.roles["a"] = "editor"
    if change == "everything":
        records.forget_all()
    else:
        records.record_changed(USERS, "a" if change == "record" else None)
    superuser.gate.set()
    found = await task
    assert found is not None
    assert (found.values["role"], found.is_current) == ("editor", True)
    assert records.known(USERS, "a") is found
    assert len(superuser.asked) == 2


@pytest.mark.parametrize("record", ["a", None], ids=["the record", "all of its collection"])
async def test_nobody_joins_a_question_older_than_a_change(
    records: AuthRecords, superuser: Scripted, record: str | None
) -> None:
    first = await started(records, superuser)
    superuser.roles["a"] = "editor"
    records.record_changed(USERS, record)
    second = await started(records, superuser)
    assert len(superuser.asked) == 2
    superuser.gate.set()
    answers = [await first, await second]
    assert [found.values["role"] for found in answers if found] == ["editor", "editor"]


async def test_a_record_that_changes_all_the_time_is_never_kept(
    records: AuthRecords, superuser: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = superuser.request

    async def changing(method: str, path: str) -> tuple[int, Any]:
        answer = await request(method, path)
        records.record_changed(USERS, "a")
        return answer

    monkeypatch.setattr(superuser, "request", changing)
    found = await records.fields(USERS, "a")
    assert found is not None
    assert not found.is_current
    assert len(records) == 0
    assert len(superuser.asked) == 3


async def test_changes_of_others_leave_it_alone(records: AuthRecords, superuser: Scripted) -> None:
    held = await records.fields(USERS, "a")
    records.record_changed(USERS, "b")
    records.record_changed(STAFF, "a")
    records.record_changed(STAFF, None)
    assert held is not None
    assert held.is_current
    assert records.known(USERS, "a") is held


@pytest.mark.parametrize(
    "failure", [UpstreamLost(), OperatorError("rights lost"), TimeoutError()], ids=["lost", "refused", "slow"]
)
async def test_what_pocketbase_does_not_say_is_not_known(
    records: AuthRecords, superuser: Scripted, failure: Exception
) -> None:
    superuser.failure = failure
    assert await records.fields(USERS, "a") is None
    superuser.failure = None
    assert await role(records) == "reader"


async def test_a_record_that_is_not_there_is_not_known_and_not_kept(
    records: AuthRecords, superuser: Scripted
) -> None:
    assert await records.fields(USERS, "gone") is None
    assert len(records) == 0


async def test_an_answer_about_another_record_is_not_taken(records: AuthRecords, superuser: Scripted) -> None:
    async def confused(method: str, path: str) -> tuple[int, Any]:
        return 200, {"id": "b", "collectionId": USERS, "role": "editor"}

    superuser.request = confused  # type: ignore[method-assign]
    assert await records.fields(USERS, "a") is None


async def test_only_scalars_of_bounded_size_are_kept(records: AuthRecords, superuser: Scripted) -> None:
    superuser.roles = {"a": ["x"], "b": {"x": 1}, "c": "x" * (MAX_CHARACTERS + 1), "d": False, "e": 7}
    for record, is_kept in {"a": False, "b": False, "c": False, "d": True, "e": True}.items():
        found = await records.fields(USERS, record)
        assert found is not None
        assert ("role" in found.values) is is_kept


async def test_so_many_are_kept_and_no_more(superuser: Scripted) -> None:
    records = AuthRecords(superuser, max_records=3)
    superuser.roles = {str(number): "reader" for number in range(10)}
    for number in range(10):
        await records.fields(USERS, str(number))
    assert len(records) == 3
    assert records.known(USERS, "0") is None


async def test_what_made_room_is_current_no_more_for_no_change_would_reach_it(superuser: Scripted) -> None:
    records = AuthRecords(superuser, max_records=1)
    first = await records.fields(USERS, "a")
    assert first is not None
    assert first.is_current
    second = await records.fields(USERS, "b")
    assert second is not None
    assert second.is_current
    assert not first.is_current


async def test_ids_are_escaped_on_their_way(records: AuthRecords, superuser: Scripted) -> None:
    await records.fields("x/y", "a?b")
    assert superuser.asked == ["/api/collections/x%2Fy/records/a%3Fb"]
