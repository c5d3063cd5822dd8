"""Generations: which stored responses a write has made wrong, and which fetches came too early to be stored.

**The promise.** A read that begins after a write was answered never shows the state before it.

**What is kept.** Each *tag* (:mod:`hapta.cache.tags`) has a *generation*, a number that a write moves, and
a count of writes that are *open*: announced, not yet answered. A write whose answer was lost leaves its tags
*in doubt* for a while: it may still land. A tag with neither is *settled*.

**The argument.** A fetch takes a :class:`Fence` before its first byte is sent: the generations of all tags it
will depend on, which must be settled. Let a response be served at the instant *t*, its fence holding, to a
read that began at *r* ≤ *t*. Its fetch began at *f*.

1. A write answered before *f* was committed before PocketBase saw the fetch, so the response shows it.
2. A write answered between *f* and *t* was closed before it was answered, and closing moves the generation of
   its tags: the fence would not hold.
3. A write that is open at *t* was not answered before *r*. PocketBase may have committed it, though, and
   another read may have seen it go by; so that nobody sees it come and go, a fence over an open tag is
   *unsettled*: the read goes to PocketBase, and nothing is stored.
4. A write that was lost may land at any time. Losing it moves the generations (2), and while it is in doubt
   no fence is given, so no response from this time is ever stored. When the doubt ends the write has landed
   or never will: by then the upstream's own limits have ended it.
5. A write PocketBase refused changes nothing; where that is certain it is closed without moving generations,
   and what was stored before it is good again.
6. A write around Hapta is told by the change feed: its event moves the generations. The feed's own gaps, a
   schema that changed, and whatever may have changed anything move :data:`~hapta.cache.tags.EVERYTHING`,
   which every fence contains.

Tags that only the answer names (the records an expand shows) could not be fenced before the fetch. While
fetches are under way, the instant of each tag's last move is kept, and :meth:`Fence.extend` takes a further
tag only if it is settled and has not moved since the fetch began. The end of a doubt counts as a move there:
a lost write may have landed after PocketBase read the row.

A response whose fence broke may be made right instead of fetched again, where each move it missed came with a
:class:`~hapta.cache.changes.Change` that says all that was done: what it shows after them is what PocketBase
would show now, by (1) to (6), under a fence taken now.

A second read may join a fetch under way while its fence holds: by (2) no write was answered since *f*, so the
answer is not older than any write that was answered before this read began. What it joined is served to it
even if a write closes meanwhile: that one was not answered before the read. Of the tags that only the answer
names nobody knew when it joined, so it is served only where the fence could be extended by them; else it asks
again.

**Cost.** A write costs the number of its tags, whatever is stored. A fence costs the number of its tags to
take, and to check again only when something moved since it was last checked: else one comparison.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable
from enum import Enum
from weakref import WeakValueDictionary

from hapta.cache.changes import Change
from hapta.cache.tags import EVERYTHING, Tag, with_files
from hapta.model.clock import Clock

MOVES_KEPT = 50_000
"""Tags whose last move is remembered at once while fetches are under way."""
CHANGES_KEPT = 64
"""Changes a tag remembers: an answer that more of them have passed by is fetched."""
DOUBTS_KEPT = 10_000
"""Tags in doubt at once; beyond that everything is."""


class Standing(Enum):
    """What a fence says of a response fetched behind it."""

    HOLDS = "holds"
    UNSETTLED = "unsettled"
    """A write is open: it may not be served now, perhaps again later."""
    BROKEN = "broken"
    """Something it depends on changed: never again."""


class _State:
    """One tag, for as long as a fence, an open write or a doubt is about it."""

    __slots__ = ("__weakref__", "changes", "doubted_until", "generation", "open", "tag")

    def __init__(self, tag: Tag) -> None:
        self.tag = tag
        self.generation = 0
        self.open = 0
        self.doubted_until = float("-inf")
        self.changes: deque[Change] | None = None
        """What the last moves were about, without a gap; the last one is that of ``generation``."""

    def move(self, change: Change | None) -> None:
        self.generation += 1
        if change is None or not change.explains(self.tag):
            self.changes = None
        elif self.changes is None:
            self.changes = deque((change,), CHANGES_KEPT)
        else:
            self.changes.append(change)

    def changes_since(self, generation: int) -> list[Change] | None:
        """What it was moved by since; ``None`` where that is not known of each move."""
        moves = self.generation - generation
        if not moves:
            return []
        if self.changes is None or len(self.changes) < moves:
            return None
        changes = list(self.changes)[-moves:]
        return None if any(change.is_void for change in changes) else changes


class Fence:
    """The generations a fetch began under; made by :meth:`Generations.fence`."""

    __slots__ = (
        "_checked_at",
        "_ended_at",
        "_generations",
        "_is_fetching",
        "_standing",
        "_started_at",
        "_taken",
    )

    def __init__(self, generations: "Generations", states: Iterable[_State]) -> None:
        self._generations = generations
        self._taken = [(state, state.generation) for state in states]
        self._started_at = self._checked_at = self._ended_at = generations.moves
        self._standing = Standing.HOLDS
        self._is_fetching = True

    def __len__(self) -> int:
        return len(self._taken)

    def standing(self) -> Standing:
        """Whether what was fetched behind it may be served now."""
        if self._checked_at != self._generations.moves and self._standing is not Standing.BROKEN:
            self._checked_at = self._generations.moves
            self._standing = self._check()
        return self._standing

    def holds(self) -> bool:
        """Whether it may be served now."""
        return self.standing() is Standing.HOLDS

    def is_void(self) -> bool:
        """Whether everything was moved since, so that rights may be others."""
        return any(state.tag == EVERYTHING and state.generation != taken for state, taken in self._taken)

    def _check(self) -> Standing:
        is_open = False
        for state, generation in self._taken:
            if state.generation != generation:
                return Standing.BROKEN
            is_open = is_open or state.open > 0
        return Standing.UNSETTLED if is_open else Standing.HOLDS

    def changes(self) -> list[tuple[Change, frozenset[Tag]]] | None:
        """What broke it, in order, each with the tags it moved; ``None`` where that is not known.

        What was fetched while a write was under way may show its outcome already, so a write counts only if
        it began when the fetch was over.
        """
        if self._is_fetching:
            return None
        found: dict[Change, set[Tag]] = {}
        for state, generation in self._taken:
            changes = state.changes_since(generation)
            if changes is None or any(change.began_at < self._ended_at for change in changes):
                return None
            for change in changes:
                found.setdefault(change, set()).add(state.tag)
        return [(each, frozenset(found[each])) for each in sorted(found, key=lambda each: each.number)]

    def waive(self, tags: Collection[Tag]) -> None:
        """The answer turned out not to depend on these; to be said before :meth:`extend`."""
        assert self._is_fetching, "a fence is what it is once its fetch is over"
        self._taken = [taken for taken in self._taken if taken[0].tag not in tags]
        self._standing, self._checked_at = self._check(), self._generations.moves

    def extend(self, tags: Iterable[Tag]) -> bool:
        """Take further tags that the answer named; whether that was possible.

        Where it was not, the answer may be older than a write to them: it must not be stored, nor be given to
        reads that joined.
        """
        assert self._is_fetching, "a fence is extended before its fetch is over"
        states = self._generations.take_since(tags, self._started_at)
        if states is None:
            self._standing = Standing.BROKEN
            return False
        self._taken += [(state, state.generation) for state in states]
        return True

    def fetched(self) -> None:
        """The fetch is over, whatever came of it; idempotent."""
        if self._is_fetching:
            self._is_fetching = False
            self._ended_at = self._generations.moves
            self._generations.fetch_ended()


class Write:
    """A write under way; made by :meth:`Generations.begin`, ended once by one of its methods.

    Attributes:
        began_at: :attr:`Generations.moves` before it was announced.
    """

    __slots__ = ("_generations", "_is_open", "_is_over", "_states", "began_at")

    def __init__(
        self, generations: "Generations", states: list[_State], *, is_open: bool, began_at: int
    ) -> None:
        self.began_at = began_at
        self._generations = generations
        self._states = states
        self._is_open = is_open
        self._is_over = False

    def close(
        self, *, has_changed: bool = True, further: Iterable[Tag] = (), change: Change | None = None
    ) -> None:
        """It was answered.

        Args:
            has_changed: ``False`` only where it is certain that nothing was committed.
            further: tags that only the answer named; they are moved as well.
            change: all that it did to rows of the collection, where that is known.
        """
        self._end(moves=has_changed, further=further, change=change)

    def lose(self, doubted_for_s: float, *, further: Iterable[Tag] = ()) -> None:
        """Its answer was lost: it may have been committed, or be still.

        Args:
            doubted_for_s: seconds after which it has landed or never will.
            further: tags it may have changed besides those that were announced.
        """
        further = tuple(further)
        self._generations.doubt([*self._states, *self._generations.states(further)], doubted_for_s)
        self._end(moves=True, further=further)

    def _end(self, *, moves: bool, further: Iterable[Tag], change: Change | None = None) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._generations.end(
            self._states, was_open=self._is_open, moves=moves, further=further, change=change
        )


class Mark:
    """The generations of a few tags at one moment; made by :meth:`Generations.mark`.

    Unlike a fence it does not mind a write that is open: whoever keeps one takes part in that write.
    """

    __slots__ = ("_taken",)

    def __init__(self, states: Iterable[_State]) -> None:
        self._taken = tuple((state, state.generation) for state in states)

    def is_current(self) -> bool:
        """Whether none of them has moved since."""
        return all(state.generation == generation for state, generation in self._taken)


class Generations:
    """All tags of one process.

    Args:
        clock: monotonic time, for doubts.

    Attributes:
        moves: grows with everything that may change a fence's standing, or the plans.
        invalidations: how many times a write or event moved generations, by id of the collections it reached;
            under an empty id those that reached everything. One that reaches several counts for each.
    """

    def __init__(self, clock: Clock) -> None:
        self.moves = 0
        self.invalidations: Counter[str] = Counter()
        self._clock = clock
        self._states: WeakValueDictionary[Tag, _State] = WeakValueDictionary()
        self._everything = self._state(EVERYTHING)
        self._doubted: dict[Tag, _State] = {}
        self._fetching = 0
        self._last_moves: dict[Tag, int] = {}
        self._forgotten_before = 0

    def __len__(self) -> int:
        return len(self._states)

    def check_invariants(self) -> None:
        """No count is negative; without fetches nothing is remembered for them."""
        assert self._fetching >= 0
        assert self._fetching or not self._last_moves
        assert len(self._last_moves) <= MOVES_KEPT
        assert all(state.open >= 0 for state in self._states.values())

    def fence(self, tags: Iterable[Tag]) -> Fence | None:
        """Begin a fetch that depends on ``tags``; call :meth:`Fence.fetched` when it is over.

        Returns:
            ``None`` while a write to one of them is open or in doubt: nothing may be stored.
        """
        states = self._settled({EVERYTHING, *tags})
        if states is None:
            return None
        self._fetching += 1
        return Fence(self, states)

    def begin(self, tags: Iterable[Tag], *, is_open: bool = True, keeps_files: bool = False) -> Write:
        """Announce a write, before its first byte is sent.

        Args:
            tags: what it may change.
            is_open: ``False``: until it is over what is stored may be served. For requests that may last, and
                of which nobody knows whether they write at all.
            keeps_files: it certainly leaves the files of the records it names as they are.
        """
        began_at = self.moves
        states = [self._state(tag) for tag in (set(tags) if keeps_files else with_files(tags))]
        if is_open and states:
            for state in states:
                state.open += 1
            self.moves += 1
        return Write(self, states, is_open=is_open, began_at=began_at)

    def move(self, tags: Iterable[Tag], *, keeps_files: bool = False, change: Change | None = None) -> None:
        """Something changed these.

        Args:
            keeps_files: it certainly left the files of the records it names as they were.
            change: all that it did to rows of the collection, once that is known.
        """
        self.moves += 1
        self.invalidations.update(self._move(tags if keeps_files else with_files(tags), change))

    def look_again(self) -> None:
        """What rests on generations may rest on something else that changed: it is looked at anew."""
        self.moves += 1

    def move_everything(self) -> None:
        """Anything may have changed."""
        self.move((EVERYTHING,))

    def mark(self, tags: Iterable[Tag]) -> Mark | None:
        """Remember where these tags stand; ``None`` while one of them is in doubt."""
        self._settle_doubts()
        states = [self._state(tag) for tag in (EVERYTHING, *tags)]
        return None if any(state.tag in self._doubted for state in states) else Mark(states)

    def end_doubts(self) -> None:
        """PocketBase was restarted: what it had not committed by now it never will."""
        for state in self._doubted.values():
            state.doubted_until = float("-inf")
        self._settle_doubts()

    @property
    def doubts(self) -> int:
        """How many tags are in doubt."""
        self._settle_doubts()
        return len(self._doubted)

    # for fences and writes

    def take_since(self, tags: Iterable[Tag], moves: int) -> list[_State] | None:
        """States of tags that are settled and have not moved since :attr:`moves` was ``moves``."""
        self._settle_doubts()
        if moves < self._forgotten_before:
            return None
        wanted = list(tags)
        if any(self._last_moves.get(tag, -1) > moves for tag in wanted):
            return None
        return self._settled(wanted)

    def states(self, tags: Iterable[Tag]) -> list[_State]:
        """The states of these tags."""
        return [self._state(tag) for tag in tags]

    def fetch_ended(self) -> None:
        """One fetch less is under way."""
        self._fetching -= 1
        if self._fetching == 0:
            self._last_moves.clear()

    def end(
        self,
        states: Iterable[_State],
        *,
        was_open: bool,
        moves: bool,
        further: Iterable[Tag] = (),
        change: Change | None = None,
    ) -> None:
        """A write is over."""
        self.moves += 1
        reached = set()
        for state in states:
            state.open -= was_open
            if moves:
                state.move(change)
                self._remember_move(state.tag)
                reached.add(_collection_of(state.tag))
        if moves:
            reached |= self._move(further, change)
        self.invalidations.update(reached)

    def doubt(self, states: Iterable[_State], for_s: float) -> None:
        """A write to these may land within ``for_s`` seconds."""
        until = self._clock.monotonic() + for_s
        self._settle_doubts()
        if len(self._doubted) >= DOUBTS_KEPT:
            states = [*states, self._everything]
            self.move_everything()
        for state in states:
            state.doubted_until = max(state.doubted_until, until)
            self._doubted[state.tag] = state

    def _move(self, tags: Iterable[Tag], change: Change | None = None) -> set[str]:
        """Move them; which collections they are of."""
        reached = set()
        for tag in tags:
            reached.add(_collection_of(tag))
            state = self._states.get(tag)
            if state is not None:
                state.move(change)
            self._remember_move(tag)
        return reached

    def _state(self, tag: Tag) -> _State:
        state = self._states.get(tag)
        if state is None:
            state = self._states[tag] = _State(tag)
        return state

    def _settled(self, tags: Iterable[Tag]) -> list[_State] | None:
        self._settle_doubts()
        states = [self._state(tag) for tag in tags]
        if any(state.open or state.tag in self._doubted for state in states):
            return None
        return states

    def _settle_doubts(self) -> None:
        if not self._doubted:
            return
        now = self._clock.monotonic()
        over = [tag for tag, state in self._doubted.items() if state.doubted_until <= now]
        if over:
            self.moves += 1
        for tag in over:
            del self._doubted[tag]
            self._remember_move(tag)  # it may have landed under a fetch that has yet to name this tag

    def _remember_move(self, tag: Tag) -> None:
        if not self._fetching:
            return
        if len(self._last_moves) >= MOVES_KEPT:
            self._last_moves.clear()
            self._forgotten_before = self.moves
        self._last_moves[tag] = self.moves


def _collection_of(tag: Tag) -> str:
    return tag[1] if len(tag) > 1 else ""
