"""Which events of the change feed are echoes of own writes, and which tell something new.

Each committed write to a row has one event, which comes before the answer or after it. That of an own write
says nothing new: its tags were open until the answer came and moved then. It is known by its payload, which
shows in every field what the answer shows; and only once for each own write, so of two events that look alike
one counts as news. All others are news.

* An event about a row that one own write is changing just now is *held* until that one is answered: nothing
  that depends on the row is served meanwhile.
* A write whose row was changed by another one meanwhile, own or foreign, is *contended*: nobody knows which
  of both states was last, nor whether its event came already. So none is expected of it: one that comes is
  news.
* A create whose id nobody knows before its answer cannot hold its event. The event moves the tags, with a
  :class:`~hapta.cache.changes.Change` that is told what it was when the answer comes.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeAlias

import orjson

from hapta.cache.changes import Change
from hapta.model.clock import Clock

Row: TypeAlias = Mapping[str, Any]

ECHO_WITHIN_S: Final = 10.0
"""After so long an event is news, whatever it looks like."""
MAX_HELD: Final = 8
"""Events held for one write."""
_REMEMBERED: Final = 4096


class Event(Protocol):
    """What the change feed tells."""

    @property
    def collection_id(self) -> str:
        """Of the row's collection."""
        ...

    @property
    def record_id(self) -> str:
        """Of the row."""
        ...

    @property
    def action(self) -> str:
        """``create``, ``update`` or ``delete``."""
        ...

    @property
    def record(self) -> Row | None:
        """All of it, as superusers see it, if it was asked for; of a delete the row before it."""
        ...


class OwnWrite:
    """An own write to one row, under way; made by :meth:`Echoes.begin`.

    Attributes:
        before: of a delete that was answered, the row before it, if its event came.
        early: of a create that was answered, what its event moved tags with, if that came before the answer.
        is_echoed: its event came before the answer.
    """

    __slots__ = (
        "_arrived",
        "_began",
        "_echoes",
        "_held",
        "_is_contended",
        "_is_over",
        "action",
        "before",
        "collection",
        "early",
        "is_echoed",
        "record",
    )

    def __init__(
        self,
        echoes: "Echoes",
        collection: str,
        record: str | None,
        action: str,
        *,
        began: int,
        is_contended: bool,
    ) -> None:
        self.collection = collection
        self.record = record
        self.action = action
        self.before: Row | None = None
        self.early: Change | None = None
        self.is_echoed = False
        self._echoes = echoes
        self._began = began
        self._is_contended = is_contended
        self._held: list[Event] = []
        self._is_over = False
        self._arrived: asyncio.Event | None = None

    async def await_event(self, timeout_s: float) -> None:
        """Wait for an event about the row, if none has come yet."""
        if self._held or self._is_contended or self._is_over:
            return
        self._arrived = asyncio.Event()
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return

    def answered(self, row: Row | None) -> tuple[bool, list[Event]]:
        """It is over.

        Args:
            row: as the answer shows it, of a delete an empty one; ``None`` where nothing was committed or the
                answer does not tell what became of the row.

        Returns:
            Whether it was the only one to change the row meanwhile, and the events held that were no echo.
        """
        if self._is_over:
            return False, []
        self._is_over = True
        return self._echoes.end(self, row, self._held)

    # for Echoes

    @property
    def began(self) -> int:
        """Number of the write that ended last when it began."""
        return self._began

    @property
    def is_contended(self) -> bool:
        """Another write to its row is, or was, under way at the same time."""
        return self._is_contended

    def contend(self) -> None:
        """Another one changes the row."""
        self._is_contended = True

    def hold(self, event: Event) -> bool:
        """Keep an event until it is over; whether there was room."""
        if len(self._held) >= MAX_HELD:
            return False
        self._held.append(event)
        if self._arrived is not None:
            self._arrived.set()
        return True


