"""The cache put together: what is asked again, what is covered, what is forgotten."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import pytest

from hapta.app.caching import Caching
from hapta.app.hooks_mode import HooksModes
from hapta.app.shaping import Shaping
from hapta.cache.book import UNKNOWN
from hapta.cache.plan import HooksMode
from hapta.cache.shapes import NO_SHAPES
from hapta.cache.tags import all_rows, any_row, record
from hapta.config import CacheCollectionConfig, CacheConfig, Config
from hapta.feed import Change, SchemaUnconfirmed
from hapta.feed.watch import Features
from hapta.hooks.registry import EMPTY
from hapta.model.clock import ManualClock
from hapta.model.schema import Collection, Schema
from hapta.observe.metrics import Metrics
from hapta.stages.invalidate import Invalidation
from hapta.stages.lookup import Look
from tests.feed.support import Recorded
from tests.support.exchanges import exchange
from tests.unit.cache.plan_world import POSTS, STATS, TEAMS, USERS, schema
from tests.unit.cache.support import stored
from tests.unit.stages.cache_world import POSTS_LIST, caller

if TYPE_CHECKING:
    from hapta.feed import ChangeFeed, SchemaWatch
    from hapta.hooks.run import HookRunner
    from hapta.observe.events import Events
    from hapta.upstream.superuser import SuperuserClient

ROLE = {"listRule": "@request.auth.role = 'editor'"}


def without_views(version: int = 1, **rules: Mapping[str, str | None]) -> Schema:
    return Schema.of(version, [one for one in schema(**rules).by_id.values() if not one.is_view])


class Feed:
    def __init__(self) -> None:
        self.is_live = True
        self.covered: set[str] | None = None
        self.tell: Callable[[Change], None]
        self.gap: Callable[[], None]

    def on_change(self, callback: Callable[[Change], None]) -> None:
        self.tell = callback

    def on_gap(self, callback: Callable[[], None]) -> None:
        self.gap = callback

    def covers(self, collection: str) -> bool:
        return self.covered is None or collection in self.covered

    def touch(self) -> None:
        """Nothing to prove."""

    def wants_full_where(self, is_wanted: Callable[[Collection], bool]) -> None:
        """No payloads here."""


class Watch:
    """The schema watch; ``holds`` is what PocketBase says when asked anew."""

    def __init__(self) -> None:
        self.snapshot = without_views(posts=ROLE)
        self.features = Features()
        self.is_sure, self.holds, self.answers = True, True, True
        self.callbacks: list[Callable[[Schema], None]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def on_change(self, callback: Callable[[Schema], None]) -> None:
        self.callbacks.append(callback)

    def is_confirmed(self) -> bool:
        return self.is_sure

    async def confirmed(self) -> Schema:
        if not self.answers:
            raise SchemaUnconfirmed
        self.is_sure = True
        return self.snapshot

    async def still_holds(self, asked: Schema) -> bool:
        self.meanwhile()
        return self.holds and asked is self.snapshot

    def publish(self, changed: Schema) -> None:
        self.snapshot = changed
        for tell in self.callbacks:
            tell(changed)


class Superuser:
    def __init__(self) -> None:
        self.role: object = "editor"

    async def request(self, method: str, path: str, *rest: Any, **more: Any) -> tuple[int, Any]:
        _, _, _, collection, _, row = path.split("/")
        return 200, {"id": row, "collectionId": collection, "role": self.role}


class Whole:
    """A cache with everything around it in the test's hands."""

    def __init__(self, **config: Any) -> None:
        self.feed, self.watch, self.superuser = Feed(), Watch(), Superuser()
        settings = CacheConfig(**{"pb_hooks": "none", **config})
        self.caching = Caching(
            Config(cache=settings),
            superuser=cast("SuperuserClient", self.superuser),
            base_url="http://127.0.0.1:8090",
            hooks=HooksModes(settings, hooks_dir=None, events=Recorded()),
            shapes=lambda: NO_SHAPES,
            feed=cast("ChangeFeed", self.feed),
            schema=cast("SchemaWatch", self.watch),
            clock=ManualClock(),
            events=cast("Events", Recorded()),
            metrics=Metrics(),
        )

    async def look(self) -> Look:
        one = exchange("GET", POSTS_LIST)
        one.identity = caller("u1")
        one.authorization = "token"
        found = await self.caching.lookup.look_up(one, is_own=False)
        assert isinstance(found, Look), found
        return found

    def is_moved_by(self, do: Callable[[], object]) -> bool:
        """Whether what is stored about posts is unusable afterwards."""
        fence = self.caching.generations.fence([any_row(POSTS), record(POSTS, "p1")])
        assert fence is not None
        do()
        fence.fetched()
        return not fence.holds()


