"""Ways to read, or to find out by asking, what ``can_read`` closes: by what a request makes of the answer."""

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.plugins.workshop import POSTS, Workshop, serving
from tests.support.pocketbase import PocketBase, from_template
from tests.support.process import wait_until

GUARD = """
def setup(api):
    @api.can_read("posts", "contact")
    async def of_what_is_published(viewer, row):
        return row is not None and row["status"] != "draft"

    @api.can_read("posts", "site")
    async def of_what_is_not_red(viewer, row):
        return row is not None and not row["featured"] is True and "red" not in row["tags"]

    @api.can_read("posts", "views")
    async def unless_it_says_so(viewer, row):
        return row is not None and not ("featured" in row and row["featured"])

    @api.can_read("posts", "rating")
    async def as_a_whole(viewer, row):
        return row is not None and dict(row).get("status") != "draft"

    @api.can_read("posts", "slug")
    async def never(viewer, row):
        return False
"""
DRAFT = {
    "id": "readingaround01", "title": "Draft", "status": "draft", "featured": True, "tags": ["red"],
    "contact": "hidden@example.com", "site": "https://hidden.example", "views": 76543210, "rating": 87654321,
    "slug": "hidden-slug",
}  # fmt: skip
CLOSED = {"contact", "site", "views", "rating", "slug"}
LISTS = (
    "*",
    "contact,site,views,rating,slug",
    "*,status:excerpt(2)",
    "contact,status:excerpt(2)",
    "contact,status:excerpt(2,true)",
    "contact,status,status:excerpt(1)",
    "site,featured:excerpt(1),tags:excerpt(1)",
    "site,featured,tags:excerpt(1)",
    "site,tags,featured:excerpt(9)",
    "views,featured:excerpt(0)",
    "views,id",
    "rating,id",
    "rating,status:excerpt(3),*",
)


@pytest.fixture(scope="module")
def pocketbase(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
    instance.admin.post(POSTS, json=DRAFT).raise_for_status()
    comment = {"text": "about it", "post": DRAFT["id"]}
    instance.admin.post("/api/collections/comments/records", json=comment).raise_for_status()
    yield instance
    instance.close()


@pytest.fixture(scope="module")
def shop(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    home = tmp_path_factory.mktemp("hapta")
    with serving(home, pocketbase.url, {"guard.py": GUARD}) as workshop:
        yield workshop


def _tells(text: str) -> set[str]:
    """Closed fields whose values stand in an answer."""
    return {name for name in CLOSED if str(DRAFT[name]) in text}


@pytest.mark.parametrize("fields", LISTS)
def test_no_list_of_fields_changes_what_a_decision_rests_on(shop: Workshop, fields: str) -> None:
    row, named = f"{POSTS}/{DRAFT['id']}", quote(fields)
    in_post = ",".join(f"expand.post.{each}" for each in fields.split(","))
    if fields == "contact,status:excerpt(2,true)":
        in_post = "expand.post.contact,expand.post.status:excerpt(2,true)"
    about = f"filter=post%3D'{DRAFT['id']}'&expand=post"
    change = {"method": "PATCH", "url": f"{row}?fields={named}", "body": {"title": "Draft"}}
    whole = {"method": "PATCH", "url": row, "body": {"title": "Draft"}}
    inner = ",".join(f"body.{each}" for each in fields.split(","))
    answers = [
        shop.client.get(f"{row}?fields={named}"),
        shop.client.get(f"{POSTS}?filter=id%3D'{DRAFT['id']}'&fields={named}"),
        shop.client.get(f"/api/collections/comments/records?{about}&fields={quote(in_post)}"),
        shop.client.patch(f"{row}?fields={named}", json={"title": "Draft"}),
        shop.client.post("/api/batch", json={"requests": [change]}),
        shop.client.post(f"/api/batch?fields={quote(inner)}", json={"requests": [whole]}),
    ]
    assert [answer.status_code for answer in answers if answer.is_error and "excerpt" not in fields] == []
    assert {str(answer.request.url): _tells(answer.text) for answer in answers if _tells(answer.text)} == {}


def test_who_names_what_a_decision_rests_on_is_shown_what_it_opens(
    shop: Workshop, pocketbase: PocketBase
) -> None:
    row = {"id": "readingaround02", "title": "Long enough", "status": "published", "contact": "a@example.com"}
    pocketbase.admin.post(POSTS, json=row).raise_for_status()
    shown = shop.client.get(f"{POSTS}/{row['id']}?fields=contact,status,title:excerpt(4)").json()
    assert shown == {"contact": "a@example.com", "status": "published", "title": "Long"}


class Listener:
    """A guest's stream with some subscriptions; ``events`` by topic."""

    def __init__(self, url: str, topics: Sequence[str]) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._url, self._topics = url, topics
        self._is_ready = threading.Event()
        self._client = httpx.Client(base_url=url, timeout=30)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self._is_ready.wait(10)

    def _listen(self) -> None:
        try:
            with self._client.stream("GET", "/api/realtime") as stream:
                topic = ""
                for line in stream.iter_lines():
                    if line.startswith("event:"):
                        topic = line[6:]
                    elif line.startswith("data:") and topic == "PB_CONNECT":
                        body = {**json.loads(line[5:]), "subscriptions": self._topics}
                        httpx.post(self._url + "/api/realtime", json=body).raise_for_status()
                        self._is_ready.set()
                    elif line.startswith("data:"):
                        self.events.append((topic, json.loads(line[5:])["record"]))
        except httpx.HTTPError:
            return

    def close(self) -> None:
        self._client.close()


def _heard(shop: Workshop, pocketbase: PocketBase, options: Sequence[str]) -> list[dict[str, Any]]:
    """What subscriptions with these options tell of a change of the draft."""
    topics = [f"posts/*?options={quote(each)}" for each in options]
    listener = Listener(shop.hapta.url, [*topics, "posts/*"])
    try:
        pocketbase.admin.patch(f"{POSTS}/{DRAFT['id']}", json={"title": "Draft"}).raise_for_status()
        marker = pocketbase.admin.post(POSTS, json={"title": "The end"})
        marker.raise_for_status()
        end = marker.json()["id"]
        wait_until(lambda: any(row.get("id") == end for _, row in listener.events), "the event of the end")
        return [row for topic, row in listener.events if "?" in topic and row.get("title") != "The end"]
    finally:
        listener.close()


def test_no_subscription_filters_by_what_is_closed(shop: Workshop, pocketbase: PocketBase) -> None:
    """Of a name that comes twice PocketBase takes the first, and others the last."""
    guess = '{"filter":"slug=\'hidden-slug\'"}'
    options = [
        f'{{"query":{guess}}}',
        f'{{"query":{guess},"query":{{}}}}',
        f'{{"query":{guess},"query":null}}',
        f'{{"query":{guess},"qu\\u0065ry":{{}}}}',
        '{"query":{"filter":"slug=\'hidden-slug\'","filter":""}}',
        f'{{"query":{guess}}} and more',
        f'{{"query":{guess},"headers":1}}',
    ]
    assert _heard(shop, pocketbase, options) == []


def test_no_subscription_changes_what_a_decision_rests_on(shop: Workshop, pocketbase: PocketBase) -> None:
    options = [json.dumps({"query": {"fields": f"id,title,{fields}"}}) for fields in LISTS]
    heard = _heard(shop, pocketbase, options)
    assert len(heard) == len(options)
    assert [row for row in heard if CLOSED & row.keys()] == []
