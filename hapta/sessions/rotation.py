"""Which generation of a session's token still counts.

auth-refresh makes generation n+1. Whoever asks with n again, because the answer was lost, because another tab
asked too or because a server renders pages with an old cookie, gets the same n+1. n retires ``overlap_s``
after the first use of n+1; from then on n is a replay: either the client or somebody else holds a stolen
token, nobody can tell which, so the session ends (RFC 9700 §4.14.2).
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """What a genuine, unexpired token of a session is worth."""

    ACCEPT = "accept"
    ENDED = "ended"
    REPLAY = "replay"
    UNKNOWN = "unknown"
    """A generation nobody here has heard of: another process may have made it; read again."""


@dataclass(slots=True)
class Generation:
    """One generation of a session's token.

    Attributes:
        number: from 1.
        upstream_token: PocketBase's token of this generation.
        issued_at: Unix seconds.
        exp: Unix seconds; of PocketBase's token and of ours.
        first_used_at: Unix seconds of its first use, ``None`` while unused. Generation 1 counts as used when
            issued.
    """

    number: int
    upstream_token: str = field(repr=False)
    issued_at: float
    exp: int
    first_used_at: float | None = None


@dataclass(slots=True)
class Session:
    """A session as one process knows it.

    Attributes:
        id: session id.
        collection: id of the auth collection.
        record: id of the auth record.
        salt: part of its signing key.
        refreshable: whether auth-refresh makes another generation.
        generations: by number; old ones are forgotten once those before them are retired.
        ended_reason: why it ended, empty while it lives.
    """

    id: str
    collection: str
    record: str
    salt: str = field(repr=False)
    refreshable: bool
    generations: dict[int, Generation]
    ended_reason: str = ""

    @property
    def newest(self) -> Generation:
        """The generation whose PocketBase token is used."""
        return self.generations[max(self.generations)]

    def judge(self, generation: int, now: float, overlap_s: float) -> Verdict:
        """What a token of ``generation`` is worth at ``now``; changes nothing."""
        if self.ended_reason:
            return Verdict.ENDED
        newest = max(self.generations)
        if generation > newest:
            return Verdict.UNKNOWN
        if generation == newest:
            return Verdict.ACCEPT
        successor = self.generations.get(generation + 1)
        if successor is None:
            return Verdict.REPLAY  # forgotten, which happens only after it retired
        if successor.first_used_at is None or now < successor.first_used_at + overlap_s:
            return Verdict.ACCEPT
        return Verdict.REPLAY

    def use(self, generation: int, now: float) -> bool:
        """Note that an accepted token was used; whether that was the first time."""
        used = self.generations.get(generation)
        if used is None or used.first_used_at is not None:
            return False
        used.first_used_at = now
        return True

    def was_used(self, generation: int, at: float) -> None:
        """Somebody else saw a generation's first use; of two first uses the earlier one counts."""
        used = self.generations.get(generation)
        if used is not None and (used.first_used_at is None or at < used.first_used_at):
            used.first_used_at = at

    def keep(self, before: "Session") -> None:
        """Keep what was known of the same session before it was read again."""
        self.ended_reason = before.ended_reason or self.ended_reason
        for number, generation in before.generations.items():
            if generation.first_used_at is not None:
                self.was_used(number, generation.first_used_at)

    def forgettable(self, now: float, overlap_s: float) -> list[int]:
        """Generations no verdict needs any more: two are kept, and all whose predecessor still counts."""
        newest = max(self.generations)
        return [
            number
            for number, generation in sorted(self.generations.items())
            if number < newest - 1
            and generation.first_used_at is not None
            and now >= generation.first_used_at + overlap_s
        ]
