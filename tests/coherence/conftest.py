"""Sites for the coherence tests."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.coherence.site import Site, open_site

OpenSite = Callable[..., AbstractContextManager[Site]]


@pytest.fixture
def new_site(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> OpenSite:
    """``with new_site(cache__max_bytes=…) as site:``; see :func:`tests.coherence.site.open_site`."""

    def make(**settings: Any) -> AbstractContextManager[Site]:
        return open_site(pocketbase_template, tmp_path_factory.mktemp, **settings)

    return make


@pytest.fixture
def site(new_site: OpenSite) -> Iterator[Site]:
    """One with the default settings, for one test."""
    with new_site() as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_site(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of a module that leave it as it was, or make rows of their own."""
    with open_site(pocketbase_template, tmp_path_factory.mktemp) as opened:
        yield opened
