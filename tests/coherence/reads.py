"""What is read, and how each answer is judged."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from tests.coherence.ledger import Fields, Row, Version
from tests.coherence.line import Answer
from tests.coherence.world import GUEST, ROOMS, SUPERUSER, World, belongs_to

Judge: TypeAlias = "Callable[[Read, int, Answer], None]"
_ALL = "perPage=200"


@dataclass(frozen=True)
class Read:
    """One read.

    Attributes:
        caller: as whom.
        method: ``GET`` or ``HEAD``.
        judge: called with the read, the moment right before it was sent, and the answer.
    """

    target: str
    caller: str
    judge: Judge
    method: str = "GET"

    @property
    def words(self) -> str:
        return f"{self.method} {self.target} as {self.caller or 'guest'}"


def _records(collection: str, rest: str = "") -> str:
    return f"/api/collections/{collection}/records{rest}"


def _shown(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every record in an answer, what is expanded included."""
    if isinstance(value, list):
        for item in value:
            yield from _shown(item)
    elif isinstance(value, dict):
        if "collectionName" in value and "rev" in value:
            yield value
        for name in ("items", "expand"):
            if name in value:
                yield from _shown(value[name])
        if "collectionName" not in value and "items" not in value:
            for child in value.values():
                yield from _shown(child)


def _is_there(_row: Row, version: Version) -> bool:
    return version is not None


