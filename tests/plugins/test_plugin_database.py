"""What plugins read and write in a real PocketBase, and what readers through Hapta see of it."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from hapta.app import Gateway, Outputs
from hapta.app.plugin_database import PluginDatabase
from hapta.config import load
from hapta.model.clock import SystemClock
from hapta.model.errors import UpstreamRefused
from hapta.model.exchange import Answer, Exchange, Handler
from hapta.observe.access_log import AccessLog
from hapta.observe.events import Events
from hapta.observe.metrics import Metrics
from hapta.pipeline import fold
from hapta.plugins import BatchWrite, DatabaseError
from hapta.stages.upstream import Upstream
from tests.conftest import MakePocketBase
from tests.feed.support import holds
from tests.support.hapta import SECRET
from tests.support.pocketbase import ADMIN_EMAIL, GATEWAY_EMAIL, PASSWORD, PocketBase
from tests.support.process import free_port

POSTS = "/api/collections/posts/records"
NOTES = {
    "name": "hapta_notes",
    "fields": [{"name": "text", "type": "text"}],
    "indexes": ["CREATE INDEX `idx_hapta_notes_text` ON `hapta_notes` (`text`)"],
}


class Site:
    """A gateway on the test's own event loop, and the door plugins have in it."""

    def __init__(self, pocketbase: PocketBase, home: Path, **secrets: str) -> None:
        self.pocketbase = pocketbase
        environ = {"DatabaseURL": pocketbase.url, "Secret": SECRET}
        environ |= secrets or {"AdminEmail": GATEWAY_EMAIL, "AdminPassword": PASSWORD}
        settings = [f"server.port={free_port()}", "metrics.enabled=false", "cache.pb_hooks=none"]
        loaded = load(None, environ, settings, home)
        self._clock, self._metrics = SystemClock(), Metrics()
        events = Events(loaded.config.log, io.BytesIO(), self._clock, ())
        self._access_log = AccessLog(
            loaded.config.log, io.BytesIO(), self._clock, self._metrics.log_lines_dropped.inc
        )
        self.gateway = Gateway(loaded, environ, Outputs(events, self._access_log, self._metrics), self._clock)
        self._config = loaded.config
        self.sent: list[Exchange] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self) -> None:
        await self.gateway.start()
        self.database = PluginDatabase(self._superuser, self._inner())
        self.client = httpx.AsyncClient(base_url=self.gateway.url, timeout=30)

    @property
    def _superuser(self) -> Any:
        assert self.gateway._database is not None
        return self.gateway._database.superuser

    def _inner(self) -> Handler:
        gateway = self.gateway
        assert gateway._database is not None
        assert gateway._caching is not None
        assert gateway._watch is not None
        assert gateway._sessions is not None

        async def counted(exchange: Exchange, forward: Handler) -> Answer:
            self.sent.append(exchange)
            answer = await forward(exchange)
            await self.gate.wait()
            return answer

        stages = [
            *gateway._caching.stages(gateway._shaping(gateway._database, gateway._watch, gateway._caching)),
            *gateway._watch.stages(),
            *gateway._sessions.inner_stages(),
            counted,
        ]
        upstream = Upstream(
            gateway._database.client,
            self._config.upstream,
            None,
            streams=gateway._streams,
            meter=self._metrics,
            clock=self._clock,
        )
        return fold(stages, upstream)

    async def stop(self) -> None:
        await self.database.close()
        await self.client.aclose()
        await self.gateway.stop()
        self._access_log.close()

    async def seen(self, record: str) -> str:
        """The title a guest sees, and how it came to be."""
        answer = await self.client.get(f"{POSTS}/{record}")
        return f"{answer.json()['title']} {answer.headers['Cache-Status']}"


@pytest.fixture
async def site(pocketbase: PocketBase, tmp_path: Path) -> AsyncIterator[Site]:
    running = Site(pocketbase, tmp_path)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def database(site: Site) -> PluginDatabase:
    return site.database


async def test_a_row_is_made_read_changed_and_removed(database: PluginDatabase) -> None:
    made = await database.create("posts", {"title": "first", "views": 3})
    record = made["id"]
    assert made["title"] == "first"
    assert await database.view("posts", record) == made
    changed = await database.update("posts", record, {"views+": 2})
    assert changed["views"] == 5
    assert (await database.list("posts", filter="id = {:id}", params={"id": record}))[0]["views"] == 5
    await database.delete("posts", record)
    assert await database.view("posts", record) is None


async def test_a_refusal_says_what_is_wrong_with_which_field(site: Site) -> None:
    with pytest.raises(DatabaseError) as caught:
        await site.database.create("topics", {"name": ""})
    assert caught.value.status == 400
    assert caught.value.data["name"]["code"] == "validation_required"
    with pytest.raises(DatabaseError) as caught:
        await site.database.delete("topics", "nobodyisthere00")
    assert caught.value.status == 404
    with pytest.raises(DatabaseError) as caught:
        await site.database.list("posts", filter="nothing = 1")
    assert caught.value.status == 400
    assert len(site.sent) == 2, "what was refused was not sent again"


