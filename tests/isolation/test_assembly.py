"""Rows put together by us are the bytes the real PocketBase writes."""

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import httpx
import pytest

from hapta.cache.assembly import Refused, compose, put, seen
from hapta.cache.canonical import Fields
from hapta.cache.plan import HooksMode, Plan
from hapta.cache.planner import Planner
from hapta.cache.raw_rows import ListBody, own, parse_row, public_fields, render_row
from hapta.model.operation import classify
from hapta.model.schema import Collection, Schema
from hapta.model.target import parse_target
from tests.support.pocketbase import PASSWORD, PocketBase, from_template
from tests.support.seed import png

TEAMS, PEOPLE, POSTS, VAULTS = "asmteams0000001", "asmpeople000001", "asmposts0000001", "asmvaults000001"
OPEN = dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule", "deleteRule"), "")
COLLECTIONS: list[dict[str, Any]] = [
    {
        "id": VAULTS,
        "name": "asm_vaults",
        "type": "base",
        "fields": [{"name": "name", "type": "text"}],
        **OPEN,
        "viewRule": None,
    },
    {
        "id": TEAMS,
        "name": "asm_teams",
        "type": "base",
        "fields": [
            {"name": "name", "type": "text"},
            {"name": "lead", "type": "relation", "collectionId": PEOPLE, "maxSelect": 1},
            {"name": "allies", "type": "relation", "collectionId": TEAMS, "maxSelect": 5},
            {"name": "vault", "type": "relation", "collectionId": VAULTS, "maxSelect": 1},
        ],
        **OPEN,
    },
    {
        "id": PEOPLE,
        "name": "asm_people",
        "type": "auth",
        "authAlert": {"enabled": False},
        "manageRule": None,
        "fields": [
            {"name": "team", "type": "relation", "collectionId": TEAMS, "maxSelect": 1},
            {"name": "pals", "type": "relation", "collectionId": PEOPLE, "maxSelect": 9},
            {"name": "secret", "type": "text", "hidden": True},
            {"name": "fullName", "type": "text"},
        ],
        **OPEN,
    },
    {
        "id": POSTS,
        "name": "asm_posts",
        "type": "base",
        "fields": [
            {"name": "author", "type": "relation", "collectionId": PEOPLE, "maxSelect": 1},
            {"name": "teams", "type": "relation", "collectionId": TEAMS, "maxSelect": 9},
            {"name": "hush", "type": "relation", "collectionId": TEAMS, "maxSelect": 1, "hidden": True},
            {"name": "Zed", "type": "text"},
            {"name": "_under", "type": "text"},
            {"name": "n", "type": "number"},
            {"name": "data", "type": "json"},
            {"name": "due", "type": "date"},
            {"name": "text", "type": "editor"},
            {"name": "place", "type": "geoPoint"},
            {"name": "tags", "type": "select", "values": ["a", "b"], "maxSelect": 2},
            {"name": "file", "type": "file", "maxSelect": 1},
            {"name": "files", "type": "file", "maxSelect": 3},
            {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
        ],
        **OPEN,
    },
]
EXPANDS = [
    "author",
    "teams",
    "teams,author",
    "author,teams,author",
    "author.team",
    "author.team,author",
    "author,author.team",
    "author.team.lead.team.lead.team",
    "author.pals.pals.pals.pals.pals.pals.pals",
    "author.team.allies,author.team.lead,teams.allies.lead",
    "author.pals.team",
    "author.pals.pals,author.pals.team,author.team",
    "teams.lead.pals,teams.allies.allies,author.team",
    "teams.allies,teams.lead,teams",
    "nope",
    "nope,author",
]
UNKNOWN = ["hush", "teams.vault", "author.nope", "asm_people_via_team", "author.asm_posts_via_author"]
LISTS = [
    "",
    "perPage=2&page=2&sort=-id&expand=author.team,teams.lead",
    "perPage=2&page=99",
    "perPage=2&page=99&skipTotal=1",
    "skipTotal=1&expand=teams",
    "filter=id='none'",
    "filter=id='none'&skipTotal=true&expand=author",
    "perPage=0",
    "expand=asm_nope,teams.allies",
    "expand=author.asm_posts_via_author",
]


def key(word: str) -> str:
    return word.ljust(15, "0")


class World:
    """Teams, people and posts, and how a guest reads them."""

    def __init__(self, pocketbase: PocketBase) -> None:
        self.admin = pocketbase.admin
        self.guest = httpx.Client(base_url=pocketbase.url, timeout=30)
        body = {"collections": COLLECTIONS, "deleteMissing": False}
        self.admin.put("/api/collections/import", json=body).raise_for_status()
        answer = self.admin.get("/api/collections?perPage=200").json()
        self.schema = Schema.of(1, map(Collection.parse, answer["items"]))
        self.planner = Planner(self.schema, {}, lambda _: HooksMode.NONE, lambda _: True)
        self._rows()
        token = pocketbase.token("asm_people", "b@example.com")
        self.owner = httpx.Client(base_url=pocketbase.url, timeout=30, headers={"Authorization": token})

    def _rows(self) -> None:
        self.make("asm_vaults", "v1", name="v")
        self.make("asm_teams", "t2", name='two <b>&"\u2028', vault=key("v1"))
        self.make("asm_teams", "t1", name="one", allies=[key("t2")])
        self.make("asm_teams", "t3")
        for word, team in (("c", ""), ("b", "t1"), ("a", "t2"), ("d", "t3")):
            login = {"email": f"{word}@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD}
            shown = {"emailVisibility": word in "ad", "secret": "s", "fullName": word.upper()}
            self.make("asm_people", word, team=key(team) if team else "", **login, **shown)
        self.change("asm_teams", "t1", lead=key("a"))
        self.change("asm_teams", "t3", lead=key("d"), allies=[key("t2"), key("t1"), key("t3")])
        self.change("asm_people", "a", pals=[key("c"), key("a"), key("b")])
        self.change("asm_people", "d", pals=[key("d"), key("a")])
        odd = {
            "n": 1e21,
            "data": {"z": [1.0, "</\u2029\u00e9"], "a": {"id": key("a")}},
            "text": "<p>x &amp;</p>",
        }
        self.make("asm_posts", "p1", author=key("a"), teams=[key("t1"), key("t2")], hush=key("t1"), **odd)
        self.make("asm_posts", "p2", data='{ "b" : 1 }', n=-0.5)
        self.make(
            "asm_posts", "p3", author=key("c"), teams=[key("t3"), key("t2"), key("t1")], tags=["b", "a"]
        )
        self.make(
            "asm_posts", "p4", author=key("d"), due="2024-02-29 12:00:00.5Z", place={"lon": 1.5, "lat": -2}
        )
        self.make(
            "asm_posts",
            "p5",
            author=key("b"),
            teams=[key("t1")],
            data=[1e400 > 1, None, 12345678901234567890],
        )
        files = [("file", ("a b.png", png(9, 9))), ("files", ("x.txt", b"x")), ("files", ("y.txt", b"y"))]
        self.admin.patch(f"/api/collections/asm_posts/records/{key('p4')}", files=files).raise_for_status()

    def make(self, collection: str, word: str, **members: Any) -> None:
        body = {"id": key(word), **members}
        answer = self.admin.post(f"/api/collections/{collection}/records", json=body)
        assert answer.status_code == 200, answer.text

    def change(self, collection: str, word: str, **members: Any) -> Fields:
        path = f"/api/collections/{collection}/records/{key(word)}"
        answer = self.admin.patch(path, json=members)
        assert answer.status_code == 200, answer.text
        return parse_row(answer.content)

    def read(self, path: str) -> bytes:
        answer = self.guest.get(f"/api/collections/{path}")
        assert answer.status_code == 200, answer.text
        return answer.content

    def plan(self, path: str) -> Plan:
        target = parse_target(f"/api/collections/{path}", "here")
        plan = self.planner.plan(target, classify("GET", target.segments), None)
        assert isinstance(plan, Plan), plan
        return plan

    def find(self, collection: str, record: str) -> Fields | None:
        answer = self.guest.get(f"/api/collections/{collection}/records/{record}")
        return parse_row(answer.content) if answer.status_code == 200 else None


@pytest.fixture(scope="module")
def world(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    pocketbase = from_template(pocketbase_template, tmp_path_factory.mktemp("assembly"))
    try:
        world = World(pocketbase)
        with world.guest, world.owner:
            yield world
    finally:
        pocketbase.close()


@pytest.mark.parametrize("query", LISTS)
def test_lists_come_out_as_they_went_in(world: World, query: str) -> None:
    for collection in ("asm_posts", "asm_people", "asm_teams"):
        body = world.read(f"{collection}/records?{query}")
        assert ListBody.parse(body).render() == body


@pytest.mark.parametrize("expand", EXPANDS)
def test_a_composed_view_is_pocketbases(world: World, expand: str) -> None:
    for word in ("p1", "p2", "p3", "p4", "p5"):
        path = f"asm_posts/records/{key(word)}?expand={expand}"
        bare = parse_row(world.read(f"asm_posts/records/{key(word)}"))
        row = compose(bare, world.plan(path).expands, world.find)
        assert row is not None
        assert render_row(row) == world.read(path)


def test_so_it_is_of_records_seen_in_lists(world: World) -> None:
    known: dict[tuple[str, str], Fields] = {}
    for path in (
        "asm_posts/records?expand=author.team.lead,teams.allies",
        "asm_people/records?expand=pals,team",
    ):
        plan = world.plan(path)
        for row in ListBody.parse(world.read(path)).rows:
            for collection, record, fields in seen(row, plan.expands, plan.collection):
                assert known.setdefault((collection, record), fields) == fields
    assert {collection for collection, _ in known} == {TEAMS, PEOPLE, POSTS}
    for collection, record in known:
        expand = {TEAMS: "lead.team,allies", PEOPLE: "pals.team", POSTS: "author.pals,teams"}[collection]
        path = f"{collection}/records/{record}?expand={expand}"
        plan = world.plan(path)
        composed = compose(known[collection, record], plan.expands, lambda *ids: known.get(ids))
        assert composed is not None
        assert render_row(composed) == world.read(path)


@pytest.mark.parametrize("expand", UNKNOWN)
def test_what_is_not_certain_is_not_composed(world: World, expand: str) -> None:
    collection, word = ("asm_teams", "t2") if expand == "asm_people_via_team" else ("asm_posts", "p1")
    path = f"{collection}/records/{key(word)}"
    plan = world.plan(f"{path}?expand={expand}")
    assert compose(parse_row(world.read(path)), plan.expands, world.find) is None


def test_a_hop_nobody_may_follow_leaves_no_expand(world: World) -> None:
    path = f"asm_teams/records/{key('t2')}?expand=vault"
    row = compose(parse_row(world.read(path)), world.plan(path).expands, world.find)
    assert row is not None
    assert render_row(row) == world.read(path)


@pytest.mark.parametrize("is_shown", [True, False])
@pytest.mark.parametrize("who", ["owner", "superuser", "superuser with an expand"])
def test_what_all_are_shown_of_a_row_its_writer_changed(world: World, who: str, is_shown: bool) -> None:
    path = f"/api/collections/asm_people/records/{key('b')}{'?expand=team' if 'expand' in who else ''}"
    client = world.owner if who == "owner" else world.admin
    told = client.patch(path, json={"emailVisibility": is_shown, "fullName": f"{who} {is_shown}"})
    public = public_fields(world.schema.by_id[PEOPLE], parse_row(told.content))
    assert public is not None
    assert render_row(public) == world.read(f"asm_people/records/{key('b')}")
    assert ("email" in public) == is_shown


def test_what_all_are_shown_of_a_row_without_emails(world: World) -> None:
    for word in ("p1", "p4"):
        told = world.change("asm_posts", word, Zed=f"new {word}")
        assert "hush" in told
        public = public_fields(world.schema.by_id[POSTS], told)
        assert public is not None
        assert render_row(public) == world.read(f"asm_posts/records/{key(word)}")


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("asm_posts/records", ["posts p1 Zed"]),
        ("asm_posts/records?expand=author.team.lead,teams", ["people a fullName", "posts p3 text"]),
        ("asm_posts/records?expand=author.pals.team,teams.lead", ["people a fullName", "teams t1 name"]),
        ("asm_people/records?expand=pals.pals.pals", ["people d fullName", "people a secret"]),
        ("asm_teams/records?perPage=2&expand=allies.allies", ["teams t2 name"]),
        ("asm_teams/records?skipTotal=1&expand=asm_people_via_team.pals", ["teams t2 name"]),
    ],
)
def test_a_list_with_a_changed_record_put_in_is_pocketbases(
    world: World, path: str, changes: list[str]
) -> None:
    plan = world.plan(path)
    for round_, order in enumerate(permutations(changes)):
        for change in order:
            name, word, field = change.split()
            found = ListBody.parse(world.read(path))
            told = world.change(f"asm_{name}", word, **{field: f'{round_} {field} "é\\'})
            by = world.schema.resolve(f"asm_{name}")
            assert by is not None
            public = public_fields(by, told)
            assert public is not None
            done = [put(row, plan.expands, plan.collection, (by.id, key(word)), public) for row in found.rows]
            found.rows = [row for row, _ in done]
            assert sum(places for _, places in done)
            assert found.render() == world.read(path)


def test_a_relation_that_is_followed_and_changed_is_refused(world: World) -> None:
    path = "asm_posts/records?expand=author.team"
    plan = world.plan(path)
    rows = ListBody.parse(world.read(path)).rows
    told = own(world.change("asm_people", "d", team=key("t1")))
    public = public_fields(world.schema.by_id[PEOPLE], told)
    assert public is not None
    row = next(row for row in rows if render_row(row).count(key("d").encode()) > 1)
    with pytest.raises(Refused):
        put(row, plan.expands, plan.collection, (PEOPLE, key("d")), public)
    world.change("asm_people", "d", team=key("t3"))
