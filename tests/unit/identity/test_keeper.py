"""What a process remembers of sessions, and when it must look again."""

import asyncio

import pytest

from hapta.identity.lookup import LOOKS_IN_DOUBT, MAX_LOOKS
from hapta.identity.needs import SessionEnded
from hapta.model.clock import ManualClock
from hapta.model.errors import HaptaError, Overloaded, UpstreamLost
from hapta.sessions.keys import KeyRing
from hapta.sessions.token import Claims, mint, new_salt
from tests.support.session_double import RING, USERS, Database, Process
from tests.unit.identity.conftest import MakeProcess


async def seen(process: Process, token: str) -> bool:
    """Whether the token is somebody's; the look it takes is taken."""
    try:
        return await process.who(token) is not None
    except SessionEnded:
        return False


async def test_a_login_belongs_to_whom_it_was_made_for(process: Process, database: Database) -> None:
    identity = await process.who(await process.login("ada"))
    assert identity is not None
    assert (identity.collection, identity.record, identity.generation) == (USERS, "ada", 1)
    assert database.living[identity.upstream_token] == (USERS, "ada")
    assert identity.session in database.sessions


async def test_recalling_costs_no_read(process: Process) -> None:
    token = await process.login()
    await process.who(token)
    await process.settle()
    before = process.reads
    for _ in range(10):
        identity = process.keeper.recall(token)
        assert identity is not None
        assert await process.who(token) is identity
    assert process.reads == before


async def test_a_login_is_proved_once_before_it_is_recalled(process: Process) -> None:
    token = await process.login()
    assert process.keeper.recall(token) is None
    assert await process.who(token)
    assert process.prover.asked == 1


async def test_first_sight_costs_one_read_and_one_proof(make_process: MakeProcess) -> None:
    token = await make_process().login()
    other = make_process()
    assert await other.who(token)
    assert dict(other.api.asked) == {"GET hapta_sessions": 1}
    assert other.prover.asked == 1


async def test_all_who_ask_at_once_share_one_look(make_process: MakeProcess) -> None:
    token = await make_process().login()
    other = make_process()
    identities = await asyncio.gather(*(other.who(token) for _ in range(50)))
    assert len(set(map(id, identities))) == 1
    assert other.reads == 2


