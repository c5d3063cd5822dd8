"""Secrets that will not do are refused by name and never shown."""

import secrets as randomness
from typing import Any

import pytest

from hapta.config import (
    Config,
    ConfigErrors,
    Loaded,
    Secrets,
    ServerConfig,
    check_secrets,
    load,
    require_secrets,
)
from tests.unit.config.conftest import Problems

SECRET = randomness.token_urlsafe(48)
REMOTE: dict[str, str] = {
    "DatabaseURL": "http://127.0.0.1:8090",
    "AdminEmail": "admin@example.org",
    "AdminPassword": "correct horse",
    "Secret": SECRET,
}


def lines(values: dict[str, str | None], config: Config | None = None) -> list[str]:
    given = Secrets.from_names({name: value for name, value in values.items() if value is not None})
    return [error.line({}) for error in check_secrets(given, config or Config())]


def test_nothing_at_all_will_do_for_an_embedded_pocketbase() -> None:
    assert lines({}) == []


@pytest.mark.parametrize(
    "values",
    [
        REMOTE,
        {**REMOTE, "DatabaseURL": "https://db.example.org/"},
        {**REMOTE, "AdminEmail": None, "AdminPassword": None, "AdminToken": "eyJ.eyJ.sig-_"},
        {**REMOTE, "SecretPrevious": randomness.token_hex(16)},
        {"AdminEmail": "only@example.org"},
        {"AdminPassword": "correct horse"},
    ],
    ids=["password", "https", "token", "rotation", "embedded: e-mail alone", "embedded: password alone"],
)
def test_what_is_complete_passes(values: dict[str, str | None]) -> None:
    assert lines(values) == []


def test_random_secrets_of_every_usual_make_pass() -> None:
    for _ in range(500):
        for secret in (randomness.token_hex(16), randomness.token_urlsafe(24), randomness.token_hex(64)):
            assert lines({"Secret": secret}) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"AdminEmail": None, "AdminPassword": None},
            "AdminEmail and AdminPassword: "
            "required with DatabaseURL (or AdminToken instead): Hapta needs a superuser",
        ),
        ({"AdminPassword": None}, "AdminPassword: required together with AdminEmail"),
        ({"AdminEmail": None}, "AdminEmail: required together with AdminPassword"),
        ({"AdminEmail": "admin"}, "AdminEmail: expected an e-mail address"),
        (
            {"AdminToken": "abc"},
            "AdminToken: expected a token of three parts separated by dots, "
            "as PocketBase's impersonate answers it",
        ),
        ({"TestUserEmail": "a@example.org"}, "TestUserPassword: required together with TestUserEmail"),
        ({"AdminPassword": "hunter2 "}, "AdminPassword: begins or ends with white space"),
        ({"AdminPassword": "a\x00b"}, "AdminPassword: contains control characters or is not UTF-8 text"),
        ({"AdminPassword": "a\udcffb"}, "AdminPassword: contains control characters or is not UTF-8 text"),
        ({"Secret": None}, "Secret: required with DatabaseURL; make one with: "),
        ({"Secret": "hunter2"}, "Secret: shorter than 32 bytes; make one with: "),
        ({"Secret": "a" * 64}, "Secret: a placeholder or a pattern, which can be guessed; make one with: "),
        ({"Secret": "0123456789" * 4}, "Secret: a placeholder or a pattern, which can be guessed; "),
        ({"Secret": "abcabdab" * 8 + "d"}, "Secret: a placeholder or a pattern, which can be guessed; "),
        ({"Secret": "change-me-to-at-least-32-random-bytes"}, "Secret: a placeholder or a pattern, "),
        ({"Secret": "CHANGE_ME_0f8f7a2b9c1d4e6f8a7b3c5d"}, "Secret: a placeholder or a pattern, "),
        ({"Secret": "your-secret-goes-here-32-characters-long"}, "Secret: a placeholder or a pattern, "),
        ({"Secret": "$(openssl rand -hex 32) and some more"}, "Secret: a placeholder or a pattern, "),
        ({"AdminPassword": SECRET}, "Secret: must not be the same as AdminPassword"),
        (
            {"SecretPrevious": SECRET},
            "SecretPrevious: equals Secret; leave it out when nothing is being rotated",
        ),
        ({"SecretPrevious": "short"}, "SecretPrevious: shorter than 32 bytes; "),
        (
            {"DatabaseURL": "http://admin:hunter2@db:8090"},
            "DatabaseURL: must not contain a user name or password; "
            "put them into AdminEmail and AdminPassword, or AdminToken",
        ),
        (
            {"DatabaseURL": "postgres://db/hunter2"},
            "DatabaseURL: expected an address that begins with http:// or https:// and a host",
        ),
        (
            {"DatabaseURL": "127.0.0.1:8090"},
            "DatabaseURL: expected an address that begins with http:// or https:// and a host",
        ),
        (
            {"DatabaseURL": "http://db:8090/api"},
            "DatabaseURL: must end after host and port: clients' paths are passed on as they are",
        ),
        (
            {"DatabaseURL": "http://db:8090?token=hunter2"},
            "DatabaseURL: must not contain a query or a fragment (? or #)",
        ),
        (
            {"DatabaseURL": "http://db:port"},
            "DatabaseURL: is not an address: the port is not a number up to 65535",
        ),
        (
            {"DatabaseURL": "http://localhost:8080"},
            "DatabaseURL: points to Hapta itself (server.host and server.port); "
            "expected PocketBase's address",
        ),
    ],
)
def test_what_will_not_do_is_one_line_without_its_value(change: dict[str, Any], line: str) -> None:
    (found,) = lines({**REMOTE, **change})
    assert found.startswith(line)
    for value in change.values():
        if value is not None and len(value) > 5:
            assert value not in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("url", "host", "is_refused"),
    [
        ("http://127.0.0.1:80", "0.0.0.0", True),
        ("http://[::1]", "::", True),
        ("http://db", "db", True),
        ("http://db", "0.0.0.0", False),
        ("http://127.0.0.2", "127.0.0.1", False),
        ("https://127.0.0.1", "127.0.0.1", False),
    ],
)
def test_an_address_that_leads_back_to_hapta_is_refused(url: str, host: str, is_refused: bool) -> None:
    config = Config(server=ServerConfig(host=host, port=80))
    assert bool(lines({**REMOTE, "DatabaseURL": url}, config)) is is_refused


def test_the_line_says_where_the_value_came_from(problems: Problems) -> None:
    (line,) = problems(environ={"Secret": "hunter2"}, needs_secrets=True)
    assert line.startswith("environment Secret: shorter than 32 bytes; ")
    assert problems(environ={"Secret": "hunter2"}) == []


def test_configuration_and_secrets_are_refused_together(problems: Problems) -> None:
    found = problems("[server]\nport = -1\n", environ={"DatabaseURL": "x"}, needs_secrets=True)
    assert [line.split(": ")[0] for line in found] == [
        "config.toml:2",
        "environment DatabaseURL",
        "AdminEmail and AdminPassword",
        "Secret",
    ]


def test_require_secrets_raises_every_problem(tmp_path: Any) -> None:
    loaded: Loaded = load(None, {"DatabaseURL": "http://db:8090"}, [], tmp_path)
    with pytest.raises(ConfigErrors) as caught:
        require_secrets(loaded)
    assert len(caught.value.problems) == 2
    require_secrets(load(None, REMOTE, [], tmp_path))
