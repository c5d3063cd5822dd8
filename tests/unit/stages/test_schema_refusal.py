"""When the schema's refusals are given in PocketBase's place, and when no more."""

from typing import Any

import orjson

from hapta.cache.plan import HooksMode
from hapta.model.exchange import Answer
from hapta.model.identity import SUPERUSERS_ID, Identity
from hapta.model.schema import Collection, Schema
from hapta.stages.denials import Denials, Wording
from hapta.stages.schema_refusal import SchemaRefusal
from tests.support.exchanges import exchange, fields
from tests.unit.cache.plan_world import POSTS
from tests.unit.stages.cache_world import POSTS_LIST, Stream, World, caller

_BLANK = {"code": "validation_required", "message": "Cannot be blank."}
_LONG = {
    "code": "validation_max_text_constraint",
    "message": "Must be no more than 3 character(s).",
    "params": {"max": 3},
}
_SIGNED_IN = "@request.auth.id != ''"
_TEXT = {
    "type": "text",
    "hidden": False,
    "min": 0,
    "max": 0,
    "pattern": "",
    "autogeneratePattern": "",
    "required": False,
    "primaryKey": False,
}
_TITLE = {**_TEXT, "name": "title", "required": True, "max": 3}


def _refusal(**found: Any) -> bytes:
    return orjson.dumps({"data": found, "message": "Failed to create record.", "status": 400})


class Edge:
    """The stage in front of a PocketBase that answers as told."""

    def __init__(self, rule: str | None = "") -> None:
        self.world = World()
        self.refused: list[tuple[str, str]] = []
        self.change_posts(rule, _TITLE)
        self.stage = SchemaRefusal(
            Denials(self.world.book, self.world.feed, hooks_of=self.world.hooks_of),
            Wording(self.world.book, self.world.origins),
            self.world.feed,
            on_refused=lambda *refused: self.refused.append(refused),
        )
        self.says(400, _refusal(title=_BLANK))

    def change_posts(self, rule: str | None, *found: dict[str, Any]) -> None:
        """Another schema; without fields the posts are as they are."""
        posts = self.world.schema.by_id[POSTS]
        raw = {**posts.raw, "createRule": rule, "fields": list(found or posts.fields)}
        collections = {**self.world.schema.by_id, POSTS: Collection.parse(raw)}
        self.world.schema = Schema.of(self.world.schema.version + 1, collections.values())

    def says(self, status: int, body: bytes) -> None:
        """What PocketBase answers from now on."""
        self.world.pocketbase.status, self.world.pocketbase.body = status, body

    async def write(
        self, body: bytes = b"{}", target: str = POSTS_LIST, identity: Identity | None = None
    ) -> Answer:
        one = exchange("POST", target, {"Content-Type": "application/json"}, body)
        one.identity = identity
        one.authorization = None if identity is None else identity.upstream_token
        return await self.stage(one, self.world.pocketbase)

    async def is_asked(self, *arguments: Any, **more: Any) -> bool:
        """Whether PocketBase is asked about such a write."""
        before = len(self.world.pocketbase.asked)
        answer = await self.write(*arguments, **more)
        is_asked = len(self.world.pocketbase.asked) > before
        assert is_asked is (fields(answer, b"cache-status") != [b"hapta; detail=edge-refusal"])
        return is_asked


async def test_the_first_refusal_of_each_kind_is_pocketbases_own() -> None:
    edge = Edge()
    assert await edge.is_asked()
    assert not await edge.is_asked()
    assert not await edge.is_asked(b'{"title":null,"n":1}')
    edge.says(400, _refusal(title=_LONG))
    assert await edge.is_asked(b'{"title":"long"}')
    assert not await edge.is_asked(b'{"title":"long"}')
    answer = await edge.write(b'{"title":"much longer"}')
    assert (answer.status, answer.body) == (400, _refusal(title=_LONG))
    assert edge.refused == [(POSTS, "create")] * 4


