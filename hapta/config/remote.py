"""Whether the secrets will do, before anything is started with them; no message contains a value.

With ``DatabaseURL`` (remote mode) an address, a superuser and a ``Secret`` are required. Without it Hapta
runs its own PocketBase and makes up what is missing, so only what was given is looked at.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hapta.config.check import url_problem
from hapta.config.errors import ConfigError, ConfigErrors
from hapta.config.schema import Config
from hapta.config.secrets import SECRET_FIELDS, Secrets

if TYPE_CHECKING:
    from hapta.config.load import Loaded

SECRET_BYTES = 32
"""The least length of ``Secret``: as long as the HS256 keys derived from it (RFC 7518 §3.2)."""

_GENERATE = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
_PLACEHOLDER = re.compile(
    r"change(me|this|it)|replace(me|this|with)|your(own)?(secret|key|password)|placeholder|example|insert(your|here)"
    r"|random(string|bytes|characters|secret)|atleast32|supersecret|mysecret|verysecret|tokenurlsafe|opensslrand"
)
_FEWEST_CHARACTERS = 8
"""Distinct characters of a text nobody typed: 32 random hexadecimal digits have fewer once in 28 million."""


def require_secrets(loaded: "Loaded") -> None:
    """Raise when the secrets will not do for a start.

    Raises:
        ConfigErrors: with every problem.
    """
    if errors := check_secrets(loaded.secrets, loaded.config):
        raise ConfigErrors(error.line(loaded.origins) for error in errors)


def check_secrets(secrets: Secrets, config: Config) -> list[ConfigError]:
    """Everything wrong with the secrets."""
    errors = [*_texts(secrets), *_pairs(secrets), *_forms(secrets), *_secret(secrets)]
    return [*errors, *_remote(secrets.database_url, secrets, config)] if secrets.database_url else errors


def _texts(secrets: Secrets) -> Iterator[ConfigError]:
    for name, field in SECRET_FIELDS.items():
        value = getattr(secrets, field) or ""
        if value != value.strip():
            yield ConfigError((name,), "begins or ends with white space")
        elif not value.isprintable():
            yield ConfigError((name,), "contains control characters or is not UTF-8 text")


def _pairs(secrets: Secrets) -> Iterator[ConfigError]:
    pairs = [("TestUserEmail", "TestUserPassword")]
    if secrets.database_url and not secrets.admin_token:  # the embedded PocketBase's missing half is made up
        pairs.append(("AdminEmail", "AdminPassword"))
    for email, password in pairs:
        has_email, has_password = (getattr(secrets, SECRET_FIELDS[name]) for name in (email, password))
        if bool(has_email) != bool(has_password):
            given, missing = (email, password) if has_email else (password, email)
            yield ConfigError((missing,), f"required together with {given}")


def _forms(secrets: Secrets) -> Iterator[ConfigError]:
    for name, value in (("AdminEmail", secrets.admin_email), ("TestUserEmail", secrets.test_user_email)):
        if value and not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
            yield ConfigError((name,), "expected an e-mail address")
    if secrets.admin_token and not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", secrets.admin_token):
        problem = "expected a token of three parts separated by dots, as PocketBase's impersonate answers it"
        yield ConfigError(("AdminToken",), problem)


def _secret(secrets: Secrets) -> Iterator[ConfigError]:
    others = {"AdminPassword": secrets.admin_password, "AdminToken": secrets.admin_token}
    for name, value in (("Secret", secrets.secret), ("SecretPrevious", secrets.secret_previous)):
        if not value:
            continue
        if len(value.encode(errors="replace")) < SECRET_BYTES:
            yield ConfigError((name,), f"shorter than {SECRET_BYTES} bytes; {_GENERATE}")
        elif _is_placeholder(value):
            yield ConfigError((name,), f"a placeholder or a pattern, which can be guessed; {_GENERATE}")
        for other, text in others.items():
            if text == value:
                yield ConfigError((name,), f"must not be the same as {other}")
    if secrets.secret and secrets.secret == secrets.secret_previous:
        yield ConfigError(("SecretPrevious",), "equals Secret; leave it out when nothing is being rotated")


def _is_placeholder(value: str) -> bool:
    letters = re.sub(r"[^a-z0-9]", "", value.lower())
    is_repeated = value in (value + value)[1:-1]  # found within its own doubling, it repeats a shorter text
    return bool(_PLACEHOLDER.search(letters)) or is_repeated or len(set(value)) < _FEWEST_CHARACTERS


def _remote(url: str, secrets: Secrets, config: Config) -> Iterator[ConfigError]:
    if problem := _database_url_problem(url, config):
        yield ConfigError(("DatabaseURL",), problem)
    if not (secrets.admin_token or secrets.admin_email or secrets.admin_password):
        problem = "required with DatabaseURL (or AdminToken instead): Hapta needs a superuser"
        yield ConfigError(("AdminEmail and AdminPassword",), problem)
    if not secrets.secret:
        yield ConfigError(("Secret",), f"required with DatabaseURL; {_GENERATE}")


def _database_url_problem(url: str, config: Config) -> str | None:
    if "@" in url:
        where = "put them into AdminEmail and AdminPassword, or AdminToken"
        return f"must not contain a user name or password; {where}"
    if problem := url_problem(url):
        return problem
    parts = urlsplit(url)
    if parts.path not in ("", "/"):
        return "must end after host and port: clients' paths are passed on as they are"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if port == config.server.port and parts.hostname and _is_here(parts.hostname, config.server.host):
        return "points to Hapta itself (server.host and server.port); expected PocketBase's address"
    return None


def _is_here(host: str, listening: str) -> bool:
    if host == listening:
        return True
    listens_on_loopback = listening in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")
    if host == "localhost":
        return listens_on_loopback
    try:
        return ip_address(host).is_loopback and listening in ("localhost", "0.0.0.0", "::")
    except ValueError:
        return False
