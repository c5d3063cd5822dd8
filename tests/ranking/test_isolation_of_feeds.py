"""Whose rows a ranked feed shows: those PocketBase lists to the caller, as it lists them, and no others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fastlane.site import Site
from tests.ranking.pages import (
    PEOPLE,
    RULES,
    Person,
    config,
    feeds,
    forms,
    furnished,
    ids,
    listed,
    pages,
    walk,
)
from tests.support.pocketbase import PocketBase, from_template

WAYS: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
    ({}, {}),
    ({"key": "open"}, {}),
    ({"key": "shut", "expand": "author,topics,readers"}, {"X-Club": "blue"}),
    ({"fields": "title,views,expand.author.email", "expand": "author"}, {"X-Club": "red"}),
    ({"fields": "*,title:excerpt(3,true)"}, {}),
)
"""Parameters and header fields: what rules read, and what changes the form of rows."""


@pytest.fixture(scope="module")
def served(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("feeds"))
    try:
        yield furnished(instance)
    finally:
        instance.close()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param({}, id="default"),
        pytest.param(
            {"cache.is_enabled": False, "server.fast_lane": False},
            id="no cache, no lane",
            marks=pytest.mark.all_modes,
        ),
        pytest.param({"cache.pb_hooks": "request"}, id="hooks", marks=pytest.mark.all_modes),
    ],
)
def site(
    request: pytest.FixtureRequest, served: PocketBase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    people = {"collection": "users", "preset": "chronological"}
    staff = {"collection": "staff", "preset": "chronological"}
    (home / "config.toml").write_text(config({**feeds(people=people, staff=staff)}))
    more = {key.replace(".", "__"): value for key, value in request.param.items()}
    with Site(home, served.url, **more) as running:
        yield running


@pytest.fixture(scope="module")
def people(site: Site, served: PocketBase) -> Iterator[dict[str, Person]]:
    found = {name: Person(site.url, served.url, account) for name, account in PEOPLE.items()}
    yield found
    for each in found.values():
        each.close()


@pytest.mark.parametrize("rule", RULES)
def test_each_caller_gets_the_rows_pocketbase_lists_to_them_and_no_other(
    rule: str, people: dict[str, Person], site: Site
) -> None:
    seen = set()
    for name, person in people.items():
        for query, headers in WAYS:
            expected = listed(person.direct, f"r_{rule}", **query, headers_=headers)
            for path, besides in forms(rule, f"r_{rule}"):
                where = f"{name} {path} {query} {headers}"
                asked = {**query, **besides, "perPage": "30" if besides else "9"}
                answers = list(pages(person.through, path, asked, headers=headers))
                if expected.status_code != 200:
                    assert [each.status_code for each in answers] == [expected.status_code], where
                    assert answers[0].json() == expected.json(), where
                    continue
                _same_rows(answers, expected.json()["items"], where, has_id="title," not in str(query))
            seen.add(expected.text)
    if rule != "open":
        assert len(seen) > 1, "a rule that lets everybody see the same tells nobody apart"


def _same_rows(answers: list[Any], expected: list[dict[str, Any]], where: str, *, has_id: bool) -> None:
    items = [item for answer in answers for item in answer.json()["items"]]
    totals = {answer.json()["totalItems"] for answer in answers}
    assert totals == {len(expected)}, where
    key = "id" if has_id else "title"
    assert sorted(each[key] for each in items) == sorted(each[key] for each in expected), where
    by_key = {each[key]: each for each in expected}
    for each in items:
        assert each == by_key[each[key]], where


@pytest.mark.parametrize(("feed", "collection"), [("people", "users"), ("staff", "staff")])
def test_rows_of_auth_collections_show_the_email_to_whom_pocketbase_shows_it(
    feed: str, collection: str, people: dict[str, Person]
) -> None:
    emails = set()
    for name, person in people.items():
        expected = listed(person.direct, collection, filter="").json()["items"]
        for path, besides in forms(feed, collection):
            for _ in range(2):
                items = walk(person.through, path, {**besides, "perPage": 2})
                assert sorted(items, key=_id) == sorted(expected, key=_id), (name, path)
        emails.add(tuple(sorted(each.get("email", "") for each in expected)))
    assert len(emails) > 2


def _id(row: dict[str, Any]) -> str:
    return str(row["id"])


def test_a_snapshot_of_somebody_else_is_worth_nothing(people: dict[str, Person]) -> None:
    for feed in ("own", "clubs", "read_by"):
        path = f"/api/hapta/feeds/{feed}"
        given = {
            name: person.through.get(path, params={"perPage": 3}).json()["snapshot"]
            for name, person in people.items()
        }
        for name, person in people.items():
            expected = set(ids(listed(person.direct, f"r_{feed}").json()["items"]))
            for snapshot in [*given.values(), "", "x", "0" * 24, "é" * 300, "../../etc"]:
                answer = person.through.get(path, params={"perPage": 100, "snapshot": snapshot})
                assert answer.status_code == 200
                body = answer.json()
                assert set(ids(body["items"])) == expected, (name, snapshot)
                assert body["totalItems"] == len(expected)
                if snapshot != given[name]:
                    assert body["snapshot"] != snapshot or not expected


def test_who_asks_in_another_way_does_not_learn_how_much_the_other_way_shows(
    people: dict[str, Person],
) -> None:
    guest = people["guest"].through
    for feed, query, headers in (("asked", {"key": "open"}, {}), ("clubs", {}, {"X-Club": "blue"})):
        path = f"/api/hapta/feeds/{feed}"
        members = guest.get(path, params={**query, "perPage": 5}, headers=headers).json()
        few = ids(listed(people["guest"].direct, f"r_{feed}").json()["items"])
        for more in ({}, {"snapshot": members["snapshot"]}):
            answer = guest.get(path, params={"page": 2, "perPage": 5, **more}).json()
            assert answer["totalItems"] == len(few) < members["totalItems"]
            assert answer["snapshot"] != members["snapshot"]
        asked = {**query, "perPage": 5, "page": 2, "snapshot": members["snapshot"]}
        again = guest.get(path, params=asked, headers=headers).json()
        assert again["totalItems"] == members["totalItems"], "nobody else takes rows out of it"
        assert len(again["items"]) == 5
