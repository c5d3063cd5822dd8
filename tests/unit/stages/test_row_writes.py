"""What is concluded from the answer to an own write, and when nothing is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from hapta.cache.tags import all_rows, any_row, record
from hapta.stages.row_writes import FollowedWrite, Outcome, RowWrites
from tests.unit.cache.plan_world import POSTS
from tests.unit.stages.cache_world import World
from tests.unit.stages.test_remake import post

TAGS = frozenset({any_row(POSTS), record(POSTS, "p1")})


@dataclass(frozen=True)
class Event:
    record: Mapping[str, Any] | None
    action: str = "update"
    record_id: str = "p1"
    collection_id: str = POSTS


class Writes:
    """Own writes to posts, and what was news meanwhile."""

    def __init__(self) -> None:
        self.world = World(is_remade=True)
        self.news: list[Any] = []
        world = self.world
        self.own = RowWrites(world.rows, world.echoes, world.journal, world.shelf, self.news.append)

    def begin(self, action: str = "update", record_id: str | None = "p1", **more: Any) -> FollowedWrite:
        collection = self.world.schema.by_id[POSTS]
        more.setdefault("is_followed", True)
        return self.own.begin(more.pop("tags", TAGS), collection, record_id, action, **more)

    @property
    def row(self) -> Any:
        """Of the write, as it is known now."""
        found = self.world.shelf.find(POSTS, "p1")
        return None if found is None else orjson.loads(bytes(found.fields["title"]))


@pytest.fixture
def writes() -> Writes:
    return Writes()


def outcome(**more: Any) -> Outcome:
    row = post("p1", **more)
    return Outcome(row, orjson.dumps(row))


GONE = Outcome({}, b"")


def test_an_update_tells_its_row_and_what_it_touched(writes: Writes) -> None:
    fence = writes.world.generations.fence(TAGS)
    assert fence is not None
    fence.fetched()
    writes.begin(members={"title": "new"}).close(has_changed=True, outcome=outcome(title="new"))
    assert writes.row == "new"
    changes = fence.changes()
    assert changes is not None
    ((change, tags),) = changes
    assert (change.action, change.record, tags) == ("update", "p1", TAGS)
    assert change.touched == frozenset({"title", "created"})
    assert len(writes.world.journal) == 1


def test_hidden_fields_are_not_kept(writes: Writes) -> None:
    row = dict(sorted({**post("p1"), "secret": "s", "hush": ""}.items()))
    writes.begin(members={}).close(has_changed=True, outcome=Outcome(row, orjson.dumps(row)))
    found = writes.world.shelf.find(POSTS, "p1")
    assert found is not None
    assert "secret" not in found.fields


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(None, id="no outcome"),
        pytest.param(Outcome({"id": "p1"}, b'{"id":"p1"}'), id="not all of it"),
        pytest.param(Outcome({"id": "p1"}, b"no JSON"), id="no JSON"),
        pytest.param(
            Outcome({"id": "p1", "odd": 1}, orjson.dumps({**post("p1"), "zzz": 1})), id="an unknown member"
        ),
    ],
)
def test_an_answer_that_does_not_tell_the_row_tells_no_change(writes: Writes, told: Outcome | None) -> None:
    writes.begin(members={"title": "new"}).close(has_changed=True, outcome=told)
    assert writes.row is None
    assert not len(writes.world.journal)


def test_what_was_not_committed_is_no_change(writes: Writes) -> None:
    writes.begin().close(has_changed=False)
    assert not len(writes.world.journal)


def test_writes_to_one_row_at_once_tell_nothing(writes: Writes) -> None:
    first, second = writes.begin(members={"title": "1"}), writes.begin(members={"title": "2"})
    first.close(has_changed=True, outcome=outcome(title="1"))
    second.close(has_changed=True, outcome=outcome(title="2"))
    assert writes.row is None
    assert not len(writes.world.journal)


def test_another_event_meanwhile_is_news_and_the_change_is_not_told(writes: Writes) -> None:
    write = writes.begin(members={"title": "new"})
    foreign, echo = Event(post("p1", title="foreign")), Event(post("p1", title="new"))
    assert writes.world.echoes.hold(foreign)
    assert writes.world.echoes.hold(echo)
    write.close(has_changed=True, outcome=outcome(title="new"))
    assert writes.news == [foreign]
    assert writes.row is None


def test_its_own_echo_is_no_news_before_the_answer_or_after_it(writes: Writes) -> None:
    echo = Event(post("p1", title="new"))
    write = writes.begin(members={"title": "new"})
    assert writes.world.echoes.hold(echo)
    write.close(has_changed=True, outcome=outcome(title="new"))
    assert not writes.news
    assert writes.row == "new"
    writes.begin(members={"title": "newer"}).close(has_changed=True, outcome=outcome(title="newer"))
    assert writes.world.echoes.is_echo(Event(post("p1", title="newer")))
    assert not writes.world.echoes.is_echo(Event(post("p1", title="newer")))


async def test_a_delete_waits_for_what_the_row_was(writes: Writes) -> None:
    fence = writes.world.generations.fence(TAGS)
    assert fence is not None
    fence.fetched()
    write = writes.begin("delete")
    assert writes.world.echoes.hold(Event(post("p1", n=7), "delete"))
    await write.before_close()
    write.close(has_changed=True, outcome=GONE)
    changes = fence.changes()
    assert changes is not None
    assert changes[0][0].before == post("p1", n=7)
    assert writes.row is None


async def test_but_not_for_long(writes: Writes) -> None:
    write = writes.begin("delete")
    await write.before_close()
    write.close(has_changed=True, outcome=GONE)
    assert len(writes.world.journal) == 1


def test_a_create_learns_its_id_from_the_answer_even_after_its_event(writes: Writes) -> None:
    write = writes.begin("create", None)
    event = Event(post("p1", title="new"), "create")
    change = writes.world.echoes.news_of(event)
    assert change is not None
    assert change.is_void
    write.close(has_changed=True, outcome=outcome(title="new"))
    assert not change.is_void
    assert writes.row == "new"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"is_followed": False}, id="hooks"),
        pytest.param({"tags": TAGS | {all_rows(POSTS)}}, id="rows that go with it"),
    ],
)
def test_what_may_do_more_than_its_answer_tells_is_not_followed(writes: Writes, more: dict[str, Any]) -> None:
    write = writes.begin(**more)
    write.close(has_changed=True, outcome=outcome(title="new"))
    assert writes.row is None
    assert not len(writes.world.journal)


def test_a_lost_write_tells_nothing_and_its_events_are_news(writes: Writes) -> None:
    write = writes.begin(members={"title": "new"})
    event = Event(post("p1", title="new"))
    assert writes.world.echoes.hold(event)
    write.lose(300.0)
    assert writes.news == [event]
    assert writes.row is None
    assert writes.world.generations.fence(TAGS) is None
