"""PocketBase as the judge of expressions."""

from collections.abc import Iterator

import httpx
import pytest

from tests.filters.support import Oracle
from tests.support.pocketbase import PocketBase


@pytest.fixture(scope="session")
def oracle(pocketbase: PocketBase) -> Iterator[Oracle]:
    with httpx.Client(base_url=pocketbase.url, timeout=30) as user:
        user.headers["Authorization"] = pocketbase.token("users", "ada@example.com")
        yield Oracle(pocketbase.admin, user)
