"""Nobody sees what is another's, whatever is told to whom on which connection: PocketBase is asked beside."""

import json
import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fastlane.site import Caller, Line, Site, body, field, status
from tests.support.compare import differences
from tests.support.pocketbase import from_template

RECORDS = "/api/collections/{}/records"
WHO = [
    None,
    ("users", "ada@example.com"),
    ("users", "ben@example.com"),
    ("users", "cleo@example.com"),
    ("users", "dan@example.com"),
    ("staff", "sam"),
    ("staff", "tia"),
    ("_superusers", "admin@example.com"),
]


def targets() -> list[str]:
    """Of every kind of rule."""
    found = []
    for collection in (
        "posts",
        "users",
        "staff",
        "guarded",
        "diaries",
        "documents",
        "comments",
        "post_stats",
        "closed",
    ):
        records = RECORDS.format(collection)
        found += [records, f"{records}?perPage=2&sort=-id", f"{records}?fields=id&skipTotal=1"]
    for collection, row in (
        ("posts", "post00000000001"),
        ("users", "user00000000001"),
        ("users", "user00000000002"),
        ("users", "user00000000003"),
        ("staff", "staff0000000001"),
        ("guarded", "guarded00000001"),
        ("diaries", "diary0000000001"),
        ("diaries", "diary0000000002"),
        ("documents", "document0000001"),
        ("documents", "document0000002"),
        ("closed", "closed000000001"),
        ("posts", "nothing00000001"),
    ):
        found.append(f"{RECORDS.format(collection)}/{row}")
    return [
        *found,
        f"{RECORDS.format('posts')}/post00000000002?expand=author",
        f"{RECORDS.format('users')}?filter=(verified=true)",
        f"{RECORDS.format('keyed')}/keyed0000000001?key=open",
    ]


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(1_000, id="1000 asks"),
        pytest.param(40_000, id="40000 asks", marks=[pytest.mark.all_modes, pytest.mark.timeout(900)]),
    ],
)
def test_everybody_gets_what_pocketbase_itself_gives_them_through_writes_and_all(
    count: int, pocketbase_template: Path, tmp_path: Path
) -> None:
    rng, told, apart = random.Random(count), 0, set[Any]()
    with ExitStack() as closing:
        (tmp_path / "pb").mkdir()
        (tmp_path / "hapta").mkdir()
        database = from_template(pocketbase_template, tmp_path / "pb")
        closing.callback(database.close)
        site = closing.enter_context(Site(tmp_path / "hapta", database.url))
        direct = [
            closing.enter_context(
                httpx.Client(
                    base_url=database.url,
                    headers={} if who is None else {"Authorization": database.token(*who)},
                )
            )
            for who in WHO
        ]
        tokens = [None if who is None else site.token(*who) for who in WHO]
        shared = [closing.enter_context(Line(site.url)) for _ in range(3)]
        writer = closing.enter_context(site.client(tokens[-1] or ""))
        everything = targets()
        for number in range(count):
            who, target = rng.randrange(len(WHO)), rng.choice(everything)
            token = tokens[who]
            block = () if token is None else (f"Authorization: {token}",)
            expected = direct[who].get(target)
            if rng.random() < 0.03:
                with Line(site.url) as fresh:
                    answer, is_told = Caller(site, *block, line=fresh).told(target)
            else:
                answer, is_told = Caller(site, *block, line=rng.choice(shared)).told(target)
                for _ in range(rng.randrange(3)):
                    answer, is_told = Caller(site, *block, line=rng.choice(shared)).told(target)
            told += is_told
            what = (number, WHO[who], target, field(answer, "Cache-Status"), is_told)
            assert status(answer) == expected.status_code, what
            assert not list(differences(json.loads(body(answer)), expected.json())), what
            apart.add((target, body(answer)))
            if rng.random() < 0.06:
                change(writer, rng, number)
    assert told > count / 5
    assert len(apart) > 1.5 * len(everything)


def change(writer: httpx.Client, rng: random.Random, number: int) -> None:
    """A write that changes what somebody may see."""
    users = [f"user0000000000{n}" for n in (1, 2, 3, 4)]
    path, fields = rng.choice(
        [
            ("posts/records/post00000000001", {"title": f"A title {number}"}),
            ("diaries/records/diary0000000001", {"owner": rng.choice(users)}),
            ("diaries/records/diary0000000002", {"owner": rng.choice(users)}),
            ("documents/records/document0000001", {"public": rng.random() < 0.5, "owner": rng.choice(users)}),
            (f"users/records/{rng.choice(users)}", {"emailVisibility": rng.random() < 0.5}),
            (f"users/records/{rng.choice(users)}", {"role": rng.choice(["reader", "editor"])}),
            ("staff/records/staff0000000001", {"boss": rng.random() < 0.5}),
            ("guarded/records/guarded00000001", {"name": f"guarded {number}"}),
        ]
    )
    answer = writer.patch(f"/api/collections/{path}", json=fields)
    assert answer.status_code == 200, answer.text
