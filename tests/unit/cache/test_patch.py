"""Each thing a change may do to an answer, and each for which the answer has to be fetched again."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from hapta.cache.assembly import parse_row
from hapta.cache.changes import Change
from hapta.cache.patch import MAX_BYTES, patched
from hapta.cache.tags import Tag, any_row, births, record
from tests.unit.cache.plan_world import NOTES, POSTS, USERS, plan, planner

Row = Mapping[str, Any]
BY_N = "posts/records?perPage=3&sort=n"
ANY = any_row(POSTS)


def post(name: str, n: int, **more: Any) -> dict[str, Any]:
    return dict(sorted({"id": name, "n": n, "title": name, **more}.items()))


def listed(*rows: Row, total: int | None = None, page: int = 1, per_page: int = 3) -> bytes:
    items = len(rows) if total is None else total
    pages = -1 if items < 0 else -(-items // per_page)
    return orjson.dumps(
        {"items": list(rows), "page": page, "perPage": per_page, "totalItems": items, "totalPages": pages}
    )


def change(
    action: str,
    row: Row,
    *touched: str,
    collection: str = POSTS,
    before: Row | None = None,
    is_gone: bool = False,
) -> Change:
    """A row as it is now; of a delete its id."""
    made = Change(collection, row["id"], action)
    now = None if action == "delete" or is_gone else parse_row(orjson.dumps(row))
    made.tell(began_at=0, touched=frozenset(touched) if action == "update" else None, row=now, before=before)
    return made


def after(
    path: str,
    body: bytes,
    one: Change,
    *tags: Tag,
    status: int = 200,
    known: Mapping[tuple[str, str], Row] = {},
    auth_id: str | None = "",
    **rules: Any,
) -> bytes | None:
    """The answer after a change that moved these tags; by default that of lists, and that of a row shown."""
    shown = {record(one.collection, one.record)} if orjson.dumps(one.record) in body else set()
    moved = frozenset(tags or {ANY, *shown})

    def find(collection: str, name: str) -> Any:
        row = known.get((collection, name))
        return None if row is None else parse_row(orjson.dumps(row))

    return patched(plan(planner(**rules), path), status, body, [(one, moved)], auth_id=auth_id, find=find)


A, B, C = post("a", 1), post("b", 3), post("c", 5)
FULL = listed(A, B, C)


@pytest.mark.parametrize(
    ("n", "rows"),
    [
        pytest.param(0, ("new", "a", "b"), id="first"),
        pytest.param(2, ("a", "new", "b"), id="in the middle"),
        pytest.param(4, ("a", "b", "new"), id="last on the page"),
        pytest.param(6, ("a", "b", "c"), id="on the next page"),
    ],
)
def test_a_new_row_goes_where_the_sort_puts_it_and_one_too_many_leaves(n: int, rows: tuple[str, ...]) -> None:
    new = post("new", n)
    by_id = {each["id"]: each for each in (A, B, C, new)}
    assert after(BY_N, FULL, change("create", new)) == listed(*(by_id[row] for row in rows), total=4)


def test_a_new_row_is_last_on_a_last_page() -> None:
    assert after(BY_N, listed(A, B), change("create", C)) == FULL


def test_the_first_row_of_an_empty_unsorted_list_has_but_one_place() -> None:
    path = "posts/records?perPage=3"
    assert after(path, listed(), change("create", A)) == listed(A)
    assert after(path, listed(A), change("create", B)) is None


@pytest.mark.parametrize(
    ("path", "body", "new"),
    [
        pytest.param(BY_N, FULL, post("new", 3), id="like another one to the sort"),
        pytest.param("posts/records?perPage=3", FULL, post("new", 9), id="unsorted"),
        pytest.param("posts/records?perPage=3&sort=author.name", FULL, post("new", 9), id="by a path"),
        pytest.param(f"{BY_N}&page=2", listed(B, C, total=5, page=2), post("new", 2), id="on a page before"),
        pytest.param(
            f"{BY_N}&expand=author", FULL, post("new", 2, author="u1"), id="shows what is not known"
        ),
        pytest.param(f"{BY_N}&filter=meta='x'", FULL, post("new", 2, meta={}), id="of unknown membership"),
        pytest.param(BY_N, FULL, A, id="shown already"),
    ],
)
def test_a_new_row_whose_place_is_not_certain_is_not_put_in(path: str, body: bytes, new: Row) -> None:
    assert after(path, body, change("create", new)) is None


def test_a_new_row_that_the_filter_or_the_rule_leaves_out_changes_nothing() -> None:
    path = f"{BY_N}&filter=n<9"
    assert after(path, FULL, change("create", post("new", 9))) == FULL
    rule = {"listRule": "n < 9"}
    assert after(BY_N, FULL, change("create", post("new", 9)), posts=rule) == FULL


def test_without_a_total_none_is_counted() -> None:
    path = f"{BY_N}&skipTotal=1"
    new = post("new", 2)
    assert after(path, listed(A, B, C, total=-1), change("create", new)) == listed(A, new, B, total=-1)
    # a full page may have another one behind it
    assert after(path, listed(A, B, C, total=-1), change("delete", B)) is None
    assert after(path, listed(A, B, total=-1), change("delete", B)) == listed(A, total=-1)


def test_a_row_goes_from_a_last_page_only() -> None:
    assert after(BY_N, FULL, change("delete", B)) == listed(A, C)
    assert after(BY_N, listed(A, B, C, total=4), change("delete", B)) is None
    second = listed(C, total=4, page=2)
    assert after(f"{BY_N}&page=2", second, change("delete", C)) == listed(total=3, page=2)


@pytest.mark.parametrize(
    ("before", "found"),
    [
        pytest.param({"id": "z", "n": 9}, listed(A, B, C, total=4), id="on a later page"),
        pytest.param({"id": "z", "n": 12}, listed(A, B, C, total=5), id="in no page"),
        pytest.param({"id": "z", "n": 0}, None, id="on a page before"),
        pytest.param(None, None, id="not known"),
    ],
)
def test_a_deleted_row_that_is_not_shown_is_counted_if_it_was_in_the_list(
    before: Row | None, found: bytes | None
) -> None:
    path = f"{BY_N}&filter=n<10"
    gone = change("delete", {"id": "z"}, before=before)
    assert after(path, listed(A, B, C, total=5), gone) == found


def test_a_row_that_leaves_the_filter_leaves_the_list() -> None:
    path = f"{BY_N}&filter=title!='gone'"
    gone = change("update", {**B, "title": "gone"}, "title")
    assert after(path, FULL, gone) == listed(A, C)
    assert after(path, listed(A, B, C, total=4), gone) is None
    kept = {**B, "title": "new"}
    assert after(path, FULL, change("update", kept, "title")) == listed(A, kept, C)


def test_a_row_moves_where_the_sort_puts_it_within_the_page() -> None:
    last = {**A, "n": 9}
    assert after(BY_N, FULL, change("update", last, "n")) == listed(B, C, last)
    assert after(BY_N, listed(A, B, C, total=4), change("update", last, "n")) is None
    tied = {**A, "n": 5}
    assert after(BY_N, FULL, change("update", tied, "n")) is None
    first = {**C, "n": 0}
    assert after(f"{BY_N}&page=2", listed(B, C, total=5, page=2), change("update", first, "n")) is None


def test_a_row_stays_in_its_place_if_nothing_of_the_sort_was_touched() -> None:
    changed = {**B, "title": "new"}
    assert after(BY_N, FULL, change("update", changed, "title")) == listed(A, changed, C)
    unsorted = "posts/records?perPage=3"
    assert after(unsorted, FULL, change("update", changed, "title")) == listed(A, changed, C)


def test_among_rows_that_tie_a_field_of_an_index_decides() -> None:
    tied = listed(A, {**B, "n": 1}, C)
    changed = {**B, "n": 1, "title": "new"}
    indexed = {"indexes": ["CREATE INDEX `i` ON `posts` (`title`)"]}
    update = change("update", changed, "title")
    assert after(BY_N, tied, update) == listed(A, changed, C)
    assert after(BY_N, tied, update, posts=indexed) is None
    other = {**B, "title": "new"}
    strict = change("update", other, "title")
    assert after(BY_N, FULL, strict, posts=indexed) == listed(A, other, C)


def test_a_row_elsewhere_whose_touched_fields_decide_nothing_changes_nothing() -> None:
    there = post("z", 9, title="new")
    assert after(BY_N, FULL, change("update", there, "title")) == FULL
    assert after(BY_N, listed(A, B, C, total=4), change("update", there, "n")) is None
    filtered = f"{BY_N}&filter=title!='x'"
    assert after(filtered, FULL, change("update", there, "title")) is None


def test_what_a_write_is_thought_to_have_left_alone_is_compared() -> None:
    odd = {**B, "title": "new", "n": 4}
    assert after(BY_N, FULL, change("update", odd, "title")) is None
    more = {**B, "title": "new", "z": 1}
    assert after(BY_N, FULL, change("update", more, "title")) is None


USER = {"emailVisibility": False, "id": "u1", "name": "old"}


def test_an_expanded_row_is_replaced_while_it_stays_in_sight() -> None:
    path = f"{BY_N}&expand=author"
    new = {**USER, "name": "new"}
    body = listed({"author": "u1", "expand": {"author": USER}, "id": "a", "n": 1})
    wanted = listed({"author": "u1", "expand": {"author": new}, "id": "a", "n": 1})
    update = change("update", new, "name", collection=USERS)
    tag = record(USERS, "u1")
    assert after(path, body, update, tag) == wanted
    assert after(path, body, update, tag, users={"viewRule": "name != 'new'"}) is None
    assert after(path, body, change("delete", USER, collection=USERS), tag) is None
    # a row that is named and not shown
    hidden = listed({"author": "u1", "expand": {}, "id": "a", "n": 1})
    assert after(path, hidden, update, tag) is None


def test_a_row_whose_expanded_relation_changed_is_fetched() -> None:
    path = f"{BY_N}&expand=author"
    row = {"author": "u1", "expand": {"author": USER}, "id": "a", "n": 1}
    moved = {"author": "u2", "id": "a", "n": 1}
    assert after(path, listed(row), change("update", moved, "author")) is None


def test_a_new_row_is_shown_with_what_is_known_to_everybody() -> None:
    path = f"{BY_N}&expand=author"
    new = post("new", 2, author="u1")
    wanted = dict(sorted({**new, "expand": {"author": USER}}.items()))
    known = {(USERS, "u1"): USER}
    assert after(path, listed(A, C), change("create", new), known=known) == listed(A, wanted, C)
    rule = {"viewRule": "name = 'other'"}
    assert after(path, listed(A, C), change("create", new), known=known, users=rule) is None


def test_rows_that_a_rule_or_a_relation_leads_to_are_not_followed() -> None:
    born = change("create", {"id": "n1"}, collection=NOTES)
    assert after(BY_N, FULL, born, any_row(NOTES)) is None
    assert after(BY_N, FULL, change("create", post("new", 2)), births(POSTS)) is None


VIEW = "posts/records/b"


def test_a_view_is_brought_up_to_date_while_its_rule_lets_it_through() -> None:
    body, tag = orjson.dumps(B), record(POSTS, "b")
    changed = {**B, "n": 7}
    update = change("update", changed, "n")
    assert after(VIEW, body, update, tag) == orjson.dumps(changed)
    for rule, found in (("n > 6", orjson.dumps(changed)), ("n < 6", None), ("meta = 'x'", None)):
        is_unread = "n" not in rule
        wanted = orjson.dumps(changed) if is_unread else found
        assert after(VIEW, body, update, tag, posts={"viewRule": rule}) == wanted, rule
    assert after(VIEW, body, change("delete", B), tag) is None


def test_a_row_that_is_missing_is_missing_still_when_others_are_born() -> None:
    body = b'{"data":{},"message":"x","status":404}'
    others = change("create", post("new", 2))
    assert after(VIEW, body, others, births(POSTS), status=404) == body
    assert after(VIEW, body, change("create", B), births(POSTS), record(POSTS, "b"), status=404) is None


def test_the_callers_id_counts_where_it_is_known() -> None:
    path, rule = f"{BY_N}&expand=nothing", {"listRule": "author = @request.auth.id"}
    row = post("new", 2, author="u1")
    found = {
        auth_id: after(path, listed(A, C), change("create", row), posts=rule, auth_id=auth_id)
        for auth_id in ("u1", "u2", None)
    }
    assert found == {"u1": listed(A, row, C), "u2": listed(A, C), None: None}


def test_a_body_that_pocketbase_does_not_write_and_a_very_long_one_are_left_alone() -> None:
    assert after(BY_N, FULL.replace(b":", b": ", 1), change("create", post("new", 2))) is None
    assert after(BY_N, b" " * (MAX_BYTES + 1), change("create", post("new", 2))) is None
