"""Whom ``on_auth`` does not let in gets nothing of a login, whatever of the answer is asked for."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.plugins.workshop import Workshop, serving
from tests.support.pocketbase import PASSWORD, PocketBase, from_template
from tests.support.seed import row_id

GUARD = """
def setup(api):
    @api.on_auth("users")
    async def not_ada(login):
        note("on_auth", id=login.id, method=login.method)
        if login.id == "user00000000001" and login.method != "auth-refresh":
            raise Reject(message="Not you.", status=403)
        if (await login.record())["name"] == "Gone":
            raise Reject(message="Not any more.", status=403)
"""
USERS = "/api/collections/users"
ADA, BEN = row_id("user", 1), row_id("user", 2)
LISTS = (
    "*",
    "token",
    "record",
    "record.name",
    "record.id,record.email",
    "record.id:excerpt(3),record.email",
    "*:excerpt(3)",
    "token:excerpt(2000)",
    "token:excerpt(100)",
    "meta",
    "nothing",
)


@pytest.fixture(scope="module")
def pocketbase(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
    yield instance
    instance.close()


@pytest.fixture(scope="module")
def shop(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    home = tmp_path_factory.mktemp("hapta")
    with serving(home, pocketbase.url, {"guard.py": GUARD}, login__is_enabled=False) as workshop:
        yield workshop


@pytest.fixture(scope="module")
def superuser(shop: Workshop) -> Iterator[httpx.Client]:
    with shop.superuser() as client:
        yield client


@pytest.fixture(scope="module")
def emails(pocketbase: PocketBase) -> dict[str, str]:
    return {row["id"]: row["email"] for row in pocketbase.rows("users")}


@pytest.mark.parametrize("fields", LISTS)
def test_who_is_not_let_in_gets_no_part_of_the_answer(
    shop: Workshop, superuser: httpx.Client, emails: dict[str, str], fields: str
) -> None:
    login = {"identity": emails[ADA], "password": PASSWORD}
    answer = shop.client.post(f"{USERS}/auth-with-password?fields={fields}", json=login)
    assert answer.status_code in (403, 500, 504), answer.text
    assert answer.json()["data"] == {}
    as_superuser = superuser.post(f"{USERS}/impersonate/{ADA}?fields={fields}", json={})
    assert as_superuser.status_code in (403, 500, 504), as_superuser.text


def test_who_is_let_in_gets_the_part_they_ask_for(shop: Workshop, emails: dict[str, str]) -> None:
    login = {"identity": emails[BEN], "password": PASSWORD}
    before = len(shop.seen("on_auth", id=BEN))
    answer = shop.client.post(f"{USERS}/auth-with-password?fields=record.id,record.name", json=login)
    assert answer.json() == {"record": {"id": BEN, "name": "Ben"}}
    assert len(shop.seen("on_auth", id=BEN)) == before + 1


def test_a_refresh_that_is_refused_tells_nothing_of_the_record(
    shop: Workshop, pocketbase: PocketBase, emails: dict[str, str]
) -> None:
    with shop.signed_in(emails[BEN]) as client:
        shown = client.post(f"{USERS}/auth-refresh?fields=record.name").json()
        assert shown == {"record": {"name": "Ben"}}
        pocketbase.admin.patch(f"{USERS}/records/{BEN}", json={"name": "Gone"}).raise_for_status()
        try:
            for fields in LISTS:
                answer = client.post(f"{USERS}/auth-refresh?fields={fields}")
                assert answer.status_code in (403, 504), answer.text
        finally:
            pocketbase.admin.patch(f"{USERS}/records/{BEN}", json={"name": "Ben"}).raise_for_status()
