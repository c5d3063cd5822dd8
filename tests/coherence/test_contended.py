"""64 clients write to the same rows at once: no read shows a state that never was, and at rest all are right.

Nobody knows in which order PocketBase commits writes that overlap, and one may undo another: an update reads
the row, changes it and writes it back, ``likes+`` as well. So of each it is noted when it was sent and
acknowledged, and a read may show whatever some order allows. After a write that overlapped no other, all that
was written to the row before is over.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from tests.coherence.line import Answer, Line
from tests.coherence.site import Site

POSTS, REMARKS = "/api/collections/contended/records", "/api/collections/remarks/records"
CLIENTS, ROWS, WRITES_EACH = 64, 16, 8
_PAGES = (f"{REMARKS}?perPage=2&sort=-n,id", f"{REMARKS}?perPage=3&page=2&sort=id", f"{REMARKS}?perPage=1")
"""Of these only the count is judged, and that no row comes twice."""
NEVER = float("inf")
_OPEN = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"), "")
_DATES = [
    {"name": "created", "type": "autodate", "onCreate": True, "onUpdate": False},
    {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
]
COLLECTIONS: list[dict[str, Any]] = [
    {
        "id": "pbc_contended00",
        "name": "contended",
        "type": "base",
        "fields": [{"name": "mark", "type": "text"}, {"name": "likes", "type": "number"}, *_DATES],
        **_OPEN,
    },
    {
        "id": "pbc_remarks0000",
        "name": "remarks",
        "type": "base",
        "fields": [
            {"name": "post", "type": "relation", "collectionId": "pbc_contended00", "maxSelect": 1},
            {"name": "n", "type": "number"},
            *_DATES,
        ],
        **_OPEN,
    },
]


def row_id(number: int) -> str:
    return f"contended{number:06}"


@dataclass
class Sent:
    """One write, or the life of a remark; in moments of one count. Of writes to posts an edit has a mark."""

    sent: float
    acknowledged: float = NEVER
    delete_sent: float = NEVER
    deleted: float = NEVER
    post: str = ""
    mark: str = ""


@dataclass
class Book:
    """What was written when.

    Attributes:
        writes: to posts, by row.
        floors: of these, such that overlapped no other, and what the row was after each.
        remarks: by id.
        wrong: what a read may not have shown.
    """

    now: float = 0
    writes: dict[str, list[Sent]] = field(default_factory=dict)
    floors: dict[str, list[tuple[Sent, dict[str, Any]]]] = field(default_factory=dict)
    remarks: dict[str, Sent] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def moment(self) -> float:
        self.now += 1
        return self.now

    def end(self, write: Sent, row: dict[str, Any]) -> None:
        """A write to a post was answered."""
        write.acknowledged = self.moment()
        others = (other for other in self.writes[row["id"]] if other is not write)
        if all(other.acknowledged < write.sent for other in others):
            self.floors[row["id"]].append((write, row))

    def judge_row(self, row: dict[str, Any], asked: float, what: str) -> None:
        """A row of the posts, wherever it is shown."""
        writes = self.writes[row["id"]]
        known = [found for found in self.floors[row["id"]] if found[0].acknowledged < asked]
        floor, was = known[-1]
        shown = next((write for write in writes if write.mark == row["mark"]), None)
        if shown is None:
            self.wrong.append(f"{what}: {row['mark']} was never written to {row['id']}")
        elif row["mark"] != was["mark"] and shown.acknowledged < floor.sent:
            self.wrong.append(f"{what}: {row['mark']} of {row['id']} was overwritten before")
        most = sum(not write.mark for write in writes)
        if not was["likes"] <= row["likes"] <= most:
            self.wrong.append(f"{what}: {row['likes']} likes of {row['id']}, {was['likes']} to {most} given")

    def judge_remarks(
        self, page: dict[str, Any], post: str, asked: float, what: str, *, is_whole: bool = True
    ) -> None:
        """A list of all remarks about a post, or about any."""
        ids = [row["id"] for row in page["items"]]
        if len(set(ids)) < len(ids):
            self.wrong.append(f"{what}: a row twice")
        about = {key: life for key, life in self.remarks.items() if not post or life.post == post}
        for key in set(ids) - about.keys():
            self.wrong.append(f"{what}: {key} was never written")
        for key, life in about.items():
            if key in ids and life.deleted < asked:
                self.wrong.append(f"{what}: {key} was deleted before")
            if is_whole and key not in ids and life.acknowledged < asked and life.delete_sent == NEVER:
                self.wrong.append(f"{what}: {key} is missing")
        least = sum(each.acknowledged < asked and each.delete_sent == NEVER for each in about.values())
        most = sum(each.deleted >= asked for each in about.values())
        if page["totalItems"] != -1 and not least <= page["totalItems"] <= most:
            self.wrong.append(f"{what}: {page['totalItems']} counted, {least} to {most} there")


class Crowd:
    """All clients."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site, self._rng, self.book = site, Random(seed), Book()
        self.details: Counter[str] = Counter()
        posts = [row_id(number) for number in range(ROWS)]
        self._posts = posts
        about = [f"{REMARKS}?perPage=900&sort=-n,id&filter=post%3D%27{post}%27" for post in posts]
        self.reads = [
            *(f"{POSTS}/{post}" for post in posts),
            f"{POSTS}?sort=id",
            f"{POSTS}?sort=-likes,id",
            f"{POSTS}?sort=-likes,id&skipTotal=1",
            f"{REMARKS}?perPage=900",
            *_PAGES,
            f"{REMARKS}?perPage=900&sort=-created,id&skipTotal=1&expand=post",
            *about,
            *(f"{each}&expand=post" for each in about[:2]),
        ]

    async def begin(self) -> None:
        """The rows."""
        line = self._site.line()
        for post in self._posts:
            first = Sent(0, mark="first")
            self.book.writes[post], self.book.floors[post] = [first], []
            answer = await line.ask("POST", POSTS, json={"id": post, "mark": "first"})
            assert answer.status == 200, answer
            self.book.end(first, answer.json)

    async def run(self) -> None:
        """Until every client has written enough."""
        await asyncio.gather(*(self._client(number) for number in range(CLIENTS)))

    async def _client(self, number: int) -> None:
        rng, line, mine = self._rng, self._site.line(number), list[str]()
        for turn in range(WRITES_EACH):
            await self._write(line, f"{number:03}x{turn:03}", mine)
            for _ in range(rng.choice((1, 4, 8))):
                await self.read(line, rng.choice(self.reads))

    async def _write(self, line: Line, mark: str, mine: list[str]) -> None:
        rng, book = self._rng, self.book
        post = rng.choice(self._posts)
        kind = rng.choice(("like", "like", "edit", "create", "create", "delete"))
        life = Sent(book.moment(), post=post)
        if kind in ("like", "edit"):
            life.mark = mark if kind == "edit" else ""
            book.writes[post].append(life)
            change = {"mark": mark} if life.mark else {"likes+": 1}
            answer = await line.ask("PATCH", f"{POSTS}/{post}", json=change)
            assert answer.status == 200, answer
            book.end(life, answer.json)
        elif kind == "create" or not mine:
            body: dict[str, Any] = {"post": post, "n": rng.randrange(5), "id": f"remark00{mark}"}
            book.remarks[body["id"]] = life
            answer = await line.ask("POST", REMARKS, json=body)
            mine.append(body["id"])
        else:
            life = book.remarks[mine[0]]
            life.delete_sent = book.moment()
            answer = await line.ask("DELETE", f"{REMARKS}/{mine.pop(0)}")
            life.deleted = book.moment()
        assert answer.status < 300, answer
        life.acknowledged = min(life.acknowledged, book.moment())

    async def read(self, line: Line, target: str) -> None:
        """One read, judged."""
        asked = self.book.moment()
        answer = await line.get(target)
        self.details[answer.cache + answer.cache_detail] += 1
        assert answer.status == 200, answer
        self._judge(answer, target, asked)

    def _judge(self, answer: Answer, target: str, asked: float) -> None:
        found, what = answer.json, f"{target} ({answer.headers['cache-status']})"
        if "items" not in found:
            self.book.judge_row(found, asked, what)
        elif target.startswith(REMARKS):
            post = target.partition("%27")[2].partition("%27")[0]
            self.book.judge_remarks(found, post, asked, what, is_whole=target not in _PAGES)
            for row in found["items"]:
                if "expand" in row:
                    self.book.judge_row(row["expand"]["post"], asked, what)
        else:
            if "likes" in target:
                order = [(-row["likes"], row["id"]) for row in found["items"]]
                if order != sorted(order):
                    self.book.wrong.append(f"{what}: {order}")
            if len(found["items"]) != ROWS:
                self.book.wrong.append(f"{what}: {len(found['items'])} rows")
            for row in found["items"]:
                self.book.judge_row(row, asked, what)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
