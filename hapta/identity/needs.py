"""What Hapta's sessions need of the rest of it, and the one error they answer with."""

from typing import Protocol

from hapta.model.errors import HaptaError


class SessionEnded(HaptaError):
    """A session that counts no more, or a token in our form with a session id that is not ours."""

    status, code = 401, "session_ended"
    message = "The request requires valid record authorization token."
    """PocketBase's words to whom it takes for a guest (``apis/middlewares.go``)."""


class Feed(Protocol):
    """What sessions need of the change feed and the schema watch."""

    @property
    def epoch(self) -> int:
        """Moves on every gap."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether changes are being heard of, those of the schema too."""
        ...

    async def confirm(self) -> None:
        """Ask about what nobody tells, if the last answer is too old; says nothing of the outcome."""

    def touch(self) -> None:
        """Something is answered on the strength of the feed."""
        ...


class Streams(Protocol):
    """What sessions need of the open event streams."""

    def has(self, owner: str) -> bool:
        """Whether a session has one: it makes no request that would find out that it ended."""
        ...

    def end(self, owner: str) -> None:
        """End those of a session."""

    def move(self, owner: str, new_owner: str) -> None:
        """They belong to another session of the same auth record from now on."""


class Log(Protocol):
    """Where is told what the operator should know."""

    def warning(self, event: str, **fields: object) -> None:
        """Works, but the operator should look at it."""
