"""hapta.doctor.running"""

import errno
import socket

import pytest

from hapta.doctor import Level
from hapta.doctor.running import Listening, forwarding, look, metrics_findings, port_finding
from hapta.observe.metrics import Metrics

FREE, HAPTA = Listening(is_hapta=False), Listening(is_hapta=True)


def refused(number: int) -> Listening:
    return Listening(is_hapta=False, refusal=OSError(number, "no"))


@pytest.mark.parametrize(
    ("seen", "name", "level", "found"),
    [
        pytest.param(FREE, "server.port", Level.OK, "127.0.0.1:80 is free", id="free"),
        pytest.param(HAPTA, "server.port", Level.OK, "Hapta is running at 127.0.0.1:80", id="running"),
        pytest.param(
            refused(errno.EADDRINUSE), "server.port", Level.FAIL, "something that is not Hapta", id="taken"
        ),
        pytest.param(refused(errno.EACCES), "server.port", Level.FAIL, "may not listen", id="privileged"),
        pytest.param(
            refused(errno.EADDRNOTAVAIL),
            "server.host",
            Level.FAIL,
            "no address of this machine",
            id="elsewhere",
        ),
        pytest.param(
            Listening(is_hapta=False, refusal=socket.gaierror(-2, "no")),
            "server.host",
            Level.FAIL,
            "no address of this machine",
            id="no such name",
        ),
        pytest.param(refused(errno.EINVAL), "server.port", Level.FAIL, "nobody can listen", id="odd"),
    ],
)
def test_what_is_at_a_port_says_whether_hapta_can_run(
    seen: Listening, name: str, level: Level, found: str
) -> None:
    finding = port_finding("server.port", "127.0.0.1", 80, seen)
    assert (finding.name, finding.level) == (name, level)
    assert found in finding.found


def test_any_port_is_always_free() -> None:
    assert port_finding("server.port", "127.0.0.1", 0, FREE).found == "any free port"


async def test_a_port_is_free_when_it_can_be_taken_for_a_moment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert await look("127.0.0.1", port, f"http://127.0.0.1:{port}/", "mark") == FREE


def test_a_gateway_without_its_metrics_was_started_otherwise() -> None:
    (finding,) = metrics_findings(True, FREE, "127.0.0.1", 9480)
    assert finding.level is Level.WARN
    assert "another configuration" in finding.advice


@pytest.mark.parametrize("count", [0, 3])
def test_forwarding_headers_from_strangers_are_read_from_the_metrics(count: int) -> None:
    metrics = Metrics()
    metrics.untrusted_forwarding.inc(count)
    seen = Listening(is_hapta=True, text=metrics.render().decode())
    findings = list(metrics_findings(True, seen, "127.0.0.1", 9480))
    assert [finding.name for finding in findings] == ["metrics.port", "forwarding headers"]
    assert findings[1] == forwarding(count)
    assert findings[1].level is (Level.WARN if count else Level.OK)