class Reader:
    """Draws reads of a world.

    Args:
        world: the model answers are judged by.
        random: where draws come from.
    """

    def __init__(self, world: World, random: Random) -> None:
        self._world, self._ledger, self._random = world, world.ledger, random
        self._people = tuple(row.id for row in world.people)
        self._kinds: tuple[tuple[int, Callable[[str], Read]], ...] = (
            (20, lambda caller: self.view(random.choice(world.notes), caller)),
            (6, lambda caller: self.view(random.choice(tuple(world.all_replies)), caller)),
            (10, lambda caller: self.view(random.choice(world.people), caller)),
            (8, lambda caller: self.view(random.choice(world.diary), caller)),
            (8, self._note_with_family),
            (6, self._all_notes),
            (8, self._room),
            (8, self._of_owner),
            (6, self._replies_of),
            (4, self._replies_in_room),
            (5, self._replies_with_notes),
            (5, self._board),
            (5, self._board_row),
            (4, self._thread),
            (5, self._all_people),
            (8, self._diary_list),
            (3, self._projected),
            (3, self._newest),
        )
        self._weights = [weight for weight, _ in self._kinds]

    def draw(self) -> Read:
        """Any read, as anybody."""
        draw = self._random.random()
        caller = GUEST if draw < 0.4 else SUPERUSER if draw < 0.42 else self._random.choice(self._people)
        return self._random.choices(self._kinds, self._weights)[0][1](caller)

    def after(self, row: Row) -> Read:
        """A read that must show what was just written to ``row``."""
        caller = self._random.choice((GUEST, *self._people))
        views: list[Callable[[str], Read]] = [lambda who: self.view(row, who)]
        if row.collection == "notes":
            views += [lambda who: self._note_with_family(who, row), self._all_notes, self._board]
            views += [lambda who: self._board_row(who, row), lambda who: self._replies_of(who, row)]
        elif row.collection == "replies":
            views += [self._thread, self._replies_with_notes, self._board]
        elif row.collection == "diary":
            views += [self._diary_list]
            caller = self._random.choice(self._people)
        else:
            views += [self._all_people, self._of_owner]
        return self._random.choice(views)(caller)

    def view(self, row: Row, caller: str) -> Read:
        """One record, which need not be there."""
        method = "HEAD" if self._random.random() < 0.05 else "GET"

        def is_member(_row: Row, version: Version) -> bool:
            return belongs_to(caller, version) if row.collection == "diary" else version is not None

        def judge(read: Read, sent: int, answer: Answer) -> None:
            self._judge_shown(read, sent, answer)
            self._ledger.judge_there(row, answer.status == 200, sent, is_member, read.words)

        return Read(_records(row.collection, f"/{row.id}"), caller, judge, method)

    def _note_with_family(self, caller: str, row: Row | None = None) -> Read:
        note = row or self._random.choice(self._world.notes)

        def judge(read: Read, sent: int, answer: Answer) -> None:
            self._judge_shown(read, sent, answer)
            self._ledger.judge_there(note, answer.status == 200, sent, _is_there, read.words)
            if answer.status == 200:
                expanded = answer.json.get("expand", {}).get("replies_via_note", [])
                self._members(read, sent, self._world.replies[note.id], expanded)

        return Read(_records("notes", f"/{note.id}?expand=owner,replies_via_note"), caller, judge)

    def _list(
        self,
        target: str,
        caller: str,
        rows: Iterable[Row],
        is_member: Callable[[Row, Version], bool] = _is_there,
        beside: Callable[[Row], tuple[Row, Callable[[Version], bool]]] | None = None,
    ) -> Read:
        """A list that shows all its rows on its one page."""

        def judge(read: Read, sent: int, answer: Answer) -> None:
            if not self._judge_shown(read, sent, answer):
                return
            bounds = self._members(read, sent, rows, answer.json["items"], is_member, beside)
            if "skipTotal" not in target:
                self._ledger.judge_count(answer.json["totalItems"], bounds, read.words)

        return Read(target, caller, judge)

    def _all_notes(self, caller: str) -> Read:
        more = self._random.choice(("", "&sort=-rev", "&expand=owner"))
        return self._list(_records("notes", f"?{_ALL}{more}"), caller, self._world.notes)

    def _room(self, caller: str) -> Read:
        room = self._random.choice(ROOMS)
        target = _records("notes", f"?{_ALL}&filter=room='{room}'")
        return self._list(target, caller, self._world.notes, lambda _, v: v is not None and v["room"] == room)

    def _of_owner(self, caller: str) -> Read:
        owner = self._random.choice(self._people)
        target = _records("notes", f"?{_ALL}&expand=owner&filter=owner='{owner}'&skipTotal=1")
        return self._list(
            target, caller, self._world.notes, lambda _, v: v is not None and v["owner"] == owner
        )

    def _replies_of(self, caller: str, row: Row | None = None) -> Read:
        note = row or self._random.choice(self._world.notes)
        target = _records("replies", f"?{_ALL}&filter=note='{note.id}'")
        return self._list(target, caller, self._world.replies[note.id])

    def _replies_in_room(self, caller: str) -> Read:
        room = self._random.choice(ROOMS)
        target = _records("replies", f"?{_ALL}&filter=note.room='{room}'")

        def is_in_room(version: Version) -> bool:
            return version is not None and version["room"] == room

        return self._list(
            target,
            caller,
            tuple(self._world.all_replies),
            beside=lambda reply: (self._note_of(reply), is_in_room),
        )

    def _replies_with_notes(self, caller: str) -> Read:
        return self._list(
            _records("replies", f"?{_ALL}&expand=note.owner"), caller, tuple(self._world.all_replies)
        )

    def _board(self, caller: str) -> Read:
        return self._list(_records("board", f"?{_ALL}"), caller, self._world.notes)

    def _board_row(self, caller: str, row: Row | None = None) -> Read:
        note = row or self._random.choice(self._world.notes)

        def judge(read: Read, sent: int, answer: Answer) -> None:
            self._judge_shown(read, sent, answer)
            self._ledger.judge_there(note, answer.status == 200, sent, _is_there, read.words)

        return Read(_records("board", f"/{note.id}"), caller, judge)

    def _thread(self, caller: str) -> Read:
        return self._list(_records("thread", f"?{_ALL}"), caller, tuple(self._world.all_replies))

    def _all_people(self, caller: str) -> Read:
        return self._list(_records("people", f"?{_ALL}"), caller, self._world.people)

    def _diary_list(self, caller: str) -> Read:
        if caller == GUEST:  # PocketBase delays empty lists under a rule on purpose
            caller = self._random.choice(self._people)
        return self._list(
            _records("diary", f"?{_ALL}"), caller, self._world.diary, lambda _, v: belongs_to(caller, v)
        )

    def _projected(self, caller: str) -> Read:
        target = _records("notes", f"?{_ALL}&fields=id,rev,room,collectionName")
        return self._list(target, caller, self._world.notes)

    def _newest(self, caller: str) -> Read:
        def judge(read: Read, sent: int, answer: Answer) -> None:
            if self._judge_shown(read, sent, answer):
                revs = [item["rev"] for item in answer.json["items"]]
                if revs != sorted(revs, reverse=True):
                    self._ledger.findings.add("wrong", f"{read.words}: not sorted")

        return Read(_records("notes", "?perPage=8&sort=-rev"), caller, judge)

    def _note_of(self, reply: Row) -> Row:
        return next(note for note in self._world.notes if reply in self._world.replies[note.id])

    def _members(
        self,
        read: Read,
        sent: int,
        rows: Iterable[Row],
        items: Iterable[Mapping[str, Any]],
        is_member: Callable[[Row, Version], bool] = _is_there,
        beside: Callable[[Row], tuple[Row, Callable[[Version], bool]]] | None = None,
    ) -> tuple[int, int]:
        shown = {item["id"]: item for item in items}
        return self._ledger.judge_members(rows, shown, sent, is_member, read.words, beside)

    def _judge_shown(self, read: Read, sent: int, answer: Answer) -> bool:
        """Judge every record in an answer; whether it was answered 200."""
        if answer.status not in (200, 404) or (answer.status == 404 and "?perPage" in read.target):
            self._ledger.findings.add("failed", f"{read.words}: {answer.status} {answer.body[:200]!r}")
        if answer.status != 200 or read.method == "HEAD":
            return False
        for record in _shown(answer.json):
            self._judge_record(read, sent, record)
        return True

    def _judge_record(self, read: Read, sent: int, record: Mapping[str, Any]) -> None:
        collection, where = record["collectionName"], read.words
        ledger = self._ledger
        if collection == "board":
            note = ledger.row("notes", record["id"])
            ledger.judge_row(note, record, sent, where)
            windows = [reply.window(sent) for reply in self._world.replies[note.id]]
            least = sum(all(version is not None for version in window) for window in windows)
            most = sum(any(version is not None for version in window) for window in windows)
            ledger.judge_count(record["replies"], (least, most), f"{where}: replies of {note.id}")
        elif collection == "thread":
            ledger.judge_row(ledger.row("replies", record["id"]), _only(record, "rev", "note"), sent, where)
            beside = {"rev": record["note_rev"], "room": record["room"]}
            ledger.judge_row(ledger.row("notes", record["note"]), beside, sent, where)
        else:
            row = ledger.row(collection, record["id"])
            ledger.judge_row(row, record, sent, where)
            if collection == "people":
                may_see = record["emailVisibility"] or read.caller in (SUPERUSER, row.id)
                if ("email" in record) != may_see:
                    ledger.findings.add("wrong", f"{where}: e-mail of {row.id} is {may_see=}")


def _only(record: Mapping[str, Any], *names: str) -> Fields:
    return {name: record[name] for name in names}
