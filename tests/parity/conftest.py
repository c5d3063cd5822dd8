"""Two PocketBases with the same rows for all comparisons, and the values each side needs."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.parity.case import Side
from tests.support.hapta import Hapta
from tests.support.normalise import Normaliser
from tests.support.pocketbase import ADMIN_EMAIL, PocketBase, from_template
from tests.support.twins import Twins


@pytest.fixture(scope="package")
def pair(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Like ``twins``, for the whole package: the comparisons use rows of their own ids."""
    with ExitStack() as closing:
        instances = []
        for name in ("direct", "behind"):
            instances.append(from_template(pocketbase_template, tmp_path_factory.mktemp(name)))
            closing.callback(instances[-1].close)
        gateway = Hapta(tmp_path_factory.mktemp("hapta"), instances[1].url)
        closing.callback(gateway.stop)
        gateway.start()
        yield Twins(*instances, gateway)


def _file_token(base: PocketBase, token: str) -> str:
    answer = httpx.post(f"{base.url}/api/files/token", headers={"Authorization": token})
    return str(answer.raise_for_status().json()["token"])


def _values(base: PocketBase) -> dict[str, str]:
    user, other = base.token("users", "ada@example.com"), base.token("users", "ben@example.com")
    admin = base.token("_superusers", ADMIN_EMAIL)
    documents = {row["id"]: row for row in base.rows("documents")}
    open_one, secret = documents["document0000002"], documents["document0000001"]
    owner = other if secret["owner"] == "user00000000002" else user
    page = httpx.get(f"{base.url}/_/").text
    script = re.search(r'src="\./?([^"]+\.js)"', page)
    assert script is not None, page
    return {
        "user": user,
        "other": other,
        "admin": admin,
        "file_owner": _file_token(base, owner),
        "file_user": _file_token(base, user if owner is other else other),
        "file_admin": _file_token(base, admin),
        "cover": open_one["cover"],
        "attachment": open_one["attachments"][0],
        "data": open_one["attachments"][1],
        "contract": secret["contract"],
        "dashboard_script": script[1],
    }


def _own(base: PocketBase, url: str) -> list[str]:
    return [url, base.url, str(base.home), f'"port":{base.mail.port}']


@pytest.fixture(scope="package")
def sides(pair: Twins) -> tuple[Side, Side]:
    """Directly, and through Hapta."""
    return (
        Side(
            pair.direct.url,
            _values(pair.direct),
            Normaliser(pair.since, _own(pair.direct, pair.direct.url)),
        ),
        Side(
            pair.hapta.url,
            _values(pair.behind),
            Normaliser(pair.since, _own(pair.behind, pair.hapta.url)),
        ),
    )
