"""Whatever comes in whatever order, the table is what its rows make it, worked out from nothing."""

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hapta.model.clock import ManualClock
from hapta.ranking.features import NONE
from hapta.ranking.places import REST_S
from hapta.ranking.table import FeatureTable, instant
from hapta.ranking.visible import EVERYTHING, Visible
from tests.ranking.schema import EVERYTHING_ABOUT_POSTS, schema, spec

_RULE = "public = true && title != 'b' || author = @request.auth.id || parent != '' && @request.auth.id != ''"
SPEC = spec(EVERYTHING_ABOUT_POSTS, rule=_RULE)
POSTS = [f"post{at}" for at in range(5)]
USERS = [f"user{at}" for at in range(4)]
_BODIES = (
    "",
    "no link",
    "see www.a.example",
    "http://x.spam.example/a",
    "at notspam.example/x",
    "a@spam.example",
)
_post, _user = st.sampled_from(["", *POSTS]), st.sampled_from(["", *USERS])


def _some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=4)


_ROWS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "POSTS": st.fixed_dictionaries(
        {
            "id": st.sampled_from(POSTS),
            "created": st.sampled_from(["", "2026-01-02 03:04:05.678Z", "2026-01-02 03:04:05.679Z", "x"]),
            "title": st.sampled_from(["", "a", "b"]),
            "body": st.sampled_from(_BODIES),
            "views": st.sampled_from([0, 1, 2.5, 99, 100, 1e300]),
            "public": st.booleans(),
            "pinned": st.booleans(),
            "draft": st.sampled_from([False, False, True]),
            "kinds": _some(["a", "b"]),
            "author": _user,
            "topics": _some(["a", "t1", "t2"]),
            "parent": _post,
            "fans": _some(USERS),
        }
    ),
    "USERS": st.fixed_dictionaries(
        {"id": st.sampled_from(USERS), "fame": st.integers(0, 3), "following": _some(USERS)}
    ),
    "COMMENTS": st.fixed_dictionaries({"id": st.sampled_from(["c1", "c2", "c3"]), "post": _post}),
    "LISTED": st.fixed_dictionaries({"id": st.sampled_from(["l1", "l2"]), "posts": _some(POSTS)}),
    "LIKES": st.fixed_dictionaries({"id": st.sampled_from(["k1", "k2", "k3"]), "post": _post, "user": _user}),
    "BLOCKS": st.fixed_dictionaries({"id": st.sampled_from(["b1", "b2"]), "who": _user, "whom": _user}),
}
_ANY_ROW = st.sampled_from(sorted(_ROWS)).flatmap(lambda name: st.tuples(st.just(name), _ROWS[name]))
_ANY_ID = st.one_of(
    *(
        st.tuples(st.just(name), st.sampled_from(ids))
        for name, ids in (
            ("POSTS", POSTS),
            ("USERS", USERS),
            ("COMMENTS", ["c1", "c2", "c3"]),
            ("LISTED", ["l1", "l2"]),
            ("LIKES", ["k1", "k2", "k3"]),
            ("BLOCKS", ["b1", "b2"]),
        )
    )
)


