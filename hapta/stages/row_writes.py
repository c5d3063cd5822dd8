"""Own writes to one row each, from their body to what became of the row.

What a write asks for and what PocketBase answers say together what it did: which fields it may have touched,
and what everybody is shown of the row now (:mod:`hapta.cache.changes`). That is told to whoever keeps rows,
and the event of the change feed that says the same again is no news (:mod:`hapta.cache.echoes`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from msgspec import Raw

from hapta.cache.assembly import OddBody, parse_row, public_fields
from hapta.cache.changes import Change, Journal, touched_fields
from hapta.cache.echoes import Echoes, Event, OwnWrite
from hapta.cache.generations import Mark
from hapta.cache.known_rows import KnownRows, RowWrite
from hapta.cache.shelf import Shelf
from hapta.cache.tags import Tag, all_rows
from hapta.model.schema import Collection

Members: TypeAlias = Mapping[str, Any]

EVENT_WITHIN_S: Final = 0.025
"""So long the answer to a delete waits for its event, which alone tells what the row was: they come within
two milliseconds of each other."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer says became of the row.

    Attributes:
        row: decoded, as its writer sees it; empty after a delete.
        body: the same as it was written.
    """

    row: Members
    body: bytes


class FollowedWrite:
    """A write under way, followed where it is one to a single row and no hook can add to it.

    Args:
        collection: of the row; ``None``: it is not followed.
        members: of its body, where that is a JSON object.
        mark: where the row stood when it was announced.
    """

    __slots__ = ("_collection", "_mark", "_members", "_others", "_own", "_site", "_write")

    def __init__(
        self,
        site: "RowWrites",
        write: RowWrite,
        collection: Collection | None = None,
        own: OwnWrite | None = None,
        members: Members | None = None,
        mark: Mark | None = None,
        others: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self._site = site
        self._write = write
        self._collection = collection
        self._own = own
        self._members = members
        self._mark = mark
        self._others = others

    @property
    def wants_outcome(self) -> bool:
        """What its answer shows of the row is worth knowing."""
        return self._own is not None

    async def before_close(self) -> None:
        """Of a delete that was carried out, wait for what the row was."""
        if self._own is not None and self._own.action == "delete":
            await self._own.await_event(EVENT_WITHIN_S)

    def close(self, *, has_changed: bool, outcome: Outcome | None = None) -> None:
        """It was answered.

        Args:
            has_changed: ``False`` only where it is certain that nothing was committed.
            outcome: what the answer shows of the row; ``None`` where it does not tell.
        """
        own, collection = self._own, self._collection
        if own is None or collection is None:
            self._write.close(has_changed=has_changed)
            self._end_others()
            return
        row = outcome.row if has_changed and outcome is not None else None
        is_sole, news = own.answered(row)
        if own.record is not None and (self._mark is None or not self._mark.is_current()):
            is_sole = False  # a batch, or what goes with a deleted row, was answered meanwhile
        change = None
        if is_sole and outcome is not None:
            change = self._change(own, collection, outcome)
        self._write.close(has_changed=has_changed, row=row, change=change, is_sole=is_sole)
        if change is not None:
            self._site.shelf.wrote(change)
        if own.is_echoed and own.record is not None:
            self._site.rows.echoed(collection.id, own.record)
        self._tell(news)

    def lose(self, doubted_for_s: float) -> None:
        """Its answer was lost."""
        news = [] if self._own is None else self._own.answered(None)[1]
        self._write.lose(doubted_for_s)
        self._end_others()
        self._tell(news)

    def _end_others(self) -> None:
        for collection, record in self._others:
            self._site.echoes.other_ended(collection, record)

    def _tell(self, news: list[Event]) -> None:
        for event in news:
            self._site.on_news(event)

    def _change(self, own: OwnWrite, collection: Collection, outcome: Outcome) -> Change | None:
        record, fields, touched = own.record, None, None
        if own.action != "delete":
            record = outcome.row.get("id")
            try:
                fields = public_fields(collection, parse_row(outcome.body))
            except OddBody:
                return None
            if fields is None or not isinstance(record, str):
                return None
        if own.action == "update":
            touched = touched_fields(collection, self._members)
        if record is None:
            return None
        change = own.early or Change(collection.id, record, own.action)
        if fields is not None:  # not to keep the whole answer
            fields = {name: Raw(bytes(raw)) for name, raw in fields.items()}
        change.tell(began_at=self._write.began_at, touched=touched, row=fields, before=own.before)
        self._site.journal.add(change)
        return change


class RowWrites:
    """Where own writes are announced, and events about rows are told from their echoes.

    Args:
        rows: what is known of rows.
        echoes: tells echoes from news.
        journal: where changes are kept.
        shelf: told of each of them.
        on_news: told of each event that turned out to be news.
    """

    def __init__(
        self,
        rows: KnownRows,
        echoes: Echoes,
        journal: Journal,
        shelf: Shelf,
        on_news: Callable[[Event], None],
    ) -> None:
        self.rows = rows
        self.journal = journal
        self.shelf = shelf
        self.on_news = on_news
        self.echoes = echoes

    def begin(
        self,
        announced: frozenset[Tag],
        collection: Collection | None,
        record: str | None,
        action: str,
        *,
        members: Members | None = None,
        is_followed: bool = False,
        is_open: bool = True,
        keeps_files: bool = False,
    ) -> FollowedWrite:
        """Announce one.

        Args:
            announced: its tags.
            collection: of its one row; ``None`` for any other write.
            record: the row's id; of a create the one it asks for, if any.
            action: ``create``, ``update`` or ``delete``.
            members: of its body, where that is a JSON object.
            is_followed: no hook can add to it.
            is_open, keeps_files: as of :meth:`~hapta.cache.generations.Generations.begin`.
        """
        write = self.rows.begin(
            announced,
            None if collection is None else collection.id,
            record,
            action,
            is_open=is_open,
            keeps_files=keeps_files,
        )
        # rows of its own that go with a deleted one have changes nobody tells
        if collection is None or not is_followed or all_rows(collection.id) in announced:
            return FollowedWrite(self, write, others=_records(announced))
        own = self.echoes.begin(collection.id, record, action)
        mark = None if record is None else self.rows.mark(collection.id, record)
        return FollowedWrite(self, write, collection, own, members, mark)

    def told(self, event: Event) -> None:
        """The change feed tells of a row."""
        if self.echoes.is_echo(event):  # of one that is over, also while the next is under way
            self.rows.echoed(event.collection_id, event.record_id)
        elif self.echoes.hold(event):
            self.rows.held(event.collection_id, event.record_id, event.action, event.record)
        else:
            self.on_news(event)


def _records(announced: frozenset[Tag]) -> tuple[tuple[str, str], ...]:
    return tuple((tag[1], tag[2]) for tag in announced if tag[0] == "record")
