"""Sites that are gone after the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.reload.site import Site
from tests.support.pocketbase import PocketBase

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeSite]:
    """``make_site(server__grace_s=1)`` in front of ``pocketbase``, or of ``upstream=URL``; each must end with
    exit code 0 and without a traceback."""
    with ExitStack() as closing:

        def make(*, started: bool = True, upstream: Any = pocketbase.url, **settings: Any) -> Site:
            chosen = {key.replace("__", "."): value for key, value in settings.items()}
            site = Site(tmp_path_factory.mktemp("hapta"), upstream, chosen)
            closing.callback(site.hapta.stop)
            if started:
                site.hapta.start()
            return site

        yield make
