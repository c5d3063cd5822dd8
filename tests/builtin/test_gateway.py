"""The declarative checks and permissions in a running Hapta."""

from typing import Any

import httpx
import pytest

from tests.conftest import MakeHapta
from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase

TABLES = """
[validate.posts]
title = { required = true, min = 3, forbid_links = 0 }
slug = { pattern = "^[a-z]+$" }
views = { max = 10 }
create_fields = { featured = "@request.auth.role = 'editor'", status = "nobody" }
update_fields = { featured = "@request.auth.role = 'editor'", status = "nobody" }
nothing = { min = 3 }
"""
RECORDS = "/api/collections/posts/records"


@pytest.fixture
def checked(make_hapta: MakeHapta) -> Hapta:
    server = make_hapta(started=False)
    (server.home / "config.toml").write_text(TABLES)
    server.start()
    return server


def _blamed(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    return {field: error["code"] for field, error in answer.json()["data"].items()}


def test_a_refused_write_never_reaches_pocketbase_and_says_all(
    checked: Hapta, pocketbase: PocketBase
) -> None:
    before = len(pocketbase.rows("posts", fields="id"))
    answer = httpx.post(checked.url + RECORDS, json={"title": "a", "slug": "A1", "views": 11})
    assert _blamed(answer) == {
        "title": "validation_min_text_constraint",
        "slug": "validation_invalid_format",
        "views": "validation_max_number_constraint",
    }
    assert answer.json()["message"] == "Failed to create record."
    assert _blamed(httpx.post(checked.url + RECORDS, data={"views": "11"})) == {
        "title": "validation_required",
        "views": "validation_max_number_constraint",
    }
    assert len(pocketbase.rows("posts", fields="id")) == before
    assert "[validate.posts] nothing: there is no such field" in checked.log


def test_fields_are_for_those_the_table_names(checked: Hapta, pocketbase: PocketBase) -> None:
    client = httpx.Client(base_url=checked.url)

    def write(fields: dict[str, Any], token: str = "") -> httpx.Response:
        return client.post(RECORDS, json={"title": "fine", **fields}, headers={"Authorization": token})

    assert _blamed(write({"featured": True, "status": "draft"})) == {
        "featured": "validation_not_allowed",
        "status": "validation_not_allowed",
    }
    made = write({"views": 9, "slug": "fine"})
    assert made.status_code == 200, made.text
    row = made.json()
    url = f"{RECORDS}/{row['id']}"
    try:
        assert _blamed(client.patch(url, json={"featured": True})) == {"featured": "validation_not_allowed"}
        assert _blamed(client.patch(url, json={"views+": 5})) == {"views": "validation_max_number_constraint"}
        back = client.patch(url, json={**row, "body": "new"})
        assert back.status_code == 200, back.text
        login = {"identity": "ada@example.com", "password": "correct-horse-1"}
        answer = (
            client.post("/api/collections/users/auth-with-password", json=login).raise_for_status().json()
        )
        token = {"Authorization": answer["token"]}
        is_editor = answer["record"]["role"] == "editor"
        changed = client.patch(url, json={"featured": True}, headers=token)
        assert (changed.status_code == 200) is is_editor, changed.text
        assert _blamed(client.patch(url, json={"status": "draft"}, headers=token)) == {
            "status": "validation_not_allowed"
        }
    finally:
        pocketbase.admin.delete(url).raise_for_status()
        client.close()


def test_a_mistake_in_the_tables_ends_the_start(make_hapta: MakeHapta) -> None:
    server = make_hapta(started=False)
    (server.home / "config.toml").write_text("[validate.posts]\ntitle = { mni = 3 }\n")
    server.launch()
    assert server.process is not None
    assert server.process.wait(timeout=20) == 2
    assert "config.toml:2: validate.posts.title.mni: unknown check; did you mean min?" in server.log
    server.process = None
