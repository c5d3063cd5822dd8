"""Keep a log of every change: who changed what, and when.

Switch it on in config.toml::

    [plugins.audit_log]
    is_enabled = true
    collections = ["*"]             # all but system ones
    values = ["orders", "users"]    # of these the log has the old and new values, too
    days = 90                       # how long it is kept

The log is the collection ``hapta_changes``, which only superusers read. ``who`` is ``users/<id>`` or
``guest`` for what went through Hapta, and empty for what did not: another program's write, a hook of
PocketBase's, a row that went with a deleted one, the dashboard at PocketBase's own port.

Two sources make one row. The change feed tells of every change, but not whose it is; Hapta knows the writer,
but only of what goes through it. Whichever comes first waits for the other, two seconds at most. What both
say is kept in memory until PocketBase has it: a crash loses the last moments, an outage of PocketBase nothing
until ``most_waiting`` changes wait.

Fields whose names speak of passwords, tokens or secrets are never logged.
"""

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from secrets import choice
from string import ascii_lowercase, digits
from typing import Annotated, Any

from msgspec import Meta

from hapta.plugins import (
    BatchWrite,
    Change,
    DatabaseError,
    HaptaError,
    PluginApi,
    Record,
    RowChange,
    Settings,
    Written,
)

LOG = "hapta_changes"
WAITS_S = 2.0
"""So long the feed's word of a change and Hapta's wait for each other."""
AT_ONCE = 50
"""Rows in one request; PocketBase takes 50 by default."""
REMEMBERED = 2_000
"""Rows whose last state is kept, to tell what a change behind Hapta changed."""
LONGEST = 500
"""Characters of a logged value."""

_NEVER = re.compile("password|token|secret", re.IGNORECASE)
_NO_NEWS = frozenset({"collectionId", "collectionName", "expand", "updated"})


class AuditLog(Settings, frozen=True):
    collections: tuple[str, ...] = ("*",)
    """Collections that are logged."""
    values: tuple[str, ...] = ()
    """Those of which old and new values are logged; Hapta reads the row before each write to them."""
    days: Annotated[int, Meta(ge=1)] = 90
    """How long a row of the log is kept."""
    most_waiting: Annotated[int, Meta(ge=100)] = 10_000
    """Changes kept in memory while PocketBase does not take them; further ones are lost, and logged so."""


@dataclass(slots=True)
class Entry:
    """A change, as far as it is known.

    Attributes:
        id: of the row in the log.
        record: id of the changed row; empty while only a write is known that does not show it.
        old, new: what the row was and is; ``None`` where it was not or is not there, or is not known.
        is_told: the feed has told of it; else Hapta has carried it out.
        until: the instant to which it waits for the other.
    """

    collection: str
    action: str
    record: str
    until: float
    id: str = field(default_factory=lambda: "".join(choice(ascii_lowercase + digits) for _ in range(15)))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    who: str = ""
    address: str = ""
    request: str = ""
    old: Record | None = None
    new: Record | None = None
    is_told: bool = False