@pytest.fixture
def whole() -> Whole:
    return Whole()


async def test_what_is_as_it_was_is_vouched_for(whole: Whole) -> None:
    look = await whole.look()
    assert look.auth_fields == {"role": "editor"}
    assert await whole.caching.vouch(look)


@pytest.mark.parametrize("role", ["reader", "", None, 1, True, ["editor"]])
async def test_a_class_that_changed_during_the_fetch_is_not_vouched_for(whole: Whole, role: object) -> None:
    look = await whole.look()
    whole.superuser.role = role
    assert not await whole.caching.vouch(look)


async def test_one_and_true_are_two_classes(whole: Whole) -> None:
    whole.superuser.role = 1
    look = await whole.look()
    whole.superuser.role = True
    assert not await whole.caching.vouch(look)


async def test_a_schema_that_pocketbase_does_not_have_any_more_is_not_vouched_for(whole: Whole) -> None:
    look = await whole.look()
    whole.watch.holds = False
    assert not await whole.caching.vouch(look)


async def test_a_schema_that_changed_before_or_while_it_was_asked_for_is_not_vouched_for(
    whole: Whole,
) -> None:
    look = await whole.look()
    whole.watch.meanwhile = lambda: whole.watch.publish(without_views(2))
    assert not await whole.caching.vouch(look)
    whole.watch.meanwhile = lambda: None
    assert not await whole.caching.vouch(look)


def test_changes_of_every_collection_named_must_be_told(whole: Whole) -> None:
    covers, tags = whole.caching.covers, [any_row(POSTS), all_rows(USERS), record(USERS, "u1")]
    assert covers(tags)
    whole.feed.covered = {POSTS}
    assert not covers(tags)
    whole.feed.covered = {POSTS, USERS}
    whole.watch.snapshot = schema()
    assert covers([*tags, any_row(STATS)]), "of a view nothing is ever told: its tables are among the tags"


async def test_it_is_live_with_the_feed_and_a_confirmed_schema_only(whole: Whole) -> None:
    caching = whole.caching
    assert caching.is_live
    whole.watch.is_sure = whole.watch.answers = False
    await caching.confirm()
    assert not caching.is_live
    whole.watch.answers = True
    await caching.confirm()
    assert caching.is_live
    whole.feed.is_live = False
    assert not caching.is_live


def test_an_event_a_gap_and_another_schema_make_what_is_stored_unusable(whole: Whole) -> None:
    def told(collection: str) -> Callable[[], None]:
        return lambda: whole.feed.tell(Change(collection, "", "p1", "update", MappingProxyType({}), 0.0))

    assert whole.is_moved_by(told(POSTS))
    assert not whole.is_moved_by(told(USERS))
    assert whole.is_moved_by(told("pbc_of_nobody")), "of one that is not known anything may depend"
    assert whole.is_moved_by(whole.feed.gap)
    assert whole.is_moved_by(lambda: whole.watch.publish(whole.watch.snapshot))


