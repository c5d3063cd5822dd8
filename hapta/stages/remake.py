"""An answer made without PocketBase: a stored one brought up to date, or one of what was seen or written.

All need what PocketBase would answer now to follow with certainty from what is known; the engines decide that
(:mod:`hapta.cache.patch`, :mod:`hapta.cache.assembly`, :mod:`hapta.cache.derive`). What is made is stored
under a fence taken at the same instant: nothing is awaited between the look at what it is made of and that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hapta.cache.assembly import Fields, compose, render_row, values
from hapta.cache.changes import Journal
from hapta.cache.derive import Record, derived
from hapta.cache.generations import Generations, Standing
from hapta.cache.key import Key
from hapta.cache.patch import patched
from hapta.cache.patched_answer import shows_all
from hapta.cache.plan import PartKind, Plan
from hapta.cache.shelf import Shelf
from hapta.cache.status import Hit
from hapta.cache.store import ResponseStore
from hapta.cache.stored import Stored
from hapta.cache.tags import births
from hapta.cache.weight import Headers
from hapta.model.clock import Clock
from hapta.stages.keeping import Keeping
from hapta.stages.lookup import Coherence, Look, tags_of


@dataclass(frozen=True, slots=True)
class Made:
    """An answer, and what it was made of."""

    stored: Stored
    hit: Hit


class Remaker:
    """Makes answers.

    Args:
        store: where they go.
        generations: of all tags.
        keeping: makes stored responses of answers.
        shelf: where records stand.
        journal: what own writes told.
        coherence: whether changes are heard of.
        patches: stored answers are brought up to date.
        refills: views are made of what was seen or written.
        clock: both times.
    """

    def __init__(
        self,
        store: ResponseStore,
        generations: Generations,
        keeping: Keeping,
        shelf: Shelf,
        journal: Journal,
        coherence: Coherence,
        *,
        patches: bool,
        refills: bool,
        clock: Clock,
    ) -> None:
        self._store = store
        self._generations = generations
        self._keeping = keeping
        self._shelf = shelf
        self._journal = journal
        self._coherence = coherence
        self._patches = patches
        self._refills = refills
        self._clock = clock
        self._lines: Headers | None = None

    def configure(self, *, patches: bool, refills: bool) -> None:
        """What may be made from now on."""
        self._patches = patches
        self._refills = refills

    def learn(self, look: Look, stored: Stored) -> None:
        """An answer was fetched and stored: what it shows may serve others."""
        if stored.status != 200 or not look.plan.tells_rows or look.caller is not None:
            return
        self._lines = _lines_of(stored)
        if self._refills or self._patches:
            self._shelf.note(look.slot, look.plan, stored.body)

    def may_make(self, look: Look) -> bool:
        """Whether there is any hope."""
        return look.plan.local is not None and not look.is_own and (self._patches or self._refills)

    @property
    def is_sure(self) -> bool:
        """Whether what own writes told was read under rules that held then: a rule or field that was changed
        around Hapta just before could have hidden it."""
        return self._coherence.is_confirmed_since(self._journal.told_at)

    async def make_sure(self) -> None:
        """Ask PocketBase for that; says nothing of the outcome."""
        await self._coherence.confirm_since(self._journal.told_at)

    def make(self, look: Look, found: Stored | None) -> Made | None:
        """The answer to a read for which nothing stored can be served; to be asked where it :meth:`may_make`
        one and :attr:`is_sure`.

        Args:
            found: what is stored and may be served no more, if anything is.
        """
        plan, made = look.plan, None
        if self._patches and found is not None and self._is_broken(found):
            made = self._patched(look, found)
        if made is None and self._refills:
            made = self._composed(look) if plan.record is not None else self._derived(look)
        return made

    def _is_broken(self, found: Stored) -> bool:
        """Something it depends on changed, and nothing else is wrong with it."""
        ttl_s = found.ttl_s(self._clock.monotonic(), self._clock.now())
        return ttl_s > 0 and found.fence.standing() is Standing.BROKEN

    def _patched(self, look: Look, found: Stored) -> Made | None:
        changes = found.fence.changes()
        caller = look.caller
        if changes is None or any(
            caller is not None and (change.collection, change.record) == (caller.collection, caller.record)
            for change, _ in changes
        ):
            return None
        source = _Source(self._shelf, look)
        body = patched(look.plan, found.status, found.body, changes, auth_id=_auth_id(look), find=source.find)
        if body is None:
            return None
        stored_at = min(found.stored_at, source.known_at)
        stored = self._keep(
            look, found.status, _lines_of(found), body, stored_at=stored_at, ends_at=found.ends_at
        )
        return None if stored is None else Made(stored, Hit.PATCHED)

    def _composed(self, look: Look) -> Made | None:
        plan = look.plan
        assert plan.local is not None
        assert plan.record is not None
        if self._lines is None or plan.ends_at_midnight:
            return None
        source = _Source(self._shelf, look)
        fields = source.find(plan.collection, plan.record)
        auth_id = _auth_id(look)
        if fields is None or plan.local.condition.holds(values(fields), auth_id) is not True:
            return None
        hit = Hit.REFILLED if source.is_written else Hit.FROM_LIST
        row = compose(fields, plan.expands, source.find)
        if row is None or not shows_all(plan, row, auth_id):
            return None
        stored = self._keep(look, 200, self._lines, render_row(row), stored_at=source.known_at, ends_at=None)
        return None if stored is None else Made(stored, hit)

    def _derived(self, look: Look) -> Made | None:
        """A list of which all records that could be in it are known."""
        plan, local = look.plan, look.plan.local
        assert local is not None
        if self._lines is None or plan.ends_at_midnight or local.paging is None:
            return None
        source = _Source(self._shelf, look)
        records = self._candidates(look, source)
        if records is None:
            return None
        body = derived(plan, records, auth_id=_auth_id(look), find=source.find)
        if body is None:
            return None
        stored = self._keep(look, 200, self._lines, body, stored_at=source.known_at, ends_at=None)
        return None if stored is None else Made(stored, Hit.FROM_LIST)

    def _candidates(self, look: Look, source: "_Source") -> Sequence[Record] | None:
        plan, local = look.plan, look.plan.local
        assert local is not None
        if local.demand is not None:
            record_id = self._shelf.unique(plan.collection, *local.demand)
            fields = None if record_id is None else source.find(plan.collection, record_id)
            if fields is not None:
                found = Record(fields, values(fields))
                return [found] if found.values[local.demand[0]] == local.demand[1] else None
        if plan.parts or not (place := self._shelf.whole(plan.collection)):
            return None
        stored = self._fresh(*place)
        if stored is not None and local.is_too_much(len(stored.body)):
            return None
        whole = None if stored is None else self._shelf.records(*place, stored)
        if stored is None or whole is None:
            return None
        source.add(whole.shown, stored.stored_at)
        return whole.records

    def _fresh(self, slot: Key, plan: Plan) -> Stored | None:
        """What is stored there, brought up to date if need be."""
        stored = self._store.peek(slot)
        if stored is None or stored.is_live(self._clock.monotonic(), self._clock.now()):
            return stored
        if not self._patches or not self._is_broken(stored):
            return None
        made = self._patched(Look(plan, slot, None, is_private=False, auth_fields={}, version=0), stored)
        return None if made is None else made.stored

    def _keep(
        self,
        look: Look,
        status: int,
        headers: Headers,
        body: bytes,
        *,
        stored_at: float,
        ends_at: float | None,
    ) -> Stored | None:
        """Store it under the fence it would have been fetched under; ``None`` while a write is under way."""
        plan, caller = look.plan, look.caller
        tags = tags_of(look)
        if not self._coherence.covers(tags):
            return None
        found = self._keeping.read(look, status, body)
        fence = None if found is None else self._generations.fence(tags)
        if found is None or fence is None:
            return None
        if status == 200 and plan.record is not None:
            fence.waive({births(plan.collection)})
        is_good = fence.extend(found.tags)
        fence.fetched()
        if not is_good:
            return None
        if caller is not None and caller.record in found.members:
            return None
        self._keeping.learn(look, found)
        stored = self._keeping.stored(
            look,
            look.slot,
            found,
            fence,
            status=status,
            headers=headers,
            body=body,
            stored_at=stored_at,
            ends_at=ends_at,
        )
        self._store.put(look.slot, stored)
        return stored


class _Source:
    """Records as everybody is shown them; the caller's own is shown to them in another way."""

    def __init__(self, shelf: Shelf, look: Look) -> None:
        self._shelf = shelf
        self._caller = look.caller
        self._seen: Mapping[tuple[str, str], Fields] = {}
        self.is_written = False
        self.known_at = float("inf")

    def add(self, seen: Mapping[tuple[str, str], Fields], known_at: float) -> None:
        """Records that need not be looked for."""
        self._seen, self.known_at = seen, min(self.known_at, known_at)

    def find(self, collection: str, record: str) -> Fields | None:
        caller = self._caller
        if caller is not None and (collection, record) == (caller.collection, caller.record):
            return None
        if (collection, record) in self._seen:
            return self._seen[collection, record]
        found = self._shelf.find(collection, record)
        if found is None:
            return None
        self.is_written = self.is_written or found.is_written
        self.known_at = min(self.known_at, found.known_at)
        return found.fields


def _auth_id(look: Look) -> str | None:
    """What a rule reads as the caller's id, where all who share the answer have the same."""
    if look.caller is not None and look.is_private:
        return look.caller.record
    return "" if any(part.kind is PartKind.GUEST for part in look.plan.parts) else None


def _lines_of(stored: Stored) -> Headers:
    """Header lines PocketBase would write again."""
    return (*stored.headers, (b"Vary", b"Origin")) if stored.varies_by_origin else stored.headers
