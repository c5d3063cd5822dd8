"""``[validate.users]`` looks at what comes with a sign-up by OAuth2, and at passwords set by mailed links."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.workshop import Workshop, errors_of, serving
from tests.support.oidc import OidcProvider
from tests.support.pocketbase import PocketBase, from_template

TABLES = """
[validate.users]
create_fields = { role = "nobody" }
update_fields = { password = "nobody" }
name = { max = 5 }
password = { min = 12 }
"""
USERS = "/api/collections/users"


@pytest.fixture(scope="module")
def pocketbase(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
    yield instance
    instance.close()


@pytest.fixture(scope="module")
def shop(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with serving(tmp_path_factory.mktemp("hapta"), pocketbase.url, {}, TABLES) as workshop:
        yield workshop


def test_what_comes_with_a_sign_up_by_oauth2_is_looked_at(shop: Workshop, pocketbase: PocketBase) -> None:
    with OidcProvider() as provider:
        settings = {"oauth2": provider.settings()}
        pocketbase.admin.patch("/api/collections/users", json=settings).raise_for_status()
        login = {"provider": "oidc", "code": "code-1", "codeVerifier": "v", "redirectURL": shop.hapta.url}
        url = f"{USERS}/auth-with-oauth2"
        role = shop.client.post(url, json={**login, "createData": {"role": "editor"}})
        assert (role.status_code, errors_of(role)) == (400, {"role": "validation_not_allowed"})
        name = shop.client.post(url, json={**login, "createData": {"name": "Far too long"}})
        assert (name.status_code, errors_of(name)) == (400, {"name": "validation_max_text_constraint"})
        assert pocketbase.rows("users", filter="email='olga@example.com'") == []
        made = shop.client.post(url, json={**login, "createData": {"name": "Olga"}})
        assert (made.status_code, made.json()["record"]["name"]) == (200, "Olga")


def test_a_forgotten_password_is_checked_and_is_nobody_elses_to_allow(
    shop: Workshop, pocketbase: PocketBase
) -> None:
    """The check of the value runs, the permission does not: the link is the permission."""
    row = pocketbase.rows("users")[0]

    def confirm(password: str) -> dict[str, str]:
        body = {"token": "no.such.token", "password": password, "passwordConfirm": password}
        answer = shop.client.post(f"{USERS}/confirm-password-reset", json=body)
        assert answer.status_code == 400, answer.text
        return errors_of(answer)

    assert confirm("short") == {"password": "validation_min_text_constraint"}
    assert confirm("long enough for it") == {"token": "validation_invalid_token"}
    change = {"password": "long enough for it", "passwordConfirm": "long enough for it"}
    refused = shop.client.patch(f"{USERS}/records/{row['id']}", json=change)
    assert errors_of(refused)["password"] == "validation_not_allowed"