async def test_a_gap_and_a_restart_forget_auth_records_and_end_doubts(whole: Whole) -> None:
    caching = whole.caching
    await whole.look()
    assert caching.auth_records.known(USERS, "u1") is not None
    whole.feed.gap()
    assert caching.auth_records.known(USERS, "u1") is None
    caching.generations.begin([any_row(POSTS)]).lose(300.0)
    assert caching.doubts == 1
    caching.pocketbase_restarted()
    assert caching.doubts == 0


async def test_a_change_of_an_identity_ends_what_is_known_of_it(whole: Whole) -> None:
    caching = whole.caching
    for forget in (
        lambda: caching.identity_changed(USERS, "u1"),
        lambda: caching.identity_changed(USERS, None),
        caching.everybody_changed,
        caching.everything_changed,
    ):
        await whole.look()
        assert caching.auth_records.known(USERS, "u1") is not None
        forget()
        assert caching.auth_records.known(USERS, "u1") is None


def test_lifetimes_are_the_collections_own_or_the_common_one() -> None:
    own: Mapping[str, CacheCollectionConfig] = {
        "Posts": CacheCollectionConfig(max_age_s=7.0),
        USERS: CacheCollectionConfig(is_enabled=False),
    }
    caching = Whole(max_age_s=60.0, collections=own).caching
    assert [caching.lifetime_s(name) for name in (POSTS, USERS, "gone")] == [7.0, 60.0, 60.0]
    by_id = caching.book.schema.by_id
    assert [caching._is_enabled(by_id[name]) for name in (POSTS, USERS, TEAMS)] == [True, False, True]


def test_what_may_concern_any_collection_has_the_hooks_of_the_strongest() -> None:
    caching = Whole(collections={"comments": CacheCollectionConfig(pb_hooks="auth")}).caching
    modes = [caching.hooks_of(name) for name in ("posts", "comments", "nope", None)]
    assert modes == [HooksMode.NONE, HooksMode.AUTH, HooksMode.AUTH, HooksMode.AUTH]


def test_figures_are_put_together_by_name_and_those_of_what_is_gone_in_one(whole: Whole) -> None:
    for number, collection in enumerate((POSTS, POSTS, "gone", "gone too")):
        key = ("key", str(number))
        whole.caching.store.put(key, stored(str(key), collection=collection))
    tallies = whole.caching.tallies()
    assert {name: tally.responses for name, tally in tallies.items()} == {"posts": 2, UNKNOWN: 2}
    assert 0 < sum(tally.weight for tally in tallies.values()) < whole.caching.weight


def test_a_cache_that_is_switched_off_only_announces_writes_for_it_may_come_back() -> None:
    shaping = Shaping(
        lambda: EMPTY,
        lambda: NO_SHAPES,
        cast("HookRunner", None),
        schema=schema,
        ground=Whole().caching,
        superuser=Superuser(),
        clock=ManualClock(),
        log=Recorded(),
    )
    off, on = Whole(is_enabled=False).caching, Whole().caching
    assert off.edge_stages(shaping) == shaping.outer_stages()
    *others, last = off.stages(shaping)
    assert others == shaping.inner_stages()
    assert isinstance(last, Invalidation)
    assert len(on.edge_stages(shaping)) == 4
    assert len(on.stages(shaping)) == 4


def test_other_rules_of_the_cache_void_plans_and_drop_what_is_stored(whole: Whole) -> None:
    caching = whole.caching
    caching.store.put(("key", "1"), stored("1", collection=POSTS))
    version, posts = caching.version, schema().by_id[POSTS]
    assert caching.hooks.of(posts) is HooksMode.NONE
    caching.configure(Config(cache=CacheConfig(pb_hooks="auth", is_enabled=False)))
    assert len(caching.store) == 0
    assert caching.version > version
    assert caching.hooks.of(posts) is HooksMode.AUTH
    assert not caching.is_enabled


def test_with_the_schema_goes_what_stands_where(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    cleared: list[bool] = []
    monkeypatch.setattr(whole.caching.shelf, "clear", lambda: cleared.append(True))
    whole.watch.publish(without_views())
    assert cleared
