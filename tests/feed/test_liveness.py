"""When the feed may be relied on, and what ends that."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from hapta.feed import Change
from hapta.model.errors import OperatorError
from hapta.upstream.superuser import Credentials, SuperuserRefused
from tests.conftest import MakePocketBase
from tests.feed.conftest import Follow
from tests.feed.support import SwallowingProxy, holds
from tests.support.pocketbase import GATEWAY_EMAIL, PASSWORD, PocketBase

HEARTBEAT = ("PATCH", "/api/collections/pbc_hapta_meta/records/feedheartbeat00")


@pytest.fixture
async def proxy(served: PocketBase) -> AsyncIterator[SwallowingProxy]:
    proxy = SwallowingProxy(served.port)
    yield proxy
    await proxy.stop()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits: for preparations, the answer to a heartbeat, its echo, the next try with refused
    rights."""
    monkeypatch.setattr("hapta.feed.feed._PREPARED_S", 0.5)
    monkeypatch.setattr("hapta.feed.stream._OPENED_WITHIN_S", 0.5)
    monkeypatch.setattr("hapta.feed.feed._ANSWER_S", 0.3)
    monkeypatch.setattr("hapta.feed.feed._ECHO_S", 0.3)
    monkeypatch.setattr("hapta.feed.feed._REFUSED_RETRY_S", (0.1, 0.2))


async def test_started_it_is_live_in_its_first_epoch(served: PocketBase, follow: Follow) -> None:
    following = await follow(served)
    assert following.feed.is_live
    assert following.feed.is_connected
    assert following.feed.epoch == 1
    assert following.epochs == [1]
    assert following.meter.is_live


async def test_stopped_it_is_not_live_and_covers_nothing(served: PocketBase, follow: Follow) -> None:
    following = await follow(served)
    posts = following.schema.snapshot.by_name["posts"].id
    assert following.feed.covers(posts)
    await following.feed.stop()
    assert not following.feed.is_live
    assert not following.feed.covers(posts)


async def test_silent_beyond_the_bound_it_is_not_live_until_a_touch_proves_it(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served, max_silence_s=0.5)
    await asyncio.sleep(0.55)
    assert not following.feed.is_live
    assert following.feed.is_connected
    following.feed.touch()
    await following.gets_live(within_s=1)
    assert following.feed.epoch == 1, "nothing was missed"
    assert following.meter.gaps == []


async def test_touched_all_the_time_it_never_ceases_to_be_live(served: PocketBase, follow: Follow) -> None:
    following = await follow(served, max_silence_s=0.8)
    following.requests.clear()
    ends_at = time.monotonic() + 2
    while time.monotonic() < ends_at:
        assert following.feed.is_live
        following.feed.touch()
        await asyncio.sleep(0.005)
    assert 2 <= Counter(following.requests)[HEARTBEAT] <= 4, "one in four fifths of a second"


async def test_events_only_a_superuser_is_told_make_heartbeats_needless(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served, max_silence_s=0.5)
    following.requests.clear()
    for _ in range(20):
        following.feed.touch()
        await following.write("hapta_audit", kind="test")
        await asyncio.sleep(0.05)
    assert following.requests == []
    assert following.feed.is_live


async def test_events_anybody_is_told_prove_nothing(served: PocketBase, follow: Follow) -> None:
    following = await follow(served, max_silence_s=0.5)
    for _ in range(12):
        assert await following.is_told(await following.write())
        await asyncio.sleep(0.05)
    assert not following.feed.is_live
    following.feed.touch()
    await following.gets_live(within_s=1)
    assert following.feed.epoch == 1


async def test_idle_and_untouched_it_asks_nothing_and_leaves_no_rows_in_the_log(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served, max_silence_s=0.5)
    await asyncio.sleep(0.1)
    following.requests.clear()
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
    await asyncio.sleep(4)  # PocketBase writes its log every 3 s
    rows = await following.ask("GET", f"/api/logs?perPage=5&filter=created>='{since}'")
    assert [row["data"].get("url") for row in rows["items"]] == []
    assert (await following.ask("GET", "/api/logs?perPage=1"))["totalItems"] > 0, "the log is written"
    assert following.requests == []
    assert following.meter.gaps == []


async def test_before_pocketbase_s_idle_cut_an_event_is_asked_for(served: PocketBase, follow: Follow) -> None:
    following = await follow(served, max_silence_s=60, renew_idle_s=0.3)
    following.requests.clear()
    await asyncio.sleep(1.1)
    assert 2 <= Counter(following.requests)[HEARTBEAT] <= 4
    assert set(following.requests) == {HEARTBEAT}
    assert following.feed.epoch == 1


