"""No replay is accepted and no honest client thrown out, whatever happens in whatever order.

Two processes share the rows. Clients log in, show any token that was ever given to anybody, refresh (one by
one, at once, or losing the answer), log out; processes are killed and started again; the feed is late, breaks
and comes back; writes fail for a while; identities are lost. A model of a few dictionaries says of every
shown token whether it must be accepted, must be refused, or whether the process asked cannot know yet.

Such a test is finished when it finds the bugs planted for it: they stand at the end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from hapta.config import SessionsConfig
from hapta.identity import writing
from hapta.identity.keeper import SessionKeeper
from hapta.identity.lookup import Lookup
from hapta.identity.needs import SessionEnded
from hapta.identity.rows import SessionRows, date_value
from hapta.model.clock import ManualClock
from hapta.model.errors import UpstreamLost
from hapta.sessions.rotation import Session, Verdict
from hapta.sessions.token import parse
from tests.support.session_double import RING, USERS, Database, Event, Process

OVERLAP_S = 20.0
PROCESSES, SESSIONS = st.integers(0, 1), st.sampled_from([0, 0, 0, 1, 2])
BACK = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4])
ACCEPT, REFUSE, EITHER = "accept", "refuse", "either"


@dataclass
class Life:
    """What the model knows of a session.

    Attributes:
        id: its row.
        tokens: by generation, as far as any client got to see them.
        newest: the highest generation there is.
        first_used: by generation, the first use anywhere.
        written: by generation, what stands in the rows, or stood there last.
    """

    id: str
    record: str
    tokens: dict[int, str]
    newest: int = 1
    first_used: dict[int, float] = field(default_factory=dict)
    written: dict[int, float] = field(default_factory=dict)
    is_lost: bool = False
    has_ended: bool = False
    is_end_written: bool = False
    is_doubtful: bool = False


@dataclass
class Knowledge:
    """What a process must know: what it did and saw itself, and what it was told."""

    used: dict[tuple[int, int], float] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    writing_failed: bool = False
    told_uses: set[tuple[int, int]] = field(default_factory=set)
    told_ended: set[int] = field(default_factory=set)
    told_lost: set[int] = field(default_factory=set)


class Sessions(RuleBasedStateMachine):
    """Two processes, some sessions, and a model."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.pauses = patch.object(writing, "_RETRY_S", (0.0,) * 6)
        self.pauses.start()
        self.clock = ManualClock()
        self.database = Database()
        self.lives: list[Life] = []

    @initialize()
    def begin(self) -> None:
        self.processes = [self.make_process() for _ in range(2)]
        self.knowledge = [Knowledge(), Knowledge()]
        self.login(0)

    def make_process(self) -> Process:
        async def make() -> Process:
            return Process(self.database, self.clock, config=SessionsConfig(overlap_s=OVERLAP_S))

        return self.do(make())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        processes = getattr(self, "processes", ())
        for process in processes:
            self.do(process.stop())
        self.loop.close()
        self.pauses.stop()
        for process in processes:
            process.keeper._known.check_invariants()

    # the model

    def expected(self, at: int, session: int, generation: int) -> str:
        life, known, now = self.lives[session], self.knowledge[at], self.clock.now()
        self.read_rows()
        if life.is_doubtful:
            return EITHER
        if session in known.ended or (life.is_end_written and session in known.told_ended):
            return REFUSE
        if life.is_lost and session in known.told_lost:
            return REFUSE
        if life.has_ended or life.is_lost:
            return EITHER
        used_at = life.first_used.get(generation + 1)
        if generation == life.newest or used_at is None or now < used_at + OVERLAP_S:
            return ACCEPT
        key = (session, generation + 1)
        known_at = known.used.get(key)
        if known_at is None and key in known.told_uses:
            known_at = life.written[generation + 1]
        return REFUSE if known_at is not None and now >= known_at + OVERLAP_S else EITHER

    def note_use(self, at: int, session: int, generation: int) -> None:
        life, known = self.lives[session], self.knowledge[at]
        key = (session, generation)
        life.first_used.setdefault(generation, self.clock.now())
        if key not in known.used:
            known.used[key] = self.clock.now()

    def note_end(self, at: int, session: int) -> None:
        self.lives[session].has_ended = True
        self.knowledge[at].ended.add(session)

    def note_refusal(self, at: int, session: int) -> None:
        life = self.lives[session]
        if not (life.has_ended or life.is_lost or life.is_doubtful):
            self.note_end(at, session)  # it was a replay

    def note_sync(self, at: int) -> None:
        """Whatever the process looks at from here on includes what is written now."""
        known = self.knowledge[at]
        self.read_rows()
        for session, life in enumerate(self.lives):
            known.told_uses |= {(session, generation) for generation in life.written}
            if life.is_end_written:
                known.told_ended.add(session)
            if life.is_lost:
                known.told_lost.add(session)

    def read_rows(self) -> None:
        lives = {life.id: life for life in self.lives}
        for row in self.database.rotations.values():
            used_at = date_value(row["first_used"])
            if used_at is not None:
                lives[row["session"]].written[row["generation"]] = used_at
        for row in self.database.sessions.values():
            lives[row["id"]].is_end_written = bool(row["ended"])

    def check(self, expected: str, is_accepted: bool) -> None:
        assert expected == EITHER or (expected == ACCEPT) == is_accepted, (expected, is_accepted)

    def chosen(self, session: int, back: int) -> tuple[int, int]:
        """The session and generation that stand so far from the end."""
        session = len(self.lives) - 1 - session % len(self.lives)
        life = self.lives[session]
        return session, sorted(life.tokens)[-1 - back % len(life.tokens)]

    # what happens; few rules, each with many turns, so that a course of events is dense

    @rule(
        what=st.sampled_from(
            ["shows"] * 6 + ["refreshes"] * 3 + ["refreshes at once", "grows older", "grows older", "logs in"]
            + ["logs out", "new password", "logs out while another looks", "is read before it is written"]
        ),
        at=PROCESSES, session=SESSIONS, back=BACK, count=st.integers(0, 8),
    )  # fmt: skip
    def client(self, what: str, at: int, session: int, back: int, count: int) -> None:
        session, generation = self.chosen(session, back)
        life = self.lives[session]
        if (life.has_ended or life.is_lost or life.is_doubtful) and count % 3:
            what = "logs in"  # sessions that are over are looked at, too, but not most of the time
        match what:
            case "shows":
                self.show(at, session, generation)
            case "refreshes":
                fates = ["arrives"] * 6 + ["lost on its way", "lost at PocketBase", "lost at PocketBase"]
                self.refresh(at, session, generation, fates[count])
            case "refreshes at once":
                self.refresh_at_once(session, generation, count % 3, 1 + count // 3)
            case "grows older":
                for _ in range(1 + count // 3):
                    self.refresh(at, session, max(life.tokens), "arrives")
                    self.show(at, session, max(life.tokens))
                    self.wait(20)
            case "logs in":
                self.login(at)
            case "logs out":
                self.leave(at, session, generation)
            case "new password":
                life.is_lost = True
                self.database.lose_identity(life.record)
            case "logs out while another looks":
                self.leave_while_the_other_looks(at, session, generation, steps=count)
            case "is read before it is written":
                self.use_and_read_again(at, session)

    @rule(
        what=st.sampled_from(
            ["time passes"] * 4 + ["all is told"] * 4
            + ["feed breaks", "feed is back", "hears a little", "writing fails", "killed", "record changes"]
        ),
        at=PROCESSES, count=st.integers(1, 4), seconds=st.sampled_from([1, 19, 20, 20, 60]),
    )  # fmt: skip
    def world(self, what: str, at: int, count: int, seconds: int) -> None:
        process = self.processes[at]
        match what:
            case "time passes":
                self.wait(seconds)
            case "all is told":
                for writing in range(2) if count > 1 else ():
                    self.settle(writing)
                self.hear(at)
            case "feed breaks":
                process.lose_feed()
                self.note_sync(at)
            case "feed is back":
                if not process.feed.is_live:
                    process.regain_feed()
                    self.note_sync(at)
            case "hears a little":
                process.deliver(count)
            case "writing fails":
                self.let_writing_fail(at, 3 * count)
            case "killed":
                self.kill_and_start_again(at)
            case "record changes":
                for life in self.lives:
                    self.database.tell(Event(USERS, life.record, "update", {"id": life.record}))

    # clients

    def login(self, at: int) -> None:
        record = f"user{len(self.lives)}"
        token = self.do(self.processes[at].login(record))
        parsed = parse(RING, token)
        assert parsed is not None
        self.lives.append(Life(parsed.claims.session, record, {1: token}, first_used={1: self.clock.now()}))

    def show(self, at: int, session: int, generation: int) -> None:
        expected = self.expected(at, session, generation)
        try:
            identity = self.do(self.processes[at].who(self.lives[session].tokens[generation]))
        except SessionEnded:
            self.check(expected, is_accepted=False)
            self.note_refusal(at, session)
            return
        self.check(expected, is_accepted=True)
        assert identity.record == self.lives[session].record
        self.note_use(at, session, generation)

    def refresh(self, at: int, session: int, generation: int, fate: str) -> None:
        life, process = self.lives[session], self.processes[at]
        expected = self.expected(at, session, generation)
        process.api.loses = lambda method, path: fate == "lost at PocketBase" and method == "POST"
        try:
            token = self.do(process.refresh(life.tokens[generation]))
        except SessionEnded:
            self.check(expected, is_accepted=False)
            # refused because the next generation was made and forgotten long ago: that alone ends nothing
            life.is_doubtful = life.is_doubtful or (expected == EITHER and generation < life.newest - 1)
            self.note_refusal(at, session)
            return
        except UpstreamLost:
            self.check(expected, is_accepted=True)
            self.note_use(at, session, generation)
            life.newest = max(life.newest, generation + 1)
            return
        finally:
            process.api.loses = lambda method, path: False
        self.check(expected, is_accepted=True)
        self.note_use(at, session, generation)
        self.note_generation(life, generation + 1, token if fate == "arrives" else None)

    def use_and_read_again(self, at: int, session: int) -> None:
        """Of a first use that PocketBase did not take yet, memory alone knows when the rows are read anew."""
        life, process = self.lives[session], self.processes[at]
        old = max(life.tokens)
        self.let_writing_fail(at, 12)
        self.refresh(at, session, old, "arrives")
        self.show(at, session, max(life.tokens))
        process.lose_feed()
        process.regain_feed()
        self.note_sync(at)
        self.show(at, session, max(life.tokens))
        self.wait(20)
        self.show(at, session, old)

    def note_generation(self, life: Life, number: int, token: str | None) -> None:
        life.newest = max(life.newest, number)
        if token is not None:
            assert life.tokens.setdefault(number, token) == token, "two tokens of one generation"

    def refresh_at_once(self, session: int, generation: int, here: int, there: int) -> None:
        life = self.lives[session]
        if any(self.expected(at, session, generation) != ACCEPT for at in range(2)):
            return
        crowd = [self.processes[0]] * here + [self.processes[1]] * there

        async def at_once() -> list[str | BaseException]:
            refreshes = (process.refresh(life.tokens[generation]) for process in crowd)
            return await asyncio.gather(*refreshes, return_exceptions=True)

        tokens = self.do(at_once())
        assert len(set(tokens)) == 1
        assert isinstance(tokens[0], str), tokens[0]
        for at, count in enumerate((here, there)):
            if count:
                self.note_use(at, session, generation)
        self.note_generation(life, generation + 1, tokens[0])

    def leave(self, at: int, session: int, generation: int) -> bool:
        """Log out, if the token is accepted at all; whether it was."""
        process, expected = self.processes[at], self.expected(at, session, generation)

        async def leave() -> None:
            identity = await process.who(self.lives[session].tokens[generation])
            assert identity is not None
            await process.keeper.end(identity.session or "", "logout")

        try:
            self.do(leave())
        except SessionEnded:
            self.check(expected, is_accepted=False)
            self.note_refusal(at, session)
            return False
        self.check(expected, is_accepted=True)
        self.note_use(at, session, generation)
        self.note_end(at, session)
        self.read_rows()
        assert self.lives[session].is_end_written, "it was acknowledged"
        return True

    def leave_while_the_other_looks(self, at: int, session: int, generation: int, steps: int) -> None:
        other = 1 - at
        if self.expected(at, session, generation) != ACCEPT:
            return
        token = self.lives[session].tokens[generation]

        async def begin() -> "asyncio.Task[Any]":
            task = asyncio.ensure_future(self.processes[other].who(token))
            for _ in range(steps):
                await asyncio.sleep(0)
            return task

        async def outcome(task: Awaitable[Any]) -> bool:
            try:
                return await task is not None
            except SessionEnded:
                return False

        self.processes[other].api.gate = gate = asyncio.Event()
        self.processes[other].prover.gate = gate
        looking = self.do(begin())
        has_left = self.leave(at, session, generation)
        if has_left:
            self.hear(other)
        gate.set()
        self.processes[other].api.gate = self.processes[other].prover.gate = None
        if self.do(outcome(looking)):
            self.note_use(other, session, generation)

    # the world

    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        for at, process in enumerate(self.processes):
            if not process.feed.is_live:
                self.note_sync(at)  # without the feed a look holds for less than a second

    def settle(self, at: int) -> None:
        """What was to be written in the background is written, if PocketBase took it."""
        self.do(self.processes[at].settle())
        self.read_rows()
        if not self.knowledge[at].writing_failed:
            rows = {(row["session"], row["generation"]) for row in self.database.rotations.values()}
            for session, generation in self.knowledge[at].used:
                life = self.lives[session]
                if (life.id, generation) in rows and generation == life.newest:
                    # an older one was used as surely as it was refreshed
                    assert generation in life.written, "not written down"

    def hear(self, at: int) -> None:
        """Events that wait are told."""
        self.processes[at].deliver()
        if self.processes[at].feed.is_live:
            self.note_sync(at)

    def let_writing_fail(self, at: int, failures: int) -> None:
        self.knowledge[at].writing_failed = True
        left = [UpstreamLost()] * failures

        def refuses(method: str, path: str) -> BaseException | None:
            is_in_the_background = method == "PATCH" and "rotations" in path
            return left.pop() if left and is_in_the_background else None

        self.processes[at].api.refuses = refuses

    def kill_and_start_again(self, at: int) -> None:
        self.do(self.processes[at].stop())
        self.read_rows()
        for session in self.knowledge[at].ended:
            life = self.lives[session]
            life.is_doubtful = (
                life.is_doubtful or not life.is_end_written
            )  # nobody was promised that it ended
        self.processes[at] = self.make_process()
        self.knowledge[at] = Knowledge()
        self.note_sync(at)


CHECKED = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_no_replay_is_accepted_and_no_honest_client_thrown_out() -> None:
    run_state_machine_as_test(Sessions, settings=CHECKED)  # type: ignore[no-untyped-call]


@pytest.mark.all_modes
@pytest.mark.timeout(600)
def test_neither_in_many_more_courses_of_events() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Sessions, settings=settings(CHECKED, max_examples=1000, stateful_step_count=60)
    )


# planted bugs


def _overlap_from_issue(self: Session, generation: int, now: float, overlap_s: float) -> Verdict:
    successor = self.generations.get(generation + 1)
    if successor is not None and not self.ended_reason:
        return Verdict.ACCEPT if now < successor.issued_at + overlap_s else Verdict.REPLAY
    return _judge(self, generation, now, overlap_s)


def _forgotten_is_accepted(self: Session, generation: int, now: float, overlap_s: float) -> Verdict:
    verdict = _judge(self, generation, now, overlap_s)
    is_forgotten = generation < max(self.generations) and generation + 1 not in self.generations
    return Verdict.ACCEPT if verdict is Verdict.REPLAY and is_forgotten else verdict


def _no_overlap(self: Session, generation: int, now: float, overlap_s: float) -> Verdict:
    return _judge(self, generation, now, 0.0)


def _never_retired(self: Session, generation: int, now: float, overlap_s: float) -> Verdict:
    verdict = _judge(self, generation, now, overlap_s)
    return Verdict.ACCEPT if verdict is Verdict.REPLAY else verdict


async def _loser_makes_its_own(self: SessionRows, session_id: str, made: Any) -> Any:
    await _rotate(self, session_id, made)
    return made


async def _not_written(self: SessionRows, *arguments: Any, **more: Any) -> bool:
    return True


def _ignored(self: Any, *arguments: Any, **more: Any) -> None:
    pass


def _keeps_ended_only(self: Session, before: Session) -> None:
    self.ended_reason = before.ended_reason or self.ended_reason


_judge, _rotate = Session.judge, SessionRows.rotate
BUGS: dict[str, tuple[type, str, Callable[..., Any]]] = {
    "overlap counted from the issue": (Session, "judge", _overlap_from_issue),
    "no overlap": (Session, "judge", _no_overlap),
    "old generations never retire": (Session, "judge", _never_retired),
    "a retired generation accepted once it is forgotten": (Session, "judge", _forgotten_is_accepted),
    "the loser of the race makes its own": (SessionRows, "rotate", _loser_makes_its_own),
    "first use not written down": (SessionRows, "first_used", _not_written),
    "an ending not written down": (SessionRows, "end", _not_written),
    "first use elsewhere not heard": (SessionKeeper, "rotation_row_changed", _ignored),
    "an ending elsewhere not heard": (SessionKeeper, "session_row_changed", _ignored),
    "first use forgotten when read again": (Session, "keep", _keeps_ended_only),
    "a changed record not proved again": (SessionKeeper, "identity_changed", _ignored),
    "an unknown generation not looked up": (Lookup, "rows_changed", _ignored),
}


@pytest.mark.all_modes
@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", BUGS)
def test_the_machine_finds(bug: str) -> None:
    owner, name, wrong = BUGS[bug]
    hunting = settings(
        CHECKED, max_examples=3000, phases=[Phase.generate], database=None, report_multiple_bugs=False
    )
    with patch.object(owner, name, wrong), pytest.raises(AssertionError):
        run_state_machine_as_test(Sessions, settings=hunting)  # type: ignore[no-untyped-call]
