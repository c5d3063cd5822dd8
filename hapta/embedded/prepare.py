"""Everything that must be right on disk before PocketBase starts, in an order that writes nothing when it is
not.

Look first (directory, marker, ``hapta.env``), then lock, and only then write: backup, marker, secrets.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hapta.embedded.accounts import Account
from hapta.embedded.adopt import back_up, require_unused
from hapta.embedded.data_dir import DataDir
from hapta.embedded.env_file import NAME, extend_env, read_env
from hapta.embedded.events import EventLog
from hapta.embedded.files import require_writable
from hapta.embedded.options import EmbeddedOptions
from hapta.embedded.ports import is_free
from hapta.model.clock import Clock
from hapta.model.errors import OperatorError

DEFAULT_OPERATOR_EMAIL = "admin@hapta.local"
SERVICE_EMAIL = "hapta-service@hapta.local"
_SHORTEST_PASSWORD = 8
_LONGEST_PASSWORD_BYTES = 72  # bcrypt's


def _random() -> str:
    """32 random bytes; 43 characters, within the 72 that bcrypt takes."""
    return secrets.token_urlsafe(32)


_MADE_UP: Mapping[str, Callable[[], str]] = {
    "Secret": _random,
    "AdminEmail": lambda: DEFAULT_OPERATOR_EMAIL,
    "AdminPassword": _random,
    "ServiceEmail": lambda: SERVICE_EMAIL,
    "ServicePassword": _random,
}
"""The keys of ``hapta.env`` that Hapta fills in when nobody gave them."""


@dataclass(frozen=True, slots=True)
class GivenSecrets:
    """What the operator gave (environment, ``.env``) or ``hapta.env`` already holds; ``None`` where nothing
    is."""

    secret: str | None = field(default=None, repr=False)
    admin_email: str | None = None
    admin_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data directory that is locked and marked, and the secrets that belong to it.

    Attributes:
        env_path: ``hapta.env``, where the operator finds what was made up.
        is_new: the data directory had nothing in it.
        backup: where the backup is, when data was adopted now.
    """

    options: EmbeddedOptions
    data_dir: DataDir
    secret: str = field(repr=False)
    operator: Account
    service: Account
    env_path: Path
    is_new: bool
    backup: Path | None

    def release(self) -> None:
        """Give the data directory back, when nothing was started on it."""
        self.data_dir.release()


def prepare(
    options: EmbeddedOptions,
    given: GivenSecrets,
    clock: Clock,
    events: EventLog,
    *,
    adopt_data: bool = False,
) -> Prepared:
    """Make the data directory and ``hapta.env`` ready, and lock the directory.

    The caller owns the result: it is given back by ``release()``, or by ``stop()`` of the
    ``EmbeddedPocketBase`` made from it.

    Args:
        adopt_data: take over a directory that has data but no marker, after a backup beside it.

    Raises:
        OperatorError: what stands in the way, where, and what to do. Nothing was written, except that a
            backup was made when the directory turned out not to be writable after it.
    """
    env_path = options.state_dir / NAME
    data_dir = DataDir(options.data_dir)
    _require_directories(options)
    if data_dir.is_foreign and not adopt_data:
        raise OperatorError(
            f"{options.data_dir}: holds data that is not Hapta's; start once with --adopt-data "
            "(a backup is made first), or set upstream.data_dir to another directory"
        )
    if data_dir.entries:
        require_writable(options.data_dir, "the data directory (upstream.data_dir)")
    found = read_env(env_path)
    _require_acceptable_accounts(given, found)
    data_dir.lock()
    try:
        if options.port and not is_free(options.port):
            raise OperatorError(
                f"upstream.embedded_port {options.port}: another program listens there on 127.0.0.1; "
                "stop it, or set another port, or 0 for any"
            )
        backup = _adopt(data_dir, clock, events) if data_dir.is_foreign else None
        return _write(options, given, data_dir, env_path, backup, events)
    except BaseException:
        data_dir.release()
        raise


def _require_directories(options: EmbeddedOptions) -> None:
    if not options.state_dir.is_dir():
        raise OperatorError(
            f"{options.state_dir}: server.state_dir is not a directory; make it, or correct the key"
        )
    require_writable(options.state_dir, "the state directory (server.state_dir)")
    data, state = Path(os.path.realpath(options.data_dir)), options.state_dir.resolve()
    if data == state or data in state.parents:
        # Backups take the whole data directory along, and restoring one replaces all that is in it.
        raise OperatorError(
            f"{state}: server.state_dir lies in upstream.data_dir ({data}); "
            "choose another, so that PocketBase's backups do not carry hapta.env along"
        )


def _require_acceptable_accounts(given: GivenSecrets, found: Mapping[str, str]) -> None:
    password = given.admin_password or found.get("AdminPassword")
    if password and len(password) < _SHORTEST_PASSWORD:
        raise OperatorError(f"AdminPassword: PocketBase takes none under {_SHORTEST_PASSWORD} characters")
    if password and len(password.encode()) > _LONGEST_PASSWORD_BYTES:
        raise OperatorError(f"AdminPassword: PocketBase takes none over {_LONGEST_PASSWORD_BYTES} bytes")
    operator_email = given.admin_email or found.get("AdminEmail") or DEFAULT_OPERATOR_EMAIL
    if operator_email.lower() == found.get("ServiceEmail", SERVICE_EMAIL).lower():
        raise OperatorError(f"AdminEmail {operator_email}: is the account Hapta uses itself; choose another")


def _adopt(data_dir: DataDir, clock: Clock, events: EventLog) -> Path:
    require_unused(data_dir.path)
    backup = back_up(data_dir.path, clock.now())
    events.info(
        "data_adopted",
        message="the data directory is Hapta's now; its state before is in the backup",
        path=str(data_dir.path),
        backup=str(backup),
    )
    return backup


def _write(
    options: EmbeddedOptions,
    given: GivenSecrets,
    data_dir: DataDir,
    env_path: Path,
    backup: Path | None,
    events: EventLog,
) -> Prepared:
    if not data_dir.is_marked:
        data_dir.mark({})
    known = {"Secret": given.secret, "AdminEmail": given.admin_email, "AdminPassword": given.admin_password}
    own = extend_env(env_path, {k: make for k, make in _MADE_UP.items() if not known.get(k)}, events)
    return Prepared(
        options=options,
        data_dir=data_dir,
        secret=given.secret or own["Secret"],
        operator=Account(
            "operator", given.admin_email or own["AdminEmail"], given.admin_password or own["AdminPassword"]
        ),
        service=Account("service", own["ServiceEmail"], own["ServicePassword"]),
        env_path=env_path,
        is_new=not data_dir.entries,
        backup=backup,
    )
