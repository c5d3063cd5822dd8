"""Whether the secrets will do, before anything is started with them; every line names the variable, never its
value.

With ``DatabaseURL`` (remote mode) an address, a superuser and a ``Secret`` are required. Without it Hapta
runs its own PocketBase and makes up what is missing, so only what was given is looked at.
"""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from hapta.config.check import url_problem
from hapta.config.errors import ConfigErrors
from hapta.config.load import Loaded
from hapta.config.schema import Config
from hapta.config.secrets import SECRET_FIELDS, Secrets

SECRET_BYTES = 32
"""The least length of ``Secret``: as long as the HS256 keys derived from it (RFC 7518 §3.2)."""

_GENERATE = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
_PLACEHOLDER = re.compile(
    r"change(me|this|it)|replace(me|this|with)|your(own)?(secret|key|password)|placeholder|example|insert(your|here)"
    r"|random(string|bytes|characters|secret)|atleast32|supersecret|mysecret|verysecret|tokenurlsafe|opensslrand"
)
_FEWEST_CHARACTERS = 10
"""Distinct characters in a text nobody picked by hand; 32 random hexadecimal digits have fewer in 1 of 800
cases."""


def require_secrets(loaded: Loaded) -> None:
    """Raise when the secrets will not do.

    Raises:
        ConfigErrors: with every problem.
    """
    problems = check_secrets(loaded.secrets, loaded.config)
    if problems:
        raise ConfigErrors(problems)


def check_secrets(secrets: Secrets, config: Config) -> list[str]:
    """What is wrong with the secrets, one line each."""
    problems = _texts(secrets) + _pairs(secrets)
    if secrets.database_url is not None:
        problems += _database_url(secrets.database_url, config)
        if secrets.admin_token is None and secrets.admin_email is None and secrets.admin_password is None:
            problems.append(
                "AdminEmail and AdminPassword, or AdminToken: required with DatabaseURL; Hapta needs a superuser"
            )
        if secrets.secret is None:
            problems.append(f"Secret: required with DatabaseURL; {_GENERATE}")
    return problems + _secret(secrets)


def _texts(secrets: Secrets) -> list[str]:
    problems = []
    for name, field in SECRET_FIELDS.items():
        value = getattr(secrets, field)
        if value is None:
            continue
        if value != value.strip():
            problems.append(f"{name}: begins or ends with white space")
        elif not value.isprintable():
            problems.append(f"{name}: contains control characters or is not UTF-8 text")
    return problems


def _pairs(secrets: Secrets) -> list[str]:
    problems = []
    for email, password in (("AdminEmail", "AdminPassword"), ("TestUserEmail", "TestUserPassword")):
        has_email, has_password = (
            getattr(secrets, SECRET_FIELDS[name]) is not None for name in (email, password)
        )
        if has_email != has_password:
            given, missing = (email, password) if has_email else (password, email)
            problems.append(f"{missing}: required together with {given}")
    for name, value in (("AdminEmail", secrets.admin_email), ("TestUserEmail", secrets.test_user_email)):
        if value is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
            problems.append(f"{name}: expected an e-mail address")
    if secrets.admin_token is not None and not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", secrets.admin_token):
        problems.append(
            "AdminToken: expected a token of three parts separated by dots, as impersonate answers it"
        )
    return problems


def _database_url(url: str, config: Config) -> list[str]:
    if "@" in url:
        where = "put them into AdminEmail and AdminPassword, or AdminToken"
        return [f"DatabaseURL: must not contain a user name or password; {where}"]
    if problem := url_problem(url):
        return [f"DatabaseURL: {problem}"]
    parts = urlsplit(url)
    if parts.path not in ("", "/"):
        return ["DatabaseURL: must end after host and port: clients' paths are passed on as they are"]
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if port == config.server.port and parts.hostname and _is_here(parts.hostname, config.server.host):
        return [
            "DatabaseURL: points to Hapta itself (server.host and server.port); expected PocketBase's address"
        ]
    return []


def _is_here(host: str, listening: str) -> bool:
    if host == listening:
        return True
    if host == "localhost":
        return listening in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")
    try:
        return ip_address(host).is_loopback and listening in ("localhost", "0.0.0.0", "::")
    except ValueError:
        return False


def _secret(secrets: Secrets) -> list[str]:
    problems = []
    others = {"AdminPassword": secrets.admin_password, "AdminToken": secrets.admin_token}
    for name, value in (("Secret", secrets.secret), ("SecretPrevious", secrets.secret_previous)):
        if value is None:
            continue
        if len(value.encode(errors="replace")) < SECRET_BYTES:
            problems.append(f"{name}: shorter than {SECRET_BYTES} bytes; {_GENERATE}")
        elif _is_placeholder(value):
            problems.append(f"{name}: a placeholder or a pattern, which can be guessed; {_GENERATE}")
        problems += [
            f"{name}: must not be the same as {other}" for other, text in others.items() if text == value
        ]
    if secrets.secret is not None and secrets.secret == secrets.secret_previous:
        problems.append("SecretPrevious: the same as Secret; leave it out when nothing is being rotated")
    return problems


def _is_placeholder(value: str) -> bool:
    letters = re.sub(r"[^a-z0-9]", "", value.lower())
    is_repeated = value in (value + value)[1:-1]  # a text found within its own doubling repeats a shorter one
    return bool(_PLACEHOLDER.search(letters)) or is_repeated or len(set(value)) < _FEWEST_CHARACTERS
