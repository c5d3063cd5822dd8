"""What reading rules, filters and expands brings to light, gathered until a plan is made of it."""

from dataclasses import dataclass, field

from hapta.cache.plan import Bypass, HooksMode, Part, PartKind, Reason
from hapta.cache.tags import Tag


class CannotStore(Exception):
    """Planning ends here: the read is passed on and not stored.

    Attributes:
        bypass: why.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.bypass = Bypass(reason, detail)


@dataclass(slots=True)
class Findings:
    """Parts and tags, each with the first sentence that says what brought it in.

    Attributes:
        parts: what of the caller and the request the answer depends on.
        tags: what writes change it.
        hooks: the strictest of all collections touched.
        ends_at_midnight: a clock that moves at midnight UTC is read.
        reads_auth_record: a rule reads more of the caller's record than its id and collection.
        is_shaped: plugins shape rows that are shown.
    """

    parts: dict[Part, str] = field(default_factory=dict)
    tags: dict[Tag, str] = field(default_factory=dict)
    hooks: HooksMode = HooksMode.NONE
    ends_at_midnight: bool = False
    reads_auth_record: bool = False
    is_shaped: bool = False

    def add_part(self, kind: PartKind, why: str, name: str = "") -> None:
        """The answer depends on this of the caller or the request."""
        self.parts.setdefault(Part(kind, name), why)

    def add_tag(self, tag: Tag, why: str) -> None:
        """The answer depends on this of the data."""
        self.tags.setdefault(tag, why)

    def add_hooks(self, mode: HooksMode) -> None:
        """Server-side code may shape the answer so."""
        if mode is not HooksMode.NONE:
            self.hooks = mode

    def has(self, kind: PartKind) -> bool:
        """Whether a part of this kind is there."""
        return any(part.kind is kind for part in self.parts)

    def merge(self, other: "Findings") -> None:
        """Take in what another look brought to light."""
        for part, why in other.parts.items():
            self.parts.setdefault(part, why)
        for tag, why in other.tags.items():
            self.tags.setdefault(tag, why)
        self.add_hooks(other.hooks)
        self.ends_at_midnight |= other.ends_at_midnight
        self.reads_auth_record |= other.reads_auth_record
        self.is_shaped |= other.is_shaped