class Joiner:
    """Puts together what the feed and Hapta say of one change."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str, bool], list[Entry]] = {}

    def add(self, entry: Entry) -> Entry | None:
        """One of both; the whole, or ``None`` if the other is still to come."""
        other = self._other(entry)
        if other is None:
            self._open.setdefault(_key(entry), []).append(entry)
            return None
        told, written = (entry, other) if entry.is_told else (other, entry)
        written.record, written.is_told = told.record, True
        written.new = told.new or written.new
        written.old = written.old or told.old
        return written

    def _other(self, entry: Entry) -> Entry | None:
        collection, action, record, is_told = _key(entry)
        keys = [(collection, action, record, not is_told), (collection, action, "", not is_told)]
        if not record:  # a create whose answer does not show the row
            keys += [key for key in self._open if key[:2] == (collection, action) and key[3] is not is_told]
        for key in keys:
            if key in self._open:
                others = self._open[key]
                other = others.pop(0)
                if not others:
                    del self._open[key]
                return other
        return None

    def due(self, now: float) -> list[Entry]:
        """Those that have waited long enough, in their order."""
        entries = sorted(
            (entry for entries in self._open.values() for entry in entries), key=lambda entry: entry.until
        )
        self._open = {}
        for entry in entries:
            if entry.until > now:
                self._open.setdefault(_key(entry), []).append(entry)
        return [entry for entry in entries if entry.until <= now]


def _key(entry: Entry) -> tuple[str, str, str, bool]:
    return (entry.collection, entry.action, entry.record, entry.is_told)


@dataclass(slots=True)
class Seen:
    """What the feed has told of a row."""

    record: Record | None = None
    is_created: bool = False
    is_gone: bool = False

    def knows(self, event: RowChange) -> bool:
        """Whether this is an event heard before: the feed tells of each at least once."""
        if event.action == "create":
            return self.is_created
        if event.action == "delete":
            return self.is_gone
        return event.record is not None and event.record == self.record

    def take(self, event: RowChange) -> None:
        """It is news."""
        self.is_gone = event.action == "delete"
        self.is_created = not self.is_gone and (self.is_created or event.action == "create")
        self.record = None if self.is_gone else event.record


class Memory:
    """What was told of the rows heard of last."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[str, str], Seen] = OrderedDict()

    def of(self, event: RowChange) -> Seen:
        """Of the row of an event."""
        key = (event.collection, event.id)
        seen = self._rows.setdefault(key, Seen())
        self._rows.move_to_end(key)
        if len(self._rows) > REMEMBERED:
            self._rows.popitem(last=False)
        return seen


def differences(old: Record | None, new: Record | None) -> dict[str, list[Any]]:
    """What changed, as ``{field: [old, new]}``; of a row that was not known before, all it is now."""
    before, after = old or {}, new or {}
    names = [name for name in {**before, **after} if name not in _NO_NEWS and not _NEVER.search(name)]
    return {
        name: [_short(before.get(name)), _short(after.get(name))]
        for name in names
        if before.get(name) != after.get(name)
    }


