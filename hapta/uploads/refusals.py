"""Refusals in PocketBase's words, with its codes where it has one.

Theirs stand in ``core/field_file.go`` and ``core/validators/file.go``; the others are Hapta's own.
"""

import dataclasses
import re
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hapta.uploads.extensions import usual

TOO_MANY = "validation_too_many_files"
TOO_LARGE = "validation_file_size_limit"
WRONG_TYPE = "validation_invalid_mime_type"
BAD_NAME = "validation_invalid_file_name"
BAD_IMAGE = "validation_invalid_image"
POLYGLOT = "validation_ambiguous_file"

_WORD_BREAKS = re.compile(r"[^0-9A-Za-z]+")
_HUMP = re.compile(r"(?<=[^A-Z])(?=[A-Z])")
_NOT_IN_EXTENSIONS = re.compile(r"[^0-9A-Za-z_.*\-+=#]+")
_RANDOM = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a write with files is refused.

    Attributes:
        field: the file field's name.
        code, message, params: as in the ``data`` of PocketBase's answer.
    """

    field: str
    code: str
    message: str
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)


def too_many(field: str, limit: int) -> Refusal:
    """More files than may be."""
    return Refusal(field, TOO_MANY, f"The maximum allowed files is {limit}.", {"maxSelect": limit})


def too_large(field: str, name: str, limit: int) -> Refusal:
    """A file larger than may be."""
    message = f"Failed to upload {name} - the maximum allowed file size is {limit} bytes."
    return Refusal(field, TOO_LARGE, message, {"file": name, "maxSize": limit})


def not_one_of(field: str, name: str, type_: str, allowed: Sequence[str]) -> Refusal:
    """A file of a type that is not among those allowed."""
    message = f'"{stored_name(name, type_)}" mime type must be one of: {", ".join(allowed)}.'
    return Refusal(field, WRONG_TYPE, message)


def wrong_type(field: str, name: str) -> Refusal:
    """A file of a type that is refused."""
    return Refusal(field, WRONG_TYPE, f"Failed to upload {name} due to unsupported file type.")


def bad_name(field: str, name: str) -> Refusal:
    """A name that is not harmless."""
    return Refusal(field, BAD_NAME, f"Failed to upload {name} - the file name is not allowed.")


def bad_image(field: str, name: str, problem: str) -> Refusal:
    """An image that is broken or too large; also what a failed re-encoding comes to."""
    return Refusal(field, BAD_IMAGE, f"Failed to upload {name} - the image cannot be accepted: {problem}.")


def polyglot(field: str, name: str, hidden: str) -> Refusal:
    """An image that is something else as well."""
    message = f"Failed to upload {name} - the image contains {hidden}."
    return Refusal(field, POLYGLOT, message)


def stored_name(name: str, type_: str) -> str:
    """The name PocketBase would give the file: its random part is another one each time."""
    first, dot, last = name.rpartition(".")
    extension = dot + last if dot else ""
    if dot and "." in first:
        extension = first[first.rindex(".") :] + extension
    stem = name.removesuffix(extension) if extension else name
    extension = _NOT_IN_EXTENSIONS.sub("", extension) or f".{usual(type_)}".rstrip(".")
    if len(extension) > 20:
        extension = "." + extension[-20:]
    words = [word for word in _WORD_BREAKS.split(stem) if word]
    stem = "_".join(_HUMP.sub("_", word) for word in words).lower()
    stem = stem + _random() if len(stem) < 3 else stem[:100]
    return f"{stem}_{_random()}{extension}"


def _random() -> str:
    return "".join(secrets.choice(_RANDOM) for _ in range(10))
