"""What of a configuration can change while Hapta runs, and what did.

Every key stands in one of two tables: :data:`AT_RUN_TIME` or :data:`AT_START`. What is wired into the process
at its start (addresses, folders, PocketBase, tables of a fixed size) needs a restart, and keeps its value
until then; the rest holds from a reload on.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import attrgetter
from typing import Any, Final

import msgspec

from hapta.config.fields import FIELDS, FREE, NAMED, shown
from hapta.config.free import leaves
from hapta.config.schema import Config
from hapta.config.secrets import SECRET_FIELDS, Secrets

AT_START: Final = frozenset({
    "server.host", "server.port", "server.public_url", "server.state_dir", "server.threads",
    "upstream.data_dir", "upstream.shared_data_dir", "upstream.hooks_dir", "upstream.migrations_dir",
    "upstream.public_dir", "upstream.binary", "upstream.embedded_port", "upstream.connect_timeout_s",
    "upstream.keepalive_s", "upstream.max_connections", "upstream.max_transfers", "upstream.max_waiting",
    "upstream.max_wait_s", "upstream.breaker_failures", "upstream.breaker_open_s",
    "feed.*",
    "sessions.max_remembered", "sessions.raw_tokens",
    "ratelimit.max_keys", "login.max_accounts",
    "cache.max_bytes", "cache.restricted_tags", "cache.files.*",
    "hooks.dir", "hooks.reload",
    "interactions.is_enabled", "interactions.max_users",
    "workers.*",
    "metrics.*",
    "log.format",
})  # fmt: skip
"""Keys that need a restart; ``table.*`` for all of a table."""

AT_RUN_TIME: Final = frozenset({
    "server.trusted_proxies", "server.tls_cert", "server.tls_key", "server.spool_dir",
    "server.header_timeout_s", "server.keepalive_timeout_s", "server.send_timeout_s",
    "server.body_min_bytes_per_s", "server.body_grace_s", "server.max_connections",
    "server.max_connections_per_address", "server.max_header_bytes", "server.max_target_bytes",
    "server.memory_body_bytes", "server.spool_bytes", "server.drain_delay_s", "server.grace_s",
    "server.fast_lane",
    "upstream.host_header", "upstream.response_timeout_s", "upstream.slow_response_timeout_s",
    "upstream.idle_timeout_s",
    "admin.*",
    "cors.*",
    "sessions.overlap_s", "sessions.max_per_identity",
    "ratelimit.is_enabled", "ratelimit.max", "ratelimit.duration", "ratelimit.burst", "ratelimit.ip",
    "ratelimit.message", "ratelimit.headers", "ratelimit.refused_write_cost",
    "limits.*",
    "login.is_enabled", "login.failures", "login.lock_s", "login.max_lock_s", "login.pace_s",
    "login.forget_s", "login.message",
    "cache.is_enabled", "cache.max_age_s", "cache.max_response_bytes", "cache.pb_hooks", "cache.overlay",
    "cache.patch", "cache.refill", "cache.gzip", "cache.in_doubt_s", "cache.custom_routes_write",
    "cache.collections.*",
    "hooks.guard_deadline_s", "hooks.watcher_deadline_s",
    "plugins.*", "validate.*", "feeds.*", "interactions.keep_days", "interactions.max_per_user",
    "validation.*",
    "uploads.*",
    "log.access", "log.level",
})  # fmt: skip
"""Keys that hold from a reload on; ``server.tls_cert`` unless that switches TLS on or off."""

_TLS: Final = ("server.tls_cert", "server.tls_key")
_MASK: Final = "********"
_LOOKS_SECRET = re.compile(
    r"secret|passw|passphrase|pass(?![a-z])|pwd|dsn|token|credential|(api|private|access|signing)[_-]?key",
    re.IGNORECASE,
)
_URL_WITH_PASSWORD = re.compile(r"://[^/\s@]*:[^/\s@]+@")


def looks_secret(key: str, value: object) -> bool:
    """Whether the value of a plugin's key is better not shown: secrets do not belong there, but people put
    them there, into tables of a list and into addresses too."""
    outer, _, inner = key.partition(".")
    if outer != "plugins":
        return False
    return _LOOKS_SECRET.search(inner.partition(".")[2]) is not None or _holds_secret(value)


def _holds_secret(value: object) -> bool:
    if isinstance(value, str):
        return _URL_WITH_PASSWORD.search(value) is not None
    if isinstance(value, Mapping):
        return any(_LOOKS_SECRET.search(name) or _holds_secret(each) for name, each in value.items())
    return isinstance(value, list) and any(map(_holds_secret, value))


def stands_in(table: frozenset[str], key: str) -> bool:
    """Whether a dotted key stands in one of the two tables."""
    parts = key.split(".")
    above = (".".join(parts[:count]) for count in range(1, len(parts)))
    return key in table or any(f"{outer}.*" in table for outer in above)


@dataclass(frozen=True, slots=True)
class Change:
    """One key that has another value; ``None`` where it is not there."""

    key: str
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.key}: {self._shown(self.old)} -> {self._shown(self.new)}"

    def _shown(self, value: object) -> str:
        if value is None:
            return "none"
        return _MASK if looks_secret(self.key, value) else shown(value)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a new configuration changes.

    Attributes:
        config: the new one, with the old value of whatever needs a restart.
        changed: what holds from now on.
        needs_restart: dotted keys and names of secrets that are others, and stay what they were.
    """

    config: Config
    changed: tuple[Change, ...]
    needs_restart: tuple[str, ...]

    def concerns(self, *prefixes: str) -> bool:
        """Whether a key that begins with one of these changed."""
        return any(change.key.startswith(prefixes) for change in self.changed)


