"""Hooks on batches: each request is looked at, one refusal refuses all, in PocketBase's own form."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.plugins.workshop import POSTS, Workshop, serving
from tests.support.pocketbase import PocketBase
from tests.support.relay import Relay
from tests.support.seed import png

LOOKS = """
def setup(api):
    @api.transform("posts", on=["create", "update"])
    async def tidy(change):
        if "slug" not in change.fields:
            return change
        return change.with_fields(slug=change.fields["slug"].lower())

    @api.validate("posts", "documents")
    async def look(change):
        old = await change.old()
        files = {name: [file.name for file in several] for name, several in change.files.items()}
        note("validate", action=change.action, id=change.id, fields=change.fields, old=old, files=files,
             is_in_batch=change.is_in_batch, caller=change.caller and change.caller.id)
        if change.fields.get("title") == "refuse":
            raise Reject("title", code="not_this", message="Not this one.")
        if change.fields.get("title") == "crash":
            raise RuntimeError
        if change.action == "update" and old["title"] == "frozen":
            raise Reject("title", code="frozen", message="It stays as it is.")
        if change.fields.get("views", 0) > 10:
            raise Reject("views", code="too_many", message="At most 10.")

    @api.after_write("posts")
    async def told(written):
        note("after_write", action=written.change.action, record=written.record)
"""


@pytest.fixture(scope="module")
def relay(pocketbase: PocketBase) -> Iterator[Relay]:
    with Relay(pocketbase.url) as relay:
        yield relay


@pytest.fixture(scope="module")
def shop(relay: Relay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with serving(tmp_path_factory.mktemp("hapta"), relay.url, {"looks.py": LOOKS}) as workshop:
        yield workshop


def create(**fields: Any) -> dict[str, Any]:
    return {"method": "POST", "url": POSTS, "body": fields}


def update(record: str, **fields: Any) -> dict[str, Any]:
    return {"method": "PATCH", "url": f"{POSTS}/{record}", "body": fields}


def delete(record: str) -> dict[str, Any]:
    return {"method": "DELETE", "url": f"{POSTS}/{record}"}


def upsert(**fields: Any) -> dict[str, Any]:
    return {"method": "PUT", "url": POSTS, "body": fields}


def send(shop: Workshop, *requests: dict[str, Any]) -> httpx.Response:
    return shop.client.post("/api/batch", json={"requests": requests})


def batches_sent(relay: Relay) -> int:
    return sum(line.startswith("POST /api/batch") for line in relay.requests)


def test_each_request_is_shaped_and_checked(shop: Workshop) -> None:
    count = len(shop.seen("validate"))
    answer = send(
        shop,
        create(id="batch0000000001", title="one", slug="ONE"),
        update("batch0000000001", **{"views+": 3}),
        upsert(id="batch0000000001", slug="TWO", **{"views+": 4}),
        upsert(id="batch0000000002", title="other"),
        delete("batch0000000002"),
    )
    assert answer.status_code == 200, answer.text
    assert [(one["status"], (one["body"] or {}).get("views")) for one in answer.json()] == [
        (200, 0),
        (200, 3),
        (200, 7),
        (200, 0),
        (204, None),
    ]
    assert answer.json()[2]["body"]["slug"] == "two"
    seen = shop.seen("validate")[count:]
    assert [(line["action"], line["fields"], line["is_in_batch"]) for line in seen] == [
        ("create", {"id": "batch0000000001", "title": "one", "slug": "one"}, True),
        ("update", {"views": 3}, True),
        ("update", {"slug": "two", "views": 7}, True),
        ("create", {"id": "batch0000000002", "title": "other"}, True),
        ("delete", {}, True),
    ]
    assert [line["old"] and line["old"].get("title") for line in seen] == [None, "one", "one", None, "other"]
    told = shop.wait_for("after_write", 5)
    assert [line["action"] for line in told] == ["create", "update", "update", "create", "delete"]
    assert [line["record"] for line in told] == [one["body"] for one in answer.json()[:4]] + [None]


def test_a_later_request_is_judged_by_what_earlier_ones_do(shop: Workshop, relay: Relay) -> None:
    made = shop.client.post(POSTS, json={"title": "soon frozen", "views": 6}).json()["id"]
    before = batches_sent(relay)
    refused = send(shop, update(made, **{"views+": 3}), update(made, **{"views+": 3}))
    assert refused.json()["data"]["requests"].keys() == {"1"}
    refused = send(shop, update(made, title="frozen"), update(made, views=1))
    assert refused.json()["data"]["requests"]["1"]["response"]["data"]["title"]["code"] == "frozen"
    refused = send(shop, create(title="fine"), delete(made), upsert(id=made, title="anew", views=11))
    assert refused.json()["data"]["requests"].keys() == {"2"}
    assert shop.seen("validate")[-1]["action"] == "create"
    assert batches_sent(relay) == before
    assert send(shop, update(made, views=1), update(made, **{"views+": 9})).status_code == 200


REFUSED = [
    pytest.param(create(title="refuse"), "not_this", "Failed to create record.", id="create"),
    pytest.param(
        update("post00000000003", title="refuse"), "not_this", "Failed to update record.", id="update"
    ),
    pytest.param(upsert(id="post00000000003", views=11), "too_many", "Failed to update record.", id="upsert"),
]  # fmt: skip


@pytest.mark.parametrize(("refused", "code", "message"), REFUSED)
def test_one_refusal_refuses_the_batch_before_pocketbase_sees_it(
    shop: Workshop, pocketbase: PocketBase, relay: Relay, refused: Any, code: str, message: str
) -> None:
    rows, before = len(pocketbase.rows("posts", fields="id")), batches_sent(relay)
    answer = send(shop, create(title="fine"), refused, create(title="fine"))
    assert (answer.status_code, batches_sent(relay)) == (400, before)
    assert len(pocketbase.rows("posts", fields="id")) == rows
    field, words = next(iter(answer.json()["data"]["requests"]["1"]["response"]["data"].items()))
    assert (field, words["code"]) == ("views" if code == "too_many" else "title", code)
    assert answer.json()["data"]["requests"]["1"]["response"]["message"] == message


@pytest.mark.parametrize(("action", "words"), [("create", "create"), ("upsert", "update")])
def test_a_refusal_reads_as_pocketbases_own(
    shop: Workshop, pocketbase: PocketBase, action: str, words: str
) -> None:
    """Byte for byte but for the field's own code and message, and the headers that matter."""
    own = {"title": "x" * 101}
    ours = {"title": "refuse"}

    def requests(fields: dict[str, Any]) -> dict[str, Any]:
        second = create(**fields) if action == "create" else upsert(id="post00000000004", **fields)
        return {"requests": [create(title="fine"), second]}

    direct = httpx.post(f"{pocketbase.url}/api/batch", json=requests(own))
    through = shop.client.post("/api/batch", json=requests(ours))
    expected = direct.text
    of_field = direct.json()["data"]["requests"]["1"]["response"]["data"]["title"]
    said = json.dumps(of_field, separators=(",", ":"))
    assert said in expected
    expected = expected.replace(said, '{"code":"not_this","message":"Not this one."}')
    assert through.text.strip() == expected.strip()
    assert (through.status_code, through.headers["Content-Type"]) == (
        direct.status_code,
        direct.headers["Content-Type"],
    )
    assert words in through.json()["data"]["requests"]["1"]["response"]["message"]


