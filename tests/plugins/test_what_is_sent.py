"""What hooks see is what PocketBase stores; what no hook concerns reaches it byte for byte.

Rows of ``docs/differences.md`` proved here: ``written-anew``, ``uncertain-values``.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.plugins.workshop import POSTS, Workshop, errors_of, serving
from tests.support.pocketbase import PocketBase
from tests.support.recorder import Recorder

LOOKS = """
def setup(api):
    @api.validate("posts", "pbc_renamed00001", "made_later")
    async def look(change):
        note("validate", collection=change.collection, action=change.action, fields=change.fields,
             new=await change.new())
        if "refuse" in (change.fields.get("title"), change.fields.get("name")):
            raise Reject("title", code="not_this", message="Not this one.")

    @api.after_write("posts")
    async def mirror(written):
        if written.record and written.record["title"] == "mirrored":
            row = written.record
            made = await api.database.create("posts", {"title": "refuse", "body": row["id"]})
            shown = await api.database.view("posts", made["id"])
            await api.database.update("posts", "post00000000007", {"title": "seven " + row["id"]})
            note("mirrored", title=shown["title"], of=row["id"])
"""
TOPIC_1, TOPIC_2 = "topic0000000001", "topic0000000002"


@pytest.fixture(scope="module")
def shop(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with serving(tmp_path_factory.mktemp("hapta"), pocketbase.url, {"looks.py": LOOKS}) as workshop:
        yield workshop


VALUES: list[dict[str, Any]] = [
    {"title": 12.5},
    {"title": True},
    {"title": "", "body": None},
    {"title": "ünïcode \U0001f600 <b>&amp;</b>"},
    {"views": "12"},
    {"views": None, "rating": -0.0},
    {"rating": 1e21},
    {"rating": "1e3"},
    {"rating": True},
    {"status": ["draft", "published"]},
    {"status": ""},
    {"tags": "red"},
    {"tags": ["red", "red", "", "blue"]},
    {"tags": '["green","black"]'},
    {"published": "2024-02-30 10:00:00.000Z"},
    {"published": "2024-02-29T23:30:00.123456+01:00"},
    {"published": "2024-02-29"},
    {"featured": "true"},
    {"featured": 2},
    {"featured": "yes"},
    {"meta": {"a": [1, 2.50, None, {"b": "c"}]}},
    {"meta": '{"a": 1}'},
    {"meta": "plain text"},
    {"meta": None},
    {"site": "https://example.com/a?b=c"},
    {"contact": "A@Example.com"},
    {"place": {"lon": 1.5, "lat": "2"}},
    {"place": {"lon": 1.5}},
    {"author": ["user00000000001", "user00000000002"]},
    {"topics": TOPIC_1},
    {"topics": [TOPIC_1, TOPIC_2, TOPIC_1]},
    {"internal": "hidden from guests"},
    {"created": "2000-01-01 00:00:00.000Z", "nothing": "of the kind", "collectionName": "users"},
    {"slug": "a-slug"},
]
UPDATES: list[dict[str, Any]] = [
    *VALUES,
    {"views+": 3},
    {"views-": "2"},
    {"tags+": ["green", "red"]},
    {"+tags": "blue"},
    {"tags-": "red"},
    {"tags": ["black"], "tags+": "blue"},
    {"topics+": TOPIC_2},
    {"topics-": [TOPIC_1]},
    {"id": "other0000000001", "title": "same id"},
    {"title+": "x"},
]


def compared(shop: Workshop, pocketbase: PocketBase, answer: httpx.Response, sent: dict[str, Any]) -> None:
    """What the hook saw against the row; refusals by PocketBase, or as uncertain, compare nothing."""
    if answer.status_code != 200:
        assert answer.status_code == 400, answer.text
        assert errors_of(answer), sent
        return
    row = pocketbase.admin.get(f"{POSTS}/{answer.json()['id']}").json()
    seen = shop.seen("validate")[-1]
    assert seen["fields"] == {name: row[name] for name in seen["fields"]}, sent
    own = [name.strip("+-") for name in sent if name.strip("+-") in row]
    ignored = {"created", "collectionName", "internal", *(["id"] if seen["action"] == "update" else [])}
    assert seen["fields"].keys() >= set(own) - ignored - {"title"}, "nothing that is stored goes unseen"
    assert not seen["fields"].keys() & ignored


@pytest.mark.parametrize("values", VALUES, ids=repr)
def test_what_a_hook_sees_of_a_create_is_what_is_stored(
    shop: Workshop, pocketbase: PocketBase, values: dict[str, Any]
) -> None:
    answer = shop.client.post(POSTS, json={"title": "seen", **values})
    compared(shop, pocketbase, answer, values)
    direct = pocketbase.admin.post(POSTS, json={"title": "seen", **values, "internal": ""})
    if answer.status_code != 200 and direct.status_code == 200:
        codes = set(errors_of(answer).values())
        assert codes == {"validation_uncertain_value"}, "only what is not known is refused"


@pytest.mark.parametrize("values", UPDATES, ids=repr)
def test_what_a_hook_sees_of_an_update_is_what_is_stored(
    shop: Workshop, pocketbase: PocketBase, values: dict[str, Any]
) -> None:
    before = {"title": "before", "views": 5, "tags": ["red"], "topics": [TOPIC_1], "meta": [1]}
    made = pocketbase.admin.post(POSTS, json=before).json()
    answer = shop.client.patch(f"{POSTS}/{made['id']}", json=values)
    compared(shop, pocketbase, answer, values)
    if answer.status_code == 200:
        row = pocketbase.admin.get(f"{POSTS}/{made['id']}").json()
        new = shop.seen("validate")[-1]["new"]
        assert {**new, "updated": None} == {**row, "updated": None}


def test_a_collection_made_or_renamed_a_moment_ago_is_guarded(shop: Workshop, pocketbase: PocketBase) -> None:
    fields = [{"name": "name", "type": "text"}]
    made = {
        "name": "first_name",
        "id": "pbc_renamed00001",
        "type": "base",
        "createRule": "",
        "fields": fields,
    }
    admin = pocketbase.admin
    try:
        admin.post("/api/collections", json=made).raise_for_status()
        url = "/api/collections/{}/records"
        refused = shop.client.post(url.format("first_name"), json={"name": "refuse"})
        assert (refused.status_code, errors_of(refused)) == (400, {"title": "not_this"})
        admin.patch("/api/collections/pbc_renamed00001", json={"name": "second_name"}).raise_for_status()
        refused = shop.client.post(url.format("second_name"), json={"name": "refuse"})
        assert (refused.status_code, errors_of(refused)) == (400, {"title": "not_this"})
        admin.post("/api/collections", json={**made, "name": "made_later", "id": "pbc_later000001"})
        refused = shop.client.post(url.format("made_later"), json={"name": "refuse"})
        assert (refused.status_code, errors_of(refused)) == (400, {"title": "not_this"})
        assert shop.client.post(url.format("made_later"), json={"name": "fine"}).status_code == 200
    finally:
        for name in ("pbc_renamed00001", "pbc_later000001"):
            admin.delete(f"/api/collections/{name}")
    nowhere = shop.client.post("/api/collections/nowhere/records", json={"title": "refuse"})
    direct = httpx.post(f"{pocketbase.url}/api/collections/nowhere/records", json={"title": "refuse"})
    assert (nowhere.status_code, nowhere.json()) == (direct.status_code, direct.json())


def test_a_plugins_own_writes_pass_no_hook_and_are_coherent_with_the_cache(shop: Workshop) -> None:
    url = f"{POSTS}/post00000000007"
    assert shop.client.get(url).status_code == shop.client.get(url).status_code == 200
    made = shop.client.post(POSTS, json={"title": "mirrored"}).json()
    (line,) = shop.wait_for("mirrored", of=made["id"])
    assert line["title"] == "refuse", "validate would have refused it, had anybody asked it"
    assert shop.client.get(url).json()["title"] == f"seven {made['id']}"
    found = shop.client.get(POSTS, params={"filter": f'body="{made["id"]}"'}).json()
    assert found["totalItems"] == 1


BODIES = [
    (b'{ "title" : "a","title":"b", "n": 1.50e0 }', "application/json; charset=utf-8"),
    (b'{"title":"\xff"', "application/json"),
    (b"title=%61&title=b;c", "application/x-www-form-urlencoded"),
    (
        b"--b\r\nContent-Disposition: form-data; name=title\r\n\r\nx\r\n--b--\r\nrest",
        "multipart/form-data; boundary=b",
    ),
    (b"\x00\x01", "text/strange"),
]


def test_what_no_hook_concerns_passes_byte_for_byte(tmp_path_factory: pytest.TempPathFactory) -> None:
    plugin = LOOKS.replace('"posts", "pbc_renamed00001", "made_later"', '"users"').replace(
        '"posts"', '"users"'
    )
    with Recorder() as upstream:
        home = tmp_path_factory.mktemp("hapta")
        with serving(home, upstream.url, {"looks.py": plugin}) as shop:
            upstream.take()
            for body, content_type in BODIES:
                for method, url in (("POST", POSTS), ("PATCH", f"{POSTS}/x?a=%41"), ("POST", "/api/batch")):
                    if url == "/api/batch" and b"{ " not in body:
                        continue
                    headers = {"Content-Type": content_type}
                    shop.client.request(method, url, content=body, headers=headers)
                    (sent,) = upstream.take()
                    head, _, rest = sent.partition(b"\r\n\r\n")
                    assert rest == body
                    assert head.startswith(f"{method} {url} ".encode())
                    assert f"Content-Type: {content_type}".encode().lower() in head.lower()
