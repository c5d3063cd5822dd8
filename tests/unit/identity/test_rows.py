"""hapta.identity.rows: which rows are read."""

import pytest

from hapta.identity import rows
from hapta.model.clock import ManualClock
from tests.support.session_double import USERS, Database, Process
from tests.unit.identity.conftest import MakeProcess


async def _log_in(process: Process, clock: ManualClock, times: int) -> list[str]:
    """Ids of that many sessions, last used first."""
    for _ in range(times):
        clock.advance(1)
        await process.login("ada")
    return list(process.database.sessions)[::-1]


@pytest.mark.parametrize("keep", [1, 2, 3, 4, 5, 7, 8, 9, 100])
@pytest.mark.parametrize("times", [0, 1, 4, 9])
async def test_beyond_those_to_keep_are_all_others_whatever_the_page(
    make_process: MakeProcess, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, keep: int, times: int
) -> None:
    monkeypatch.setattr(rows, "PAGE", 4)
    process = make_process(max_per_identity=1000)
    made = await _log_in(process, clock, times)
    await process.login("ben")
    assert await process.rows.beyond(USERS, "ada", clock.now(), keep) == made[keep:]


async def test_a_login_within_the_bound_reads_no_row(
    make_process: MakeProcess, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = make_process(max_per_identity=5)
    found: list[int] = []
    listed = Database._listed

    def counted(self: Database, *arguments: object) -> list[object]:
        items = listed(self, *arguments)  # type: ignore[arg-type]
        found.append(len(items))
        return items

    monkeypatch.setattr(Database, "_listed", counted)
    await _log_in(process, clock, 5)
    await process.settle()
    assert found == [0] * 5
    assert not any(row["ended"] for row in database.sessions.values())