class Echoes:
    """All own writes to single rows.

    Args:
        clock: monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[tuple[str, str], list[OwnWrite]] = {}
        self._creating: dict[str, int] = {}
        self._early: OrderedDict[tuple[str, str], tuple[Row, Change]] = OrderedDict()
        self._expected: OrderedDict[tuple[str, str, str], list[tuple[Row, float]]] = OrderedDict()
        self._ended = 0
        self._ends: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._forgotten_before = 0

    def check_invariants(self) -> None:
        """Nothing is kept of what is over, but what is bounded."""
        assert all(self._open.values())
        assert all(count > 0 for count in self._creating.values())
        for table in (self._early, self._expected, self._ends):
            assert len(table) <= _REMEMBERED

    def begin(self, collection: str, record: str | None, action: str) -> OwnWrite:
        """A write to one row is about to be sent.

        Args:
            record: its id; ``None`` for a create of which only the answer tells it.
        """
        if record is None:
            self._creating[collection] = self._creating.get(collection, 0) + 1
            return OwnWrite(self, collection, None, action, began=self._ended, is_contended=False)
        others = self._open.setdefault((collection, record), [])
        for other in others:
            other.contend()
        write = OwnWrite(self, collection, record, action, began=self._ended, is_contended=bool(others))
        others.append(write)
        return write

    def other_ended(self, collection: str, record: str) -> None:
        """A write that is not followed here may have changed this row, and was answered."""
        self._note_end(collection, record)

    def hold(self, event: Event) -> bool:
        """Whether an own write under way keeps the event until it is over: nothing is to be done now."""
        writes = self._open.get((event.collection_id, event.record_id), ())
        if len(writes) == 1 and writes[0].hold(event):
            return True
        for write in writes:
            write.contend()
        return False

    def is_echo(self, event: Event) -> bool:
        """Whether it says what the answer to an own write said; once for each."""
        key = (event.collection_id, event.record_id, event.action)
        expected = self._expected.get(key)
        if expected is None:
            return False
        now = self._clock.monotonic()
        for at, (row, until) in enumerate(expected):
            if until > now and _is_same(row, event):
                del expected[at]
                if not expected:
                    del self._expected[key]
                return True
        return False

    def news_of(self, event: Event) -> Change | None:
        """What its tags are moved with, where it may turn out to be the echo of a create under way; what that
        created has changed since, if the event tells of anything else."""
        if event.collection_id not in self._creating:
            return None
        if event.action != "create":
            self._note_end(event.collection_id, event.record_id)
            return None
        if event.record is None:
            return None
        change = Change(event.collection_id, event.record_id, "create")
        self._early[event.collection_id, event.record_id] = (event.record, change)
        _trim(self._early)
        return change

    # for writes

    def end(self, write: OwnWrite, row: Row | None, held: list[Event]) -> tuple[bool, list[Event]]:
        """As :meth:`OwnWrite.answered`."""
        record, early = write.record, None
        if record is None:
            record = row.get("id") if row is not None else None
            early = self._early.pop((write.collection, record), None) if isinstance(record, str) else None
            self._release_create(write.collection)
            if not isinstance(record, str):
                return False, held
            is_sole = self._is_untouched_since(write, record)
        else:
            self._release(write, record)
            is_sole = not write.is_contended
        self._note_end(write.collection, record)
        if row is None:
            return False, held
        news = self._sort(write, row, held)
        if early is not None:
            write.is_echoed = _shows(early[0], row)
            write.early = early[1] if write.is_echoed else None
            is_sole = is_sole and write.is_echoed
        elif not write.is_echoed and not write.is_contended:
            self._expect(write, record, row)
        return is_sole and not news, news

    def _sort(self, write: OwnWrite, row: Row, held: list[Event]) -> list[Event]:
        """Find the echo among the events held; the others."""
        for at, event in enumerate(held):
            if event.action == write.action and _is_same(row, event):
                write.is_echoed = True
                if event.action == "delete":
                    write.before = event.record
                return held[:at] + held[at + 1 :]
        return held

    def _expect(self, write: OwnWrite, record: str, row: Row) -> None:
        until = self._clock.monotonic() + ECHO_WITHIN_S
        key = (write.collection, record, write.action)
        expected = self._expected.pop(key, [])
        self._expected[key] = [*expected[-MAX_HELD:], (row, until)]
        _trim(self._expected)

    def _release(self, write: OwnWrite, record: str) -> None:
        key = (write.collection, record)
        writes = self._open[key]
        writes.remove(write)
        if not writes:
            del self._open[key]

    def _release_create(self, collection: str) -> None:
        self._creating[collection] -= 1
        if not self._creating[collection]:
            del self._creating[collection]
            for key in [key for key in self._early if key[0] == collection]:
                del self._early[key]

    def _is_untouched_since(self, write: OwnWrite, record: str) -> bool:
        """Whether no own write to what it created is under way, or has ended since it began."""
        key = (write.collection, record)
        if key in self._open or write.began < self._forgotten_before:
            return False
        return self._ends.get(key, -1) <= write.began

    def _note_end(self, collection: str, record: str) -> None:
        self._ended += 1
        self._ends.pop((collection, record), None)
        self._ends[collection, record] = self._ended
        if len(self._ends) > _REMEMBERED:
            _, self._forgotten_before = self._ends.popitem(last=False)


def _is_same(row: Row, event: Event) -> bool:
    if event.action == "delete":
        return True  # there is nothing to be compared, and a row is deleted once
    return event.record is not None and _shows(event.record, row)


def _shows(payload: Row, row: Row) -> bool:
    """Whether what superusers see is, in every field that the answer shows, the same.

    As JSON, where 1 and true are two things. An expand is no field.
    """
    shown = {name: value for name, value in row.items() if name != "expand"}
    if not shown or not payload.keys() >= shown.keys():
        return False
    return _written(shown) == _written({name: payload[name] for name in shown})


def _written(row: Row) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def _trim(table: "OrderedDict[Any, Any]") -> None:
    if len(table) > _REMEMBERED:
        table.popitem(last=False)