def test_a_guard_that_crashes_stops_the_batch(shop: Workshop, pocketbase: PocketBase, relay: Relay) -> None:
    before = batches_sent(relay)
    answer = send(shop, create(title="before the crash"), create(title="crash"))
    assert (answer.status_code, answer.json()["data"], batches_sent(relay)) == (500, {}, before)
    assert pocketbase.rows("posts", filter='title="before the crash"') == []


def test_a_record_that_is_not_there_is_said_in_the_batchs_form(
    shop: Workshop, pocketbase: PocketBase
) -> None:
    requests = {"requests": [create(title="fine"), update("nothing00000001", **{"views+": 1})]}
    direct = httpx.post(f"{pocketbase.url}/api/batch", json=requests)
    through = shop.client.post("/api/batch", json=requests)
    assert (through.status_code, through.json()) == (direct.status_code, direct.json())


@pytest.mark.parametrize("key", ["requests.0.cover", "requests[0].cover"])
def test_files_of_a_batch_are_looked_at_and_sent_on(shop: Workshop, pocketbase: PocketBase, key: str) -> None:
    picture = png(8, 8)
    documents = POSTS.replace("posts", "documents")
    payload = {"requests": [{"method": "POST", "url": documents, "body": {"name": "in a batch"}}]}
    files: dict[str, Any] = {"@jsonPayload": (None, json.dumps(payload)), key: ("cover.png", picture)}
    answer = shop.client.post("/api/batch", files=files)
    assert answer.status_code == 200, answer.text
    row = answer.json()[0]["body"]
    assert shop.seen("validate")[-1]["files"] == {"cover": ["cover.png"]}
    assert pocketbase.admin.get(f"/api/files/documents/{row['id']}/{row['cover']}").content == picture
    pocketbase.admin.delete(f"{documents}/{row['id']}").raise_for_status()


AROUND = [
    {"method": "post", "url": POSTS, "body": {"title": "refuse"}},
    {"method": "POST", "url": POSTS + "/", "body": {"title": "refuse"}},
    {"method": "POST", "url": "/api/collections/POSTS/records", "body": {"title": "refuse"}},
    {"method": "POST", "url": "/api/collections/pbc_posts000001/records", "body": {"title": "refuse"}},
    {"method": "POST", "url": "/api/collections/po%73ts/records", "body": {"title": "refuse"}},
    {"method": "POST", "url": "/api/collections/posts/records?title=refuse"},
    {"method": "POST", "url": POSTS, "BODY": {"title": "refuse"}, "body": {"title": "fine"}},
    {"method": "POST", "url": POSTS, "body": {"title": "fine", "@jsonPayload": '{"title":"refuse"}'}},
    {
        "method": "PUT",
        "url": "/api/collections/posts/records?id=post00000000005",
        "body": {"title": "refuse"},
    },
    {"METHOD": "POST", "method": "DELETE", "url": POSTS, "body": {"title": "refuse"}},
]


@pytest.mark.parametrize("request_", AROUND, ids=lambda one: json.dumps(one)[1:80])
def test_no_way_of_writing_a_request_leads_around_a_guard(
    shop: Workshop, pocketbase: PocketBase, request_: dict[str, Any]
) -> None:
    before = pocketbase.rows("posts", filter='title="refuse"', fields="id")  # others may have put some there
    answer = send(shop, create(title="beside it"), request_)
    if answer.status_code == 200:
        assert "refuse" not in answer.text.replace("jsonPayload", "")
    assert pocketbase.rows("posts", filter='title="refuse"', fields="id") == before


def test_a_batch_of_unguarded_collections_passes_as_it_came(shop: Workshop, relay: Relay) -> None:
    body = b'{ "requests":[{"method":"POST","url":"/api/collections/hooked/records","body":{"name":"a" }}] }'
    answer = shop.client.post("/api/batch", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert body in b"".join(relay.asked)
