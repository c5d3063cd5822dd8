"""What a row is said to be, PocketBase says too: members of lists, and their order."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from time import perf_counter
from typing import Any

import httpx
import pytest

from hapta.cache.condition import ALWAYS, Condition, both, compile_condition
from hapta.cache.lookup import Lookup
from hapta.cache.ordering import compile_ordering
from hapta.filters.errors import FilterError
from hapta.filters.parser import parse
from hapta.filters.sorts import parse_sort
from hapta.model.schema import Collection
from tests.filters import conditions as over
from tests.filters.support import quote
from tests.support.pocketbase import PocketBase
from tests.support.seed import row_id

_RECORDS = f"/api/collections/{over.NAME}/records"


@dataclass
class Judge:
    """The collection, its rows as everybody sees them, and who may ask."""

    admin: httpx.Client
    callers: dict[str, httpx.Client]
    lookup: Lookup
    collection: Collection
    rows: dict[str, dict[str, Any]]

    def passing(self, auth_id: str, **query: str) -> list[str] | None:
        """The ids in the answer; ``None`` if it is refused."""
        answer = self.callers[auth_id].get(
            _RECORDS, params={"perPage": 500, "fields": "id", "skipTotal": 1, **query}
        )
        if answer.status_code != 200:
            assert answer.status_code == 400, answer.text
            return None
        return [row["id"] for row in answer.json()["items"]]

    def condition(self, text: str, *, is_client: bool) -> Condition:
        return compile_condition(self.lookup, self.collection, parse(text), is_client=is_client)

    def check(self, text: str, condition: Condition, auth_id: str, passed: list[str]) -> float:
        """No contradiction; the share of rows of which it is known."""
        members, known = set(passed), 0
        for id_, row in self.rows.items():
            holds = condition.holds(row, auth_id)
            if holds is not None:
                known += 1
                assert holds is (id_ in members), (
                    text,
                    auth_id,
                    {name: row.get(name) for name in condition.reads},
                )
                part = {name: row[name] for name in condition.reads if name in row}
                assert condition.holds(part, auth_id) is holds, (text, part)
            if condition.holds(row, None) is not None:
                assert condition.holds(row, None) is holds
        return known / len(self.rows)


@pytest.fixture(scope="module")
def judge(pocketbase: PocketBase) -> Iterator[Judge]:
    over.make(pocketbase.admin)
    token = {"Authorization": pocketbase.token("users", "ada@example.com")}
    with (
        httpx.Client(base_url=pocketbase.url, timeout=30) as guest,
        httpx.Client(base_url=pocketbase.url, timeout=30, headers=token) as ada,
    ):
        lookup, collection = over.lookup(pocketbase.admin)
        rows = guest.get(_RECORDS, params={"perPage": 500}).raise_for_status().json()["items"]
        callers = {"": guest, row_id("user", 1): ada}
        yield Judge(pocketbase.admin, callers, lookup, collection, {row["id"]: row for row in rows})
    pocketbase.admin.delete(f"/api/collections/{over.NAME}").raise_for_status()


def _filters(judge: Judge, seed: int, count: int, *, is_odd: bool, is_client: bool) -> Iterator[str]:
    chance, rows = Random(seed), list(judge.rows.values())
    for _ in range(count):
        draw = over.odd if is_odd else over.supported
        leaves = [draw(chance, rows, is_client=is_client) for _ in range(chance.choice([1, 1, 2, 3, 4]))]
        yield over.joined(chance, leaves)


def _as_filter(judge: Judge, seed: int, count: int, *, is_odd: bool) -> tuple[float, float]:
    """The share of filters PocketBase takes, and the share of decisions on them that are known."""
    shares = []
    for text in _filters(judge, seed, count, is_odd=is_odd, is_client=True):
        try:
            condition = judge.condition(text, is_client=True)
        except FilterError:
            continue
        passed = judge.passing("", filter=text)
        if passed is not None:
            shares.append(judge.check(text, condition, "", passed))
    return len(shares) / count, sum(shares) / len(shares)


def _as_rule(judge: Judge, seed: int, count: int, *, is_odd: bool) -> tuple[float, float]:
    shares = []
    collection = f"/api/collections/{over.NAME}"
    try:
        for text in _filters(judge, seed, count, is_odd=is_odd, is_client=False):
            if judge.admin.patch(collection, json={"listRule": text}).status_code != 200:
                continue
            condition = judge.condition(text, is_client=False)
            for auth_id in judge.callers:
                passed = judge.passing(auth_id)
                if passed is not None:
                    shares.append(judge.check(text, condition, auth_id, passed))
    finally:
        judge.admin.patch(collection, json={"listRule": ""}).raise_for_status()
    return len(shares) / count / 2, sum(shares) / len(shares)


_SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.all_modes) for seed in (1, 2, 3, 4))]


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_supported_filter_lets_through_what_it_is_said_to(judge: Judge, seed: int) -> None:
    taken, known = _as_filter(judge, seed, 350, is_odd=False)
    assert taken > 0.95
    assert known > 0.9


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_supported_rule_lets_through_what_it_is_said_to(judge: Judge, seed: int) -> None:
    taken, known = _as_rule(judge, seed, 120, is_odd=False)
    assert taken > 0.95
    assert known > 0.9


@pytest.mark.parametrize("seed", _SEEDS)
def test_no_filter_is_contradicted(judge: Judge, seed: int) -> None:
    taken, known = _as_filter(judge, seed, 250, is_odd=True)
    assert taken > 0.8
    assert known > 0.3


@pytest.mark.parametrize("seed", _SEEDS)
def test_no_rule_is_contradicted(judge: Judge, seed: int) -> None:
    taken, known = _as_rule(judge, seed, 120, is_odd=True)
    assert taken > 0.8
    assert known > 0.3


@pytest.mark.parametrize("seed", _SEEDS)
def test_rows_are_like_the_patterns_they_are_said_to_be_like(judge: Judge, seed: int) -> None:
    patterns = [*Random(seed).sample(over.WILD, 150), "a%a", "aB%Ba", "a\\\\%", "\\\\\\%a", "a%\\"]
    for pattern in patterns:
        text = f"wild ~ {quote(pattern)}"
        passed = judge.passing("", filter=text)
        assert passed is not None, text
        assert judge.check(text, judge.condition(text, is_client=True), "", passed) == 1


def test_an_integer_that_no_float_shows_is_not_known(judge: Judge) -> None:
    """Written past PocketBase; between numbers it wrote, both sides would be the same float."""
    statement = (
        f"INSERT INTO {over.NAME} (id, amount, count) VALUES ('bigint000000000', 9007199254740993, 1e300)"
    )
    judge.admin.post("/api/sql", json={"query": statement}).raise_for_status()
    try:
        row = judge.callers[""].get(f"{_RECORDS}/bigint000000000").raise_for_status().json()
        assert float(row["amount"]) == 2.0**53
        assert judge.condition("amount > 1", is_client=True).holds(row, "") is None
        assert judge.condition("count > amount", is_client=True).holds(row, "") is None
        assert judge.condition("count > 1", is_client=True).holds(row, "") is True
    finally:
        judge.admin.delete(f"{_RECORDS}/bigint000000000").raise_for_status()


@pytest.mark.parametrize("seed", _SEEDS)
def test_rows_come_in_the_order_they_are_said_to(judge: Judge, seed: int) -> None:
    """The id comes last, so that no two rows are alike: 0 would be a contradiction, too."""
    chance = Random(seed)
    fields = [*over.TEXT_FIELDS, *over.DATE_FIELDS, *over.NUMBER_FIELDS, *over.BOOL_FIELDS]
    odd = ["kinds", "meta", "one.name", "@rowid"]
    known = compared = 0
    for _ in range(80):
        is_odd = chance.random() < 0.2
        names = chance.sample([*fields, *odd] if is_odd else fields, chance.randint(1, 3))
        signed = [chance.choice(["-", "+", "", " "]) + name for name in (*names, "id")]
        ordering = compile_ordering(judge.lookup, judge.collection, parse_sort(",".join(signed)))
        assert ordering.is_known is not bool(set(names) & set(odd))
        ids = judge.passing("", sort=",".join(signed))
        assert ids is not None, signed
        for left, right in pairwise(judge.rows[each] for each in ids):
            order = ordering.compare(left, right)
            assert order is None or order < 0, (signed, left, right)
            if ordering.is_known:
                compared += 1
                known += order is not None
    assert known > 0.85 * compared > 10_000


def test_rows_alike_in_all_terms_are_told_apart_by_nothing(judge: Judge) -> None:
    ordering = compile_ordering(judge.lookup, judge.collection, parse_sort("-flag,on"))
    rows = list(judge.rows.values())
    for left, right in pairwise(rows):
        is_alike = (left["flag"], left["on"]) == (right["flag"], right["on"])
        assert (ordering.compare(left, right) == 0) is is_alike
    assert compile_ordering(judge.lookup, judge.collection, ()).compare(rows[0], rows[1]) == 0


@pytest.mark.parametrize(
    "sort", ["@random", "@rowid", "hid", "kinds", "meta", "photo", "place", "one.name", "many.id"]
)
def test_what_cannot_be_compared_is_not_known(judge: Judge, sort: str) -> None:
    ordering = compile_ordering(judge.lookup, judge.collection, parse_sort(f"flag,{sort}"))
    rows = list(judge.rows.values())
    orders = {ordering.compare(left, right) for left, right in pairwise(rows)}
    assert not ordering.is_known
    assert orders == {-1, None, 1}


def test_no_column_that_is_read_holds_null(judge: Judge) -> None:
    """Else an empty text could be NULL, which is neither more nor less than anything."""
    read = {name.partition(":")[0].partition(".")[0] for name in over.TEXT_FIELDS}
    for name in (*read, *over.DATE_FIELDS, *over.NUMBER_FIELDS, *over.BOOL_FIELDS):
        statement = f"UPDATE {over.NAME} SET `{name}` = NULL WHERE id = 'row000000000000'"
        answer = judge.admin.post("/api/sql", json={"query": statement})
        assert answer.status_code == 400, answer.text
        assert "NOT NULL" in answer.text


def test_another_collection_without_rows_takes_none_from_this(judge: Judge) -> None:
    body = {"name": "empty", "type": "base", "fields": [{"name": "word", "type": "text"}]}
    judge.admin.post("/api/collections", json=body).raise_for_status()
    collection, text = f"/api/collections/{over.NAME}", "flag = true || @collection.empty.word = 'a'"
    try:
        judge.admin.patch(collection, json={"listRule": text}).raise_for_status()
        passed = judge.passing("")
        assert passed is not None
        condition = judge.condition(text, is_client=False)
        assert 0.2 < judge.check(text, condition, "", passed) < 0.8
    finally:
        judge.admin.patch(collection, json={"listRule": ""}).raise_for_status()
        judge.admin.delete("/api/collections/empty").raise_for_status()


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("word = 'a' && (amount > 1 || flag = other)", {"word", "amount", "flag", "other"}),
        ("word:lower ~ 'a' || kinds:each ?= 'a'", {"word", "kinds"}),
        ("one.name = 'x' && many.id ?= 'y'", {"one", "many"}),
        ("meta.n.m = 1 || hid = 'x'", {"meta", "hid"}),
        ("geoDistance(place.lon, place.lat, amount, 2) < 1", {"place", "amount"}),
        ("strftime('%Y', day) = '2024'", {"day"}),
        ("@request.auth.id != '' && @collection.topics.name = one", {"one"}),
        ("judged_via_self.word = null || TRUE = true || @now > created", {"created"}),
        ("True = 'a'", {"True"}),
    ],
)
def test_all_own_fields_are_named(judge: Judge, text: str, reads: set[str]) -> None:
    condition = judge.condition(text, is_client=False)
    assert condition.reads == reads
    assert both(condition, judge.condition("word != ''", is_client=True)).reads == {*reads, "word"}
    assert compile_ordering(
        judge.lookup, judge.collection, parse_sort("-one.name,word:lower,@random")
    ).reads == {
        "one",
        "word",
    }


def test_both_is_what_each_says(judge: Judge) -> None:
    row = next(iter(judge.rows.values()))
    said = {
        True: judge.condition("id != ''", is_client=True),
        False: judge.condition("id = ''", is_client=True),
        None: judge.condition("meta = 1", is_client=True),
    }
    for left, first in said.items():
        assert both(ALWAYS, first) is both(first, ALWAYS) is first
        for right, second in said.items():
            expected = False if False in (left, right) else None if None in (left, right) else True
            assert both(first, second).holds(row, "") is expected
    assert ALWAYS.holds({}, None) is True
    assert not ALWAYS.reads


def test_a_path_of_a_client_may_add_a_rule_so_nothing_is_known_to_pass(judge: Judge) -> None:
    row = next(iter(judge.rows.values()))
    for text, holds in (("id != '' || one.name = 'x'", None), ("id = '' && one.name = 'x'", False)):
        assert judge.condition(text, is_client=True).holds(row, "") is holds
    assert judge.condition("id != '' || one.name = 'x'", is_client=False).holds(row, "") is True


def test_what_not_everybody_sees_is_not_known(judge: Judge) -> None:
    users = judge.lookup.schema.by_name["users"]
    row = {"email": "a@example.com", "name": "a", "emailVisibility": True}
    for text, holds in (("email = 'a@example.com'", None), ("name = 'a' && emailVisibility = true", True)):
        for is_client in (True, False):
            condition = compile_condition(judge.lookup, users, parse(text), is_client=is_client)
            assert condition.holds(row, "") is holds
    hidden = judge.condition("hid = 'a'", is_client=False)
    assert hidden.holds({"hid": "a"}, "") is None


def test_nothing_is_known_of_a_view(judge: Judge) -> None:
    view = next(each for each in judge.lookup.schema.by_id.values() if each.is_view)
    condition = compile_condition(judge.lookup, view, parse("id = 'a'"), is_client=True)
    assert condition.holds({"id": "a"}, "") is None
    assert not compile_ordering(judge.lookup, view, parse_sort("id")).is_known


def test_the_caller_may_be_unknown(judge: Judge) -> None:
    row = {"one": "abc", "flag": True}
    condition = judge.condition("one = @request.auth.id", is_client=False)
    assert [condition.holds(row, auth_id) for auth_id in ("abc", "abd", "", None)] == [
        True,
        False,
        False,
        None,
    ]
    assert condition.holds({"one": ""}, "") is True
    assert judge.condition("flag = true || one = @request.auth.id", is_client=False).holds(row, None) is True
    assert judge.condition("one = @request.auth.id", is_client=True).holds(row, "abc") is None


def test_the_deepest_expression_that_is_read_is_judged(judge: Judge) -> None:
    text = "(" * 100 + "word = 'a'" + ")" * 100
    assert judge.condition(text, is_client=True).holds({"word": "a"}, "") is True


def test_a_pattern_of_many_wildcards_takes_no_time(judge: Judge) -> None:
    condition = judge.condition("body ~ '" + "%a" * 1_500 + "b'", is_client=True)
    started = perf_counter()
    assert condition.holds({"body": "a" * 20_000}, "") is False
    assert perf_counter() - started < 1
