"""Whether the files of one write may be stored, by the owner's ``[uploads]``.

A decision over values: it reads the files through the protocol below and nothing else, and what has to happen
to an accepted file, a new name or a new encoding, it tells and leaves to the caller. What it cannot tell for
certain it refuses: whoever switches this on has asked for a guard.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hapta.config import UploadsCollectionConfig, UploadsConfig
from hapta.model.schema import Collection, fold_name
from hapta.uploads import refusals
from hapta.uploads.families import aliases
from hapta.uploads.hidden import begins_as_image
from hapta.uploads.inspect import Findings, Inspection, inspect
from hapta.uploads.markup import SVG
from hapta.uploads.measure import MEASURED
from hapta.uploads.names import clean_name
from hapta.uploads.reencode import FORMATS, ReencodeOptions
from hapta.uploads.refusals import Refusal
from hapta.uploads.sniff import READ_BYTES, Kind, sniff


class UploadedFile(Protocol):
    """A file in a write, whole and readable more than once."""

    @property
    def name(self) -> str: ...

    @property
    def length(self) -> int: ...

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def head(self, count: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A file and the name of the field it is for, without a modifier."""

    field: str
    file: UploadedFile


@dataclass(frozen=True, slots=True)
class Accepted:
    """A file that may be stored.

    Attributes:
        upload: the file.
        kind: what it is.
        name: what to store it as.
        findings: its hash, and its size if it is an image; of the file as it came.
        reencode: how it must be made anew before it is stored; ``None``: it stays as it is. Where that fails,
            :func:`~hapta.uploads.refusals.bad_image` is the answer.
    """

    upload: Upload
    kind: Kind
    name: str
    findings: Findings
    reencode: ReencodeOptions | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one write.

    Attributes:
        refusals: one a field at most, as in PocketBase's answers; if there is any, nothing may be stored.
        accepted: in the order of the files.
    """

    refusals: tuple[Refusal, ...]
    accepted: tuple[Accepted, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for one collection; the attributes are the keys of ``[uploads]``."""

    max_files: int
    max_file_bytes: int
    types: tuple[str, ...]
    deny: tuple[str, ...]
    names: str
    polyglots: str
    svg: str
    image_max_pixels: int
    image_max_frames: int
    reencode: bool
    reencode_max_bytes: int
    reencode_quality: int

    @classmethod
    def of(cls, config: UploadsConfig, collection: Collection) -> "Policy | None":
        """The policy for a collection; ``None`` where files are not looked at."""
        own = UploadsCollectionConfig()
        for name, table in config.collections.items():
            if name == collection.id or fold_name(name) == fold_name(collection.name):
                own = table
        if not (config.is_enabled and own.is_enabled):
            return None
        return cls(
            max_files=own.max_files or config.max_files,
            max_file_bytes=own.max_file_bytes or config.max_file_bytes,
            types=own.types or config.types,
            deny=config.deny + own.deny,
            names=own.names or config.names,
            polyglots=own.polyglots or config.polyglots,
            svg=own.svg or config.svg,
            image_max_pixels=config.image_max_pixels,
            image_max_frames=config.image_max_frames,
            reencode=own.reencode == "yes" or (config.reencode and not own.reencode),
            reencode_max_bytes=config.reencode_max_bytes,
            reencode_quality=config.reencode_quality,
        )

    async def judge(self, uploads: Sequence[Upload]) -> Verdict:
        """Look at all files of one write; each is read through once at most, after its beginning."""
        if len(uploads) > self.max_files:
            return Verdict((refusals.too_many(uploads[0].field, self.max_files),), ())
        refused: dict[str, Refusal] = {}
        accepted = []
        for upload in uploads:
            if upload.field in refused:
                continue
            judged = await self._judge_one(upload)
            if isinstance(judged, Refusal):
                refused[upload.field] = judged
            else:
                accepted.append(judged)
        return Verdict(tuple(refused.values()), tuple(accepted))

    async def _judge_one(self, upload: Upload) -> Refusal | Accepted:
        field, file = upload.field, upload.file
        if self.max_file_bytes and file.length > self.max_file_bytes:
            return refusals.too_large(field, file.name, self.max_file_bytes)
        head = await file.head(READ_BYTES)
        kind = sniff(head)
        if (refusal := self._by_type(upload, kind)) is not None:
            return refusal
        name = file.name if self.names == "keep" else clean_name(file.name, kind.type)
        if self.names == "refuse" and name != file.name:
            return refusals.bad_name(field, file.name)
        is_image = kind.type.startswith("image/") and kind.type != SVG
        remade = self._remade(kind) if is_image and self.reencode else None
        if is_image and self.reencode:
            if remade is None:
                return refusals.bad_image(field, file.name, "images of this type cannot be made anew")
            if file.length > self.reencode_max_bytes:
                return refusals.too_large(field, file.name, self.reencode_max_bytes)
        scans = self.polyglots == "refuse" and remade is None and (is_image or begins_as_image(head))
        findings = await inspect(file.chunks(), Inspection(kind.type if is_image else None, scans=scans))
        if findings.hidden is not None:
            return refusals.polyglot(field, file.name, findings.hidden)
        if (problem := self._image_problem(kind, findings)) is not None:
            return refusals.bad_image(field, file.name, problem)
        return Accepted(upload, kind, name, findings, remade)

    def _by_type(self, upload: Upload, kind: Kind) -> Refusal | None:
        field, name = upload.field, upload.file.name
        if self.types and not is_among(self.types, kind):
            return refusals.not_one_of(field, name, kind.type, self.types)
        if _matches(self.deny, aliases(kind.type)) or (kind.type == SVG and self.svg == "refuse"):
            return refusals.wrong_type(field, name)
        return None

    def _remade(self, kind: Kind) -> ReencodeOptions | None:
        if kind.type not in FORMATS:
            return None
        return ReencodeOptions(kind.type, self.image_max_pixels, self.image_max_frames, self.reencode_quality)

    def _image_problem(self, kind: Kind, findings: Findings) -> str | None:
        size = findings.size
        if size is None or not (self.image_max_pixels or self.image_max_frames):
            return None
        assert kind.type in MEASURED
        if size.problem is not None:
            return size.problem
        if self.image_max_frames and size.frames > self.image_max_frames:
            return "it has too many frames"
        if self.image_max_pixels and size.pixels > self.image_max_pixels:
            return "it has too many pixels"
        return None


def is_among(patterns: Iterable[str], kind: Kind) -> bool:
    """Whether a file may be stored where only these types are allowed.

    Text is allowed where a kind of text is that Hapta does not tell apart (CSV): PocketBase's field does. It
    has to be named: ``application/*`` does not let text pass because some text is a subtitle.
    """
    patterns = tuple(patterns)
    return _matches(patterns, aliases(kind.type)) or not kind.narrower.isdisjoint(patterns)


def _matches(patterns: Iterable[str], names: frozenset[str]) -> bool:
    for pattern in patterns:
        if pattern.endswith("/*"):
            if any(name.startswith(pattern[:-1]) for name in names):
                return True
        elif pattern in names:
            return True
    return False