async def test_who_leaves_does_not_end_the_look_of_the_others(make_process: MakeProcess) -> None:
    token = await make_process().login()
    other = make_process()
    leaving, staying = (asyncio.ensure_future(other.who(token)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying
    assert leaving.cancelled()
    assert other.reads == 2


async def test_a_forged_session_id_costs_no_read(process: Process) -> None:
    forger = KeyRing.of("another secret of thirty-two bytes and more", None)
    forged = mint(forger.current, Claims("a" * 15, 1, USERS, "ada", 2**33, True), new_salt())
    with pytest.raises(SessionEnded):
        await process.who(forged)
    assert process.reads == 0


@pytest.mark.parametrize("text", ["", "no token", "a.b.c", "x" * 20_000, "eyJhbGciOiJIUzI1NiJ9.e30.x"])
async def test_what_is_not_ours_costs_no_read_and_is_nobody(process: Process, text: str) -> None:
    assert await process.who(text) is None
    assert process.reads == 0


async def test_a_tampered_token_is_a_guest(process: Process) -> None:
    token = await process.login()
    assert await process.who(token[:-3] + "abc") is None
    assert process.keeper.recall(token[:-3] + "abc") is None


async def test_an_expired_token_is_a_guest_and_costs_no_read(process: Process, clock: ManualClock) -> None:
    token = await process.login(life_s=60)
    assert await process.who(token)
    before = process.reads
    clock.advance(60)
    assert await process.who(token) is None
    assert process.reads == before


async def test_a_missing_session_is_remembered_as_missing(
    make_process: MakeProcess, database: Database
) -> None:
    token = await make_process().login()
    other = make_process()
    database.delete("hapta_sessions", next(iter(database.sessions)))
    for _ in range(5):
        with pytest.raises(SessionEnded):
            await other.who(token)
    assert other.reads == 1


async def test_not_found_in_words_that_are_not_pocketbases_says_nothing(
    make_process: MakeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await make_process().login()
    other = make_process()
    with monkeypatch.context() as patch:
        patch.setattr(other.api.database, "carry_out", lambda *_: (404, None))
        with pytest.raises(UpstreamLost):
            await other.who(token)
    assert await other.who(token)


# doubts


async def test_a_changed_record_is_proved_again_before_the_next_answer(
    process: Process, database: Database
) -> None:
    token = await process.login("ada")
    ben = await process.login("ben")
    assert await process.who(token)
    assert await process.who(ben)
    process.keeper.identity_changed(USERS, "ada")
    asked = process.prover.asked
    assert process.keeper.recall(token) is None
    assert process.keeper.recall(ben) is not None
    assert await process.who(token)
    assert process.keeper.recall(token) is not None
    assert process.prover.asked == asked + 1


@pytest.mark.parametrize("how", ["record", "collection", "everybody", "everything"])
async def test_a_lost_identity_ends_its_sessions_at_once(
    process: Process, database: Database, how: str
) -> None:
    tokens = [await process.login("ada") for _ in range(3)]
    other = await process.login("ben")
    for token in [*tokens, other]:
        assert await process.who(token)
    database.lose_identity("ada", tells=False)
    keeper = process.keeper
    {
        "record": lambda: keeper.identity_changed(USERS, "ada"),
        "collection": lambda: keeper.identity_changed(USERS, None),
        "everybody": keeper.everybody_changed,
        "everything": keeper.everything_changed,
    }[how]()
    for token in tokens:
        with pytest.raises(SessionEnded):
            await process.who(token)
    assert await process.who(other)
    await process.settle()
    ended = {row["record"]: row["ended_reason"] for row in database.sessions.values()}
    assert ended == {"ada": "identity_lost", "ben": ""}


async def test_another_record_of_the_same_id_in_another_collection_is_not_doubted(process: Process) -> None:
    token = await process.login("ada")
    assert await process.who(token)
    process.keeper.identity_changed("pbc_staff000001", "ada")
    assert process.keeper.recall(token) is not None


async def test_a_doubt_while_pocketbase_is_asked_asks_again(process: Process, database: Database) -> None:
    token = await process.login("ada")
    process.prover.gate = asyncio.Event()
    asking = asyncio.ensure_future(process.who(token))
    for _ in range(4):
        await asyncio.sleep(0)
    assert process.prover.asked == 1  # and PocketBase has looked; its answer is on its way
    database.lose_identity("ada", tells=False)
    process.keeper.identity_changed(USERS, "ada")
    process.prover.gate.set()
    with pytest.raises(SessionEnded):
        await asking
    assert process.prover.asked == 2


@pytest.mark.parametrize("how", ["everybody", "everything", "gap"])
async def test_a_doubt_about_all_while_pocketbase_is_asked_asks_again(
    process: Process, database: Database, how: str
) -> None:
    token = await process.login("ada")
    process.prover.gate = asyncio.Event()
    asking = asyncio.ensure_future(process.who(token))
    for _ in range(4):
        await asyncio.sleep(0)
    database.lose_identity("ada", tells=False)
    {
        "everybody": process.keeper.everybody_changed,
        "everything": process.keeper.everything_changed,
        "gap": process.regain_feed,
    }[how]()
    process.prover.gate.set()
    with pytest.raises(SessionEnded):
        await asking


async def test_a_session_that_ends_while_it_is_read_is_read_again(
    make_process: MakeProcess, database: Database
) -> None:
    first, second = make_process(), make_process()
    token = await first.login()
    second.deliver()
    second.api.gate = asyncio.Event()
    asking = asyncio.ensure_future(second.who(token))
    for _ in range(4):
        await asyncio.sleep(0)  # the row was read as living; the answer is on its way
    identity = await first.who(token)
    assert identity is not None
    assert identity.session is not None
    await first.keeper.end(identity.session, "logout")
    second.deliver()
    second.api.gate.set()
    with pytest.raises(SessionEnded):
        await asking


async def test_ending_a_session_while_it_is_read_here_is_seen(make_process: MakeProcess) -> None:
    first, second = make_process(), make_process()
    token = await first.login()
    session = (await first.who(token)).session  # type: ignore[union-attr]
    second.api.gate = asyncio.Event()
    asking = asyncio.ensure_future(second.who(token))
    for _ in range(4):
        await asyncio.sleep(0)
    ending = asyncio.ensure_future(second.keeper.end(session, "revoked"))  # type: ignore[arg-type]
    for _ in range(4):
        await asyncio.sleep(0)
    second.api.gate.set()
    assert await ending
    with pytest.raises(SessionEnded):
        await asking


@pytest.mark.parametrize("how", ["record", "everybody"])
async def test_doubts_without_end_keep_nobody_from_being_answered(process: Process, how: str) -> None:
    token = await process.login("ada")
    lives = process.prover.lives

    async def in_doubt(*arguments: str) -> bool:
        if how == "record":
            process.keeper.identity_changed(USERS, "ada")
        else:
            process.keeper.everybody_changed()
        return await lives(*arguments)

    process.prover.lives = in_doubt  # type: ignore[method-assign]
    assert await process.who(token)
    assert process.keeper.recall(token) is None  # the next one asks again
    asked = process.prover.asked
    assert await process.who(token)
    assert process.prover.asked == asked + LOOKS_IN_DOUBT + 1
    process.database.lose_identity("ada", tells=False)
    with pytest.raises((SessionEnded, Overloaded)):
        await process.who(token)


async def test_who_asks_after_a_doubt_is_not_answered_by_a_proof_from_before_it(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hapta.identity.lookup.LOOKS_IN_DOUBT", 0)
    token = await process.login("ada")
    process.prover.gate = asyncio.Event()
    before = asyncio.ensure_future(process.who(token))
    for _ in range(4):
        await asyncio.sleep(0)
    assert process.prover.asked == 1  # and PocketBase has looked; its answer is on its way
    process.database.lose_identity("ada", tells=False)
    process.keeper.identity_changed(USERS, "ada")
    after = asyncio.ensure_future(process.who(token))
    await asyncio.sleep(0)
    process.prover.gate.set()
    assert await before
    with pytest.raises(SessionEnded):
        await after


async def test_a_session_that_changes_faster_than_it_can_be_read_hangs_nobody(process: Process) -> None:
    token = await process.login("ada")
    session = next(iter(process.database.sessions))
    lives = process.prover.lives

    async def disturbed(*arguments: str) -> bool:
        process.keeper.session_row_changed(session, is_gone=None)
        return await lives(*arguments)

    process.prover.lives = disturbed  # type: ignore[method-assign]
    with pytest.raises(Overloaded):
        await process.who(token)
    assert process.prover.asked == MAX_LOOKS
    process.prover.lives = lives  # type: ignore[method-assign]
    assert await process.who(token)


async def test_a_proof_that_failed_proves_nothing_and_ends_nothing(process: Process) -> None:
    token = await process.login()
    process.prover.error = UpstreamLost()
    with pytest.raises(UpstreamLost):
        await process.who(token)
    process.prover.error = None
    assert await process.who(token)


# the feed


async def test_after_a_gap_everything_is_read_again(process: Process, database: Database) -> None:
    token = await process.login()
    await process.who(token)
    session = next(iter(database.sessions))
    database.sessions[session]["ended"] = "2030-01-01 00:00:00.000Z"  # nobody is told
    process.lose_feed()
    process.regain_feed()
    with pytest.raises(SessionEnded):
        await process.who(token)


async def test_a_gap_that_was_not_told_counts_by_its_epoch(process: Process) -> None:
    token = await process.login()
    await process.who(token)
    process.feed.epoch += 1
    assert process.keeper.recall(token) is None
    reads = process.api.asked["GET hapta_sessions"]
    assert await process.who(token)
    assert process.api.asked["GET hapta_sessions"] == reads + 1


async def test_without_a_feed_a_look_holds_for_a_second(process: Process, clock: ManualClock) -> None:
    token = await process.login()
    process.lose_feed()
    assert await process.who(token)
    before = process.reads
    clock.advance(0.9)
    assert await process.who(token)
    assert process.reads == before
    clock.advance(0.2)
    assert await process.who(token)
    assert process.reads == before + 2


async def test_without_a_feed_an_ending_elsewhere_shows_within_that_second(
    make_process: MakeProcess, clock: ManualClock
) -> None:
    first, second = make_process(), make_process()
    token = await first.login()
    second.lose_feed()
    identity = await second.who(token)
    assert identity is not None
    await first.keeper.end(identity.session, "logout")  # type: ignore[arg-type]
    clock.advance(1.0)
    with pytest.raises(SessionEnded):
        await second.who(token)


async def test_asking_keeps_the_feed_awake_even_while_it_is_silent(process: Process) -> None:
    token = await process.login()
    process.feed.is_live = False
    await process.who(token)
    touched = process.feed.touched
    assert touched > 0
    await process.who(token)
    assert process.feed.touched > touched


async def test_a_second_token_of_a_session_read_again_is_reached_by_events(process: Process) -> None:
    old = await process.login()
    new = await process.refresh(old)
    assert await process.who(old)
    process.feed.is_live = False  # silence: the session is read again for the next who asks
    assert await process.who(new)
    process.feed.is_live = True
    identity = await process.who(new)
    assert identity is not None
    await process.keeper.end(identity.session, "logout")  # type: ignore[arg-type]
    for token in (old, new):
        assert process.keeper.recall(token) is None
        with pytest.raises(SessionEnded):
            await process.who(token)


# memory


async def test_no_more_sessions_are_remembered_than_allowed(make_process: MakeProcess) -> None:
    process = make_process(max_remembered=3)
    tokens = [await process.login(f"user{n}") for n in range(10)]
    assert len(process.keeper) == 3
    for token in tokens:
        assert await process.who(token)
        assert len(process.keeper) == 3


async def test_a_forgotten_session_is_reached_by_no_stale_token(
    make_process: MakeProcess, database: Database
) -> None:
    process = make_process(max_remembered=2)
    hot = await process.login("ada")
    assert await process.who(hot)
    for n in range(5):
        assert process.keeper.recall(hot) is not None or await process.who(hot)
        await process.login(f"user{n}")
    database.lose_identity("ada")
    process.deliver()
    with pytest.raises(SessionEnded):
        await process.who(hot)


async def test_the_index_forgets_what_memory_forgets(make_process: MakeProcess) -> None:
    process = make_process(max_remembered=2)
    for n in range(6):
        await process.login(f"user{n % 3}")
        process.keeper._known.check_invariants()
    assert sum(1 for _ in process.keeper._known.of(USERS, None)) == 2


# ending


async def test_an_ended_session_ends_here_and_at_rest(process: Process, database: Database) -> None:
    token = await process.login()
    identity = await process.who(token)
    assert identity is not None
    assert identity.session is not None
    process.streams.owners.add(identity.session)
    assert await process.keeper.end(identity.session, "logout")
    assert database.sessions[identity.session]["ended_reason"] == "logout"
    assert process.streams.owners == set()
    assert process.keeper.has_ended(identity.session)
    before = process.reads
    with pytest.raises(SessionEnded):
        await process.who(token)
    assert process.reads == before


async def test_an_ending_that_cannot_be_stored_is_told_and_holds_here(process: Process) -> None:
    token = await process.login()
    identity = await process.who(token)
    assert identity is not None
    process.api.refuses = lambda method, path: UpstreamLost() if method == "PATCH" else None
    with pytest.raises(HaptaError):
        await process.keeper.end(identity.session, "logout")  # type: ignore[arg-type]
    with pytest.raises(SessionEnded):
        await process.who(token)


async def test_an_ending_that_could_not_be_stored_is_stored_later_and_outlives_a_restart(
    make_process: MakeProcess,
) -> None:
    """Whoever was told that the logout failed gets 401 now, and cannot ask for it again."""
    process = make_process(max_remembered=1)
    token = await process.login()
    identity = await process.who(token)
    assert identity is not None
    process.api.refuses = lambda method, path: UpstreamLost() if method == "PATCH" else None
    with pytest.raises(HaptaError):
        await process.keeper.end(identity.session, "logout")  # type: ignore[arg-type]
    await process.login("ben")  # the first one is forgotten
    with pytest.raises(SessionEnded):
        await process.who(token)
    process.api.refuses = lambda method, path: None
    await process.settle()
    await process.stop()
    with pytest.raises(SessionEnded):
        await make_process().who(token)


async def test_ending_what_is_not_there_says_so(process: Process) -> None:
    assert not await process.keeper.end("nosuchsession00", "revoked")


async def test_a_session_ended_elsewhere_ends_here_with_the_event(
    make_process: MakeProcess, database: Database
) -> None:
    first, second = make_process(), make_process()
    token = await first.login()
    identity = await second.who(token)
    assert identity is not None
    second.streams.owners.add(identity.session)  # type: ignore[arg-type]
    await first.keeper.end(identity.session, "logout")  # type: ignore[arg-type]
    assert second.keeper.recall(token) is not None
    second.deliver()
    assert second.keeper.recall(token) is None
    assert second.streams.owners == set()
    with pytest.raises(SessionEnded):
        await second.who(token)


async def test_a_row_of_which_only_the_change_is_told_is_read_again(
    process: Process, database: Database
) -> None:
    token = await process.login()
    assert await process.who(token)
    session = next(iter(database.sessions))
    process.keeper.session_row_changed(session, is_gone=None)
    assert await process.who(token)
    database.sessions[session]["ended"] = "2030-01-01 00:00:00.000Z"
    process.keeper.session_row_changed(session, is_gone=None)
    with pytest.raises(SessionEnded):
        await process.who(token)


async def test_a_row_deleted_in_the_dashboard_ends_its_session(process: Process, database: Database) -> None:
    token = await process.login()
    assert await process.who(token)
    database.delete("hapta_sessions", next(iter(database.sessions)))
    process.deliver()
    with pytest.raises(SessionEnded):
        await process.who(token)


async def test_a_session_with_a_stream_is_looked_after_without_any_request(
    process: Process, database: Database
) -> None:
    token = await process.login("ada")
    identity = await process.who(token)
    assert identity is not None
    process.streams.owners.add(identity.session)  # type: ignore[arg-type]
    database.lose_identity("ada")
    process.deliver()
    await process.settle()
    assert process.streams.owners == set()


async def test_many_streams_are_looked_after_a_few_at_a_time(process: Process) -> None:
    for n in range(40):
        identity = await process.who(await process.login(f"user{n}"))
        assert identity is not None
        process.streams.owners.add(identity.session)  # type: ignore[arg-type]
    most, under_way = 0, 0
    lives = process.prover.lives

    async def counted(*arguments: str) -> bool:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        try:
            return await lives(*arguments)
        finally:
            under_way -= 1

    process.prover.lives = counted  # type: ignore[method-assign]
    asked = process.prover.asked
    for _ in range(3):
        process.keeper.everything_changed()
    await process.settle()
    assert process.prover.asked >= asked + 40
    assert most <= 8


# logging in


async def test_every_login_makes_a_new_session(process: Process, database: Database) -> None:
    tokens = {await process.login("ada") for _ in range(5)}
    assert len(tokens) == len(database.sessions) == 5


async def test_a_login_that_cannot_be_stored_fails(process: Process) -> None:
    process.api.refuses = lambda method, path: UpstreamLost() if method == "POST" else None
    with pytest.raises(HaptaError):
        await process.login()
    assert len(process.keeper) == 0


async def test_a_new_login_ends_the_presented_session_and_keeps_its_streams(process: Process) -> None:
    old = await process.login("ada")
    session = (await process.who(old)).session  # type: ignore[union-attr]
    process.streams.owners.add(session)  # type: ignore[arg-type]
    new = await process.login("ada", replaces=session)
    with pytest.raises(SessionEnded):
        await process.who(old)
    identity = await process.who(new)
    assert identity is not None
    assert process.streams.owners == {identity.session}


async def test_a_new_login_is_answered_though_the_old_session_cannot_be_ended_yet(
    process: Process, database: Database
) -> None:
    old = await process.login("ada")
    session = (await process.who(old)).session
    failures = iter([UpstreamLost(), UpstreamLost()])
    process.api.refuses = lambda method, path: next(failures, None) if method == "PATCH" else None
    new = await process.login("ada", replaces=session)
    assert await process.who(new)
    assert not await seen(process, old)
    await process.settle()
    assert database.sessions[session]["ended_reason"] == "new_login"


async def test_one_account_has_no_more_sessions_than_allowed(
    make_process: MakeProcess, database: Database, clock: ManualClock
) -> None:
    process = make_process(max_per_identity=3)
    tokens = []
    for _ in range(5):
        clock.advance(1)
        tokens.append(await process.login("ada"))
        await process.settle()
    other = await process.login("ben")
    assert [await seen(process, token) for token in [*tokens, other]] == [
        False,
        False,
        True,
        True,
        True,
        True,
    ]
    ended = [row for row in database.sessions.values() if row["ended"]]
    assert {row["ended_reason"] for row in ended} == {"too_many"}


async def test_the_sessions_ended_for_too_many_are_those_unused_for_longest(
    make_process: MakeProcess, clock: ManualClock
) -> None:
    process = make_process(max_per_identity=2)
    first = await process.login("ada")
    clock.advance(10)
    second = await process.login("ada")
    clock.advance(10)
    first = await process.refresh(first)
    await process.settle()
    clock.advance(10)
    third = await process.login("ada")
    await process.settle()
    assert [await seen(process, token) for token in (first, second, third)] == [True, False, True]


async def test_an_account_whose_record_changes_during_the_login_is_proved(
    process: Process, database: Database
) -> None:
    process.api.gate = asyncio.Event()
    login = asyncio.ensure_future(process.login("ada"))
    for _ in range(3):
        await asyncio.sleep(0)
    database.lose_identity("ada")
    process.deliver()
    process.api.gate.set()
    with pytest.raises(SessionEnded):
        await process.who(await login)


# Secret


async def test_a_changed_secret_ends_sessions_without_a_read(make_process: MakeProcess) -> None:
    token = await make_process().login()
    other = make_process(ring=KeyRing.of("another secret of thirty-two bytes and more", None))
    with pytest.raises(SessionEnded):
        await other.who(token)
    assert other.reads == 0


async def test_the_previous_secret_keeps_sessions(make_process: MakeProcess) -> None:
    token = await make_process().login()
    other = make_process(
        ring=KeyRing(KeyRing.of("another secret of thirty-two bytes!", None).current, RING.current)
    )
    assert await other.who(token)
    refreshed = await other.refresh(token)
    assert await other.who(refreshed)
    with pytest.raises(SessionEnded):
        await make_process().who(refreshed)


async def test_a_row_sealed_under_a_secret_nobody_has_is_no_session(
    make_process: MakeProcess, database: Database
) -> None:
    token = await make_process().login()
    row = next(iter(database.sessions.values()))
    row["sealed"] = row["sealed"][:-8] + "AAAAAAAA"
    with pytest.raises(SessionEnded):
        await make_process().who(token)


async def test_a_sealed_token_moved_to_another_session_is_nobodys(
    make_process: MakeProcess, database: Database
) -> None:
    process = make_process()
    victim, thief = await process.login("ada"), await process.login("eve")
    rows = {row["record"]: row for row in database.sessions.values()}
    rows["eve"]["sealed"] = rows["ada"]["sealed"]
    other = make_process()
    assert await other.who(victim)
    with pytest.raises(SessionEnded):
        await other.who(thief)


# without superuser rights


async def test_without_rights_known_sessions_go_on_and_lost_identities_do_not(
    process: Process, database: Database, clock: ManualClock
) -> None:
    known, lost = await process.login("ada"), await process.login("ben")
    assert await process.who(known)
    assert await process.who(lost)
    process.api.database = _Refusing(database)  # type: ignore[assignment]
    process.lose_feed()
    for _ in range(3):
        clock.advance(2)
        assert await process.who(known)
    database.lose_identity("ben", tells=False)
    clock.advance(2)
    with pytest.raises(SessionEnded):
        await process.who(lost)


async def test_without_rights_unknown_sessions_get_no_verdict(
    make_process: MakeProcess, database: Database
) -> None:
    token = await make_process().login("ada")
    other = make_process()
    other.api.database = _Refusing(database)  # type: ignore[assignment]
    with pytest.raises(HaptaError) as caught:
        await other.who(token)
    assert caught.value.status == 503
    other.api.database = database
    assert await other.who(token)


class _Refusing:
    """PocketBase, which does not take the superuser's token any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def carry_out(self, *_: object) -> tuple[int, object]:
        return 403, {"data": {}, "message": "You are not allowed to perform this request.", "status": 403}


async def test_what_the_client_is_told_of_refused_rows_says_nothing_of_them(process: Process) -> None:
    process.api.database.tables["hapta_sessions"] = _Full()  # type: ignore[assignment]
    with pytest.raises(UpstreamLost) as caught:
        await process.login()
    assert caught.value.message == UpstreamLost.message
    assert "validation" in str(caught.value)


class _Full(dict):  # type: ignore[type-arg]
    """A table that takes no row."""

    def __contains__(self, key: object) -> bool:
        return True
