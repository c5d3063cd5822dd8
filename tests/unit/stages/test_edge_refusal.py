"""Which writes are refused without asking PocketBase, and which must not be."""

from collections.abc import Mapping
from typing import Any

import pytest

from hapta.cache.plan import HooksMode
from hapta.model.exchange import Answer, Exchange
from hapta.model.identity import SUPERUSERS_ID, Identity
from hapta.stages.denials import Denials, Wording
from hapta.stages.edge_refusal import EdgeRefusal
from tests.support.exchanges import exchange, fields
from tests.unit.cache.plan_world import POSTS
from tests.unit.stages.cache_world import JSON, POSTS_LIST, VARY, World, caller, refusal

ROW = POSTS_LIST + "/p1"
SIGNED_IN = "@request.auth.id != ''"
JSON_BODY = {"Content-Type": "application/json"}
MESSAGES = {
    400: "Failed to create record.",
    403: "Only superusers can perform this action.",
    404: "The requested resource wasn't found.",
}


class Edge:
    """The stage in front of a PocketBase that refuses as PocketBase does."""

    def __init__(self, **rules: str | None) -> None:
        self.world = World(posts=rules)
        self.refused: list[tuple[str, str]] = []
        self.stage = EdgeRefusal(
            Denials(self.world.book, self.world.feed, hooks_of=self.world.hooks_of),
            Wording(self.world.book, self.world.origins),
            self.world.feed,
            on_refused=lambda *refused: self.refused.append(refused),
        )
        self.world.pocketbase.headers = [
            *(JSON, VARY),
            (b"X-Frame-Options", b"SAMEORIGIN"),
            (b"Date", b"today"),
            (b"Cache-Status", b"hapta; fwd=method"),
        ]

    async def write(
        self,
        method: str,
        target: str,
        status: int,
        *,
        identity: Identity | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
    ) -> Answer:
        """PocketBase, if it is asked, answers ``status`` in its words."""
        pocketbase = self.world.pocketbase
        pocketbase.status, pocketbase.body = status, refusal(status, MESSAGES.get(status, ""))
        one = exchange(method, target, headers, body)
        one.identity = identity
        one.authorization = None if identity is None else identity.upstream_token
        return await self.stage(one, pocketbase)

    async def is_refused(self, method: str, target: str, status: int, **more: Any) -> bool:
        """Whether the second of two such writes is refused at the edge, with the answer of the first."""
        first = await self.write(method, target, status, **more)
        asked = len(self.world.pocketbase.asked)
        second = await self.write(method, target, status, **more)
        if len(self.world.pocketbase.asked) > asked:
            assert not self.refused
            return False
        assert (second.status, second.body) == (first.status, first.body)
        own = {b"Cache-Status", b"Date"}
        assert [line for line in second.headers if line[0] not in own] == [
            line for line in first.headers if line[0] not in own
        ]
        assert fields(second, b"cache-status") == [b"hapta; detail=edge-refusal"]
        return True


WRITES = [
    pytest.param("POST", POSTS_LIST, "createRule", 400, id="create"),
    pytest.param("PATCH", ROW, "updateRule", 404, id="update"),
    pytest.param("DELETE", ROW, "deleteRule", 404, id="delete"),
]


@pytest.mark.parametrize(("method", "target", "rule", "status"), WRITES)
async def test_a_guest_is_refused_what_is_for_users_and_everybody_what_is_for_superusers(
    method: str, target: str, rule: str, status: int
) -> None:
    edge = Edge(**{rule: SIGNED_IN})
    assert await edge.is_refused(method, target, status)
    action = rule.removesuffix("Rule")
    assert edge.refused == [(POSTS, action)]
    closed = Edge(**{rule: None})
    assert await closed.is_refused(method, target, 403, identity=caller("u1"))


@pytest.mark.parametrize(("method", "target", "rule", "status"), WRITES)
async def test_what_a_rule_may_allow_goes_to_pocketbase(
    method: str, target: str, rule: str, status: int
) -> None:
    for text in ("", "author = @request.auth.id", "@request.body.title = 'x'", "not a rule ("):
        edge = Edge(**{rule: text})
        assert not await edge.is_refused(method, target, status)
    users = Edge(**{rule: SIGNED_IN})
    assert not await users.is_refused(method, target, status, identity=caller("u1"))


async def test_a_user_is_not_refused_what_a_guest_may_for_the_token_may_have_died() -> None:
    edge = Edge(createRule="@request.auth.id = ''")
    assert not await edge.is_refused("POST", POSTS_LIST, 400, identity=caller("u1"))


async def test_a_user_of_another_collection_is_refused() -> None:
    edge = Edge(createRule="@request.auth.collectionName = 'clients'")
    assert await edge.is_refused("POST", POSTS_LIST, 400, identity=caller("u1"))


