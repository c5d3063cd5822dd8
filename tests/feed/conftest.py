"""A change feed of its own for each test, following a real PocketBase."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.feed.support import Following
from tests.support.pocketbase import PocketBase, from_template

Follow = Callable[..., Awaitable[Following]]


@pytest.fixture(scope="package")
def served(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketBase]:
    """A PocketBase for all tests here that leave it running and its credentials as they are."""
    instance = from_template(pocketbase_template, tmp_path_factory.mktemp("feed"))
    yield instance
    instance.close()


@pytest.fixture
async def follow() -> AsyncIterator[Follow]:
    """``await follow(pocketbase, max_silence_s=1, …)``: a started feed, stopped after the test.

    ``url`` is where it finds PocketBase (a proxy in between), ``is_local`` lets it watch the data directory,
    ``is_started=False`` leaves starting to the test; all else are keys of ``[feed]``.
    """
    async with AsyncExitStack() as closing:

        async def make(
            pocketbase: PocketBase,
            *,
            url: str | None = None,
            is_local: bool = False,
            is_started: bool = True,
            **config: Any,
        ) -> Following:
            following = Following(pocketbase, url or pocketbase.url, is_local=is_local, **config)
            closing.push_async_callback(following.stop)
            await following.open()
            if is_started:
                await following.start()
            return following

        yield make
