"""Webhooks to a real receiver, their outbox in memory."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from hapta.testing import MemoryDatabase, TestedPlugin, load_plugin, make_row_change
from tests.feed.support import holds
from tests.plugins.receivers import SECRET, ReceiverDouble
from tests.unit.examples import EXAMPLES


class Outgoing:
    """The plugin with its receivers."""

    def __init__(self, closing: AsyncExitStack) -> None:
        self._closing = closing
        self.database = MemoryDatabase()

    async def receiver(self) -> ReceiverDouble:
        one = ReceiverDouble()
        await one.start()
        self._closing.push_async_callback(one.stop)
        return one

    async def load(self, *receivers: ReceiverDouble, settings: Any = None, **more: Any) -> TestedPlugin:
        tables = {
            f"r{number}": {
                "url": one.url,
                "secret": "HOOK_SECRET",
                "collections": ["posts"],
                "is_private_allowed": True,
                "fields": ["title"],
                **more,
            }
            for number, one in enumerate(receivers)
        }
        quick = {"first_delay_s": 0.02, "longest_delay_s": 0.05, "deadline_s": 0.5, **(settings or {})}
        plugin = load_plugin(EXAMPLES / "webhooks.py", {"receivers": tables, **quick}, database=self.database)
        await self._closing.enter_async_context(plugin)
        return plugin

    @property
    def waiting(self) -> list[dict[str, Any]]:
        return [dict(row) for row in self.database.all("hapta_outbox")]


@pytest.fixture
async def outgoing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outgoing]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    async with AsyncExitStack() as closing:
        yield Outgoing(closing)


def change(number: int = 0, **fields: Any) -> Any:
    return make_row_change("posts", "update", {"id": f"p{number}", "title": "x", "updated": "1", **fields})


async def test_a_change_is_delivered_signed_and_leaves_the_outbox(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    plugin = await outgoing.load(receiver)
    await plugin.changed(change(internal="y"))
    assert await holds(lambda: len(receiver.got) == 1 and not outgoing.waiting)
    delivery = receiver.got[0]
    assert delivery.is_signed()
    assert not delivery.is_signed("another secret, as long as this one")
    assert abs(int(delivery.headers["webhook-timestamp"]) - time.time()) < 5
    assert delivery.told["data"] == {
        "collection": "posts",
        "action": "update",
        "id": "p0",
        "record": {"title": "x"},
    }


async def test_what_fails_is_tried_again_under_the_same_id(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    receiver.answers = [(500, {}), (404, {}), (302, {"Location": receiver.url})]
    plugin = await outgoing.load(receiver)
    await plugin.changed(change())
    assert await holds(lambda: len(receiver.got) == 4 and not outgoing.waiting)
    assert len({delivery.id for delivery in receiver.got}) == 1
    assert len({delivery.body for delivery in receiver.got}) == 1
    assert all(delivery.is_signed() for delivery in receiver.got)


async def test_it_is_given_up_after_so_many_tries_and_can_be_sent_again(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    receiver.answers = [(500, {})] * 3
    plugin = await outgoing.load(receiver, settings={"max_tries": 3})
    await plugin.changed(change())
    assert await holds(lambda: any(row["state"] == "dead" for row in outgoing.waiting))
    (row,) = outgoing.waiting
    assert (row["tries"], row["status"], row["error"]) == (3, 500, "status 500")
    await asyncio.sleep(0.2)
    assert len(receiver.got) == 3
    assert [line.message for line in plugin.log] == ["a webhook is given up after 3 tries: status 500"]
    requeued = await outgoing.database.update("hapta_outbox", row["id"], {"state": "waiting", "tries": 0})
    await plugin.changed(make_row_change("hapta_outbox", "update", requeued))
    assert await holds(lambda: len(receiver.got) == 4 and not outgoing.waiting)


async def test_it_is_given_up_when_it_is_too_old(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    receiver.answers = [(500, {})] * 100
    plugin = await outgoing.load(receiver, settings={"give_up_after_s": 0.1, "max_tries": 1000})
    await plugin.changed(change())
    assert await holds(lambda: [row["state"] for row in outgoing.waiting] == ["dead"])
    assert 1 < len(receiver.got) < 20


async def test_a_receiver_that_does_not_answer_in_time_is_tried_again(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    receiver.hold.clear()
    plugin = await outgoing.load(receiver)
    await plugin.changed(change())
    assert await holds(lambda: any("0.5 s" in row.get("error", "") for row in outgoing.waiting))
    receiver.hold.set()
    assert await holds(lambda: not outgoing.waiting)


async def test_one_slow_receiver_does_not_stop_others_and_gets_so_many_at_once(outgoing: Outgoing) -> None:
    slow, quick = await outgoing.receiver(), await outgoing.receiver()
    slow.hold.clear()
    plugin = await outgoing.load(slow, quick, settings={"at_once": 3, "deadline_s": 10})
    for number in range(20):
        await plugin.changed(change(number))
    assert await holds(lambda: len(quick.got) == 20)
    assert len(slow.got) == 3
    slow.hold.set()
    assert await holds(lambda: not outgoing.waiting)
    assert slow.most_at_once == 3
    assert len({delivery.id for delivery in slow.got}) == 20


async def test_retry_after_is_waited_for(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    receiver.answers = [(429, {"Retry-After": "1"})]
    plugin = await outgoing.load(receiver)
    began = time.monotonic()
    await plugin.changed(change())
    assert await holds(lambda: len(receiver.got) == 2)
    assert time.monotonic() - began >= 1.0


async def test_a_receiver_that_is_gone_gets_nothing_until_its_row_is_removed(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    receiver.answers = [(410, {})]
    plugin = await outgoing.load(receiver)
    await plugin.changed(change(1))
    assert await holds(lambda: any(row["state"] == "gone" for row in outgoing.waiting))
    await plugin.changed(change(2))
    again = await outgoing.load(receiver)  # as after a restart
    await asyncio.sleep(0.2)
    await again.changed(change(3))
    assert len(receiver.got) == 1
    (gone,) = [row for row in outgoing.waiting if row["state"] == "gone"]
    await outgoing.database.delete("hapta_outbox", gone["id"])
    await plugin.changed(make_row_change("hapta_outbox", "delete", gone))
    await plugin.changed(change(4))
    assert await holds(lambda: len(receiver.got) == 2)


async def test_the_same_event_twice_is_one_delivery(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    receiver.hold.clear()
    plugin = await outgoing.load(receiver, settings={"deadline_s": 5})
    for _ in range(3):
        await plugin.changed(change())
    assert len(outgoing.waiting) == 1
    receiver.hold.set()
    assert await holds(lambda: not outgoing.waiting)
    assert len(receiver.got) == 1


async def test_two_haptas_tell_of_one_event_under_one_id(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    plugins = [await outgoing.load(receiver) for _ in range(2)]
    await asyncio.gather(*(plugin.changed(change()) for plugin in plugins))
    assert await holds(lambda: len(receiver.got) > 0 and not outgoing.waiting)
    assert len({delivery.id for delivery in receiver.got}) == 1


async def test_what_was_in_the_outbox_is_delivered_after_a_crash(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    lease = {"tries": 1, "due": "2020-01-01 00:00:00.000Z", "created": "2999-01-01 00:00:00.000Z"}
    row = {"receiver": "r0", "state": "waiting", "payload": {"type": "posts.update"}, **lease}
    await outgoing.database.create("hapta_outbox", row)
    await outgoing.load(receiver)
    assert await holds(lambda: len(receiver.got) == 1 and not outgoing.waiting)


async def test_an_odd_row_does_not_end_the_deliveries(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    odd = {"receiver": "r0", "state": "waiting", "tries": "many", "due": ""}
    await outgoing.database.create("hapta_outbox", odd)
    plugin = await outgoing.load(receiver)
    assert await holds(lambda: any("ValueError" in line.message for line in plugin.log))
    await plugin.changed(change())
    assert await holds(lambda: len(receiver.got) == 1)


async def test_other_actions_and_collections_are_not_told(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    plugin = await outgoing.load(receiver, on=["delete"])
    await plugin.changed(change())
    await plugin.changed(make_row_change("topics", "delete", id="t"))
    await plugin.changed(make_row_change("posts", "delete", id="p"))
    assert await holds(lambda: len(receiver.got) == 1)
    assert receiver.got[0].told["type"] == "posts.delete"


async def test_a_name_that_leads_to_this_machine_is_not_connected_to(outgoing: Outgoing) -> None:
    receiver = await outgoing.receiver()
    url = receiver.url.replace("http://127.0.0.1", "https://localhost")
    plugin = await outgoing.load(receiver, url=url, is_private_allowed=False, settings={"max_tries": 1})
    await plugin.changed(change())
    assert await holds(lambda: [row["state"] for row in outgoing.waiting] == ["dead"])
    assert "not an address of the internet" in outgoing.waiting[0]["error"]
    assert receiver.got == []
