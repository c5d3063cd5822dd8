"""Plans are of the present, or they are made anew."""

import tracemalloc
from typing import Any

import pytest

from hapta.cache import book as module
from hapta.cache.book import UNKNOWN, Circumstances, PlanBook
from hapta.cache.plan import Bypass, HooksMode, Plan
from hapta.model.operation import classify
from hapta.model.schema import Schema
from hapta.model.target import parse_target
from tests.unit.cache.plan_world import OPEN, POSTS, USERS, VIEWS, schema


class Book:
    def __init__(self) -> None:
        self.now = Circumstances(schema(), VIEWS, 0)
        self.mode = HooksMode.NONE
        self.warnings: list[str] = []
        self.book = PlanBook(
            lambda: self.now,
            hooks=lambda _: self.mode,
            is_enabled=lambda _: True,
            custom_routes_write=("*",),
            on_warning=self.warnings.append,
        )

    def plan(self, path: str = "posts/records", audience: str | None = None) -> Plan | Bypass:
        target = parse_target(f"/api/collections/{path}", "here")
        return self.book.plan(target, classify("GET", target.segments), audience)


@pytest.fixture
def book() -> Book:
    return Book()


def another(**rules: Any) -> Schema:
    return Schema.of(2, schema(**rules).by_id.values())


def test_the_same_question_gets_the_same_plan_while_nothing_changes(book: Book) -> None:
    assert book.plan() is book.plan()
    assert book.plan() is not book.plan(audience=USERS)
    assert book.book.version == book.book.planned_version == 1


@pytest.mark.parametrize("what", ["schema", "views", "hooks"])
def test_another_schema_other_views_and_other_hooks_void_it(book: Book, what: str) -> None:
    before, writes = book.plan(), book.book.write_tags
    if what == "schema":
        book.now = Circumstances(another(posts={"listRule": None}), VIEWS, 0)
    elif what == "views":
        book.now = Circumstances(book.now.schema, {}, 0)
    else:
        book.mode, book.now = HooksMode.REQUEST, Circumstances(book.now.schema, VIEWS, 1)
    assert book.book.planned_version == 1
    assert book.book.version == 2
    assert book.plan() is not before
    assert book.book.write_tags is not writes


def test_a_planner_that_cannot_be_made_leaves_no_plan_of_before(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(book.plan(), Plan)

    def fails(*_: object, **more: object) -> None:
        raise KeyError("fields")

    book.now = Circumstances(another(posts={"listRule": None}), VIEWS, 0)
    with monkeypatch.context() as patched:
        patched.setattr(module, "Planner", fails)
        for _ in range(2):
            with pytest.raises(KeyError):
                book.plan()
    assert isinstance(book.plan(), Bypass)


def test_the_memory_is_bounded_and_long_targets_are_not_kept(book: Book) -> None:
    for number in range(module.MEMO_BYTES // 3000 + 500):
        book.plan(f"posts/records?page={number}")
    assert book.book._memo.weight <= module.MEMO_BYTES
    kept = len(book.book._memo)
    book.plan("posts/records?filter=" + "title%3D1%20%7C%7C%20" * 150 + "title%3D1")
    assert len(book.book._memo) == kept


WAYS = [
    ".".join(("author", f"{by}_via_author", "author", f"{again}_via_author", "author"))
    for by in ("posts", "Posts", "pOsts", "poSts")
    for again in ("posts", "Posts", "pOsts", "poSts")
]


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("expand=" + ",".join(WAYS), id="all the expands there may be"),
        pytest.param("filter=" + "title%3D1%26%26" * 100 + "title%3D1", id="a long filter"),
        pytest.param("filter=" + "~" * 2500, id="a refusal that repeats what was sent"),
        pytest.param("&".join(f"a{n}={'b' * 40}" for n in range(60)), id="parameters nobody knows"),
    ],
)
def test_plans_weigh_in_the_memory_what_they_take(book: Book, hostile: str) -> None:
    book.plan("posts/records")
    tracemalloc.start()
    try:
        before, declared = tracemalloc.get_traced_memory()[0], book.book._memo.weight
        for number in range(100):
            book.plan(f"posts/records?page={number}&{hostile}")
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken < 1.1 * (book.book._memo.weight - declared)


def test_a_rule_that_cannot_be_read_is_told_once(book: Book) -> None:
    book.now = Circumstances(schema(posts={**OPEN, "listRule": "title ="}), VIEWS, 0)
    for page in range(3):
        assert isinstance(book.plan(f"posts/records?page={page}"), Bypass)
    book.now = Circumstances(another(posts={**OPEN, "listRule": "title ="}), VIEWS, 0)
    book.plan()
    assert len(book.warnings) == 1


def test_names_and_ids_of_collections_are_words_that_nobody_outside_chooses(book: Book) -> None:
    assert [book.book.label(name) for name in (POSTS, "POSTS", "nope", "")] == [
        "posts",
        "posts",
        UNKNOWN,
        UNKNOWN,
    ]
    assert [book.book.id_of(name) for name in (POSTS, "Posts", "nope")] == [POSTS, POSTS, UNKNOWN]
