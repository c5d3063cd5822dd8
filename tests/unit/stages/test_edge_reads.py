"""Which reads are answered without asking PocketBase, and which must not be."""

import pytest

from hapta.cache.plan import HooksMode
from hapta.model.identity import SUPERUSERS_ID, Identity
from hapta.stages.denials import Denials, Wording
from hapta.stages.edge_reads import EdgeReads
from tests.support.exchanges import exchange, fields
from tests.unit.cache.plan_world import POSTS
from tests.unit.stages.cache_world import POSTS_LIST, World, caller, refusal

SIGNED_IN = "@request.auth.id != ''"
EMPTY = b'{"items":[],"page":1,"perPage":30,"totalItems":0,"totalPages":0}'


class Edge:
    """The stage in front of a PocketBase that denies every read of posts."""

    def __init__(self, rule: str | None) -> None:
        self.world = World(posts={"listRule": rule, "viewRule": rule})
        self.refused: list[tuple[str, str]] = []
        self.stage = EdgeReads(
            self.world.book,
            Denials(self.world.book, self.world.feed, hooks_of=self.world.hooks_of),
            Wording(self.world.book, self.world.origins),
            self.world.feed,
            on_refused=lambda *refused: self.refused.append(refused),
        )
        self.says(200, EMPTY)

    def says(self, status: int, body: bytes) -> None:
        self.world.pocketbase.status, self.world.pocketbase.body = status, body

    async def is_answered(self, target: str = POSTS_LIST, identity: Identity | None = None) -> bool:
        """Whether the second of two such reads is answered here, with the answer of the first."""
        answers = []
        for _ in range(2):
            one = exchange("GET", target)
            one.identity = identity
            one.authorization = None if identity is None else identity.upstream_token
            answers.append(await self.stage(one, self.world.pocketbase))
        assert (answers[1].status, answers[1].body) == (answers[0].status, answers[0].body)
        return fields(answers[1], b"cache-status") == [b"hapta; detail=edge-refusal"]


async def test_lists_and_views_that_a_rule_denies_are_answered_and_counted() -> None:
    edge = Edge(SIGNED_IN)
    assert await edge.is_answered()
    edge.says(404, refusal(404, "The requested resource wasn't found."))
    assert await edge.is_answered(POSTS_LIST + "/p1")
    assert edge.refused == [(POSTS, "list"), (POSTS, "view")]
    closed = Edge(None)
    closed.says(403, refusal(403, "Only superusers can perform this action."))
    assert await closed.is_answered(identity=caller("u1"))


@pytest.mark.parametrize("query", ["fields=id", "filter=nope=1", "sort=nope", "page=x", "page=1&page=2"])
async def test_what_pocketbase_might_refuse_or_shape_is_left_to_it(query: str) -> None:
    assert not await Edge(SIGNED_IN).is_answered(f"{POSTS_LIST}?{query}")


async def test_who_may_be_let_in_is_left_to_pocketbase() -> None:
    assert not await Edge(SIGNED_IN).is_answered(identity=caller("u1"))
    assert not await Edge(None).is_answered(identity=caller("s1", SUPERUSERS_ID))
    assert not await Edge("author = @request.auth.id").is_answered()
    assert not await Edge("").is_answered()


async def test_hooks_a_lost_feed_and_another_rule_end_it() -> None:
    edge = Edge(SIGNED_IN)
    assert await edge.is_answered()
    edge.world.hooks = HooksMode.AUTH
    assert not await edge.is_answered()
    edge.world.hooks, edge.world.feed.is_live = HooksMode.NONE, False
    assert not await edge.is_answered()
    edge.world.feed.is_live = True
    assert await edge.is_answered()
    edge.world.change_schema(posts={"listRule": ""})
    assert not await edge.is_answered()


async def test_where_pocketbase_says_otherwise_the_collection_is_left_to_it() -> None:
    edge = Edge(SIGNED_IN)
    edge.says(200, EMPTY.replace(b'"totalItems":0', b'"totalItems":1'))
    assert not await edge.is_answered()
    edge.says(200, EMPTY)
    assert not await edge.is_answered()
