"""A restored backup revives nobody."""

import copy

import pytest

from hapta.identity.needs import SessionEnded
from hapta.identity.restore import RestoreFence
from hapta.model.clock import ManualClock
from hapta.model.errors import UpstreamLost
from tests.support.session_double import Database, Process
from tests.unit.identity.conftest import MakeProcess


class Restoring:
    """A process, a backup of its rows, and the way back to it."""

    def __init__(self, process: Process, database: Database, clock: ManualClock) -> None:
        self.process = process
        self.database = database
        self.clock = clock
        self.fence = RestoreFence(process.rows, process.keeper, clock)
        self._backup = copy.deepcopy(database.tables)

    def backup(self) -> None:
        self._backup = copy.deepcopy(self.database.tables)

    def bring_back(self) -> None:
        """PocketBase holds the old rows, and the feed was cut meanwhile."""
        self.database.tables = copy.deepcopy(self._backup)
        self.process.lose_feed()
        self.process.regain_feed()

    async def end(self, token: str) -> None:
        identity = await self.process.who(token)
        assert identity is not None
        await self.process.keeper.end(identity.session or "", "logout")

    async def lives(self, token: str, process: Process | None = None) -> bool:
        try:
            return await (process or self.process).who(token) is not None
        except SessionEnded:
            return False


@pytest.fixture
async def restoring(process: Process, database: Database, clock: ManualClock) -> Restoring:
    return Restoring(process, database, clock)


async def test_what_ended_after_the_backup_stays_ended(
    restoring: Restoring, make_process: MakeProcess
) -> None:
    ended, living = await restoring.process.login("ada"), await restoring.process.login("ben")
    restoring.backup()
    await restoring.end(ended)
    restoring.clock.advance(1)
    await restoring.fence.raise_fence()
    restoring.bring_back()
    assert [await restoring.lives(token) for token in (ended, living)] == [False, True]
    assert await restoring.fence.settle() == 1
    assert [await restoring.lives(token, make_process()) for token in (ended, living)] == [False, True]


async def test_before_it_is_settled_nobody_forgotten_is_let_in(
    restoring: Restoring, make_process: MakeProcess, database: Database
) -> None:
    """The process that restores may never have seen the session that ended."""
    other = make_process()
    token = await other.login("ada")
    restoring.backup()
    identity = await other.who(token)
    assert identity is not None
    await other.keeper.end(identity.session or "", "logout")
    restoring.clock.advance(1)
    await restoring.fence.raise_fence()
    restoring.bring_back()
    assert not await restoring.lives(token)


async def test_what_ends_between_asking_and_restoring_stays_ended(
    restoring: Restoring, make_process: MakeProcess
) -> None:
    token = await restoring.process.login("ada")
    restoring.backup()
    restoring.clock.advance(1)
    await restoring.fence.raise_fence()
    await restoring.end(token)
    restoring.bring_back()
    assert await restoring.fence.settle() == 1
    assert not await restoring.lives(token, make_process())


async def test_who_logs_in_afterwards_is_let_in_here_and_elsewhere(
    restoring: Restoring, make_process: MakeProcess
) -> None:
    restoring.backup()
    restoring.clock.advance(1)
    await restoring.fence.raise_fence()
    restoring.bring_back()
    restoring.clock.advance(1)
    here, there = await restoring.process.login("ada"), await make_process().login("ben")
    assert await restoring.fence.settle() == 0
    assert [await restoring.lives(token) for token in (here, there)] == [True, True]


async def test_a_session_refreshed_elsewhere_afterwards_is_let_in(
    restoring: Restoring, make_process: MakeProcess
) -> None:
    token = await restoring.process.login("ada")
    restoring.backup()
    restoring.clock.advance(1)
    await restoring.fence.raise_fence()
    restoring.bring_back()
    restoring.clock.advance(1)
    new = await make_process().refresh(token)
    assert await restoring.lives(new)


async def test_a_refused_restore_changes_nothing(restoring: Restoring, make_process: MakeProcess) -> None:
    await restoring.fence.raise_fence()
    restoring.fence.lower_fence()
    token = await make_process().login("ada")
    assert await restoring.lives(token)
    assert await restoring.fence.settle() == 0


async def test_a_restore_does_not_go_on_while_it_is_not_known_who_lives(restoring: Restoring) -> None:
    restoring.process.api.refuses = lambda method, path: UpstreamLost()
    with pytest.raises(UpstreamLost):
        await restoring.fence.raise_fence()
    restoring.process.api.refuses = lambda method, path: None
    token = await restoring.process.login("ada")
    assert await restoring.lives(token)


async def test_settling_is_repeated_until_it_is_done(restoring: Restoring) -> None:
    token = await restoring.process.login("ada")
    restoring.backup()
    await restoring.end(token)
    restoring.clock.advance(1)
    await restoring.fence.raise_fence()
    restoring.bring_back()
    restoring.process.api.refuses = lambda method, path: UpstreamLost() if method == "PATCH" else None
    with pytest.raises(UpstreamLost):
        await restoring.fence.settle()
    restoring.process.api.refuses = lambda method, path: None
    assert await restoring.fence.settle() == 1
    assert await restoring.fence.settle() == 0
