"""The collection of odd values, in the session's PocketBase."""

from collections.abc import Iterator

import pytest

from tests.records.odd import Odd
from tests.support.pocketbase import PocketBase


@pytest.fixture(scope="module")
def odd(pocketbase: PocketBase) -> Iterator[Odd]:
    """There while a module's tests run."""
    collection = Odd(pocketbase)
    yield collection
    collection.guest.close()
    pocketbase.admin.delete("/api/collections/odd").raise_for_status()