async def test_a_superuser_and_a_strange_authorization_go_to_pocketbase() -> None:
    edge = Edge(createRule=None)
    assert not await edge.is_refused("POST", POSTS_LIST, 403, identity=caller("s1", SUPERUSERS_ID))

    async def forward(asked: Exchange) -> Answer:
        return Answer(204)

    await edge.is_refused("POST", POSTS_LIST, 403)
    one = exchange("POST", POSTS_LIST)
    one.authorization = "Basic eDp5"
    assert (await edge.stage(one, forward)).status == 204


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        (b"", True),
        (b"{}", True),
        (b'{"title":"x","n":-1.5e3,"tags":["a",null,true],"meta":{"a":{"a":1}}}', True),
        (b'{"title":"x","title":"y"}', False),
        (b'{"meta":{"a":1,"a":2}}', False),
        (b"{", False),
        (b"[]", False),
        (b'"x"', False),
        (b"  ", False),
        (b'{"title":"x"} behind', False),
        (b'{"title":"\xff"}', False),
        (b'{"title":"\\ud800"}', False),
        (b'{"n":1e999}', False),
        (b'{"n":NaN}', False),
        (b'{"n":' + b"9" * 400 + b"}", False),
        (b"[" * 50_000, False),
        (b'{"title":"' + b"x" * 20_000 + b'"}', False),
    ],
)
async def test_only_a_body_that_pocketbase_reads_for_certain_is_refused_here(
    body: bytes, is_read: bool
) -> None:
    edge = Edge(createRule=None)
    assert await edge.is_refused("POST", POSTS_LIST, 403, body=body, headers=JSON_BODY) is is_read


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain"}, {"Content-Type": "multipart/form-data; boundary=x"}],
)
async def test_a_body_of_another_type_goes_to_pocketbase(headers: Mapping[str, str]) -> None:
    edge = Edge(createRule=None)
    assert not await edge.is_refused("POST", POSTS_LIST, 403, body=b"{}", headers=headers)


@pytest.mark.parametrize(
    "target",
    [
        "/api/collections/nope/records",
        "/api/collections/stats/records",
        "/api/collections/_origins/records",
        "/api/collections/p%6fsts/records",
    ],
)
async def test_views_system_collections_unknown_ones_and_odd_paths_go_to_pocketbase(target: str) -> None:
    assert not await Edge(createRule=None).is_refused("POST", target, 403)


async def test_a_batch_goes_to_pocketbase() -> None:
    assert not await Edge(createRule=None).is_refused("POST", "/api/batch", 403)


async def test_nothing_is_refused_here_where_hooks_may_be_or_the_rules_are_not_confirmed() -> None:
    edge = Edge(createRule=None)
    edge.world.hooks = HooksMode.AUTH
    assert not await edge.is_refused("POST", POSTS_LIST, 403)
    edge.world.hooks, edge.world.feed.is_live = HooksMode.NONE, False
    assert not await edge.is_refused("POST", POSTS_LIST, 403)
    edge.world.feed.comes_back = True
    assert await edge.is_refused("POST", POSTS_LIST, 403)


async def test_another_rule_is_looked_at_anew() -> None:
    edge = Edge(createRule=None)
    assert await edge.is_refused("POST", POSTS_LIST, 403)
    edge.world.change_schema(posts={"createRule": ""})
    edge.refused.clear()
    assert not await edge.is_refused("POST", POSTS_LIST, 200)


async def test_a_collection_about_which_pocketbase_says_something_else_is_left_to_it() -> None:
    edge = Edge(createRule=None)
    await edge.write("POST", POSTS_LIST, 200)
    assert not await edge.is_refused("POST", POSTS_LIST, 403)


async def test_each_origin_gets_the_cors_lines_that_pocketbase_gave_it() -> None:
    edge = Edge(createRule=None)
    for origin in ("https://a.test", "https://evil.test"):
        edge.refused.clear()
        assert await edge.is_refused("POST", POSTS_LIST, 403, headers={"Origin": origin})
    answer = await edge.write("POST", POSTS_LIST, 403, headers={"Origin": "https://a.test"})
    assert fields(answer, b"access-control-allow-origin") == [b"https://a.test"]
    assert fields(await edge.write("POST", POSTS_LIST, 403), b"access-control-allow-origin") == []


async def test_a_refusal_with_a_cookie_is_nobody_elses() -> None:
    edge = Edge(createRule=None)
    edge.world.pocketbase.headers.append((b"Set-Cookie", b"a=b"))
    assert not await edge.is_refused("POST", POSTS_LIST, 403)
