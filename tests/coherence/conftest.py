"""Sites for the coherence tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.coherence.lag import Lags
from tests.coherence.line import close_lines
from tests.coherence.relay import Relay
from tests.coherence.site import Site, open_site

OpenSite = Callable[..., AbstractContextManager[Site]]


@pytest.fixture(autouse=True)
async def _lines_closed() -> AsyncIterator[None]:
    yield
    await close_lines()


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


@pytest.fixture
def relayed_site(new_site: OpenSite) -> Iterator[tuple[Site, Relay]]:
    """One with a relay before its PocketBase, and long patience with a silent change feed."""
    relays: list[Relay] = []

    def between(closing: ExitStack, url: str) -> str:
        relays.append(closing.enter_context(Relay(url)))
        return relays[0].url

    with new_site(between=between, feed__max_silence_s=300) as opened:
        yield opened, relays[0]


@pytest.fixture
def deaf_site(relayed_site: tuple[Site, Relay]) -> Site:
    """One whose change feed lives and is silent: what Hapta itself sees has to be enough."""
    opened, relay = relayed_site
    relay.silence_streams(new_ones_too=False)
    return opened


@pytest.fixture(scope="module")
def shared_site(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests of a module that leave it as it was, or make rows of their own."""
    with open_site(pocketbase_template, tmp_path_factory.mktemp) as opened:
        yield opened


@pytest.fixture(scope="module", params=["remote", "embedded"])
def either_site(
    request: pytest.FixtureRequest, pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One with a PocketBase elsewhere, one with Hapta's own; the one that is left to ``--all`` has no fast
    lane."""
    is_embedded = request.param == "embedded"
    has_lane = _WITH_ALL.get(request.module.__name__.rpartition(".")[2]) != request.param
    with open_site(
        pocketbase_template, tmp_path_factory.mktemp, is_embedded=is_embedded, server__fast_lane=has_lane
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def all_lags(either_site: Site) -> Iterator[Lags]:
    """Of all tests of a module; printed at the end."""
    measured = Lags()
    yield measured
    print(f"\n{measured}")


@pytest.fixture
def lags(all_lags: Lags, record_property: Callable[[str, object], None]) -> Iterator[Lags]:
    yield all_lags
    record_property("lags", str(all_lags))


_WITH_ALL = {"test_through": "remote", "test_behind": "embedded"}
"""By module: the kind of site that is left to ``--all``; the other kind runs the same cases each time."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
            continue
        kind = _WITH_ALL.get(item.module.__name__.rpartition(".")[2])
        if kind is not None and kind in item.callspec.params.values():
            item.add_marker(pytest.mark.all_modes)
