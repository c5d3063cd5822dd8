"""hapta.doctor.exposure"""

import pytest

from hapta.config import AdminConfig, MetricsConfig, ServerConfig
from hapta.doctor import Level
from hapta.doctor.exposure import admin_networks, exposure, is_loopback, proxies


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("example.org", False),
    ],
)
def test_loopback_is_known_by_its_address_or_name(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("server", "level"),
    [
        pytest.param(ServerConfig(), Level.OK, id="this machine only"),
        pytest.param(
            ServerConfig(public_url="http://localhost:8080"), Level.OK, id="this machine only, named"
        ),
        pytest.param(ServerConfig(host="0.0.0.0"), Level.WARN, id="public, no proxy known"),
        pytest.param(ServerConfig(public_url="https://api.example.org"), Level.WARN, id="a proxy, not known"),
        pytest.param(
            ServerConfig(public_url="https://api.example.org", trusted_proxies=("127.0.0.1",)),
            Level.OK,
            id="a proxy, known",
        ),
        pytest.param(ServerConfig(trusted_proxies=("0.0.0.0/0",)), Level.FAIL, id="everybody trusted"),
        pytest.param(ServerConfig(trusted_proxies=("::/1", "8000::/1")), Level.FAIL, id="in two halves"),
    ],
)
def test_a_proxy_in_front_has_to_be_known(server: ServerConfig, level: Level) -> None:
    assert proxies(server).level is level


@pytest.mark.parametrize(
    ("networks", "level"),
    [
        pytest.param(AdminConfig().networks, Level.OK, id="default"),
        pytest.param((), Level.OK, id="none"),
        pytest.param(("10.0.0.0/8",), Level.OK, id="private"),
        pytest.param(("10.0.0.0/8", "0.0.0.0/0"), Level.WARN, id="everywhere"),
        pytest.param(("0.0.0.0/1", "128.0.0.0/1"), Level.WARN, id="everywhere, in two halves"),
        pytest.param(("::/0",), Level.WARN, id="everywhere in IPv6"),
    ],
)
def test_superusers_from_everywhere_are_a_warning(networks: tuple[str, ...], level: Level) -> None:
    assert admin_networks(AdminConfig(networks=networks)).level is level


@pytest.mark.parametrize(
    ("metrics", "is_told"),
    [
        (MetricsConfig(), False),
        (MetricsConfig(host="0.0.0.0"), True),
        (MetricsConfig(host="0.0.0.0", enabled=False), False),
    ],
)
def test_public_metrics_are_told(metrics: MetricsConfig, is_told: bool) -> None:
    names = [finding.name for finding in exposure(ServerConfig(), AdminConfig(), metrics)]
    assert ("metrics address" in names) is is_told
