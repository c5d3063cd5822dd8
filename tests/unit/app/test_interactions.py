"""hapta.app.interaction_memory and hapta.app.interaction_commit: what goes on between two waits."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from hapta.app.interaction_commit import MOST_WAITING, GroupCommit
from hapta.app.interaction_memory import UserMemory
from hapta.app.interaction_rows import Place, Written
from hapta.model.clock import ManualClock
from hapta.model.errors import HaptaError, Overloaded, UpstreamLost, UpstreamRefused
from hapta.ranking.interactions import NOTHING, Interaction, Row, after

KEY, OTHER = ("users", "ann"), ("users", "bob")
VIEW, HIDE = Interaction("r", "view"), Interaction("r", "hide")
PLACE = Place(*KEY, "posts", "r")


class Rows:
    """A PocketBase that waits until it is let go, and does or does not what it is told.

    Attributes:
        stored: what stands there.
        reads: how often somebody was read.
        writes: how many rows each write had.
        gate: what reads and writes wait for.
        began: a write did.
        loses: the next write lands and its answer does not come.
        fails: users that cannot be read.
    """

    def __init__(self) -> None:
        self.stored: dict[Place, Row] = {}
        self.reads = 0
        self.writes: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.began = asyncio.Event()
        self.loses = False
        self.fails: set[str] = set()

    async def of_user(self, auth: str, user: str) -> list[tuple[Place, Row]]:
        self.reads += 1
        found = [(p, row) for p, row in self.stored.items() if (p.auth, p.user) == (auth, user)]
        await self.gate.wait()
        if user in self.fails:
            raise UpstreamRefused
        return found

    async def write(self, rows: Sequence[Written]) -> Mapping[str, HaptaError]:
        self.writes.append(len(rows))
        self.began.set()
        self.stored |= {written.place: written.row for written in rows}
        await self.gate.wait()
        loses, self.loses = self.loses, False
        return {written.place.id: UpstreamLost() for written in rows} if loses else {}


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def memory(rows: Rows) -> UserMemory:
    return UserMemory(rows, 10)


@pytest.fixture
async def commit(rows: Rows, memory: UserMemory) -> AsyncIterator[GroupCommit]:
    made = GroupCommit(memory, rows, ManualClock())
    made.start()
    yield made
    await made.stop()
    await memory.close()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_user_is_read_once_for_all_who_wait(rows: Rows, memory: UserMemory) -> None:
    rows.gate.clear()
    waiting = [asyncio.ensure_future(memory.get(KEY)) for _ in range(5)]
    await settled()
    waiting[0].cancel()
    rows.gate.set()
    assert len({id(state) for state in await asyncio.gather(*waiting[1:])}) == 1
    await memory.get(KEY)
    assert rows.reads == 1


@pytest.mark.parametrize("what", ["wrote", "told", "drop", "clear"])
async def test_a_read_that_may_have_missed_something_is_not_kept(
    rows: Rows, memory: UserMemory, what: str
) -> None:
    rows.gate.clear()
    reading = asyncio.ensure_future(memory.get(KEY))
    await settled()
    row = rows.stored[PLACE] = after(NOTHING, HIDE, 1.0)
    if what == "wrote":
        memory.wrote(KEY, {PLACE: row})
    elif what == "told":
        memory.told(PLACE, row, is_own=False)
    elif what == "drop":
        memory.drop(KEY)
    else:
        memory.clear()
    later = asyncio.ensure_future(memory.get(KEY))
    await settled()
    rows.gate.set()
    assert (await reading).row(PLACE) == NOTHING
    assert (await later).row(PLACE) == row, "who asks afterwards does not wait for the old one"
    assert (await memory.get(KEY)).row(PLACE) == row


async def test_nothing_is_remembered_of_a_read_that_failed(rows: Rows, memory: UserMemory) -> None:
    rows.fails.add("ann")
    with pytest.raises(UpstreamRefused):
        await memory.get(KEY)
    rows.fails.clear()
    assert (await memory.get(KEY)).count == 0


async def test_an_echo_that_comes_late_takes_nothing_back(rows: Rows, memory: UserMemory) -> None:
    older = after(NOTHING, VIEW, 1.0)
    newer = after(older, HIDE, 2.0)
    rows.stored[PLACE] = newer
    await memory.get(KEY)
    memory.told(PLACE, older, is_own=True)
    assert (await memory.get(KEY)).row(PLACE) == newer
    assert rows.reads == 1
    memory.told(PLACE, older, is_own=False)
    await memory.get(KEY)
    assert rows.reads == 2, "what nobody here wrote is looked at"


async def test_what_is_sent_while_a_write_is_under_way_goes_together(rows: Rows, commit: GroupCommit) -> None:
    await commit.put(KEY, "posts", [VIEW])  # who they are is read
    rows.gate.clear()
    rows.began.clear()
    first = asyncio.ensure_future(commit.put(KEY, "posts", [HIDE]))
    await rows.began.wait()
    others = [
        asyncio.ensure_future(commit.put(KEY, "posts", [Interaction(f"r{n}", "view")])) for n in range(50)
    ]
    await asyncio.sleep(0.05)
    rows.gate.set()
    counted = await asyncio.gather(first, *others)
    assert all((each.accepted, each.duplicates) == (1, 0) for each in counted)
    assert rows.writes == [1, 1, 50]


async def test_the_same_twice_in_one_write_is_answered_when_it_is_written(
    rows: Rows, commit: GroupCommit
) -> None:
    first, second = await asyncio.gather(commit.put(KEY, "posts", [VIEW]), commit.put(KEY, "posts", [VIEW]))
    assert sorted([(first.accepted, first.duplicates), (second.accepted, second.duplicates)]) == [
        (0, 1),
        (1, 0),
    ]
    assert rows.writes == [1]


async def test_a_lost_answer_is_not_acknowledged_and_sent_again_does_no_harm(
    rows: Rows, commit: GroupCommit
) -> None:
    rows.loses = True
    lost = await asyncio.gather(
        commit.put(KEY, "posts", [VIEW]), commit.put(KEY, "posts", [VIEW]), return_exceptions=True
    )
    assert [type(each) for each in lost] == [UpstreamLost] * 2
    assert lost[0] is not lost[1], "stages write into an error's headers"
    again = await commit.put(KEY, "posts", [VIEW])
    assert (again.accepted, again.duplicates) == (0, 1)
    assert rows.stored[PLACE].views == 1


async def test_who_cannot_be_read_fails_alone(rows: Rows, memory: UserMemory, commit: GroupCommit) -> None:
    await memory.get(KEY)
    rows.fails.add("ann")
    memory.drop(KEY)
    failed, fine = await asyncio.gather(
        commit.put(KEY, "posts", [VIEW]), commit.put(OTHER, "posts", [VIEW]), return_exceptions=True
    )
    assert isinstance(failed, UpstreamRefused)
    assert not isinstance(fine, BaseException)
    assert fine.accepted == 1


async def test_a_client_that_leaves_takes_nothing_back(rows: Rows, commit: GroupCommit) -> None:
    leaving = asyncio.ensure_future(commit.put(KEY, "posts", [VIEW]))
    await settled()
    leaving.cancel()
    await commit.put(OTHER, "posts", [VIEW])
    assert rows.stored[PLACE].views == 1


async def test_more_than_can_wait_is_refused_and_then_taken_again(rows: Rows, commit: GroupCommit) -> None:
    rows.gate.clear()
    many = [Interaction(f"r{n}", "view") for n in range(200)]
    waiting = [asyncio.ensure_future(commit.put(KEY, "posts", many)) for _ in range(MOST_WAITING // 200)]
    await settled()
    with pytest.raises(Overloaded) as refused:
        await commit.put(KEY, "posts", [VIEW])
    assert refused.value.headers["Retry-After"] == "1"
    rows.gate.set()
    counted = await asyncio.gather(*waiting)
    assert sum(each.accepted for each in counted) == 200
    assert (await commit.put(KEY, "posts", [VIEW])).accepted == 1


async def test_stopping_writes_what_is_there(rows: Rows, memory: UserMemory) -> None:
    commit = GroupCommit(memory, rows, ManualClock())
    commit.start()
    sent = asyncio.ensure_future(commit.put(KEY, "posts", [VIEW]))
    await settled()
    await commit.stop()
    assert (await sent).accepted == 1
    assert rows.stored[PLACE].views == 1
