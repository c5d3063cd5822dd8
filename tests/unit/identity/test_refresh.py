"""Refreshing: one next generation whoever asks, and a replay ends the session."""

import asyncio
from datetime import UTC, datetime

import pytest

from hapta.identity.needs import SessionEnded
from hapta.model.clock import ManualClock
from hapta.model.errors import HaptaError, UpstreamLost
from hapta.sessions.token import rotation_id
from tests.support.session_double import Database, Process
from tests.unit.identity.conftest import MakeProcess

OVERLAP_S = 20.0


async def ended(process: Process, token: str) -> bool:
    """Whether the token gets 401."""
    try:
        await process.who(token)
    except SessionEnded:
        return True
    return False


async def test_a_refresh_makes_the_next_generation_of_the_same_session(process: Process) -> None:
    old = await process.login()
    new = await process.refresh(old)
    before, after = await process.who(old), await process.who(new)
    assert before is not None
    assert after is not None
    assert (before.session, before.generation) == (after.session, after.generation - 1)
    assert new != old


async def test_the_newest_upstream_token_is_used_whichever_generation_asks(
    process: Process, database: Database
) -> None:
    old = await process.login()
    first = (await process.who(old)).upstream_token  # type: ignore[union-attr]
    new = await process.refresh(old)
    identities = [await process.who(token) for token in (old, new)]
    assert len({identity.upstream_token for identity in identities if identity}) == 1
    assert identities[0].upstream_token != first  # type: ignore[union-attr]


async def test_refreshing_again_with_the_old_token_gives_the_same_new_one(process: Process) -> None:
    old = await process.login()
    new = await process.refresh(old)
    assert [await process.refresh(old) for _ in range(3)] == [new] * 3


async def test_parallel_refreshes_get_one_token_and_write_one_row(
    process: Process, database: Database
) -> None:
    old = await process.login()
    tokens = await asyncio.gather(*(process.refresh(old) for _ in range(20)))
    assert len(set(tokens)) == 1
    assert process.api.asked["POST hapta_rotations"] == 1
    assert len(database.rotations) == 1


async def test_two_processes_that_refresh_at_once_agree(
    make_process: MakeProcess, database: Database
) -> None:
    first, second = make_process(), make_process()
    old = await first.login()
    for process in (first, second):
        assert await process.who(old)
    tokens = await asyncio.gather(*(process.refresh(old) for process in (first, second) for _ in range(10)))
    assert len(set(tokens)) == 1
    assert len(database.rotations) == 1
    for process in (first, second):
        identity = await process.who(tokens[0])
        assert identity is not None
        assert identity.generation == 2


async def test_a_loser_asks_pocketbase_with_the_winners_token(make_process: MakeProcess) -> None:
    first, second = make_process(), make_process()
    old = await first.login()
    await second.who(old)
    token, _ = await asyncio.gather(first.refresh(old), second.refresh(old))
    identities = [await process.who(token) for process in (first, second)]
    assert identities[0] == identities[1]


async def test_a_lost_answer_to_the_writing_loses_nothing(process: Process) -> None:
    old = await process.login()
    process.api.loses = lambda method, path: "rotations" in path and method == "POST"
    with pytest.raises(UpstreamLost):
        await process.refresh(old)
    process.api.loses = lambda method, path: False
    new = await process.refresh(old)
    assert (await process.who(new)).generation == 2  # type: ignore[union-attr]


async def test_the_old_token_works_until_the_overlap_after_the_first_use_of_the_new_is_over(
    process: Process, clock: ManualClock
) -> None:
    old = await process.login()
    new = await process.refresh(old)
    clock.advance(86_400)
    assert await process.who(old)  # nobody has used the new one: its answer may be lost
    assert await process.who(new)
    clock.advance(OVERLAP_S - 0.001)
    assert await process.who(old)
    clock.advance(0.001)
    assert await ended(process, old)


