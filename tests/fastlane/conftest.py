"""Gateways before the session's PocketBase: one with the lane, one without it."""

from collections.abc import Iterator

import pytest

from tests.fastlane.site import Site
from tests.support.pocketbase import PocketBase


@pytest.fixture(scope="package")
def on(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With the lane, and default settings otherwise."""
    with Site(tmp_path_factory.mktemp("on"), pocketbase.url) as site:
        yield site


@pytest.fixture(scope="package")
def off(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same without it."""
    with Site(tmp_path_factory.mktemp("off"), pocketbase.url, server__fast_lane=False) as site:
        yield site
