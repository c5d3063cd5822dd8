"""What the doctor says about one thing."""

from dataclasses import dataclass
from enum import StrEnum

from hapta.observe.redact import mask_credentials, printable


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works, but not as it should, or not for everybody."""
    FAIL = "fail"
    """Hapta will not start, or is not safe."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what was looked at.
        found: what is there.
        advice: what to do about it; empty when all is well.
    """

    name: str
    level: Level
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Finding:
    """All is well."""
    return _finding(name, Level.OK, found, "")


def warn(name: str, found: str, advice: str) -> Finding:
    """It could be better."""
    return _finding(name, Level.WARN, found, advice)


def fail(name: str, found: str, advice: str) -> Finding:
    """It has to be changed."""
    return _finding(name, Level.FAIL, found, advice)


def _finding(name: str, level: Level, found: str, advice: str) -> Finding:
    return Finding(name, level, _safe(found), _safe(advice))


def _safe(text: str) -> str:
    """Part of it may come from a server that wishes us no good."""
    return printable(mask_credentials(text))