def _short(value: Any) -> Any:
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, dict | list):
        value = _public(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return value if len(text) <= LONGEST else text[:LONGEST] + "…"


def _public(value: Any) -> Any:
    """The same without members whose names speak of secrets."""
    if isinstance(value, dict):
        return {name: _public(each) for name, each in value.items() if not _NEVER.search(str(name))}
    return [_public(each) for each in value] if isinstance(value, list) else value


def collection() -> Mapping[str, Any]:
    """The log."""
    texts = [{"name": name, "type": "text"} for name in ("collection", "record", "action", "who", "address")]
    return {
        "name": LOG,
        "fields": [
            {"name": "at", "type": "date"},
            *texts,
            {"name": "request", "type": "text"},
            {"name": "changed", "type": "json"},
        ],
        "indexes": [
            f"CREATE INDEX `idx_{LOG}_at` ON `{LOG}` (`at`)",
            f"CREATE INDEX `idx_{LOG}_record` ON `{LOG}` (`collection`, `record`)",
        ],
    }


def setup(api: PluginApi) -> None:
    settings = api.settings(AuditLog)
    joiner, memory = Joiner(), Memory()
    waiting: list[Entry] = []
    lost = 0
    news, storing = asyncio.Event(), asyncio.Lock()

    def add(entry: Entry | None) -> None:
        nonlocal lost
        if entry is None:
            return
        if len(waiting) >= settings.most_waiting:
            lost += 1
            return
        waiting.append(entry)
        news.set()

    def until() -> float:
        return asyncio.get_running_loop().time() + WAITS_S

    if settings.values:

        @api.validate(*settings.values, on={"update", "delete"}, priority=100)
        async def look_before(change: Change) -> None:
            await change.old()  # asked for once: `written` gets what it was, not what it is

    @api.after_write(*settings.collections)
    async def written(write: Written) -> None:
        change, shown = write.change, write.record or {}
        entry = Entry(change.collection, change.action, change.id or str(shown.get("id", "")), until())
        entry.who = "guest" if change.caller is None else f"{change.caller.collection}/{change.caller.id}"
        entry.address, entry.request = change.address, change.request_id
        if change.collection in settings.values:
            entry.old = await change.old() if change.action != "create" else None
            if change.action != "delete":
                entry.new = {**(entry.old or {}), **change.fields}
        add(joiner.add(entry))

    @api.on_change(*settings.collections)
    async def told(event: RowChange) -> None:
        seen = memory.of(event)
        if seen.knows(event):
            return
        entry = Entry(event.collection, event.action, event.id, until(), is_told=True)
        entry.old, entry.new = seen.record, event.record
        if event.action == "delete":
            entry.old, entry.new = seen.record or event.record, None
        seen.take(event)
        add(joiner.add(entry))

    @api.startup
    async def begin() -> None:
        await api.database.ensure_collection(collection())
        api.spawn(keep(), name="audit log")
        api.spawn(sweep(), name="audit log's sweep")

    @api.shutdown
    async def end() -> None:
        for entry in joiner.due(float("inf")):
            add(entry)
        await store()

    async def keep() -> None:
        while True:
            try:
                async with asyncio.timeout(WAITS_S / 4):
                    await news.wait()
            except TimeoutError:
                pass
            news.clear()
            for entry in joiner.due(asyncio.get_running_loop().time()):
                add(entry)
            try:
                await store()
            except (DatabaseError, HaptaError) as exc:
                api.log.warning(f"the audit log waits for PocketBase: {exc}", waiting=len(waiting))
                await asyncio.sleep(WAITS_S)

    async def store() -> None:
        nonlocal lost
        if lost:
            api.log.error("changes are missing in the audit log: too many waited for PocketBase", lost=lost)
            lost = 0
        async with storing:
            while waiting:
                entries = waiting[:AT_ONCE]
                await write([row(entry) for entry in entries])
                del waiting[: len(entries)]

    async def write(rows: Iterable[Record]) -> None:
        try:
            # not create: what is tried again may have been done
            await api.database.batch([BatchWrite("upsert", LOG, fields=each) for each in rows])
        except DatabaseError as exc:
            if exc.status not in (400, 403):
                raise
            for each in rows:  # the batch API is off, or takes fewer at once
                await write_one(each)

    async def write_one(each: Record) -> None:
        try:
            await api.database.create(LOG, each)
        except DatabaseError as exc:
            if "id" in exc.data:  # it is there
                return
            if exc.status != 400:
                raise
            api.log.error(f"PocketBase refuses a row of the audit log: {exc}", record=each["record"])

    def row(entry: Entry) -> Record:
        is_in_full = entry.collection in settings.values
        return {
            "id": entry.id,
            "at": entry.at,
            "collection": entry.collection,
            "record": entry.record,
            "action": entry.action,
            "who": entry.who,
            "address": entry.address,
            "request": entry.request,
            "changed": differences(entry.old, entry.new) if is_in_full else None,
        }

    async def sweep() -> None:
        while True:
            try:
                await remove_before(datetime.now(UTC) - timedelta(days=settings.days))
            except (DatabaseError, HaptaError) as exc:
                api.log.warning(f"old rows of the audit log could not be removed: {exc}")
            await asyncio.sleep(24 * 3600)

    async def remove_before(moment: datetime) -> None:
        while old := await api.database.list(LOG, filter="at < {:moment}", params={"moment": moment}):
            for each in old:
                try:
                    await api.database.delete(LOG, each["id"])
                except DatabaseError as exc:
                    if exc.status != 404:  # another Hapta sweeps as well
                        raise
