"""PocketBase as the judge of files."""

import pytest

from tests.support.pocketbase import PocketBase
from tests.uploads.support import TypeOracle


@pytest.fixture(scope="session")
def type_oracle(pocketbase: PocketBase) -> TypeOracle:
    return TypeOracle(pocketbase.admin)
