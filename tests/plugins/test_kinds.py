"""Each kind of hook in a running Hapta, on every kind of body.

Rows of ``docs/differences.md`` proved here: ``hook-rejects``.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.plugins.workshop import POSTS, Workshop, errors_of, serving
from tests.support.oidc import OidcProvider
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase
from tests.support.seed import png

DOCUMENTS = "/api/collections/documents/records"
USERS = "/api/collections/users/records"
KINDS = """
def told(change):
    return {
        "action": change.action, "collection": change.collection, "id": change.id,
        "fields": dict(change.fields), "is_in_batch": change.is_in_batch, "address": change.address,
        "caller": change.caller and [change.caller.collection, change.caller.id, change.caller.is_superuser],
        "files": {name: [[f.name, f.type, f.length] for f in files] for name, files in change.files.items()},
        "request": change.request_id,
    }


def setup(api):
    @api.startup
    async def begin():
        note("startup", posts=len(await api.database.list("posts", per_page=1)))

    @api.shutdown
    async def end():
        note("shutdown")

    @api.transform("posts", on=["create", "update"])
    async def tidy(change):
        if "slug" not in change.fields:
            return change
        change = change.with_fields(slug=change.fields["slug"].lower())
        return change.without_fields(["views"]) if change.fields["slug"] == "no-views" else change

    @api.validate("posts")
    async def look(change):
        old = await change.old()
        note("validate", old=old and old["title"], **told(change))
        if change.fields.get("title") == "refuse" or (change.action == "delete" and old["title"] == "keep"):
            raise Reject("title", code="not_this", message="Not this one.")
        if change.fields.get("title") == "refuse all":
            raise Reject.of_fields({"title": ("a", "A."), "body": ("b", "B.")}, status=422)
        if change.fields.get("title") == "go away":
            raise Reject(message="Go away.", status=403)

    @api.on_upload("documents", field="cover")
    async def cover(upload, change):
        types = [upload.type, upload.declared_type]
        note("on_upload", upload=[upload.field, upload.name, *types, upload.length],
             sha256=await upload.sha256(), name=change.fields.get("name"))
        if upload.name.startswith("bad"):
            raise Reject("cover", code="bad_cover", message="Not this picture.")
        return upload.renamed("front.png")

    @api.validate("documents")
    async def document(change):
        note("document", **told(change))

    @api.validate("users", on="create")
    async def newcomer(change):
        note("newcomer", **told(change))
        if change.fields.get("role") == "editor":
            raise Reject("role", code="not_yourself", message="Nobody makes himself an editor.")

    @api.on_auth()
    async def admit(login):
        record = await login.record()
        note("on_auth", collection=login.collection, id=login.id, method=login.method, device=login.device,
             email=record["email"], address=login.address)
        if login.device == "banned":
            raise Reject(code="banned", message="Not from this device.", status=403)

    @api.after_write("posts", "documents")
    async def written(written):
        note("after_write", record=written.record, **told(written.change))

    @api.on_change("posts")
    async def changed(change):
        note("on_change", action=change.action, id=change.id, record=change.record)
