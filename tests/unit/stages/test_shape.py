"""Answers leave shaped, byte for byte where no hook changes anything, or not at all."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest

from hapta.cache.plan import HooksMode
from hapta.hooks.api import MisusedApi, PluginApi
from hapta.hooks.change import Viewer
from hapta.hooks.registry import EMPTY
from hapta.hooks.reject import HookFailed, Reject
from hapta.model.exchange import Answer, Exchange
from hapta.model.identity import SUPERUSERS_ID, Identity
from hapta.stages import shape
from hapta.stages.viewers import GUEST
from tests.support.exchanges import exchange
from tests.unit.cache.plan_world import USERS
from tests.unit.stages.shaping_world import NoServices, ShapingWorld, hide_text, hook_of

LIST, VIEW = "/api/collections/posts/records", "/api/collections/posts/records/p1"
ROW = b'{"author":"u1","collectionId":"pbc_posts","id":"p1","meta":{"b":1.0,"a":12345678901234567890123},'
ROW += b'"n":4,"text":"\\u003cb\\u003e"}'
SHOWN = b'{"author":"u1","collectionId":"pbc_posts","id":"p1","meta":{"b":1.0,"a":12345678901234567890123}}'


@pytest.fixture
def world() -> ShapingWorld:
    return ShapingWorld(hide_text)


def asked(target: str = VIEW, method: str = "GET", user: str = "", body: bytes | None = None) -> Exchange:
    one = exchange(method, target, {"Content-Type": "application/json"}, body)
    if user:
        one.identity = Identity(SUPERUSERS_ID if user == "root" else USERS, user, "token", None)
    return one


async def test_what_is_shown_stays_byte_for_byte(world: ShapingWorld) -> None:
    row = ROW
    answer = await world.answer(asked(), Answer(200, [], row))
    assert answer.body == SHOWN
    world.superuser.fields = {"role": "reader"}
    answer = await world.answer(asked(user="u1"), Answer(200, [], row))
    assert answer.body == row.replace(b',"text":"\\u003cb\\u003e"', b"")
    answer = await world.answer(asked(user="root"), Answer(200, [], row))
    assert answer.body is row


async def test_values_in_the_key_count_and_not_those_of_now(world: ShapingWorld) -> None:
    one = asked(user="u2")
    one.shaped_for = {"role": "reader"}
    answer = await world.answer(one, Answer(200, [], b'{"id":"p1","text":"x"}'))
    assert answer.body == b'{"id":"p1"}'


async def test_an_unknown_value_of_the_viewer_shows_nothing(world: ShapingWorld) -> None:
    world.superuser.fields = {"role": ["editor"]}
    with pytest.raises(HookFailed):
        await world.answer(asked(user="u1"), Answer(200, [], ROW))


async def test_without_hooks_nothing_is_looked_at(world: ShapingWorld) -> None:
    body = b"no JSON at all"
    assert (await world.answer(asked("/api/collections/teams/records/t"), Answer(200, [], body))).body is body
    world.registry = EMPTY
    one = asked()
    assert (await world.answer(one, Answer(200, [], body))).body is body
    assert not one.wants_plain_answer


class Endless:
    """A body that never comes to its end."""

    def __init__(self) -> None:
        self.is_aborted = False

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536

    def abort(self) -> None:
        self.is_aborted = True


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (VIEW, b"[]"),
        (VIEW, b'{"id":"p1"'),
        (VIEW, b'"text"'),
        (VIEW, b'{"id":"c1","collectionId":"pbc_comments","text":"x"}'),
        (VIEW, b'{"id":"p1","expand":{"nobody":{"id":"x"}}}'),
        (VIEW, b'{"id":"p1","expand":[]}'),
        (VIEW, b'{"id":"p1","expand":{"author":"u1"}}'),
        (LIST, b'{"page":1}'),
        (LIST, b'{"items":{"id":"p1"}}'),
        (LIST, b'[{"id":"p1"}]'),
        ("/api/collections/gone/records", b'{"items":[]}'),
        ("/api/collections/comments/records?expand=post", b'{"items":[{"expand":{"post":{"expand":1}}}]}'),
    ],
)
async def test_what_cannot_be_taken_apart_is_not_sent(world: ShapingWorld, target: str, body: bytes) -> None:
    with pytest.raises(HookFailed):
        await world.answer(asked(target), Answer(200, [], body))
    assert world.log.names == ["hook_failed"]


async def test_a_coded_answer_is_not_sent(world: ShapingWorld) -> None:
    one = asked()
    with pytest.raises(HookFailed):
        await world.answer(one, Answer(200, [(b"Content-Encoding", b"gzip")], ROW))
    assert one.wants_plain_answer


async def test_an_answer_too_large_to_hold_is_ended(
    world: ShapingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shape, "MAX_BYTES", 100_000)
    body = Endless()
    with pytest.raises(HookFailed):
        await world.answer(asked(), Answer(200, [], body))
    assert body.is_aborted


async def test_refusals_pass(world: ShapingWorld) -> None:
    answer = await world.answer(asked(), Answer(404, [], b"whatever"))
    assert answer.body == b"whatever"


async def test_nothing_tells_of_the_bytes_before(world: ShapingWorld) -> None:
    headers = [(b"ETag", b'"x"'), (b"Content-Digest", b"y"), (b"Vary", b"Origin")]
    answer = await world.answer(asked(method="HEAD"), Answer(200, headers, b"", length=123))
    assert (answer.headers, answer.length) == ([(b"Vary", b"Origin")], None)


async def test_expanded_rows_are_shaped_by_where_they_stand(world: ShapingWorld) -> None:
    body = b'{"items":[{"id":"c1","expand":{"post":{"id":"p1","text":"x","n":1,"title":"t"}}}]}'
    target = "/api/collections/comments/records?expand=post"
    answer = await world.answer(asked(target), Answer(200, [], body))
    assert answer.body == b'{"items":[{"id":"c1","expand":{"post":{"id":"p1","title":"t"}}}]}'


async def test_where_pb_hooks_may_expand_anything_is_looked_at(world: ShapingWorld) -> None:
    body = b'{"id":"c1","expand":{"post":{"id":"p1","text":"x"}}}'
    target = "/api/collections/comments/records/c1"
    assert (await world.answer(asked(target), Answer(200, [], body))).body is body
    world.mode = HooksMode.AUTH
    answer = await world.answer(asked(target), Answer(200, [], body))
    assert answer.body == b'{"id":"c1","expand":{"post":{"id":"p1"}}}'


async def test_a_batch_with_other_answers_than_requests_is_not_sent(world: ShapingWorld) -> None:
    requests = [{"method": "PATCH", "url": VIEW, "body": {"n": 1}}, {"method": "DELETE", "url": VIEW}]
    sent = orjson.dumps({"requests": requests})
    body = b'[{"body":{"id":"p1","text":"x"},"status":200},{"body":null,"status":204}]'
    answer = await world.answer(asked("/api/batch", "POST", body=sent), Answer(200, [], body))
    assert answer.body == b'[{"body":{"id":"p1"},"status":200},{"body":null,"status":204}]'
    for wrong in (b"[]", b'[{"body":{"id":"p1"}}]', b"{}"):
        with pytest.raises(HookFailed):
            await world.answer(asked("/api/batch", "POST", body=sent), Answer(200, [], wrong))


async def test_a_login_that_does_not_tell_who_logs_in_is_not_sent(world: ShapingWorld) -> None:
    def hide(api: PluginApi) -> None:
        @api.can_read("users", "name", depends_on="auth.id")
        async def own(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
            return row is not None and row["id"] == viewer["auth.id"]

    world = ShapingWorld(hide)
    target = "/api/collections/users/auth-with-password"
    answer = await world.answer(asked(target, "POST"), Answer(200, [], b'{"record":{"id":"u1","name":"A"}}'))
    assert answer.body == b'{"record":{"id":"u1","name":"A"}}'
    with pytest.raises(HookFailed):
        await world.answer(asked(target, "POST"), Answer(200, [], b'{"record":{"name":"A"}}'))
    answer = await world.answer(asked(target, "POST"), Answer(200, [], b'{"mfaId":"x"}'))
    assert answer.body == b'{"mfaId":"x"}'


async def test_the_others_are_all_that_the_same_plugin_does_not_name() -> None:
    def hide(api: PluginApi) -> None:
        @api.can_read("posts", "*")
        async def nobody(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
            return False

        @api.can_read("posts", "title")
        async def everybody(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
            return True

    world = ShapingWorld(hide)
    body = b'{"collectionId":"pbc_posts","expand":{"author":{"id":"u1"},"team":{"id":"t1"}},"id":"p1","n":1,'
    body += b'"title":"x"}'
    answer = await world.answer(asked(VIEW + "?expand=author,team"), Answer(200, [], body))
    assert answer.body == b'{"collectionId":"pbc_posts","expand":{},"id":"p1","title":"x"}'
    posts = world.schema.by_id["pbc_posts"]
    assert await world.readable.may_ask(posts, "title ~ 'a' && id != ''", "-title", GUEST)
    for filter_ in ("n > 1", "author = 'u1'", "comments_via_post.id != '' || meta.a = 1"):
        assert not await world.readable.may_ask(posts, filter_, "", GUEST)
    assert [hook.field for hook in world.shaper.guards_of(posts, "title")] == ["title"]
    assert [hook.field for hook in world.shaper.guards_of(posts, "n")] == ["*"]


async def test_a_value_that_no_hook_can_be_shown_keeps_no_list_from_anybody() -> None:
    for odd in (b"[" * 9000 + b"]" * 9000, b"[" * 300 + b"]" * 300, b'"\\ud800"', b"1e999"):
        body = b'{"items":[{"id":"p1","meta":%s,"text":"x"},{"id":"p2","text":"y"}]}' % odd
        answer = await ShapingWorld(hide_text).answer(asked(LIST), Answer(200, [], body))
        assert answer.body == body.replace(b',"text":"x"', b"").replace(b',"text":"y"', b"")
        answer = await ShapingWorld(hook_of(_leave)).answer(asked(LIST), Answer(200, [], body))
        assert answer.body == body.replace(b'"meta":%s,' % odd, b"")


async def _leave(rows: list[dict[str, Any]], viewer: Viewer) -> None:
    """Nothing to do."""


async def _drop_a_row(rows: list[dict[str, Any]], viewer: Viewer) -> None:
    rows.pop()


async def _other_rows(rows: list[dict[str, Any]], viewer: Viewer) -> None:
    rows[0] = {**rows[0]}


async def _no_json(rows: list[dict[str, Any]], viewer: Viewer) -> None:
    rows[0]["title"] = object()


async def _no_name(rows: list[dict[str, Any]], viewer: Viewer) -> None:
    rows[0][1] = 1  # type: ignore[index]


async def _reject(rows: list[dict[str, Any]], viewer: Viewer) -> None:
    raise Reject(message="no")


async def _undeclared(rows: list[dict[str, Any]], viewer: Viewer) -> None:
    rows[0]["title"] = viewer["auth.id"]


@pytest.mark.parametrize("function", [_drop_a_row, _other_rows, _no_json, _no_name, _reject, _undeclared])
async def test_a_hook_that_does_what_it_may_not_stops_the_answer(function: Any) -> None:
    with pytest.raises(HookFailed):
        await ShapingWorld(hook_of(function)).answer(asked(), Answer(200, [], ROW))


async def test_hooks_change_rows_but_not_whose_they_are() -> None:
    async def change(rows: list[dict[str, Any]], viewer: Viewer) -> None:
        for row in rows:
            assert "expand" not in row
            row |= {"id": "x", "collectionId": "y", "expand": {}, "title": "new"}
            del row["n"]

    body = b'{"id":"p1","n":1,"expand":{"author":{"id":"u1"}},"z":2}'
    answer = await ShapingWorld(hook_of(change)).answer(asked(VIEW + "?expand=author"), Answer(200, [], body))
    assert answer.body == b'{"id":"p1","expand":{"author":{"id":"u1"}},"z":2,"title":"new"}'
    left = await ShapingWorld(hook_of(_leave)).answer(asked(), Answer(200, [], ROW))
    assert left.body == ROW


@pytest.mark.parametrize("name", ["id", "collectionId", "collectionName", "expand"])
def test_what_rows_are_told_apart_by_cannot_be_hidden(name: str) -> None:
    api = PluginApi("x", {}, {}, NoServices())

    async def never(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return False

    with pytest.raises(MisusedApi):
        api.can_read("posts", name)(never)