async def test_pocketbase_in_other_words_is_left_alone_until_the_schema_changes() -> None:
    edge = Edge()
    edge.says(400, _refusal(title={**_BLANK, "message": "Required."}))
    for _ in range(3):
        assert await edge.is_asked()
    edge.says(400, _refusal(title=_BLANK))
    assert await edge.is_asked()
    edge.change_posts("")
    assert await edge.is_asked()
    assert not await edge.is_asked()


async def test_what_pocketbase_says_of_its_state_is_not_held_against_the_schema() -> None:
    edge = Edge()
    for status in (429, 500, 503):
        edge.says(status, b"{}")
        assert await edge.is_asked()
    edge.says(400, _refusal(title=_BLANK))
    assert await edge.is_asked()
    assert not await edge.is_asked()


async def test_an_answer_in_pieces_tells_nothing() -> None:
    edge = Edge()
    edge.world.pocketbase.body = Stream(_refusal(title=_BLANK))
    assert await edge.is_asked()
    edge.says(400, _refusal(title=_BLANK))
    assert await edge.is_asked()
    assert not await edge.is_asked()


async def test_what_was_seen_holds_under_a_new_schema_as_long_as_the_collection_is_the_same() -> None:
    edge = Edge()
    assert await edge.is_asked()
    edge.change_posts("")
    assert not await edge.is_asked()
    edge.change_posts("", {**_TITLE, "max": 4})
    assert await edge.is_asked()


async def test_only_who_is_surely_let_in_is_told_what_is_wrong() -> None:
    for rule, identity, is_asked in (
        (_SIGNED_IN, caller("u1"), False),
        (_SIGNED_IN, None, True),
        ("title = ''", caller("u1"), True),
        (f"{_SIGNED_IN} || title = 'x'", caller("u1"), True),
        (f"{_SIGNED_IN} && @request.auth.collectionName = 'users'", caller("u1"), False),
        ("@request.auth.collectionName = 'clients'", caller("u1"), True),
        ("@request.auth.gone = ''", None, True),
        (None, caller("u1"), True),
        ("", caller("s1", SUPERUSERS_ID), True),
    ):
        edge = Edge(rule)
        await edge.write(identity=identity)
        assert await edge.is_asked(identity=identity) is is_asked, rule


async def test_nothing_is_refused_where_hooks_may_be_or_the_schema_is_not_confirmed() -> None:
    edge = Edge()
    await edge.write()
    edge.world.hooks = HooksMode.REQUEST
    assert await edge.is_asked()
    assert await edge.is_asked(target="/api/collections/nowhere/records")
    edge.world.hooks = HooksMode.NONE
    edge.world.feed.is_live = False
    assert await edge.is_asked()
    assert await edge.is_asked(target="/api/collections/nowhere/records")
    edge.world.feed.comes_back = True
    assert not await edge.is_asked()


async def test_a_schema_that_changes_while_the_body_is_read_counts() -> None:
    edge = Edge()
    await edge.write()
    one = exchange("POST", POSTS_LIST, {"Content-Type": "application/json"}, b"{}")
    body = one.body
    assert body is not None

    class Slow:
        length = body.length

        async def chunks(self) -> Any:
            edge.change_posts("", {**_TITLE, "required": False})
            yield b"{}"

    one.body = Slow()
    answer = await edge.stage(one, edge.world.pocketbase)
    assert fields(answer, b"cache-status") == []


async def test_a_body_that_go_reads_otherwise_goes_to_pocketbase() -> None:
    edge = Edge()
    await edge.write()
    for body in (b'{"title":"","title":""}', b'{"title":"","n":1e309}', b'{"title":"","a":NaN}', b"[]", b"{"):
        assert await edge.is_asked(body)
    assert not await edge.is_asked(b'{"title":"","n":1e20}')


async def test_a_collection_that_is_not_there_is_told_so_once_pocketbase_did() -> None:
    edge = Edge()
    edge.says(404, b'{"data":{},"message":"Missing or invalid collection context.","status":404}')
    assert await edge.is_asked(target="/api/collections/nowhere/records")
    assert not await edge.is_asked(target="/api/collections/elsewhere/records")
    other = Edge()
    other.says(404, b'{"data":{},"message":"Gone.","status":404}')
    for _ in range(3):
        assert await other.is_asked(target="/api/collections/nowhere/records")
