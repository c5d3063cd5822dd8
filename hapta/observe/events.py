"""What happens to the gateway itself, told to the operator: starts, warnings, restarts.

An event has a stable name (a word, listed in the docs), a level, and named fields; the field ``message``
says it in a sentence. Whatever the fields hold, credentials are masked and control characters escaped here,
at the only way out, so no caller can forget to.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

import orjson

from hapta.config.schema import LogConfig
from hapta.model.clock import Clock
from hapta.observe.redact import REDACTED, mask_credentials, printable
from hapta.observe.stream import LineWriter, wants_pretty

LEVELS: Final = ("debug", "info", "warning", "error")
_SECRET_NAMES: Final = ("password", "token", "secret", "authorization", "cookie")
_MIN_SECRET_CHARS: Final = 6
"""Shorter values are not searched for: masking every ``a`` would tell more than it hides."""

_MULTILINE: Final = "trace"
"""The field that keeps its lines: they are indented in the form for people, so none can pass for an event."""


class Events:
    """The event log of ``[log] level`` and ``[log] format``, on ``stream``; usable from any thread."""

    def __init__(
        self, config: LogConfig, stream: BinaryIO, clock: Clock, secrets: Iterable[str | None] = ()
    ) -> None:
        """
        Args:
            config: the ``[log]`` table.
            stream: where the lines go; stays open.
            clock: gives the time of each line.
            secrets: values to be masked wherever they stand: passwords, keys; ``None`` is passed over.
        """
        self._writer = LineWriter(stream)
        self._clock = clock
        self.is_pretty = wants_pretty(config.format, stream)
        self.configure(config)
        self._secrets = sorted(
            {s for s in secrets if s and len(s) >= _MIN_SECRET_CHARS}, key=len, reverse=True
        )

    def configure(self, config: LogConfig) -> None:
        """Another level from now on."""
        self._lowest = LEVELS.index(config.level)

    def debug(self, event: str, **fields: object) -> None:
        """For whoever looks for a fault."""
        self._tell("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """As it should be."""
        self._tell("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Works, but the operator should look at it."""
        self._tell("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Something does not work."""
        self._tell("error", event, fields)

    def _tell(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        if LEVELS.index(level) < self._lowest:
            return
        shown = {name: self._shown(name, value) for name, value in fields.items()}
        now = self._clock.now()
        line = _pretty(now, level, event, shown) if self.is_pretty else _json(now, level, event, shown)
        self._writer.write(line)

    def _shown(self, name: str, value: object) -> Any:
        if isinstance(value, Mapping):
            return {printable(str(key)): self._shown(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._shown(name, inner) for inner in value]
        if value is None or isinstance(value, bool | float) or _is_json_integer(value):
            return value
        if any(word in name.lower() for word in _SECRET_NAMES):
            return REDACTED
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        text = mask_credentials(text)
        if name == _MULTILINE:
            return "\n".join(printable(line) for line in text.split("\n"))
        return printable(text)


def _is_json_integer(value: object) -> bool:
    return isinstance(value, int) and -(2**63) <= value < 2**64


def _json(now: float, level: str, event: str, fields: Mapping[str, Any]) -> bytes:
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    front = {"ts": stamp, "level": level, "event": event}
    return orjson.dumps(front | {**fields, **front}, option=orjson.OPT_APPEND_NEWLINE)


def _pretty(now: float, level: str, event: str, fields: Mapping[str, Any]) -> bytes:
    when = datetime.fromtimestamp(now).strftime("%H:%M:%S")
    rest = dict(fields)
    message, trace = rest.pop("message", ""), str(rest.pop(_MULTILINE, ""))
    words = [when, level, f"{event}:" if message else event, str(message)]
    words += [f"{key}={value}" for key, value in rest.items()]
    lines = [" ".join(filter(None, words)), *(f"    {line}" for line in trace.splitlines())]
    return "\n".join(lines).encode() + b"\n"