async def test_writers_of_the_same_rows_never_make_a_state_that_never_was(site: Site, seed: int) -> None:
    body = {"collections": COLLECTIONS, "deleteMissing": False}
    line = site.line()
    answer = await line.ask("PUT", "/api/collections/import", site.tokens["superuser"], json=body)
    assert answer.status == 204, answer
    crowd = Crowd(site, seed)
    await crowd.begin()
    await crowd.run()
    assert not crowd.book.wrong, "\n".join(crowd.book.wrong[:20])
    direct = Line(site.pocketbase.url)
    for target in crowd.reads:
        seen, there = await line.get(target), await direct.get(target)
        assert seen.body == there.body, (target, seen.headers["cache-status"])
    print(crowd.details)
    assert crowd.details["hit detail=patched"] > 20, crowd.details


def test_the_check_notices_what_never_was() -> None:
    first, like, edit = Sent(0, mark="first"), Sent(2), Sent(4, mark="next")
    book = Book(writes={"a": [first, like, edit]}, floors={"a": []})
    first.acknowledged = 0
    book.floors["a"] = [(first, {"mark": "first", "likes": 0})]
    book.judge_row({"id": "a", "mark": "next", "likes": 1}, 6, "not yet acknowledged")
    book.judge_row({"id": "a", "mark": "first", "likes": 0}, 6, "nor this")
    book.now, like.acknowledged = 5, 3
    book.end(edit, {"id": "a", "mark": "next", "likes": 1})
    book.judge_row({"id": "a", "mark": "first", "likes": 0}, edit.acknowledged, "asked before")
    book.judge_row({"id": "a", "mark": "next", "likes": 1}, 9, "right")
    assert not book.wrong
    for mark, likes in (("first", 1), ("never", 1), ("next", 0), ("next", 2)):
        book.judge_row({"id": "a", "mark": mark, "likes": likes}, 9, "wrong")
    assert len(book.wrong) == 4
    book.wrong.clear()
    book.remarks = {"r": Sent(1, 2), "gone": Sent(1, 2, 3, 4)}
    book.judge_remarks({"items": [{"id": "r"}], "totalItems": 1}, "", 5, "right")
    assert not book.wrong
    for items, total in (([], 1), (["r", "r"], 1), (["r", "gone"], 1), (["r", "x"], 1), (["r"], 2)):
        book.judge_remarks({"items": [{"id": each} for each in items], "totalItems": total}, "", 5, "wrong")
    assert len(book.wrong) == 5
