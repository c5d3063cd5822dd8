"""One Hapta with short deadlines in front of the upstream double, watched: each test must leave it quiet."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.faults.clients import ask
from tests.faults.gauges import Gauges
from tests.support.hapta import Hapta
from tests.support.process import free_port, wait_until
from tests.support.upstream_double import UpstreamDouble

READY = "/api/hapta/health/ready"
SHORT = {
    "server.header_timeout_s": 0.6,
    "server.body_grace_s": 0.6,
    "server.send_timeout_s": 0.8,
    "upstream.connect_timeout_s": 0.5,
    "upstream.response_timeout_s": 0.5,
    "upstream.slow_response_timeout_s": 0.8,
    "upstream.idle_timeout_s": 0.5,
}
"""Deadlines a test can wait for."""


class Watched:
    """A Hapta, the double behind it, and what it holds."""

    def __init__(self, double: UpstreamDouble, hapta: Hapta, gauges: Gauges) -> None:
        self.double = double
        self.hapta = hapta
        self.gauges = gauges
        self._idle_descriptors = 0

    @property
    def url(self) -> str:
        return self.hapta.url

    def settle(self) -> None:
        """Remember how many file descriptors it has while nothing goes on."""
        self.gauges.wait_until_quiet()
        self._idle_descriptors = self._own_descriptors()

    def _own_descriptors(self) -> int:
        """Kept-alive connections to the double are no leak."""
        return self.gauges.file_descriptors() - self.double.open_connections

    def assert_nothing_left(self) -> None:
        """The next request is fine, and no connection, stream, file or byte is left of those before."""
        self.double.listen_again()
        wait_until(lambda: ask(self.url, "GET", READY).status == 200, "ready again", 5)
        assert ask(self.url, "GET", "/api/collections/posts/records", "Connection: close").status == 200
        self.gauges.wait_until_quiet()
        wait_until(
            lambda: self._own_descriptors() <= self._idle_descriptors,
            f"as few file descriptors as before: {self._own_descriptors()} > {self._idle_descriptors}",
            3,
        )


@pytest.fixture(scope="session")
def watched_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    metrics_port = free_port()
    settings = {**SHORT, "metrics.enabled": True, "metrics.port": metrics_port}
    with ExitStack() as closing:
        double = closing.enter_context(UpstreamDouble())
        hapta = Hapta(tmp_path_factory.mktemp("hapta"), double.url, settings)
        closing.callback(hapta.stop)
        hapta.start()
        watched = Watched(double, hapta, Gauges(hapta, metrics_port))
        watched.settle()
        yield watched


@pytest.fixture
def watched(watched_session: Watched) -> Iterator[Watched]:
    """The session's, its plans forgotten; afterwards it must have nothing left of the test."""
    watched_session.double.forget()
    yield watched_session
    watched_session.double.forget()
    watched_session.assert_nothing_left()


@pytest.fixture
def double() -> Iterator[UpstreamDouble]:
    """An upstream double of the test's own."""
    with UpstreamDouble() as upstream:
        yield upstream
