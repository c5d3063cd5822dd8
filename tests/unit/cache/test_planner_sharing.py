"""hapta.cache.planner: whoever finds the same stored response must have planned the same"""

from hypothesis import given, settings
from hypothesis import strategies as st

from hapta.cache.key import cache_key
from hapta.cache.plan import Audience, Bypass, HooksMode, PartKind, Plan
from hapta.model.identity import Identity
from tests.unit.cache.plan_world import CLIENTS, USERS, look, planner

CALLERS: list[tuple[Audience, Identity | None]] = [
    (None, None), (USERS, Identity(USERS, "a", "t", None)), (USERS, Identity(USERS, "b", "t", None)),
    (CLIENTS, Identity(CLIENTS, "c", "t", None)),
]  # fmt: skip
TERMS = st.sampled_from(
    ["", "n = 1", "@request.auth.id != ''", "author = @request.auth.id", "@request.auth.role = 'a'",
     "@request.auth.verified = true", "@request.auth.team.name = 'a'",
     "@request.auth.collectionName = 'users'",
     "team.name = 'a'", "created > @todayStart", "@request.headers.x_a = 'b'", "@request.method = 'GET'",
     "@collection.notes.body = 'x'", "@request.query.key = 'a'"]
)  # fmt: skip
POST_RULES = st.lists(TERMS, max_size=2).map(lambda terms: " && ".join(filter(None, terms)))
OTHER_RULES = st.sampled_from(
    ["", "@request.auth.id != ''", "@request.auth.verified = true", "id = @request.auth.id", None]
)
QUERIES = st.sampled_from(
    ["", "expand=author", "expand=author,team.lead", "expand=author&fields=id", "expand=author&fields=*",
     "filter=team.name='x'", "filter=author.email='x'&sort=-author.name", "expand=comments_via_post.by",
     "expand=author.nope", "key=a"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    POST_RULES, OTHER_RULES, OTHER_RULES, OTHER_RULES, QUERIES,
    st.sampled_from(["posts/records", "posts/records/abc", "users/records", "users/records/abc"]),
    st.sampled_from([HooksMode.NONE, HooksMode.NONE, HooksMode.AUTH]),
)  # fmt: skip
def test_callers_with_the_same_key_have_the_same_plan(
    post_rule: str,
    user_rule: str | None,
    team_rule: str | None,
    manage_rule: str | None,
    query: str,
    path: str,
    hooks: HooksMode,
) -> None:
    by = planner(
        hooks={"users": hooks},
        posts={"listRule": post_rule, "viewRule": post_rule},
        users={"listRule": user_rule, "viewRule": user_rule, "manageRule": manage_rule},
        teams={"listRule": team_rule, "viewRule": team_rule},
        notes={"listRule": ""},
    )
    found: dict[object, Plan] = {}
    for audience, caller in CALLERS:
        plan = look(by, f"{path}?{query}", audience)
        if isinstance(plan, Bypass):
            continue
        key = cache_key(plan, method="GET", headers={}, query={}, caller=caller, auth_field=lambda name: True)
        assert not isinstance(key, Bypass)
        assert found.setdefault(key, plan) == plan
        kinds = {part.kind for part in plan.parts}
        assert (PartKind.GUEST in kinds) <= (caller is None)
        assert not plan.shows_own_email or PartKind.AUTH_RECORD not in kinds
