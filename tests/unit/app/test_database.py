"""What a remote PocketBase's settings need, and which host it is told."""

from pathlib import Path
from typing import Any

import pytest

from hapta.app.database import host_to_send, settings_warnings
from hapta.app.gateway import own_url
from hapta.config import Loaded, load
from tests.support.hapta import SECRET

GOOD: dict[str, Any] = {
    "trustedProxy": {"headers": ["X-Hapta-Client-IP"]},
    "meta": {"appURL": "https://app.example.com/"},
}


def loaded(tmp_path: Path, database_url: str | None, *overrides: str) -> Loaded:
    environ = {"Secret": SECRET}
    if database_url is not None:
        environ["DatabaseURL"] = database_url
    return load(None, environ, list(overrides), tmp_path)


def test_settings_that_fit_need_no_word() -> None:
    assert settings_warnings(GOOD, "https://app.example.com", "http://127.0.0.1:8080") == []
    local = {**GOOD, "meta": {"appURL": "http://127.0.0.1:8080"}}
    assert settings_warnings(local, "", "http://127.0.0.1:8080") == []


@pytest.mark.parametrize(
    "proxy",
    [None, {}, {"headers": None}, {"headers": []}, {"headers": ["X-Forwarded-For"]}, {"headers": "x"}, []],
)
def test_a_proxy_header_that_is_not_trusted_is_told(proxy: Any) -> None:
    warnings = settings_warnings({**GOOD, "trustedProxy": proxy}, "https://app.example.com", "")
    assert len(warnings) == 1
    assert "X-Hapta-Client-IP" in warnings[0]


def test_header_names_have_no_case() -> None:
    proxy = {"headers": ["x-hapta-client-ip", "X-Real-IP"]}
    assert settings_warnings({**GOOD, "trustedProxy": proxy}, "https://app.example.com", "") == []


@pytest.mark.parametrize("meta", [None, {}, {"appURL": ""}, {"appURL": "http://localhost:8090"}])
def test_an_application_url_that_leads_elsewhere_is_told(meta: Any) -> None:
    warnings = settings_warnings({**GOOD, "meta": meta}, "https://app.example.com", "http://127.0.0.1:8080")
    assert len(warnings) == 1
    assert "https://app.example.com" in warnings[0]
    assert "server.public_url" in warnings[0]


def test_settings_in_no_form_at_all_are_two_warnings() -> None:
    assert len(settings_warnings({}, "", "http://127.0.0.1:8080")) == 2


@pytest.mark.parametrize(
    ("database_url", "mode", "host"),
    [
        (None, "auto", None),
        ("http://127.0.0.1:8090", "auto", None),
        ("http://127.8.0.1:8090", "auto", None),
        ("http://localhost:8090", "auto", None),
        ("http://[::1]:8090", "auto", None),
        ("http://10.0.0.5:8090", "auto", "10.0.0.5:8090"),
        ("https://pb.example.com", "auto", "pb.example.com"),
        ("https://pb.example.com", "client", None),
        ("http://127.0.0.1:8090", "upstream", "127.0.0.1:8090"),
    ],
)
def test_the_host_pocketbase_is_told(
    tmp_path: Path, database_url: str | None, mode: str, host: str | None
) -> None:
    assert host_to_send(loaded(tmp_path, database_url, f"upstream.host_header={mode}")) == host


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("10.0.0.5", "http://10.0.0.5:8080"),
        ("app.example.com", "http://app.example.com:8080"),
    ],
)
def test_where_a_browser_on_this_machine_finds_it(host: str, url: str) -> None:
    assert own_url(host, 8080) == url
