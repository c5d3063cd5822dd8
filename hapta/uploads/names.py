"""Names of files without what may harm those who store, list or open them.

PocketBase keeps word characters only and adds a random part, but it takes up to two extensions as they are,
and the name a client sent is what its answers and hooks see.
"""

import re
import unicodedata

from hapta.uploads.extensions import KNOWN, RUNNABLE, fits, usual

MAX_CHARACTERS = 150
MAX_BYTES = 240
"""Names of files are limited to 255 bytes nearly everywhere; PocketBase adds eleven characters."""
_FALLBACK = "file"
_MAX_ROUNDS = 8
_SEPARATORS = re.compile(r"[/\\]")
_LINES = frozenset("\t\n\r\x0b\x0c\u2028\u2029")
_JOINERS = frozenset("\u200c\u200d")
"""Scripts and emoji need them."""
_PORTS = [f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"]
_RESERVED = frozenset(["con", "prn", "aux", "nul", "conin$", "conout$", *_PORTS])
"""Devices of Windows, with whatever extension."""
_EXTENSION = re.compile(r"[A-Za-z0-9_-]{1,16}")


def clean_name(name: str, type_: str) -> str:
    """The name made harmless, and as it was where it is.

    Args:
        name: as a client sent it.
        type_: what the file really is (:attr:`~hapta.uploads.sniff.Kind.type`).
    """
    for _ in range(_MAX_ROUNDS):  # what one rule cuts off may bare what another is about
        cleaned = _cleaned(name, type_)
        if cleaned == name:
            return name
        name = cleaned
    return f"{_FALLBACK}.{usual(type_)}".rstrip(".")


def _cleaned(name: str, type_: str) -> str:
    name = _SEPARATORS.split(_visible(name))[-1].strip(" .")
    stem, extension = _split(name.split("."), type_)
    stem = stem.strip(" .") or _FALLBACK
    if stem.partition(".")[0].strip(" ").lower() in _RESERVED:
        stem = f"_{stem}"
    return _shortened(stem, f".{extension}" if extension else "")


def _visible(name: str) -> str:
    """Without control characters and those that turn the direction of writing or do not show."""
    shown = (" " if character in _LINES else character for character in name)
    return "".join(c for c in shown if c in _JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def _split(parts: list[str], type_: str) -> tuple[str, str]:
    """Stem and extension; one that does not fit the type is replaced, or stays as part of the stem."""
    if len(parts) == 1:
        return parts[0], ""
    stems, extension = parts[:-1], parts[-1].strip()
    if not _EXTENSION.fullmatch(extension):
        stems, extension = parts, usual(type_)
    elif not fits(extension.lower(), type_):
        if extension.lower() not in KNOWN:
            stems = parts
        extension = usual(type_)
        if len(stems) > 1 and stems[-1].lower() == extension:  # photo.jpg.exe, which is a photo
            stems = stems[:-1]
    return _without_lies(stems, extension), extension


def _without_lies(stems: list[str], extension: str) -> str:
    """A stem in which no further extension says what the file would be to somebody who looks at that one."""
    runs = extension.lower() in RUNNABLE
    stem = stems[0]
    for part in stems[1:]:
        word = part.strip().lower()
        is_lie = word in RUNNABLE or (runs and word in KNOWN)
        stem += ("_" if is_lie else ".") + part
    return stem


def _shortened(stem: str, extension: str) -> str:
    stem = stem[: MAX_CHARACTERS - len(extension)]
    room = MAX_BYTES - len(extension.encode("utf-8"))
    stem = stem.encode("utf-8", "ignore")[:room].decode("utf-8", "ignore")
    return (stem.rstrip(" .") or _FALLBACK) + extension
