"""Lists made of all records that could be in them."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from hapta.cache.assembly import parse_row, values
from hapta.cache.derive import Record, derived
from tests.unit.cache.plan_world import USERS, plan, planner
from tests.unit.cache.test_patch import USER, listed, post

A, B, C = post("a", 5, author="u1"), post("b", 1, author="u1"), post("c", 3, author="u2")


def made(path: str, *rows: Mapping[str, Any], auth_id: str | None = "", **rules: Any) -> bytes | None:
    """Of these records, the user u1 being known."""
    fields = [parse_row(orjson.dumps(row)) for row in rows or (A, B, C)]
    records = [Record(row, values(row)) for row in fields]
    known = {(USERS, "u1"): parse_row(orjson.dumps(USER))}
    find = lambda collection, name: known.get((collection, name))  # noqa: E731
    return derived(plan(planner(**rules), f"posts/records?{path}"), records, auth_id=auth_id, find=find)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        pytest.param("sort=n", listed(B, C, A, per_page=30), id="sorted"),
        pytest.param("sort=-n&perPage=2", listed(A, C, total=3, per_page=2), id="the first page"),
        pytest.param("sort=-n&perPage=2&page=2", listed(B, total=3, per_page=2, page=2), id="the last page"),
        pytest.param("sort=n&page=9", listed(total=3, page=9, per_page=30), id="a page beyond"),
        pytest.param("sort=n&skipTotal=1", listed(B, C, A, total=-1, per_page=30), id="not counted"),
        pytest.param("sort=n&filter=n>2", listed(C, A, per_page=30), id="filtered"),
        pytest.param("filter=n=3", listed(C, per_page=30), id="one, unsorted"),
        pytest.param("filter=n=4", listed(per_page=30), id="none"),
    ],
)
def test_a_list_is_made_of_what_passes_in_the_order_of_the_sort(path: str, wanted: bytes) -> None:
    assert made(path) == wanted


@pytest.mark.parametrize(
    ("path", "rows"),
    [
        pytest.param("", (A, B), id="unsorted"),
        pytest.param("sort=n", (A, {**B, "n": 5}), id="a tie"),
        pytest.param("sort=@rowid", (A, B), id="sorted by what no row shows"),
        pytest.param("sort=author.name", (A,), id="sorted by a path"),
        pytest.param("filter=meta='x'", ({**A, "meta": {}},), id="a filter not known of a row"),
        pytest.param("page=x", (A,), id="odd paging"),
        pytest.param("expand=author", (C,), id="an expanded row that is not known"),
    ],
)
def test_what_is_not_certain_is_not_made(path: str, rows: tuple[Mapping[str, Any], ...]) -> None:
    rows = tuple(dict(sorted(row.items())) for row in rows)
    assert made(path, *rows) is None


def test_expanded_rows_are_shown_if_their_rule_lets_them_through() -> None:
    wanted = listed(dict(sorted({**A, "expand": {"author": USER}}.items())), per_page=30)
    assert made("expand=author", A) == wanted
    assert made("expand=author", A, users={"viewRule": "name = 'other'"}) is None


def test_the_rule_counts_as_the_filter_does() -> None:
    rule = {"listRule": "author = @request.auth.id"}
    assert made("sort=n", auth_id="u2", posts=rule) == listed(C, per_page=30)
    assert made("sort=n", auth_id=None, posts=rule) is None
