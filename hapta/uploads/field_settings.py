"""What PocketBase refuses for certain by the settings of a file field, without asking it.

It looks at the files of a field one after the other: number, then each file's size and type, and tells the
first thing that is wrong. So does this, and where it cannot tell whether PocketBase lets one file pass, what
comes after it is not known either.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hapta.uploads import refusals
from hapta.uploads.families import aliases, essences
from hapta.uploads.policy import UploadedFile
from hapta.uploads.refusals import Refusal
from hapta.uploads.sniff import READ_BYTES, sniff

DEFAULT_MAX_BYTES = 5 * 1024 * 1024
"""Of a field whose ``maxSize`` is 0."""


async def certain_refusal(field: Mapping[str, Any], files: Sequence[UploadedFile]) -> Refusal | None:
    """Why PocketBase will refuse these files; ``None``: it takes them, or that is not known.

    Args:
        field: the file field, as in PocketBase's API.
        files: all that are sent under the field's plain name, in order. Nothing else may be sent for it: no
            value of the body under that name, and no key with a modifier.
    """
    name, limit = field["name"], max(1, field.get("maxSelect") or 0)
    if limit == 1:
        files = files[-1:]  # the others are dropped
    elif len(files) > limit:
        return refusals.too_many(name, limit)
    max_bytes = field.get("maxSize") or DEFAULT_MAX_BYTES
    allowed = field.get("mimeTypes") or ()
    wanted = essences(allowed)
    for file in files:
        if file.length > max_bytes:
            return refusals.too_large(name, file.name, max_bytes)
        if not allowed:
            continue
        kind = sniff(await file.head(READ_BYTES))
        if kind.names is None:
            return None
        if wanted.isdisjoint(kind.names):
            return refusals.not_one_of(name, file.name, kind.type, allowed)
        if kind.names != aliases(kind.type):
            return None
    return None