"""


@pytest.fixture(scope="module")
def shop(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with serving(tmp_path_factory.mktemp("hapta"), pocketbase.url, {"kinds.py": KINDS}) as workshop:
        yield workshop


def titled(pocketbase: PocketBase, title: str) -> list[dict[str, Any]]:
    return pocketbase.rows("posts", filter=f'title="{title}"')


BODIES = [
    pytest.param(lambda fields: {"json": fields}, id="JSON"),
    pytest.param(lambda fields: {"data": fields}, id="form"),
    pytest.param(lambda fields: {"files": {n: (None, str(v)) for n, v in fields.items()}}, id="multipart"),
]


@pytest.mark.parametrize("body", BODIES)
def test_a_write_is_shaped_checked_and_told_of(
    shop: Workshop, pocketbase: PocketBase, body: Any, request: pytest.FixtureRequest
) -> None:
    title = f"made as {request.node.callspec.id}"
    answer = shop.client.post(POSTS, **body({"title": title, "slug": "Some-Slug", "views": 3}))
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["slug"], made["views"]) == ("some-slug", 3)
    seen = shop.seen("validate", action="create")[-1]
    assert seen["fields"] == {"title": title, "slug": "some-slug", "views": 3}
    assert (seen["old"], seen["id"], seen["caller"], seen["is_in_batch"]) == (None, None, None, False)
    assert (seen["address"], seen["request"]) == ("127.0.0.1", answer.headers["X-Request-Id"])

    url = f"{POSTS}/{made['id']}"
    with shop.signed_in("ada@example.com") as ada:
        answer = ada.patch(url, **body({"views+": 2, "title": title + "!"}))
    assert answer.status_code == 200, answer.text
    seen = shop.seen("validate", action="update", id=made["id"])[-1]
    assert seen["fields"] == {"views": 5, "title": title + "!"}
    assert (seen["old"], seen["caller"]) == (title, ["users", "user00000000001", False])

    answer = shop.client.patch(url, **body({"slug": "NO-VIEWS", "views": 90}))
    assert (answer.json()["slug"], answer.json()["views"]) == ("no-views", 5)
    assert shop.client.delete(url).status_code == 204
    (seen,) = shop.seen("validate", action="delete", id=made["id"])
    assert (seen["fields"], seen["old"]) == ({}, title + "!")

    told = shop.wait_for("after_write", 3, id=made["id"])
    assert [line["action"] for line in told] == ["update", "update", "delete"]
    (created,) = [line for line in shop.wait_for("after_write") if line["fields"].get("title") == title]
    assert created["record"] == made
    assert told[2]["record"] is None
    events = shop.wait_for("on_change", 4, id=made["id"])
    assert sorted(event["action"] for event in events) == ["create", "delete", "update", "update"]
    assert titled(pocketbase, title) == []


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    ("title", "status", "codes", "message"),
    [
        pytest.param("refuse", 400, {"title": "not_this"}, "Failed to create record.", id="a field"),
        pytest.param("refuse all", 422, {"title": "a", "body": "b"}, "Failed to create record.", id="two"),
        pytest.param("go away", 403, {}, "Go away.", id="none"),
    ],
)
def test_a_refused_write_has_pocketbases_form_and_reaches_nobody(
    shop: Workshop,
    pocketbase: PocketBase,
    body: Any,
    title: str,
    status: int,
    codes: dict[str, str],
    message: str,
) -> None:
    before = len(shop.seen("after_write"))
    answer = shop.client.post(POSTS, **body({"title": title}))
    assert (answer.status_code, errors_of(answer), answer.json()["message"]) == (status, codes, message)
    answer = shop.client.patch(f"{POSTS}/post00000000001", **body({"title": title}))
    assert (answer.status_code, errors_of(answer)) == (status, codes)
    assert answer.json()["message"] == message.replace("create", "update")
    assert titled(pocketbase, title) == []
    assert len(shop.seen("after_write")) == before


def test_a_delete_is_refused(shop: Workshop, pocketbase: PocketBase) -> None:
    made = shop.client.post(POSTS, json={"title": "keep"}).json()
    answer = shop.client.delete(f"{POSTS}/{made['id']}")
    assert (answer.status_code, errors_of(answer)) == (400, {"title": "not_this"})
    assert answer.json()["message"] == "Failed to delete record."
    assert titled(pocketbase, "keep")
    pocketbase.admin.delete(f"{POSTS}/{made['id']}").raise_for_status()


def test_what_is_not_there_is_pocketbases_to_say(shop: Workshop) -> None:
    for method, body in (("PATCH", {"title": "x"}), ("PATCH", {"views+": 1}), ("DELETE", None)):
        answer = shop.client.request(method, f"{POSTS}/nothing00000001", json=body)
        if method == "DELETE":
            assert answer.status_code == 500  # the hook crashes on it
        else:
            assert (answer.status_code, answer.json()["data"]) == (404, {})


def test_a_file_is_looked_at_and_renamed(shop: Workshop, pocketbase: PocketBase) -> None:
    picture = png(20, 10)
    fields = {"name": "with cover"}
    files = [
        ("cover", ("My.png", picture, "text/plain")),
        ("attachments", ("note.txt", b"hello", "text/plain")),
    ]
    answer = shop.client.post(DOCUMENTS, data=fields, files=files)
    assert answer.status_code == 200, answer.text
    assert answer.json()["cover"].startswith("front_")
    assert answer.json()["attachments"][0].startswith("note_")
    seen = shop.seen("on_upload", name="with cover")
    assert [line["upload"] for line in seen] == [["cover", "My.png", "image/png", "text/plain", len(picture)]]
    assert seen[0]["sha256"] == hashlib.sha256(picture).hexdigest()
    (seen_after,) = shop.seen("document")
    assert seen_after["files"] == {
        "cover": [["front.png", "image/png", len(picture)]],
        "attachments": [["note.txt", "text/plain", 5]],
    }
    url = f"/api/files/documents/{answer.json()['id']}/{answer.json()['cover']}"
    assert pocketbase.admin.get(url).content == picture

    refused = shop.client.post(DOCUMENTS, data={"name": "refused"}, files={"cover": ("bad.png", picture)})
    assert (refused.status_code, errors_of(refused)) == (400, {"cover": "bad_cover"})
    assert pocketbase.rows("documents", filter='name="refused"') == []
    pocketbase.admin.delete(f"{DOCUMENTS}/{answer.json()['id']}").raise_for_status()


def test_what_by_passes_hapta_is_told_by_the_feed_alone(shop: Workshop, pocketbase: PocketBase) -> None:
    made = pocketbase.admin.post(POSTS, json={"title": "behind", "internal": "hidden"}).json()
    (event,) = shop.wait_for("on_change", id=made["id"])
    assert (event["action"], event["record"]["title"], event["record"]["internal"]) == (
        "create",
        "behind",
        "hidden",
    )
    assert not [line for line in shop.seen("after_write") if line["fields"].get("title") == "behind"]
    assert not [line for line in shop.seen("validate") if line["fields"].get("title") == "behind"]


def test_part_of_a_record_is_not_shown_as_if_it_were_all(shop: Workshop) -> None:
    answer = shop.client.post(POSTS, params={"fields": "id,title"}, json={"title": "in part"})
    assert answer.json().keys() == {"id", "title"}
    shop.client.post(POSTS, json={"title": "afterwards"})
    shop.wait_for("after_write", fields={"title": "afterwards"})
    (told,) = shop.seen("after_write", fields={"title": "in part"})
    assert told["record"] is None


def test_startup_has_the_database_and_comes_first(shop: Workshop) -> None:
    shop.client.post(POSTS, json={"title": "later"})
    shop.wait_for("validate")
    assert shop.seen("startup") == [{"kind": "startup", "posts": 1}]


@pytest.mark.parametrize(
    ("collection", "identity"),
    [("users", "ada@example.com"), ("staff", "sam"), ("_superusers", ADMIN_EMAIL)],
)
def test_a_login_is_refused_before_its_token_leaves(
    shop: Workshop, pocketbase: PocketBase, collection: str, identity: str
) -> None:
    url = f"/api/collections/{collection}/auth-with-password"
    body = {"identity": identity, "password": PASSWORD}
    before = len(pocketbase.rows("hapta_sessions"))
    answer = shop.client.post(url, json=body, headers={"User-Agent": "banned"})
    assert answer.status_code == 403
    assert answer.json() == {"data": {}, "message": "Not from this device.", "status": 403}
    assert len(pocketbase.rows("hapta_sessions")) == before
    seen = shop.seen("on_auth", device="banned", collection=collection)
    assert [(line["method"], line["address"]) for line in seen] == [("auth-with-password", "127.0.0.1")]

    token = shop.client.post(url, json=body, headers={"User-Agent": "phone"}).json()["token"]
    refresh = f"/api/collections/{collection}/auth-refresh"
    headers = {"Authorization": token, "User-Agent": "banned"}
    assert shop.client.post(refresh, headers=headers).status_code == 403
    assert shop.seen("on_auth", method="auth-refresh", device="banned", collection=collection)
    assert shop.client.post(refresh, headers={"Authorization": token}).status_code == 200


def test_tokens_of_an_operators_own_routes_are_logins_too(shop: Workshop) -> None:
    with shop.signed_in("ada@example.com") as ada:
        answer = ada.post("/api/custom/sign-in", headers={"User-Agent": "banned"})
        assert answer.status_code == 403
        assert "token" not in answer.json()
    assert [line["id"] for line in shop.seen("on_auth", method="custom")] == ["user00000000001"]


def test_impersonation_is_a_login_too(shop: Workshop) -> None:
    with shop.superuser() as admin:
        url = "/api/collections/users/impersonate/user00000000002"
        answer = admin.post(url, headers={"User-Agent": "banned"})
    assert (answer.status_code, answer.json()["data"]) == (403, {})
    assert [line["id"] for line in shop.seen("on_auth", method="impersonate")] == ["user00000000002"]


def test_superusers_writes_are_checked_and_read_hidden_fields(shop: Workshop) -> None:
    with shop.superuser() as admin:
        refused = admin.post(POSTS, json={"title": "refuse"})
        made = admin.post(POSTS, json={"title": "by a superuser", "internal": "hidden"})
    assert errors_of(refused) == {"title": "not_this"}
    assert made.json()["internal"] == "hidden"
    seen = [line for line in shop.seen("validate") if line["fields"].get("title") == "by a superuser"]
    assert [(line["fields"]["internal"], line["caller"][0], line["caller"][2]) for line in seen] == [
        ("hidden", "_superusers", True)
    ]
    shop.client.post(POSTS, json={"title": "by a guest", "internal": "hidden"})
    (seen_last,) = [line for line in shop.seen("validate") if line["fields"].get("title") == "by a guest"]
    assert seen_last["fields"] == {"title": "by a guest"}


@pytest.fixture(scope="module")
def provider(pocketbase: PocketBase) -> Iterator[OidcProvider]:
    """Where PocketBase sends people for the time of these tests."""
    with OidcProvider() as provider:
        settings = {"oauth2": provider.settings()}
        pocketbase.admin.patch("/api/collections/users", json=settings).raise_for_status()
        yield provider
        settings = {"oauth2": {"enabled": False, "providers": []}}
        pocketbase.admin.patch("/api/collections/users", json=settings).raise_for_status()


def test_an_account_made_by_oauth2_is_checked_like_any(
    shop: Workshop, pocketbase: PocketBase, provider: OidcProvider
) -> None:
    body = {"provider": "oidc", "code": "code-1", "codeVerifier": "v", "redirectURL": shop.hapta.url}
    url = "/api/collections/users/auth-with-oauth2"
    refused = shop.client.post(url, json={**body, "createData": {"role": "editor", "name": "Olga"}})
    assert (refused.status_code, errors_of(refused)) == (400, {"role": "not_yourself"})
    assert shop.seen("newcomer")[-1]["fields"] == {"role": "editor", "name": "Olga"}
    for other in ({"createdata": {"role": "editor"}}, {"createData": {}, "CREATEDATA": {"role": "editor"}}):
        answer = shop.client.post(url, json={**body, **other})
        assert (answer.status_code, answer.json()["data"]) == (400, {})
    form = shop.client.post(url, data={**body, "createData.role": "editor"})
    assert (form.status_code, form.json()["data"]) == (400, {})
    assert pocketbase.rows("users", filter='email="olga@example.com"') == []
    banned = shop.client.post(
        url, json={**body, "createData": {"role": "reader"}}, headers={"User-Agent": "banned"}
    )
    assert banned.status_code == 403
    made = shop.client.post(url, json={**body, "createData": {"role": "reader"}})
    assert made.status_code == 200, made.text
    assert made.json()["record"]["role"] == "reader"
    assert shop.seen("on_auth", method="auth-with-oauth2")[-1]["email"] == "olga@example.com"
    pocketbase.admin.delete(f"{USERS}/{made.json()['record']['id']}").raise_for_status()


PATHS = [
    "/api/collections/POSTS/records",
    "/api/collections/pbc_posts000001/records",
    "/api/collections/PBC_POSTS000001/records",
    "/api/collections/po%73ts/records",
    "/api/collections/post\u017f/records",
    "/api/collections/posts/records/",
    "/api/collections/posts//records",
    "//api/collections/posts/records",
    "/api/./collections/posts/records",
    "/api/collections/topics/../posts/records",
    "/api/collections/topics/%2e%2e/posts/records",
    "/api/collections/posts%2Frecords",
    "/API/collections/posts/records",
    "/api/collections/posts/records?title=fine",
    "/api/collections/posts/records?@jsonPayload=%7B%22title%22:%22refuse%22%7D",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BODIES)
def test_no_way_of_writing_a_path_leads_around_a_guard(
    shop: Workshop, pocketbase: PocketBase, path: str, body: Any
) -> None:
    answer = shop.client.post(path, **body({"title": "refuse"}))
    assert answer.status_code in (400, 404, 307, 308), answer.text
    assert titled(pocketbase, "refuse") == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"title":"fine","title":"refuse"}'),
        ("application/json", b'{"title":"fine"}{"title":"refuse"}'),
        ("application/json", b'\xef\xbb\xbf{"title":"refuse"}'),
        ("application/json", b'[{"title":"refuse"}]'),
        ("text/json", b'{"title":"refuse"}'),
        ("Application/JSON", b'{"title":"refuse"}'),
        ("application/json, application/x-www-form-urlencoded", b'{"title":"refuse"}'),
        ("application/x-www-form-urlencoded", b"title=fine&title=refuse"),
        ("application/x-www-form-urlencoded", b"title=refuse;views=1"),
        ("application/x-www-form-urlencoded", b"@jsonPayload=%7B%22title%22:%22refuse%22%7D"),
        ("multipart/form-data; boundary=a; boundary=b", b'--b\r\nContent-Disposition: form-data; name="title"'
         b"\r\n\r\nrefuse\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="title"; '
         b'name="x"\r\n\r\nrefuse\r\n--b--\r\n'),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="title"\r\n'
         b'Content-Transfer-Encoding: quoted-printable\r\n\r\n=72efuse\r\n--b--\r\n'),
    ],
)  # fmt: skip
def test_no_way_of_writing_a_body_leads_around_a_guard(
    shop: Workshop, pocketbase: PocketBase, content_type: str, body: bytes
) -> None:
    answer = shop.client.post(POSTS, content=body, headers={"Content-Type": content_type})
    if answer.status_code == 200:  # it was read as one thing, and that was allowed
        assert answer.json()["title"] != "refuse"
        assert shop.seen("validate")[-1]["fields"]["title"] == answer.json()["title"]
    assert titled(pocketbase, "refuse") == []


def test_shutdown_is_the_last_word(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("hapta"), pocketbase.url, {"kinds.py": KINDS}) as shop:
        made = httpx.post(shop.hapta.url + POSTS, json={"title": "the last"}).json()
        shop.stop()
        assert shop.seen("after_write", record=made)
        assert [line["kind"] for line in shop.seen("startup") + shop.seen("shutdown")] == [
            "startup",
            "shutdown",
        ]