def compare(old: Config, new: Config, old_secrets: Secrets, new_secrets: Secrets) -> Comparison:
    """Hold two configurations that were checked against each other.

    Args:
        old_secrets: those at work, the ones Hapta made up for itself included.
    """
    before, after = _values(old), _values(new)
    keys = [*after, *(key for key in before if key not in after)]
    found = [
        Change(key, before.get(key), after.get(key))
        for key in keys
        if before.get(key) != after.get(key) and not _goes_without_saying(key, before, after)
    ]
    switches_tls = bool(old.server.tls_cert) != bool(new.server.tls_cert)
    kept = [
        change for change in found if stands_in(AT_START, change.key) or (switches_tls and change.key in _TLS)
    ]
    merged = reduce(lambda config, change: _with(config, change.key, change.old), kept, new)
    secrets = [name for name, field in SECRET_FIELDS.items() if _differ(field, old_secrets, new_secrets)]
    return Comparison(
        merged,
        tuple(change for change in found if change not in kept),
        (*(change.key for change in kept), *secrets),
    )


def _goes_without_saying(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """A default in a table that comes or goes as a whole."""
    table, _, name = key.rpartition(".")
    named = NAMED.get(table.rpartition(".")[0], {})
    if name not in named or (table in before and table in after):
        return False
    return bool((after if table in after else before)[key] == named[name].default)


def _differ(field: str, old: Secrets, new: Secrets) -> bool:
    is_ours = not field.startswith("test_user")  # those are for `hapta test`
    return is_ours and getattr(old, field) != getattr(new, field)


def _values(config: Config) -> dict[str, Any]:
    return dict(_all(config))


def _all(config: Config) -> Iterator[tuple[str, Any]]:
    for key, field in FIELDS.items():
        yield key, attrgetter(f"{field.table}.{field.attribute}")(config)
    for outer, named in NAMED.items():
        for inner, table in attrgetter(outer)(config).items():
            yield f"{outer}.{inner}", {}  # its being there
            for field in named.values():
                yield f"{outer}.{inner}.{field.name}", getattr(table, field.attribute)
    for outer in FREE:
        tables: Mapping[str, Any] = attrgetter(outer)(config)
        for inner, table in tables.items():
            yield f"{outer}.{inner}", {}
            yield from leaves((outer, inner), table)


def _with(config: Config, key: str, value: Any) -> Config:
    """``config`` with another value of one key of :data:`~hapta.config.fields.FIELDS`."""
    field = FIELDS[key]
    path = field.table.split(".")
    changed = msgspec.structs.replace(attrgetter(field.table)(config), **{field.attribute: value})
    while path:
        name = path.pop()
        owner = attrgetter(".".join(path))(config) if path else config
        changed = msgspec.structs.replace(owner, **{name: changed})
    assert isinstance(changed, Config)
    return changed
