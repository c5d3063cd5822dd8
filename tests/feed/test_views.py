"""What views read, asked of a real PocketBase: the exact way, without ``/api/sql``, and while it is away."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hapta.feed.views import ViewWatch
from tests.feed.conftest import Follow
from tests.feed.support import Following, holds
from tests.support.pocketbase import PocketBase, from_template

POSTS, TOPICS, COMMENTS, USERS = "pbc_posts000001", "pbc_topics00001", "pbc_comments001", "_pb_users_auth_"

CASES = {
    "left_join": (
        "SELECT (p.id || coalesce(c.id, '')) AS id FROM posts p LEFT JOIN comments c ON c.post = p.id",
        {POSTS, COMMENTS},
    ),
    "correlated": (
        "SELECT p.id, (SELECT count(*) FROM comments c WHERE c.post = p.id AND p.author IN "
        "(SELECT u.id FROM users u)) AS n FROM posts p",
        {POSTS, COMMENTS, USERS},
    ),
    "cte": (
        "WITH t(x) AS (SELECT name FROM topics) SELECT p.id, (SELECT max(x) FROM t) AS m FROM posts p",
        {POSTS, TOPICS},
    ),
    "of_a_view": (
        "SELECT s.id, t.name FROM post_stats s JOIN topics t ON t.id = s.id",
        {POSTS, COMMENTS, TOPICS},
    ),
    "grouped": ("SELECT c.post AS id, count(*) AS n FROM comments c GROUP BY c.post", {COMMENTS}),
    "index_only": ("SELECT id FROM topics", {TOPICS}),
    "either_index": ("SELECT id, slug FROM posts WHERE id = 'a' OR id = 'b'", {POSTS}),
    "of_json": ("SELECT (p.id || j.value) AS id FROM posts p, json_each(p.tags) j", {POSTS}),
    "left_out": ("SELECT p.id FROM posts p LEFT JOIN topics t ON t.id = p.slug", {POSTS}),
}
TROUBLE = {
    "of_params": ("SELECT id, created FROM _params", "_params"),
    "of_system": ("SELECT id, method FROM _mfas", "_mfas"),
    "of_sqlite": ("SELECT name AS id FROM sqlite_schema", "sqlite_schema"),
    "by_chance": ("SELECT id, random() AS r FROM posts", "random"),
    "by_clock": ("SELECT id, datetime('now') AS r FROM posts", "datetime"),
    "by_keyword": ("SELECT id, current_timestamp AS r FROM posts", "current_timestamp"),
    "inherited": ("SELECT id FROM view_by_chance", "random"),
}


@pytest.fixture
async def following(served: PocketBase, follow: Follow) -> Following:
    return await follow(served)


@pytest.fixture
async def views(following: Following) -> AsyncIterator[ViewWatch]:
    watch = ViewWatch(following.superuser, following.schema, clock=following.clock)
    yield watch
    await watch.stop()


@pytest.fixture
async def made(following: Following) -> AsyncIterator[dict[str, str]]:
    """All views of the tables above; their ids by name."""
    ids = {name: f"pbc_view_{name}" for name in {**CASES, **TROUBLE}}
    views = [_view(f"view_{name}", sql, ids[name]) for name, (sql, _) in {**CASES, **TROUBLE}.items()]
    await following.ask("PUT", "/api/collections/import", {"collections": views, "deleteMissing": False})
    await following.schema.refresh()
    yield ids
    for made in reversed(ids.values()):
        await following.ask("DELETE", f"/api/collections/{made}")


def _view(name: str, sql: str, view_id: str) -> dict[str, Any]:
    return {"id": view_id, "name": name, "type": "view", "viewQuery": sql, "fields": []}


async def test_sqlite_says_exactly_which_collections_a_view_reads(
    views: ViewWatch, made: dict[str, str]
) -> None:
    known = await views.learned()
    for name, (_, collections) in CASES.items():
        assert (name, known[made[name]].collections) == (name, collections)
        assert (name, known[made[name]].trouble) == (name, "")
    for name, (_, trouble) in TROUBLE.items():
        assert trouble in known[made[name]].trouble, name


async def test_without_sql_the_words_name_at_least_as_much(
    views: ViewWatch, following: Following, made: dict[str, str]
) -> None:
    following.schema.features = replace(following.schema.features, has_sql=False)
    known = await views.learned()
    for name, (_, collections) in CASES.items():
        assert known[made[name]].collections >= collections, name
        assert (name, known[made[name]].trouble) == (name, "")
    for name, (_, trouble) in TROUBLE.items():
        assert trouble in known[made[name]].trouble, name
    assert known[made["left_out"]].collections == {POSTS, TOPICS}


async def test_a_changed_view_is_unknown_until_it_was_asked_for(
    views: ViewWatch, following: Following
) -> None:
    view = "pbc_view_changing"
    await following.ask("POST", "/api/collections", _view("view_changing", "SELECT id FROM topics", view))
    try:
        await following.schema.refresh()
        assert (await views.learned())[view].collections == {TOPICS}
        await following.ask("PATCH", f"/api/collections/{view}", {"viewQuery": "SELECT id FROM comments"})
        await following.schema.refresh()
        assert view not in views.known
        assert await holds(lambda: view in views.known)
        assert views.known[view].collections == {COMMENTS}
    finally:
        await following.ask("DELETE", f"/api/collections/{view}")


async def test_it_is_asked_once_for_each_schema(views: ViewWatch, following: Following) -> None:
    await asyncio.sleep(0.7)  # a schema that settles counts as another one
    first = await views.learned()
    asked = len(following.requests)
    assert views.known is first
    assert await views.learned() is first
    assert len(following.requests) == asked


async def test_sql_that_somebody_ran_makes_views_unknown(views: ViewWatch, following: Following) -> None:
    stats = following.schema.snapshot.by_name["post_stats"].id
    assert stats in await views.learned()
    views.forget()
    assert views.known == {}
    assert stats in await views.learned()


async def test_root_pages_that_move_meanwhile_are_read_again(
    views: ViewWatch, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    stats = following.schema.snapshot.by_name["post_stats"].id
    request, moves = following.superuser.request, [1, 2]

    async def with_changes(method: str, path: str, json: Any = None, **more: Any) -> Any:
        answer = await request(method, path, json, **more)
        if json is not None and "sqlite_schema" in json.get("query", "") and moves:
            for sql in (f"CREATE TABLE zz_{moves[0]} (a)", f"DROP TABLE zz_{moves.pop(0)}", "VACUUM"):
                await following.ask("POST", "/api/sql", {"query": sql})
            answer = await request(method, path, json, **more)
            await following.ask("POST", "/api/sql", {"query": "CREATE TABLE zz_x (a)"})
            await following.ask("POST", "/api/sql", {"query": "DROP TABLE zz_x"})
        return answer

    monkeypatch.setattr(following.superuser, "request", with_changes)
    views.forget()
    known = await views.learned()
    assert known[stats].collections == {POSTS, COMMENTS}
    assert moves == []


async def test_while_pocketbase_is_away_nothing_is_known(
    pocketbase_template: Path, tmp_path: Path, follow: Follow
) -> None:
    instance = from_template(pocketbase_template, tmp_path)
    try:
        following = await follow(instance)
        views = ViewWatch(following.superuser, following.schema, clock=following.clock)
        instance.stop()
        views.forget()
        assert await views.learned() == {}
        instance.start()
        assert await holds(lambda: len(views.known) > 0, within_s=8)
        await views.stop()
    finally:
        instance.close()
