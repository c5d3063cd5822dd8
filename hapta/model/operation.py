"""What a request asks for: its class, collection, record and action, from method and canonical path.

The path grammar is PocketBase's (``apis/*.go``, Go's ``http.ServeMux``): the raw path is split on ``/`` and
each segment decoded afterwards, literal segments match exactly, a GET route also serves HEAD, and a trailing
slash makes another path. What no rule here names is :attr:`OperationClass.UNKNOWN`: passed through, never
interpreted.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class OperationClass(StrEnum):
    """How a request is treated; also the label of its metrics."""

    RECORD_READ = "record_read"
    RECORD_WRITE = "record_write"
    AUTH_ANSWER = "auth_answer"
    """The answer carries an auth token: auth-with-*, auth-refresh, impersonate."""
    AUTH_ACTION = "auth_action"
    """About identities, no token in the answer: request-*, confirm-*, auth-methods, file tokens."""
    REALTIME_STREAM = "realtime_stream"
    REALTIME_SUBSCRIBE = "realtime_subscribe"
    FILE = "file"
    ADMIN = "admin"
    """Schema, settings, logs, crons, backups, SQL: PocketBase lets only superusers in."""
    DASHBOARD = "dashboard"
    """PocketBase's admin interface under ``/_/``: static files."""
    HEALTH = "health"
    OAUTH2_REDIRECT = "oauth2_redirect"
    OWN = "own"
    """Hapta's: ``/api/hapta/…``, ``/_hapta/…``."""
    PREFLIGHT = "preflight"
    UNKNOWN = "unknown"
    """``pb_public``, routes of ``pb_hooks``, and whatever PocketBase will answer 404."""

    __hash__ = str.__hash__
    """Enum's own is a function in Python, and a class is looked up several times for every request."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One request, understood.

    Attributes:
        kind: how it is treated.
        action: what it does within its class: ``list``, ``view``, ``create``, ``update``, ``delete``,
            ``batch``, ``auth-refresh``, ``backup-upload`` …; empty where the class says it all.
        collection: the collection as written in the path (name in any letter case, or id), or ``None``.
        record: the record id as written in the path, or ``None``.
        is_superuser_only: PocketBase lets only superusers do this.
        streams_body: the request body is passed on while it arrives; every other body is read whole before
            PocketBase sees its first byte, because PocketBase commits a complete JSON value even when the
            rest is cut off.
    """

    kind: OperationClass
    action: str = ""
    collection: str | None = None
    record: str | None = None
    is_superuser_only: bool = False
    streams_body: bool = False


_READ = frozenset({"GET", "HEAD"})
_K = OperationClass
_UNKNOWN = Operation(_K.UNKNOWN, streams_body=True)
_PREFLIGHT = Operation(_K.PREFLIGHT)
_LIST_ACTIONS = {"GET": "list", "HEAD": "list", "POST": "create"}
_RECORD_ACTIONS = {"GET": "view", "HEAD": "view", "PATCH": "update", "DELETE": "delete"}
_TOKEN_ACTIONS = frozenset({"auth-with-password", "auth-with-oauth2", "auth-with-otp", "auth-refresh"})
_META = frozenset({("meta", "scaffolds"), ("meta", "oauth2-providers"), ("meta", "dry-run-view")})
_OTHER_AUTH_ACTIONS = frozenset(
    {
        "request-otp",
        "request-verification",
        "confirm-verification",
        "request-password-reset",
        "confirm-password-reset",
        "request-email-change",
        "confirm-email-change",
    }
)


def _admin(action: str, collection: str | None = None, *, streams_body: bool = False) -> Operation:
    return Operation(_K.ADMIN, action, collection, is_superuser_only=True, streams_body=streams_body)


def _collections(method: str, rest: tuple[str, ...]) -> Operation:
    if len(rest) <= 1 or rest in _META:
        return _admin("schema", rest[0] if rest else None)
    collection, part = rest[0], rest[1]
    if len(rest) == 2:
        if part == "records" and (action := _LIST_ACTIONS.get(method)):
            kind = _K.RECORD_WRITE if action == "create" else _K.RECORD_READ
            return Operation(kind, action, collection)
        if method == "POST" and part in _TOKEN_ACTIONS:
            return Operation(_K.AUTH_ANSWER, part, collection)
        if (method == "POST" and part in _OTHER_AUTH_ACTIONS) or (method in _READ and part == "auth-methods"):
            return Operation(_K.AUTH_ACTION, part, collection)
        if part == "truncate":
            return _admin("truncate", collection)
    if len(rest) == 3:
        if part == "records" and (action := _RECORD_ACTIONS.get(method)) and rest[2]:
            kind = _K.RECORD_READ if action == "view" else _K.RECORD_WRITE
            return Operation(kind, action, collection, rest[2])
        if part == "impersonate" and method == "POST":
            return Operation(_K.AUTH_ANSWER, "impersonate", collection, rest[2], is_superuser_only=True)
    return _UNKNOWN