async def test_it_reads_what_only_superusers_may(database: PluginDatabase) -> None:
    made = await database.create("closed", {"name": "secret"})
    assert (await database.view("closed", made["id"]) or {})["name"] == "secret"


async def test_pages_sorts_and_expands(database: PluginDatabase) -> None:
    topic = await database.create("topics", {"name": "pages"})
    for number in range(3):
        await database.create("posts", {"title": f"page {number}", "topics": [topic["id"]]})
    found = await database.list(
        "posts",
        filter="topics.id ?= {:topic} // whose",
        params={"topic": topic["id"]},
        sort="-title",
        page=2,
        per_page=2,
        expand="topics",
    )
    assert [row["title"] for row in found] == ["page 0"]
    assert found[0]["expand"]["topics"] == [topic]
    assert await database.view("posts", found[0]["id"], expand="topics") == found[0]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("it's", id="a quote"),
        pytest.param("x' || id != '", id="the end of the text"),
        pytest.param("x\\' || id != ''  //", id="a backslash in front of it"),
        pytest.param("x\\", id="a backslash at the end"),
        pytest.param("\\n\n\\\\'\"", id="all kinds of escapes"),
        pytest.param("{:other}", id="a placeholder"),
        pytest.param("// @request.auth.id", id="a comment"),
        pytest.param("ß漢😀", id="beyond ASCII"),
    ],
)
async def test_a_value_in_a_filter_stays_a_value(database: PluginDatabase, text: str) -> None:
    made = await database.create("posts", {"title": text})
    found = await database.list(
        "posts", filter="title = {:text} && id != {:other}", params={"text": text, "other": "' || 1 = 1"}
    )
    assert [row["id"] for row in found] == [made["id"]]
    await database.delete("posts", made["id"])


async def test_numbers_moments_booleans_and_null_are_understood(database: PluginDatabase) -> None:
    moment = datetime(2031, 5, 6, 7, 8, 9, 123000, UTC)
    made = await database.create(
        "posts", {"title": "typed", "rating": 1e-7, "featured": True, "published": moment}
    )
    found = await database.list(
        "posts",
        filter="rating = {:small} && featured = {:yes} && published = {:moment} && author = {:none}",
        params={"small": 1e-7, "yes": True, "moment": moment, "none": None},
    )
    assert [row["id"] for row in found] == [made["id"]]


async def test_a_read_after_a_write_shows_it(site: Site) -> None:
    made = await site.database.create("posts", {"title": "before"})
    record = made["id"]
    for _ in range(2):
        stored = await site.seen(record)
    assert stored.startswith("before hapta; hit")
    for number in range(20):
        await site.database.update("posts", record, {"title": f"after-{number}"})
        assert (await site.seen(record)).startswith(f"after-{number} ")
        assert (await site.seen(record)).startswith(f"after-{number} hapta; hit")
    await site.database.delete("posts", record)
    assert (await site.client.get(f"{POSTS}/{record}")).status_code == 404


async def test_nothing_stored_is_served_while_its_write_is_under_way(site: Site) -> None:
    record = (await site.database.create("posts", {"title": "before"}))["id"]
    for _ in range(2):
        await site.seen(record)
    site.gate.clear()
    writing = asyncio.ensure_future(site.database.update("posts", record, {"title": "after"}))
    assert await holds(lambda: len(site.sent) == 2)
    assert "fwd=bypass" in await site.seen(record)
    site.gate.set()
    await writing
    assert (await site.seen(record)).startswith("after ")


async def test_a_write_is_finished_when_the_hook_that_asked_is_cancelled(site: Site) -> None:
    record = (await site.database.create("posts", {"title": "before"}))["id"]
    site.gate.clear()
    writing = asyncio.ensure_future(site.database.update("posts", record, {"title": "after"}))
    assert await holds(lambda: len(site.sent) == 2)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    site.gate.set()
    await site.database.close()
    await site.seen(record)
    assert (await site.seen(record)).startswith("after hapta; hit")  # a write that was given up leaves doubt


async def test_a_write_has_nothing_of_a_client_and_its_own_request_id(site: Site) -> None:
    await site.database.create("posts", {"title": "mine"})
    await site.database.create("posts", {"title": "mine"})
    assert {exchange.identity.is_superuser for exchange in site.sent if exchange.identity} == {True}
    assert len({exchange.request_id for exchange in site.sent}) == 2
    assert set(site.sent[0].headers) == {"Host", "User-Agent", "Accept", "Content-Type"}


