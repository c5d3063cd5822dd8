"""The text of an access line, in the form for machines and in the one for people.

Most of a line says the same for every hit on the same answer, so a line is made in two steps: what repeats is
masked, escaped and put together once, and the rest (time, id, duration, address) is put between for each
request.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TypeAlias

import orjson

from hapta.model.operation import OperationClass
from hapta.observe.redact import mask_credentials, printable, without_query

MAX_TARGET_CHARS: Final = 2048
"""Longer targets are cut, so that a line is bounded."""

ERROR_STATUS: Final = 400
"""What ``errors`` writes, and ``sample:N`` besides its sample: answers from this status up."""

_NO_QUERY_KINDS: Final = frozenset(
    {OperationClass.AUTH_ANSWER, OperationClass.AUTH_ACTION, OperationClass.OAUTH2_REDIRECT}
)
_REMEMBERED_US: Final = 8192
_REMEMBERED_CHARS: Final = 256

Bound: TypeAlias = tuple[str, str, str, bool]
"""What repeats, in the three places where it stands in a line, and whether something was wrong: such a line
is written whatever the sample."""

Bind: TypeAlias = Callable[[str, str, int, int, float | None, OperationClass, str | None], Bound]
"""What repeats: method, target, status, bytes sent, seconds upstream, class, cache."""

Render: TypeAlias = Callable[[str, Bound, str, float, str], str]
"""A line, from what :func:`json_stamp` or :func:`pretty_stamp` said, what repeats, the request's id, its
seconds, and the client's address."""


class _Milliseconds(dict[int, str]):
    """Microseconds as JSON writes milliseconds; the short ones are remembered."""

    def __missing__(self, microseconds: int) -> str:
        text = repr(microseconds / 1000)
        if microseconds < _REMEMBERED_US:
            self[microseconds] = text
        return text


_MS = _Milliseconds()


def json_stamp(at: float) -> str:
    """The time as it stands in a line for machines."""
    return f"{_second(int(at))}.{int(at % 1 * 1000):03d}Z"


def pretty_stamp(at: float) -> str:
    """The time as it stands in a line for people."""
    return datetime.fromtimestamp(at).strftime("%H:%M:%S.%f")[:-3]


def bind_json(
    method: str,
    target: str,
    status: int,
    sent_bytes: int,
    upstream_seconds: float | None,
    kind: OperationClass,
    cache: str | None,
) -> Bound:
    """What repeats in lines for machines."""
    upstream_ms = "null" if upstream_seconds is None else _MS[int(upstream_seconds * 1e6 + 0.5)]
    head = (
        f'","method":{_quoted(printable(method))},"path":{_quoted(_shown_target(target, kind))}'
        f',"status":{status},"bytes":{sent_bytes},"ms":'
    )
    return head, *_json_rest(upstream_ms, kind, cache), is_error(status, kind)


@lru_cache(1024)
def _json_rest(upstream_ms: str, kind: OperationClass, cache: str | None) -> tuple[str, str]:
    end = '"}\n' if cache is None else f'","cache":{_quoted(cache)}}}\n'
    return f',"upstream_ms":{upstream_ms},"class":"{kind}","ip":"', end


def json_line(stamp: str, bound: Bound, request_id: str, seconds: float, address: str) -> str:
    """A line for machines."""
    head, tail, end, _ = bound
    ms = _MS[int(seconds * 1e6 + 0.5)]
    return f'{{"ts":"{stamp}","id":"{request_id}{head}{ms}{tail}{address}{end}'


def bind_pretty(
    method: str,
    target: str,
    status: int,
    sent_bytes: int,
    upstream_seconds: float | None,
    kind: OperationClass,
    cache: str | None,
) -> Bound:
    """What repeats in lines for people."""
    upstream = "" if upstream_seconds is None else f" (upstream {upstream_seconds * 1000:.1f})"
    head = printable(f" {status} {method:<6} {_shown_target(target, kind)} ")
    end = printable(f" {cache}".rstrip()) + "\n" if cache else "\n"
    return head, f" ms{upstream} {sent_bytes} B {kind} ", end, is_error(status, kind)


def pretty_line(stamp: str, bound: Bound, request_id: str, seconds: float, address: str) -> str:
    """A line for people."""
    head, tail, end, _ = bound
    return f"{stamp}{head}{seconds * 1000:.1f}{tail}{address} {request_id}{end}"


def is_error(status: int, kind: OperationClass) -> bool:
    """Was something wrong?  A client that left before the end counts, but so ends every event stream."""
    return status >= ERROR_STATUS or (status == 0 and kind is not OperationClass.REALTIME_STREAM)


def _shown_target(target: str, kind: OperationClass) -> str:
    if len(target) > MAX_TARGET_CHARS:
        target = target[:MAX_TARGET_CHARS] + "…"
    if kind in _NO_QUERY_KINDS:
        target = without_query(target)
    return _safe_short(target) if len(target) <= _REMEMBERED_CHARS else _safe(target)


def _safe(target: str) -> str:
    return printable(mask_credentials(target))


_safe_short = lru_cache(maxsize=1024)(_safe)


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
