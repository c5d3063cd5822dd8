"""A Hapta before an upstream that writes down what reaches it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.hapta import Hapta
from tests.support.recorder import Recorder


@pytest.fixture(scope="package")
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(autouse=True)
def _nothing_of_the_test_before(recorder: Recorder) -> None:
    recorder.take()


@pytest.fixture(scope="package")
def front(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapta]:
    """With default settings, but for the cache: each request is to arrive, and as it was sent."""
    server = Hapta(tmp_path_factory.mktemp("hapta"), recorder.url, {"cache.is_enabled": False})
    with ExitStack() as closing:
        closing.callback(server.stop)
        server.start()
        yield server


@pytest.fixture(scope="package")
def proxied(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapta]:
    """Behind a proxy of the operator's on this machine."""
    settings = {"cache.is_enabled": False, "server.trusted_proxies": "127.0.0.1"}
    server = Hapta(tmp_path_factory.mktemp("hapta"), recorder.url, settings)
    with ExitStack() as closing:
        closing.callback(server.stop)
        server.start()
        yield server


@pytest.fixture(scope="package")
def impatient(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapta]:
    """With deadlines of about a second, and few connections per address."""
    settings = {
        "server.header_timeout_s": 1.0,
        "server.body_grace_s": 1.0,
        "server.keepalive_timeout_s": 2.0,
        "server.max_connections_per_address": 12,
    }
    server = Hapta(tmp_path_factory.mktemp("hapta"), recorder.url, settings)
    with ExitStack() as closing:
        closing.callback(server.stop)
        server.start()
        yield server