@pytest.mark.parametrize(
    "is_token", [pytest.param(False, id="password"), pytest.param(True, id="AdminToken")]
)
async def test_a_token_that_died_is_renewed_once_if_it_can_be(
    make_pocketbase: MakePocketBase, tmp_path: Path, is_token: bool
) -> None:
    pocketbase = make_pocketbase()
    secrets = {"AdminEmail": ADMIN_EMAIL, "AdminPassword": PASSWORD}
    if is_token:
        secrets = {"AdminToken": pocketbase.token("_superusers", ADMIN_EMAIL)}
    site = Site(pocketbase, tmp_path, **secrets)
    await site.start()
    try:
        made = await site.database.create("closed", {"name": "a"})
        path = (
            f"/api/collections/_superusers/records/{pocketbase.rows('_superusers', filter=_mail())[0]['id']}"
        )
        body = {"password": PASSWORD, "passwordConfirm": PASSWORD}
        pocketbase.admin.patch(path, json=body).raise_for_status()  # which ends all its tokens
        site.sent.clear()
        if is_token:
            for refused in (
                site.database.create("closed", {"name": "b"}),
                site.database.list("posts"),
                site.database.view("closed", made["id"]),
            ):
                with pytest.raises(DatabaseError) as caught:
                    await refused
                assert caught.value.status == 403
            assert len(site.sent) == 1
        else:
            assert (await site.database.create("closed", {"name": "b"}))["name"] == "b"
            assert len(site.sent) == 2
            assert await site.database.view("closed", made["id"]) == made
    finally:
        await site.stop()


def _mail() -> str:
    return f'email = "{ADMIN_EMAIL}"'


async def test_a_batch_is_done_whole_or_not_at_all(make_pocketbase: MakePocketBase, tmp_path: Path) -> None:
    pocketbase = make_pocketbase()
    site = Site(pocketbase, tmp_path)
    await site.start()
    try:
        writes = [BatchWrite("create", "topics", fields={"name": "in a batch"})]
        _batches(pocketbase, is_on=False)
        with pytest.raises(DatabaseError, match="batch API is off") as caught:
            await site.database.batch(writes)
        assert caught.value.status == 403
        _batches(pocketbase, is_on=True)
        first = await site.database.create("topics", {"name": "first"})
        writes += [
            BatchWrite("upsert", "topics", fields={"id": "upsertedtopic00", "name": "upserted"}),
            BatchWrite("update", "topics", first["id"], {"name": "changed"}),
            BatchWrite("delete", "topics", first["id"]),
        ]
        rows = await site.database.batch(writes)
        assert [row and row["name"] for row in rows] == ["in a batch", "upserted", "changed", None]
        broken = [BatchWrite("create", "topics", fields={"name": name}) for name in ("fine", "")]
        with pytest.raises(DatabaseError) as caught:
            await site.database.batch(broken)
        assert caught.value.status == 400
        assert await site.database.list("topics", filter="name = 'fine'") == []
        assert await site.database.batch([]) == []
    finally:
        await site.stop()


def _batches(pocketbase: PocketBase, *, is_on: bool) -> None:
    body = {"batch": {"enabled": is_on, "maxRequests": 50, "timeout": 3}}
    pocketbase.admin.patch("/api/settings", json=body).raise_for_status()


async def test_a_plugins_collection_is_made_once_closed_and_completed(
    make_pocketbase: MakePocketBase, tmp_path: Path
) -> None:
    pocketbase, other = make_pocketbase(), tmp_path / "other"
    other.mkdir()
    sites = [Site(pocketbase, tmp_path), Site(pocketbase, other)]
    async with AsyncExitStack() as closing:
        for site in sites:
            await site.start()
            closing.push_async_callback(site.stop)
        database = sites[0].database
        await asyncio.gather(*(site.database.ensure_collection(NOTES) for site in sites for _ in range(3)))
        made = pocketbase.admin.get("/api/collections/hapta_notes").json()
        assert made["system"] is True
        assert made["listRule"] is None
        row = await database.create("hapta_notes", {"text": "kept"})
        sites[0].sent.clear()
        await database.ensure_collection(NOTES)
        assert sites[0].sent == []
        more = {**NOTES, "fields": [*NOTES["fields"], {"name": "count", "type": "number"}]}
        await database.ensure_collection(more)
        after = pocketbase.admin.get("/api/collections/hapta_notes").json()
        assert {field["name"] for field in after["fields"]} == {"id", "text", "count"}
        assert len(after["indexes"]) == 1
        assert (await database.update("hapta_notes", row["id"], {"count": 2}))["text"] == "kept"


async def test_a_foreign_collection_is_left_alone(make_pocketbase: MakePocketBase, tmp_path: Path) -> None:
    site = Site(make_pocketbase(), tmp_path)
    await site.start()
    try:
        admin = site.pocketbase.admin
        made = admin.post("/api/collections", json={"name": "hapta_notes", "type": "base"}).json()
        with pytest.raises(DatabaseError, match="hapta_notes, but it is not one that Hapta made"):
            await site.database.ensure_collection(NOTES)
        assert admin.get("/api/collections/hapta_notes").json() == made
        for name in ("posts", "hapta_meta", "hapta_x' || 'a' = 'a"):
            with pytest.raises(ValueError, match=name[:5]):
                await site.database.ensure_collection({**NOTES, "name": name})
    finally:
        await site.stop()


async def test_where_nobody_answers_it_says_so(make_pocketbase: MakePocketBase, tmp_path: Path) -> None:
    site = Site(make_pocketbase(), tmp_path)
    await site.start()
    try:
        site.pocketbase.kill()
        for asked in (site.database.list("posts"), site.database.create("posts", {"title": "x"})):
            with pytest.raises(UpstreamRefused):
                await asked
    finally:
        await site.stop()