@pytest.mark.all_modes
@pytest.mark.timeout(420)
async def test_a_stream_lives_through_pocketbase_s_idle_cut(
    make_pocketbase: MakePocketBase, follow: Follow
) -> None:
    kept, cut = await follow(make_pocketbase()), await follow(make_pocketbase())
    cut.feed._idle_due = lambda stream: float("inf")  # type: ignore[method-assign]
    cut.feed._wake.set()
    await asyncio.sleep(330)
    assert cut.meter.gaps == ["ended"], "PocketBase no longer cuts what is idle for 300 s"
    assert kept.meter.gaps == []
    assert kept.feed.epoch == 1
    assert await kept.is_told(await kept.write())


async def test_a_stream_that_is_replaced_for_its_age_loses_nothing(
    served: PocketBase, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hapta.feed.feed._LINGER_S", 0.2)
    following = await follow(served, renew_age_s=0.3)
    written = set()
    ends_at = time.monotonic() + 1.8
    while time.monotonic() < ends_at:
        written.add(await following.write())
    assert await holds(lambda: written <= {change.record_id for change in following.changes})
    assert following.requests.count(("POST", "/api/realtime")) >= 3
    assert following.meter.gaps == []
    assert following.feed.epoch == 1
    assert await holds(lambda: len(following.feed._open) <= 2), "replaced streams are closed"


async def test_a_replaced_stream_is_listened_to_for_a_while(
    served: PocketBase, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What PocketBase began to tell it may still be on its way."""
    monkeypatch.setattr("hapta.feed.feed._LINGER_S", 0.4)
    following = await follow(served)
    old = following.feed._current
    following.feed.wants_full([following.schema.snapshot.by_name["posts"].id])
    assert await holds(lambda: following.feed._current is not old)
    await asyncio.sleep(0.2)
    following.changes.clear()
    record = await following.write()
    assert await holds(lambda: [change.record_id for change in following.changes] == [record] * 2)
    assert await holds(lambda: len(following.feed._open) == 1)
    assert following.meter.gaps == []


async def test_a_stream_is_replaced_before_its_token_ends(
    served: PocketBase, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = await follow(served, is_started=False)
    monkeypatch.setattr(following.superuser, "renew_by", lambda: following.clock.now() + 0.6)
    await following.start()
    await asyncio.sleep(1.2)
    assert 3 <= following.requests.count(("POST", "/api/realtime")) <= 6, "each 0.3 s"
    assert following.feed.epoch == 1


async def test_a_restart_of_pocketbase_is_a_gap_and_it_comes_back_by_itself(
    make_pocketbase: MakePocketBase, follow: Follow
) -> None:
    pocketbase = make_pocketbase()
    following = await follow(pocketbase)
    await asyncio.to_thread(pocketbase.stop)
    assert await holds(lambda: following.meter.gaps == ["ended"])
    assert not following.feed.is_live
    assert following.epochs == [1, 2]
    await asyncio.to_thread(pocketbase.start)
    await following.gets_live()
    assert following.feed.epoch == 3, "what was fetched while it was away does not count either"
    assert following.epochs == [1, 2, 3]
    assert following.meter.reconnects == 1
    assert await following.is_told(await following.write())


async def test_a_killed_pocketbase_is_a_gap(make_pocketbase: MakePocketBase, follow: Follow) -> None:
    pocketbase = make_pocketbase()
    following = await follow(pocketbase)
    await asyncio.to_thread(pocketbase.kill)
    assert await holds(lambda: following.meter.gaps == ["lost"])
    await asyncio.to_thread(pocketbase.start)
    await following.gets_live()


async def test_a_restored_backup_is_a_gap_after_which_all_is_there_again(
    make_pocketbase: MakePocketBase, follow: Follow
) -> None:
    pocketbase = make_pocketbase()
    following = await follow(pocketbase, is_started=False)
    await following.ask("POST", "/api/backups", {"name": "before.zip"})  # without Hapta's collections
    await following.start()
    own = following.feed.own
    version = following.schema.snapshot.version
    await following.ask("POST", "/api/backups/before.zip/restore")
    assert await holds(lambda: following.meter.gaps == ["ended"], 10)
    await following.gets_live()
    assert following.feed.own == own
    assert following.feed.epoch == 3
    assert following.schema.snapshot.version > version
    assert await following.is_told(await following.write())


@pytest.mark.usefixtures("_impatient")
async def test_a_stream_that_was_cut_silently_is_found_out_by_a_touch(
    served: PocketBase, follow: Follow, proxy: SwallowingProxy
) -> None:
    following = await follow(served, url=await proxy.start(), max_silence_s=0.5)
    proxy.swallow()
    missed = await following.write()
    await asyncio.sleep(0.5)
    assert not following.feed.is_live
    assert not await following.is_told(missed, within_s=0)

    def touched() -> bool:
        following.feed.touch()
        return following.meter.gaps == ["silent"]

    assert await holds(touched, 5)
    await following.gets_live()
    assert following.feed.epoch == 3
    assert await following.is_told(await following.write())


@pytest.mark.usefixtures("_impatient")
async def test_a_replaced_stream_that_had_become_deaf_is_a_gap(
    served: PocketBase, follow: Follow, proxy: SwallowingProxy
) -> None:
    following = await follow(served, url=await proxy.start(), max_silence_s=60, renew_age_s=0.6)
    proxy.swallow()
    await following.write()
    assert await holds(lambda: "silent" in following.meter.gaps, 8)
    assert following.feed.epoch >= 2
    await following.gets_live()


@pytest.mark.usefixtures("_impatient")
async def test_a_proxy_that_holds_events_back_ends_the_start(
    served: PocketBase, follow: Follow, proxy: SwallowingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hapta.feed.feed._START_S", 1.0)
    following = await follow(served, url=await proxy.start(), is_started=False)
    subscribe = following.superuser.request

    async def swallow_afterwards(method: str, path: str, *rest: object, **more: object) -> object:
        answer = await subscribe(method, path, *rest, **more)  # type: ignore[arg-type]
        if path == "/api/realtime":
            proxy.swallow()
        return answer

    monkeypatch.setattr(following.superuser, "request", swallow_afterwards)
    with pytest.raises(OperatorError, match=r"hold events back|in time"):
        await following.start()
    assert not following.feed.is_live


@pytest.mark.usefixtures("_impatient")
async def test_a_changed_superuser_password_is_a_gap_told_as_trouble_and_heals(
    make_pocketbase: MakePocketBase, follow: Follow
) -> None:
    pocketbase = make_pocketbase()
    following = await follow(pocketbase, max_silence_s=0.5)
    accounts = await following.ask(
        "GET", f"/api/collections/_superusers/records?filter=email='{GATEWAY_EMAIL}'"
    )
    path = f"/api/collections/_superusers/records/{accounts['items'][0]['id']}"
    other = {"password": "another-horse-2", "passwordConfirm": "another-horse-2"}
    await following.ask("PATCH", path, other)
    await asyncio.sleep(0.5)
    assert await following.is_told(await following.write()), "as any guest is"
    following.feed.touch()
    assert await holds(lambda: following.superuser.trouble is not None, 5)
    assert following.meter.gaps == ["identity"]
    assert not following.feed.is_connected
    with pytest.raises(SuperuserRefused):
        await following.superuser.request("GET", "/api/settings")
    assert PASSWORD not in str(following.superuser.trouble)
    await following.ask("PATCH", path, {"password": PASSWORD, "passwordConfirm": PASSWORD})
    await following.gets_live()
    assert following.superuser.trouble is None
    assert await following.is_told(await following.write())


@pytest.mark.usefixtures("_impatient")
async def test_tokens_that_died_while_the_password_still_works_are_a_gap(
    make_pocketbase: MakePocketBase, follow: Follow
) -> None:
    """PocketBase leaves the stream open and silently makes it a guest's, who is told of public records."""
    following = await follow(make_pocketbase())
    accounts = await following.ask(
        "GET", f"/api/collections/_superusers/records?filter=email='{GATEWAY_EMAIL}'"
    )
    path = f"/api/collections/_superusers/records/{accounts['items'][0]['id']}"
    await following.ask("PATCH", path, {"tokenKey": "k" * 50})
    assert await following.is_told(await following.write())
    assert not await following.is_told(await following.write("closed"), within_s=0.2)
    assert following.feed.is_connected
    await following.superuser.request("GET", "/api/settings")  # whoever asks first finds out
    assert following.meter.gaps == ["identity"]
    await following.gets_live()
    assert await following.is_told(await following.write("closed"))


@pytest.mark.usefixtures("_impatient")
async def test_an_admin_token_that_died_is_a_gap_told_as_trouble(
    make_pocketbase: MakePocketBase, follow: Follow
) -> None:
    pocketbase = make_pocketbase()
    accounts = pocketbase.rows("_superusers", filter=f"email='{GATEWAY_EMAIL}'")
    path = f"/api/collections/_superusers/impersonate/{accounts[0]['id']}"
    token = pocketbase.admin.post(path, json={"duration": 3600}).json()["token"]
    following = await follow(pocketbase, credentials=Credentials(token=token))
    account = f"/api/collections/_superusers/records/{accounts[0]['id']}"
    await following.ask("PATCH", account, {"password": PASSWORD, "passwordConfirm": PASSWORD})
    status, _ = await following.superuser.request("GET", "/api/settings")
    assert status == 401
    assert "check AdminToken" in str(following.superuser.trouble)
    assert following.meter.gaps == ["identity"]
    await asyncio.sleep(0.3)
    assert not following.feed.is_connected
    assert "feed_refused" not in following.events.names, "told once, as trouble"


async def test_tokens_of_short_life_are_not_fetched_for_each_request(
    make_pocketbase: MakePocketBase, follow: Follow
) -> None:
    pocketbase = make_pocketbase()
    change = {"authToken": {"duration": 60}}
    pocketbase.admin.patch("/api/collections/_superusers", json=change).raise_for_status()
    following = await follow(pocketbase)
    for _ in range(5):
        await following.superuser.request("GET", "/api/settings")
    logins = [path for _, path in following.requests if path.endswith("/auth-with-password")]
    assert len(logins) == 1
    assert following.requests.count(("POST", "/api/realtime")) == 1


async def test_a_consumer_that_fails_on_a_change_is_a_gap_and_the_others_hear_on(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served)
    is_failing = True

    def fail(change: Change) -> None:
        if is_failing and change.collection_name == "posts":
            raise RuntimeError("not prepared for this")

    following.feed.on_change(fail)
    assert await following.is_told(await following.write())
    assert following.meter.gaps == ["consumer"]
    assert "feed_consumer" in following.events.names
    is_failing = False
    await following.gets_live()
    assert await following.is_told(await following.write())


async def test_a_consumer_that_fails_on_a_gap_does_not_keep_it_from_the_others(
    make_pocketbase: MakePocketBase, follow: Follow
) -> None:
    pocketbase = make_pocketbase()
    following = await follow(pocketbase, is_started=False)
    told: list[int] = []

    def fail() -> None:
        raise RuntimeError("not prepared for this")

    following.feed.on_gap(fail)
    following.feed.on_live(fail)
    following.feed.on_gap(lambda: told.append(following.feed.epoch))
    await following.start()
    await asyncio.to_thread(pocketbase.stop)
    assert await holds(lambda: told == [1, 2])
    assert following.events.names.count("feed_consumer") == 3


async def test_an_error_nobody_foresaw_is_a_gap_and_it_comes_back_by_itself(
    served: PocketBase, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = await follow(served, max_silence_s=0.5)
    prove = following.feed._prove

    async def broken(*_: object) -> list[bool]:
        monkeypatch.setattr(following.feed, "_prove", prove)
        raise KeyError("items")

    monkeypatch.setattr(following.feed, "_prove", broken)
    await asyncio.sleep(0.5)
    following.feed.touch()
    await holds(lambda: following.feed.epoch >= 3 and following.feed.is_live)
    assert "feed_consumer" in following.events.names
    assert following.meter.gaps == ["consumer"]


async def test_the_heartbeat_s_row_deleted_by_somebody_is_made_again(
    served: PocketBase, follow: Follow
) -> None:
    following = await follow(served, max_silence_s=0.5)
    await following.ask("DELETE", HEARTBEAT[1])
    await asyncio.sleep(0.5)

    def touched() -> bool:
        following.feed.touch()
        return following.feed.is_live

    assert await holds(touched, 5)
    assert following.meter.gaps == []
    assert await following.ask("GET", HEARTBEAT[1])


async def test_own_writes_measure_the_delay(served: PocketBase, follow: Follow) -> None:
    following = await follow(served)
    posts = following.schema.snapshot.by_name["posts"].id
    record = await following.write()
    before = len(following.meter.lags)
    for _ in range(50):
        started_at = following.clock.monotonic()
        await following.ask("PATCH", f"/api/collections/posts/records/{record}", {})
        following.feed.own_write(posts, record, started_at)
    assert await holds(lambda: len(following.meter.lags) == before + 50)
    assert sorted(following.meter.lags)[25] < 0.1


async def test_more_collections_than_one_stream_can_follow_are_refused(
    served: PocketBase, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hapta.feed.feed.MAX_TOPICS", 5)
    following = await follow(served, is_started=False)
    with pytest.raises(OperatorError, match="collections and lets one stream follow 5"):
        await following.start()


async def test_a_pocketbase_that_never_answers_ends_the_start(
    make_pocketbase: MakePocketBase, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hapta.feed.feed._START_S", 0.3)
    pocketbase = make_pocketbase()
    following = await follow(pocketbase, is_started=False)
    await asyncio.to_thread(pocketbase.stop)
    with pytest.raises(OperatorError, match="does not let Hapta follow its changes"):
        await following.start()
