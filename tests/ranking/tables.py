"""Tables that follow a real PocketBase, and what they are held against: a table made from nothing."""

import asyncio
import time
from typing import Any

from hapta.app.ranked.live import LiveTable
from hapta.app.ranked_tables import RankedTables
from hapta.config.feeds import read_feeds
from hapta.feed import Change
from hapta.observe.ranked_metrics import RankedTableMetrics
from hapta.ranking.arena import HeapArena
from hapta.ranking.features import NONE
from hapta.ranking.spec import FeedSpec
from hapta.ranking.table import FeatureTable
from tests.feed.support import Following, holds
from tests.support.pocketbase import PocketBase

FOLLOWS = {
    "id": "pbc_follows0001",
    "name": "follows",
    "type": "base",
    "listRule": "",
    "fields": [
        {"name": "who", "type": "relation", "collectionId": "_pb_users_auth_", "maxSelect": 1},
        {"name": "whom", "type": "relation", "collectionId": "_pb_users_auth_", "maxSelect": 1},
    ],
}
HOME: dict[str, Any] = {
    "collection": "posts",
    "author": "author",
    "pinned": "featured",
    "topics": ["topics", "tags"],
    "filter": 'status != "draft"',
    "signals": {
        "views": {"field": "views"},
        "linked": {"field": "body", "has": "link"},
        "comments": {"collection": "comments", "relation": "post"},
        "followers": {"collection": "follows", "relation": "whom", "of": "author"},
    },
    "follows": {"people": {"collection": "follows", "from": "who", "to": "whom"}},
    "engaged": {"comments": {"collection": "comments", "from": "author", "to": "post"}},
}
PLAIN: dict[str, Any] = {"collection": "posts", "signals": {"comments": HOME["signals"]["comments"]}}


def add_follows(pocketbase: PocketBase) -> None:
    body = {"collections": [FOLLOWS], "deleteMissing": False}
    pocketbase.admin.put("/api/collections/import", json=body).raise_for_status()
    for who, whom in ((1, 2), (1, 3), (2, 1)):
        row = {"who": f"user{who:011}", "whom": f"user{whom:011}"}
        pocketbase.admin.post("/api/collections/follows/records", json=row).raise_for_status()


class Tables:
    """Tables of feeds, on a feed of their own."""

    def __init__(self, following: Following, feeds: dict[str, Any], origins: dict[str, str]) -> None:
        self.following = following
        self.metrics = RankedTableMetrics()
        self.tables = RankedTables(
            read_feeds(feeds, origins),
            origins=origins,
            superuser=following.superuser,
            feed=following.feed,
            schema=following.schema,
            arena=HeapArena(),
            clock=following.clock,
            events=following.events,
            metrics=self.metrics,
        )

    def live(self, name: str = "home") -> LiveTable:
        found = self.tables.get(name)
        assert found is not None
        return found

    async def start(self, *, is_certain: bool = True) -> None:
        """``is_certain``: what was told before the start is over for certain, so one event is enough."""
        await self.tables.start()
        if is_certain:
            self.certain()

    def certain(self) -> None:
        self.tables._following._certain_from = 0.0

    async def complete(self, name: str = "home") -> FeatureTable:
        assert await holds(lambda: self.live(name).is_ready and self.live(name).is_exact, 8.0)
        return self.live(name).table

    async def full(self) -> None:
        """Events carry the rows, and come once."""
        feed = self.following.feed
        assert await holds(
            lambda: self.following.covered().get("pbc_posts000001", False) and len(feed._open) == 1, 8.0
        )

    async def quiet(self) -> None:
        """All that PocketBase has told is in the tables, and nothing is left to be read again."""
        following = self.tables._following
        feed = self.following.feed
        since = time.monotonic()
        assert feed.own is not None
        heard = await feed._prove(feed._current)  # type: ignore[arg-type]
        assert heard == [True], f"no proof since {since}"
        assert await holds(lambda: not len(following), 15.0)
        assert await holds(lambda: not any(live.needs_build or live.build for live in self.lives()), 8.0)

    def lives(self) -> list[LiveTable]:
        return [live for live in self.tables.feeds.values() if live.spec is not None]

    def again(self, change: Change) -> None:
        """PocketBase tells this once more, or late."""
        self.tables._on_change(change)

    def told(self, event: str) -> list[dict[str, object]]:
        recorded = self.following.events
        return [fields for name, fields in zip(recorded.names, recorded.fields, strict=True) if name == event]

    def reads(self, collection: str) -> int:
        """Requests for lists of a collection so far."""
        path = f"/api/collections/{collection}/records"
        return sum(request == ("GET", path) for request in self.following.requests)

    async def agrees(self, name: str = "home") -> None:
        """The table says what one made now says."""
        await self.quiet()
        live = self.live(name)
        assert picture(live.table) == picture(await fresh(self.following.pocketbase, live.spec))


async def fresh(pocketbase: PocketBase, spec: FeedSpec | None) -> FeatureTable:
    """A table made of all rows there are, all of their fields."""
    assert spec is not None
    table = FeatureTable(spec)
    for collection_id in spec.reads:
        page = 1
        while rows := await asyncio.to_thread(pocketbase.rows, collection_id, page=page, perPage=500):
            for row in rows:
                table.put(collection_id, row)
            page += 1
    return table


def picture(table: FeatureTable) -> dict[str, Any]:
    """All a table says, by ids, wherever they stand in it."""
    table.block  # noqa: B018 - writes what is about authors
    features = table.features()
    people = {code: name for name, code in table._people._codes.items()}
    topics = {code: name for name, code in table._topics._codes.items()}
    rows = {}
    for slot in range(len(features)):
        record_id = table.id_of(slot)
        if record_id is None:
            assert not features.is_candidate[slot]
            continue
        rows[record_id] = (
            float(features.created[slot]),
            people.get(int(features.author[slot])),
            bool(features.is_candidate[slot]),
            bool(features.pinned[slot]),
            sorted(topics[int(code)] for code in features.topics[slot] if code != NONE),
            {name: float(column[slot]) for name, column in features.signals.items()},
        )
    callers = {}
    for user in table._callers._codes:
        caller = table.caller(user)
        said = (
            sorted(people[int(code)] for code in caller.followed),
            sorted(people[int(code)] for code in caller.hidden_authors),
            sorted(str(table.id_of(int(slot))) for slot in table.engaged(user)),
        )
        if any(said):
            callers[user] = said
    return {"rows": rows, "callers": callers, "count": table.rows}