async def test_a_replay_ends_the_session_for_everybody_who_has_its_tokens(
    process: Process, database: Database, clock: ManualClock
) -> None:
    old = await process.login()
    new = await process.refresh(old)
    session = (await process.who(new)).session  # type: ignore[union-attr]
    process.streams.owners.add(session)  # type: ignore[arg-type]
    clock.advance(OVERLAP_S)
    assert await ended(process, old)
    assert await ended(process, new)
    assert process.streams.owners == set()
    await process.settle()
    assert database.sessions[session]["ended_reason"] == "replay"  # type: ignore[index]
    assert [(row["kind"], row["session"], row["address"], row["detail"]) for row in database.audit] == [
        ("replay", session, "127.0.0.1", {"generation": 1})
    ]
    assert [event for event, _ in process.log.warnings] == ["replay"]


async def test_a_replay_is_noticed_by_recalling_too(process: Process, clock: ManualClock) -> None:
    old = await process.login()
    assert await process.who(old)
    new = await process.refresh(old)
    assert await process.who(new)
    assert process.keeper.recall(old) is not None
    clock.advance(OVERLAP_S)
    assert process.keeper.recall(old) is None
    assert await ended(process, old)


async def test_a_replay_is_noticed_by_a_process_that_saw_nothing(
    make_process: MakeProcess, clock: ManualClock
) -> None:
    first = make_process()
    old = await first.login()
    new = await first.refresh(old)
    assert await first.who(new)
    await first.settle()
    clock.advance(OVERLAP_S)
    second = make_process()
    assert await ended(second, old)
    await second.settle()
    first.deliver()
    assert await ended(first, new)


async def test_a_replay_that_cannot_be_written_down_at_once_is_written_later(
    process: Process, database: Database, clock: ManualClock
) -> None:
    old = await process.login()
    await process.who(await process.refresh(old))
    await process.settle()
    clock.advance(OVERLAP_S)
    failures = iter([UpstreamLost()] * 4)
    process.api.refuses = lambda method, path: next(failures, None)
    assert await ended(process, old)
    await process.settle()
    assert [row["ended_reason"] for row in database.sessions.values()] == ["replay"]
    assert len(database.audit) == 1


async def test_a_replayed_session_stays_ended_here_while_its_row_still_lives(
    make_process: MakeProcess, clock: ManualClock
) -> None:
    process = make_process(max_remembered=1)
    old = await process.login("ada")
    new = await process.refresh(old)
    await process.who(new)
    await process.settle()
    clock.advance(OVERLAP_S)
    process.api.refuses = lambda method, path: UpstreamLost() if method == "PATCH" else None
    assert await ended(process, old)
    await process.login("ben")  # takes its place in memory
    assert await ended(process, new)


async def test_first_use_is_written_down_once(process: Process, database: Database) -> None:
    new = await process.refresh(await process.login())
    await process.settle()
    written = process.api.asked["PATCH hapta_rotations"]
    for _ in range(3):
        await process.who(new)
    await process.settle()
    assert process.api.asked["PATCH hapta_rotations"] == written + 1
    assert next(iter(database.rotations.values()))["first_used"]


async def test_first_use_is_written_down_though_pocketbase_fails_for_a_while(
    process: Process, database: Database
) -> None:
    new = await process.refresh(await process.login())
    await process.settle()
    failures = iter([UpstreamLost(), UpstreamLost(), UpstreamLost()])
    process.api.refuses = lambda method, path: next(failures, None)
    assert await process.who(new)
    await process.settle()
    assert next(iter(database.rotations.values()))["first_used"]


