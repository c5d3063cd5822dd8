"""Which file a request means, in the one form under which it is kept, or why it is left to PocketBase.

PocketBase finds the file by its name in any file field of the record (``apis/file.go``), and only a protected
field asks who wants it. Which field that is cannot be told from the URL: so only files of collections are
kept in which no file field is protected, and those are everybody's. Their names end in a random suffix, so
what is behind a name never changes; it can only vanish.

Of the query ``thumb`` and ``download`` count. A thumb of a size that no field declares is the original, and
has its place: strangers cannot fill the disk with sizes of their own making. ``token`` opens nothing here and
is dropped with all else.
"""

import re
from collections.abc import Collection as Several
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from urllib.parse import quote

from hapta.cache.query import parse_query
from hapta.model.schema import Collection
from hapta.model.target import Target

_SAFE = re.compile(r"[A-Za-z0-9_.*+=#-]{1,255}")
"""PocketBase's own names and ids; with them no path can be built that leads elsewhere."""
_ALWAYS_THERE = "100x100"
_MAX_THUMB = 32
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""What Go's ``strconv.ParseBool`` takes for true."""


class Left(StrEnum):
    """Why a request for a file is left to PocketBase; the label of metrics and the detail of
    ``Cache-Status``."""

    PROTECTED = "protected"
    """A file field of the collection is protected."""
    COLLECTION = "collection"
    """Unknown, a view, without file fields, or switched off by the operator."""
    HOOKS = "hooks"
    TARGET = "target"
    """A path or query that is not canonical."""
    BODY = "body"
    SUPERUSER = "superuser"
    FEED = "feed"
    """Changes cannot be heard of just now."""
    WRITE = "write"
    """A write to the record is open or in doubt."""
    ORIGIN = "origin"
    """What PocketBase tells pages of this origin is not known yet."""
    CONDITION = "condition"
    """Several ranges, or a condition that is rare."""
    HEAD = "head"
    """Only the head of a file that is not kept."""
    AHEAD = "ahead"
    """The end of a large file of which only the beginning is here yet."""
    BUSY = "busy"
    """Too many files are open."""
    ANSWER = "answer"
    """What came is not of a kind that is kept."""


@dataclass(frozen=True, slots=True)
class WantedFile:
    """One file, or thumb of one, as it is told to clients.

    Attributes:
        collection: id.
        thumb: a declared size; empty for the original.
        is_download: told as an attachment.
    """

    collection: str
    record: str
    name: str
    thumb: str = ""
    is_download: bool = False

    @property
    def target(self) -> str:
        """Path and query under which PocketBase is asked for it; no other file has the same."""
        path = "/".join(quote(part, safe="") for part in (self.collection, self.record, self.name))
        pairs = [f"thumb={quote(self.thumb, safe='')}"] if self.thumb else []
        pairs += ["download=1"] if self.is_download else []
        return f"/api/files/{path}" + (f"?{'&'.join(pairs)}" if pairs else "")

    @property
    def slot(self) -> str:
        """Its name on disk: nothing that a client wrote."""
        return blake2b(self.target.encode(), digest_size=32).hexdigest()


def thumbs_of(collection: Collection) -> frozenset[str] | Left:
    """The sizes of thumbs a collection's files may have, or why its files are not kept."""
    if collection.is_view:
        return Left.COLLECTION
    fields = [field for field in collection.fields if field.get("type") == "file"]
    if not fields:
        return Left.COLLECTION
    if any(field.get("protected") is not False for field in fields):
        return Left.PROTECTED  # or not said: then nobody knows
    declared = {size for field in fields for size in field.get("thumbs") or ()}
    return frozenset({_ALWAYS_THERE, *declared})


def wanted_file(target: Target, collection: Collection, thumbs: Several[str]) -> WantedFile | Left:
    """Which file of ``collection`` the target of a file request means.

    Args:
        target: canonical, its operation a download of a file.
        thumbs: sizes there are.
    """
    record, name = target.segments[3], target.segments[4]
    if not all(_SAFE.fullmatch(text) and text not in (".", "..") for text in (record, name)):
        return Left.TARGET
    query = parse_query(target.query)
    if query is None or not query.is_plain:
        return Left.TARGET
    thumb = query.values.get("thumb", "")
    if thumb not in thumbs or len(thumb) > _MAX_THUMB:
        thumb = ""
    return WantedFile(collection.id, record, name, thumb, query.values.get("download", "") in _TRUE)