class TableMachine(RuleBasedStateMachine):
    """The table beside the rows it was told of."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.table = FeatureTable(SPEC, clock=self.clock)
        self.visible = Visible(self.table, schema(_RULE))
        self.rows: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in _ROWS}
        self.was_in: dict[int, tuple[str, float]] = {}

    @rule(row=_ANY_ROW)
    def put(self, row: tuple[str, dict[str, Any]]) -> None:
        collection, content = row
        before = self.table.version
        self.table.put(collection, content)
        if self.rows[collection].get(content["id"]) == content:
            assert self.table.version == before
        self.rows[collection][content["id"]] = content

    @rule(what=_ANY_ID)
    def drop(self, what: tuple[str, str]) -> None:
        collection, record_id = what
        self.table.drop(collection, record_id)
        self.rows[collection].pop(record_id, None)

    @rule(seconds=st.sampled_from([1.0, REST_S / 2, REST_S]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def every_row_has_its_own_numbers(self) -> None:
        features = self.table.features()
        posts, users = self.rows["POSTS"], self.rows["USERS"]
        slots = {record_id: self.table.slot_of(record_id) for record_id in posts}
        assert self.table.rows == len(posts)
        assert len(set(slots.values())) == len(posts)
        comments = Counter(each["post"] for each in self.rows["COMMENTS"].values())
        replies = Counter(each["parent"] for each in posts.values())
        listed = Counter(post for each in self.rows["LISTED"].values() for post in each["posts"])
        followers = Counter(user for each in users.values() for user in each["following"])
        written = Counter(each["author"] for each in posts.values())
        for record_id, slot in slots.items():
            assert slot is not None
            post = posts[record_id]
            author = users.get(post["author"], {})
            expected = {
                "views": min(post["views"], float(np.finfo(np.float32).max)),
                "titled": post["title"] != "",
                "fans": len(post["fans"]),
                "linked": _BODIES.index(post["body"]) in (2, 3, 4),
                "spam": _BODIES.index(post["body"]) == 3,
                "comments": comments[record_id],
                "replies": replies[record_id],
                "listed": listed[record_id],
                "fame": author.get("fame", 0),
                "following": bool(author.get("following")),
                "followers": followers[post["author"]] if post["author"] else 0,
                "posts": written[post["author"]] if post["author"] else 0,
            }
            found = {name: float(column[slot]) for name, column in features.signals.items()}
            assert found == {name: float(np.float32(value)) for name, value in expected.items()}
            assert features.created[slot] == instant(post["created"])
            assert features.pinned[slot] == post["pinned"]
            assert features.is_candidate[slot] == (not post["draft"] and post["views"] < 100)
            code = self.table.author_code(post["author"]) if post["author"] else NONE
            assert features.author[slot] == code
            assert self.table.authors_of(slot).tolist() == [code] * (code != NONE)
            assert len(self.table.topics_of(slot)) == len(post["topics"]) + len(post["kinds"])
            assert self.table.id_of(slot) == record_id
        others = set(range(self.table.length)) - set(slots.values())
        assert not features.is_candidate[list(others)].any()
        assert all(self.table.id_of(slot) is None for slot in others)

    @invariant()
    def callers_are_tied_to_what_rows_say(self) -> None:
        for user in USERS:
            caller = self.table.caller(user)
            following = self.rows["USERS"].get(user, {}).get("following", [])
            blocks = [(each["who"], each["whom"]) for each in self.rows["BLOCKS"].values()]
            blocks = [pair for pair in blocks if all(pair)]
            hidden = {whom for who, whom in blocks if who == user} | {
                who for who, whom in blocks if whom == user
            }
            likes = [each["post"] for each in self.rows["LIKES"].values() if each["user"] == user]
            fan = [each["id"] for each in self.rows["POSTS"].values() if user in each["fans"]]
            assert _codes(caller.followed) == {self.table.author_code(each) for each in following}
            assert _codes(caller.hidden_authors) == {self.table.author_code(each) for each in hidden}
            engaged = {self.table.id_of(slot) for slot in self.table.engaged(user).tolist()} - {None}
            assert engaged == {post for post in (*likes, *fan) if post in self.rows["POSTS"]}
            assert caller.own == self.table.author_code(user)

    @invariant()
    def nobody_is_said_to_see_more_or_less_than_the_rule_says(self) -> None:
        posts = self.rows["POSTS"]
        for caller in ("", *USERS, "stranger"):
            seen = self.visible.of(caller)
            assert seen is not None
            for record_id, post in posts.items():
                slot = self.table.slot_of(record_id)
                assert slot is not None
                if not self.table.features().is_candidate[slot]:
                    assert seen is EVERYTHING or not seen[slot]
                    continue
                assert SPEC.rule is not None
                said = True if seen is EVERYTHING else bool(seen[slot])
                assert said is SPEC.rule.condition.holds(post, caller)

    @invariant()
    def signatures_are_those_of_candidates(self) -> None:
        signatures, rule = self.table.signatures, SPEC.rule
        assert signatures is not None
        assert rule is not None
        candidates = [
            post for post in self.rows["POSTS"].values() if not post["draft"] and post["views"] < 100
        ]
        there = {rule.signature(post) for post in candidates}
        assert len(signatures) == len(there)
        for user in USERS:
            assert rule.caller_fields == {"author"}
            at = rule.fields.index("author")
            assert len(signatures.holders(user)) == len([each for each in there if each[at] == user])

    @invariant()
    def a_slot_rests_before_another_row_gets_it(self) -> None:
        now = self.clock.monotonic()
        for slot in range(self.table.length):
            record_id = self.table.id_of(slot)
            last = self.was_in.get(slot)
            if record_id is None:
                continue
            if last is not None and last[0] != record_id:
                assert now - last[1] >= REST_S
            self.was_in[slot] = (record_id, now)


def _codes(column: Any) -> set[int]:
    return {int(code) for code in column}


TableMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestTheTable = TableMachine.TestCase