async def test_an_error_that_is_no_exception_counts_as_failure_too(
    process: Process, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = await process.refresh(await process.login())
    await process.settle()
    carry_out, failures = database.carry_out, iter([(500, None), (400, {"message": "database is locked"})])
    monkeypatch.setattr(database, "carry_out", lambda *request: next(failures, None) or carry_out(*request))
    assert await process.who(new)
    await process.settle()
    assert next(iter(database.rotations.values()))["first_used"]


async def test_what_could_not_be_written_down_is_told_and_still_counts_here(
    process: Process, clock: ManualClock
) -> None:
    old = await process.login()
    new = await process.refresh(old)
    await process.settle()
    process.api.refuses = lambda method, path: UpstreamLost() if method == "PATCH" else None
    assert await process.who(new)
    await process.settle()
    assert [event for event, _ in process.log.warnings] == ["sessions"]
    process.api.refuses = lambda method, path: None
    process.regain_feed()
    clock.advance(OVERLAP_S)
    assert await process.who(new)  # read again, and the row says "never used"
    assert await ended(process, old)


async def test_a_first_use_elsewhere_retires_the_old_token_here(
    make_process: MakeProcess, clock: ManualClock
) -> None:
    first, second = make_process(), make_process()
    old = await first.login()
    new = await first.refresh(old)
    second.deliver()
    assert await second.who(old)
    assert await first.who(new)
    await first.settle()
    second.deliver()
    clock.advance(OVERLAP_S)
    assert await ended(second, old)


async def test_a_generation_made_elsewhere_is_read_when_it_is_shown(make_process: MakeProcess) -> None:
    first, second = make_process(), make_process()
    old = await first.login()
    assert await second.who(old)
    new = await first.refresh(old)
    identity = await second.who(new)  # its event is still on its way
    assert identity is not None
    assert identity.generation == 2


async def test_a_generation_made_elsewhere_during_a_look_is_no_reason_to_end_it(
    make_process: MakeProcess,
) -> None:
    first, second = make_process(), make_process()
    old = await first.login()
    second.api.gate = asyncio.Event()
    asking = [asyncio.ensure_future(second.who(old))]
    for _ in range(4):
        await asyncio.sleep(0)  # the row was read without the generation that comes now
    new = await first.refresh(old)
    asking.append(asyncio.ensure_future(second.who(new)))
    await asyncio.sleep(0)
    second.api.gate.set()
    identities = await asyncio.gather(*asking)
    assert [identity.generation for identity in identities if identity] == [1, 2]


async def test_a_refresh_counts_as_use_even_if_hapta_dies_before_it_was_written_down(
    make_process: MakeProcess, clock: ManualClock
) -> None:
    process = make_process()
    first = await process.login()
    second = await process.refresh(first)
    process.api.refuses = lambda method, path: UpstreamLost() if method == "PATCH" else None
    third = await process.refresh(second)
    await process.stop()
    clock.advance(OVERLAP_S)
    successor = make_process()
    assert await successor.who(third)
    assert await successor.who(second)
    assert await ended(successor, first)


async def test_a_session_survives_a_restart(make_process: MakeProcess) -> None:
    process = make_process()
    token = await process.refresh(await process.login())
    await process.stop()
    assert await make_process().who(token)


async def test_only_two_generations_are_kept(
    process: Process, database: Database, clock: ManualClock
) -> None:
    token = await process.login()
    for _ in range(6):
        clock.advance(60)
        token = await process.refresh(token)
        assert await process.who(token)
        await process.settle()
    assert {row["generation"] for row in database.rotations.values()} == {6, 7}
    successor = Process(database, clock)
    assert await successor.who(token)
    session = successor.keeper._known.all()[0].session  # type: ignore[index]
    assert set(session.generations) == {6, 7}
    await successor.stop()


async def test_every_retired_generation_is_a_replay_also_after_a_restart(
    make_process: MakeProcess, clock: ManualClock
) -> None:
    for shown in range(4):
        process = make_process()
        tokens = [await process.login()]
        for _ in range(4):
            clock.advance(60)
            tokens.append(await process.refresh(tokens[-1]))
            await process.who(tokens[-1])
            await process.settle()
        clock.advance(60)
        await process.stop()
        successor = make_process()
        assert await ended(successor, tokens[shown])
        assert await ended(successor, tokens[-1])
        await successor.settle()


async def test_refreshing_an_ended_session_is_refused(process: Process, database: Database) -> None:
    token = await process.login()
    identity = await process.who(token)
    assert identity is not None
    await process.keeper.end(identity.session, "logout")  # type: ignore[arg-type]
    with pytest.raises(SessionEnded):
        await process.keeper.refresh(identity, "late", 2**31)
    assert database.rotations == {}


async def test_refreshing_a_session_deleted_meanwhile_is_refused(
    process: Process, database: Database
) -> None:
    token = await process.login()
    identity = await process.who(token)
    assert identity is not None
    database.delete("hapta_sessions", identity.session or "")
    with pytest.raises(SessionEnded):
        await process.keeper.refresh(identity, "late", 2**31)


async def test_a_refresh_so_late_that_its_next_generation_is_forgotten_makes_no_second_one(
    process: Process, database: Database, clock: ManualClock
) -> None:
    token = await process.login()
    identity = await process.who(token)
    assert identity is not None
    for _ in range(3):
        token = await process.refresh(token)
        await process.who(token)
        clock.advance(60)
    token = await process.refresh(token)
    await process.settle()
    before = dict(database.rotations)
    with pytest.raises(SessionEnded):
        await process.keeper.refresh(identity, "late", 2**31)
    assert database.rotations == before
    assert await process.who(token)


async def test_the_operator_sees_when_a_session_was_used_and_ends(
    process: Process, database: Database, clock: ManualClock
) -> None:
    token = await process.login()
    clock.advance(3600)
    await process.refresh(token)
    await process.settle()
    row = next(iter(database.sessions.values()))
    assert datetime.fromisoformat(row["used"]).timestamp() == pytest.approx(clock.now(), abs=0.002)
    assert datetime.fromisoformat(row["exp"]) > datetime.fromtimestamp(clock.now() + 6.9 * 86400, UTC)


async def test_a_rotation_that_was_refused_for_another_reason_is_no_success(
    process: Process, database: Database
) -> None:
    token = await process.login()
    identity = await process.who(token)
    assert identity is not None
    process.api.refuses = lambda method, path: None
    database.tables["hapta_rotations"][rotation_id(identity.session or "", 2)] = {"session": "another"}
    with pytest.raises(HaptaError):
        await process.refresh(token)


async def test_a_token_that_never_expires_as_far_as_dates_go_is_stored(
    make_process: MakeProcess, clock: ManualClock
) -> None:
    process = make_process()
    token = await process.login(life_s=2**53 - clock.now())
    assert await process.who(token)
    assert await make_process().who(token)


async def test_a_token_so_old_that_its_successor_is_forgotten_makes_no_second_one(
    make_process: MakeProcess, database: Database, clock: ManualClock
) -> None:
    """Even by a process to which nothing was told of what happened since."""
    first, second = make_process(), make_process()
    tokens = [await first.login()]
    assert await second.who(tokens[0])
    for _ in range(4):
        tokens.append(await first.refresh(tokens[-1]))
        await first.who(tokens[-1])
        await first.settle()
        clock.advance(60)
    before = dict(database.rotations)
    assert rotation_id(next(iter(database.sessions)), 2) not in before
    with pytest.raises(SessionEnded):
        await second.refresh(tokens[0])
    assert database.rotations == before
    assert await second.who(tokens[-1])


async def test_a_session_that_ended_during_the_refresh_gives_no_token(
    make_process: MakeProcess, database: Database
) -> None:
    first, second = make_process(), make_process()
    token = await first.login()
    identity = await second.who(token)
    assert identity is not None
    await first.keeper.end(identity.session or "", "logout")
    with pytest.raises(SessionEnded):
        await second.keeper.refresh(identity, database.issue("ada"), 2**31)
    assert database.rotations == {}
