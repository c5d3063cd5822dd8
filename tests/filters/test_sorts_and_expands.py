"""Sort expressions and expand lists mean to us what they mean to PocketBase."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hapta.filters.errors import FilterError
from hapta.filters.expands import parse_expand
from hapta.filters.sorts import parse_sort
from tests.filters.support import Oracle
from tests.support.pocketbase import PocketBase
from tests.support.seed import row_id

_KNOWN = ["title", "views", "author.name", "topics.name", "meta.n", "tags:length", "@random", "@rowid"]
_NAMES = st.sampled_from([*_KNOWN, "id", "@now", "@request.auth.id", "@request.method", "title:nope", ""])
_SIGNS = st.sampled_from(["", "-", "+", "--", "-+", "- "])
_SPACES = st.sampled_from(["", " ", "\n", "\r", "\u00a0", "\u3000", "\u200b", "\x1c", "\x85"])
_TERM = st.tuples(_SPACES, _SIGNS, _NAMES, _SPACES).map("".join)
_PLAIN = st.tuples(st.sampled_from(["", "-", "+"]), st.sampled_from(_KNOWN)).map("".join)
_SORTS = st.one_of(
    st.lists(_PLAIN, min_size=1, max_size=9).map(",".join),
    st.lists(_TERM, min_size=1, max_size=4).map(",".join),
)


def reads(text: str) -> bool:
    try:
        parse_sort(text)
    except FilterError:
        return False
    return True


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_SORTS)
@example(text="")
@example(text=",")
@example(text="x" * 256)
@example(text=",".join(["id"] * 8))
@example(text=",".join(["id"] * 9))
@example(text="@collection.topics.name")
def test_both_take_and_refuse_the_same_sorts(oracle: Oracle, text: str) -> None:
    assert (oracle.rows("views >= 0", sort=text) is not None) is reads(text)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("post", {"post"}),
        (" po st .", {"post"}),
        ("post\t", set()),
        ("post,author", {"post", "author"}),
        ("post,post.author", {"post"}),
        ("post.author.posts_via_author.comments(post).author.nope", set()),
        ("post.author.posts_via_author.comments(post).author.comments_via_author.nope", {"post"}),
        ("post,post.nope", set()),
        ("post..author", set()),
        ("POST", set()),
        ("nope,author", {"author"}),
    ],
)
def test_expand_paths_are_followed_as_normalised(pocketbase: PocketBase, text: str, keys: set[str]) -> None:
    def shown(expand: str) -> set[str]:
        answer = pocketbase.admin.get(
            f"/api/collections/comments/records/{row_id('comment', 1)}", params={"expand": expand}
        )
        return set(answer.raise_for_status().json().get("expand", {}))

    paths = parse_expand(text)
    assert shown(text) == keys
    assert shown(",".join(".".join(hop.name for hop in path) for path in paths)) == keys
    assert keys <= {path[0].name for path in paths}