def _realtime(method: str, rest: tuple[str, ...]) -> Operation:
    if rest:
        return _UNKNOWN
    if method in _READ:
        return Operation(_K.REALTIME_STREAM, "connect")
    return Operation(_K.REALTIME_SUBSCRIBE, "subscribe") if method == "POST" else _UNKNOWN


def _files(method: str, rest: tuple[str, ...]) -> Operation:
    if rest == ("token",):
        return Operation(_K.AUTH_ACTION, "file-token") if method == "POST" else _UNKNOWN
    if len(rest) == 3 and method in _READ:
        return Operation(_K.FILE, "download", rest[0], rest[1])
    return _UNKNOWN


def _backups(method: str, rest: tuple[str, ...]) -> Operation:
    if rest == ("upload",) and method == "POST":
        return _admin("backup-upload", streams_body=True)
    if len(rest) == 2 and rest[1] == "restore":
        return _admin("restore")
    return _admin("backups")


def _batch(method: str, rest: tuple[str, ...]) -> Operation:
    return Operation(_K.RECORD_WRITE, "batch") if method == "POST" and not rest else _UNKNOWN


def _health(method: str, rest: tuple[str, ...]) -> Operation:
    return Operation(_K.HEALTH) if method in _READ and not rest else _UNKNOWN


def _oauth2(method: str, rest: tuple[str, ...]) -> Operation:
    return Operation(_K.OAUTH2_REDIRECT) if method in {"GET", "HEAD", "POST"} and not rest else _UNKNOWN


def _settings(method: str, rest: tuple[str, ...]) -> Operation:
    del method, rest
    return _admin("settings")


def _logs(method: str, rest: tuple[str, ...]) -> Operation:
    del method, rest
    return _admin("logs")


def _crons(method: str, rest: tuple[str, ...]) -> Operation:
    del method, rest
    return _admin("crons")


def _sql(method: str, rest: tuple[str, ...]) -> Operation:
    del method, rest
    return _admin("sql")


_AREAS: dict[str, Callable[[str, tuple[str, ...]], Operation]] = {
    "collections": _collections,
    "realtime": _realtime,
    "files": _files,
    "backups": _backups,
    "batch": _batch,
    "health": _health,
    "oauth2-redirect": _oauth2,
    "settings": _settings,
    "logs": _logs,
    "crons": _crons,
    "sql": _sql,
}


def is_own_path(segments: tuple[str, ...]) -> bool:
    """Whether a path is one of Hapta's own, whatever the method."""
    return segments[0] == "_hapta" or segments[:2] == ("api", "hapta")


def classify(method: str, segments: tuple[str, ...]) -> Operation:
    """Understand one request.

    Args:
        method: as sent; methods are case-sensitive (RFC 9110 §9.1).
        segments: the decoded path segments after the leading ``/``
            (:attr:`hapta.model.target.Target.segments`).
    """
    head = segments[0]
    if method == "OPTIONS":
        return _PREFLIGHT
    if is_own_path(segments):
        return Operation(_K.OWN, "/".join(segments[2:]) if head == "api" else "")
    if head == "_":
        return Operation(_K.DASHBOARD) if method in _READ else _UNKNOWN
    if head != "api" or len(segments) < 2:
        return _UNKNOWN
    area = _AREAS.get(segments[1])
    return area(method, segments[2:]) if area else _UNKNOWN


_SUB_URL = re.compile(
    r"/?api/collections/(?P<collection>[^/?]+)/records(?:/(?P<record>[^/?]+))?(?:\?(?P<query>.*))?", re.DOTALL
)
"""URLs of a batch's sub-requests (``apis/batch.go`` ValidBatchActions)."""
_SUB_ACTIONS = {"POST": "create", "PATCH": "update", "DELETE": "delete", "PUT": "upsert"}
_WITHOUT_RECORD = frozenset({"create", "upsert"})


@dataclass(frozen=True, slots=True)
class SubOperation:
    """What one request in a batch asks for.

    Attributes:
        action: ``create``, ``update``, ``delete`` or ``upsert``.
        collection: as written.
        record: the record id as written, or ``None``.
        query: of its URL, escapes kept.
    """

    action: str
    collection: str
    record: str | None
    query: str


def classify_sub_request(method: str, url: str) -> SubOperation | None:
    """Understand a request in a batch as PocketBase does: by its own expressions on the URL as it is written,
    escapes and all. ``None``: PocketBase refuses the whole batch, or a newer one knows more."""
    action, found = _SUB_ACTIONS.get(method.upper()), _SUB_URL.fullmatch(url)
    if action is None or found is None or (found["record"] is None) != (action in _WITHOUT_RECORD):
        return None
    return SubOperation(action, found["collection"], found["record"], found["query"] or "")
