"""A closed field that an update sends back as it is stored: it is not refused, and not written either."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.plugins.workshop import POSTS, Workshop, serving
from tests.support.pocketbase import PocketBase, from_template

TABLES = """
[validate.posts]
update_fields = { slug = "nobody", tags = "nobody", views = "@request.auth.role = 'editor'" }
"""
SLOW = """
import asyncio


def setup(api):
    @api.validate("posts", on="update")
    async def slow(change):
        if change.fields.get("body") == "slow":
            note("slow", fields=sorted(change.fields))
            await asyncio.sleep(1.0)
"""
ROW = {"id": "sentback0000001", "title": "t", "slug": "stored", "views": 3, "tags": ["red"]}
LATER = {"slug": "later", "views": 7, "tags": ["blue"]}
URL = f"{POSTS}/{ROW['id']}"


@pytest.fixture(scope="module")
def pocketbase(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
    instance.admin.post(POSTS, json=ROW).raise_for_status()
    yield instance
    instance.close()


@pytest.fixture(scope="module")
def shop(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    home = tmp_path_factory.mktemp("hapta")
    with serving(home, pocketbase.url, {"slow.py": SLOW}, TABLES) as workshop:
        yield workshop


def _update(client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    return client.patch(URL, json=body)


def _form(client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    return client.patch(URL, data={name: str(value) for name, value in body.items()})


def _batch(client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    return client.post("/api/batch", json={"requests": [{"method": "PATCH", "url": URL, "body": body}]})


def _upsert(client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    request = {"method": "PUT", "url": POSTS, "body": {**body, "id": ROW["id"]}}
    return client.post("/api/batch", json={"requests": [request]})


@pytest.mark.parametrize(
    ("send", "closed"),
    [
        (_update, {"slug": "stored", "views": 3, "tags": ["red"]}),
        (_update, {"views+": 0, "tags+": "red"}),
        (_update, {"views": "3", "tags-": "green"}),
        (_form, {"slug": "stored", "views": 3, "+tags": "red"}),
        (_batch, {"slug": "stored", "tags+": ["red"]}),
        (_upsert, {"slug": "stored", "views": 3}),
    ],
)
def test_what_is_changed_meanwhile_is_not_set_back(
    shop: Workshop,
    pocketbase: PocketBase,
    send: Callable[[httpx.Client, dict[str, Any]], httpx.Response],
    closed: dict[str, Any],
) -> None:
    pocketbase.admin.patch(URL, json={**ROW, "body": ""}).raise_for_status()
    told, answers = len(shop.seen("slow")), []
    sender = threading.Thread(target=lambda: answers.append(send(shop.client, {"body": "slow", **closed})))
    sender.start()
    try:
        assert shop.wait_for("slow", told + 1)[told]["fields"] == ["body"]
        pocketbase.admin.patch(URL, json=LATER).raise_for_status()
    finally:
        sender.join()
    assert [answer.status_code for answer in answers] == [200], answers[0].text
    row = pocketbase.rows("posts", filter=f"id='{ROW['id']}'")[0]
    assert {name: row[name] for name in (*LATER, "body")} == {**LATER, "body": "slow"}


def test_an_update_of_nothing_else_is_answered_like_one(shop: Workshop, pocketbase: PocketBase) -> None:
    pocketbase.admin.patch(URL, json=ROW).raise_for_status()
    answer = shop.client.patch(URL, json={"slug": "stored"})
    assert (answer.status_code, answer.json()["slug"]) == (200, "stored")
    refused = shop.client.patch(URL, json={"slug": "another"})
    assert (refused.status_code, refused.json()["data"]["slug"]["code"]) == (400, "validation_not_allowed")
