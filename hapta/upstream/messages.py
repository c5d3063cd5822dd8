"""What goes to PocketBase and what comes back, whoever carries it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from multidict import CIMultiDict

if TYPE_CHECKING:
    from hapta.model.exchange import Header

READ_BYTES = 256 * 1024
"""So much of an answer is held that nobody has read; then PocketBase waits."""
MAX_HEAD_BYTES = 128 * 1024
MAX_FIELDS = 128


class Lane(StrEnum):
    """Which connections a request uses."""

    RECORDS = "records"
    TRANSFERS = "transfers"
    STREAMS = "streams"


@dataclass(slots=True)  # not frozen: that takes three times as long to make, and one is made for each request
class UpstreamRequest:
    """One request to PocketBase.

    Attributes:
        method: as the client sent it.
        target: path and query, sent byte for byte.
        headers: the whole header section; with ``Content-Length`` if ``body`` is an iterator of known length.
        body: whole, or in pieces; ``None`` for none.
        lane: which connections it uses.
        answer_s: seconds to the first byte of the answer once the request is sent; ``None`` waits for ever.
        between_s: seconds between two pieces of the answer; ``None`` waits for ever.
        owner: the client, of whom each gets a share of the lane (:func:`hapta.model.address.holder`);
            ``None`` for Hapta itself.
    """

    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes | AsyncIterator[bytes] | None
    lane: Lane
    answer_s: float | None
    between_s: float | None
    owner: int | None = None

    @property
    def is_repeatable(self) -> bool:
        """Sending it twice does no more than sending it once (RFC 9110 §9.2.2, body left out on purpose)."""
        return self.body is None and self.method in ("GET", "HEAD")


class UpstreamResponse:
    """PocketBase's answer; an :class:`~hapta.model.exchange.AnswerStream`. Close it, or its lane keeps the
    slot.

    Attributes:
        status: HTTP status.
        headers: the header lines as they came.
        length: ``Content-Length`` as announced; ``None`` for none.
    """

    __slots__ = ("_on_close", "headers", "length", "status")

    status: int
    headers: tuple["Header", ...]
    length: int | None

    def __init__(self) -> None:
        self._on_close: Callable[[], None] | None = None

    def holds(self, on_close: Callable[[], None]) -> None:
        """It has a slot, and gives it back by calling this."""
        self._on_close = on_close

    def gives_slot_back(self) -> None:
        """Now, if it has one."""
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    async def read(self) -> bytes:
        """The whole body; closes.

        Raises:
            UpstreamLost: it ends early.
        """
        raise NotImplementedError

    async def beginning(self) -> tuple[bytes, bool]:
        """The whole body, or at least :data:`READ_BYTES` of it, which :meth:`chunks` continues.

        Returns:
            Also whether it is the whole; then it is closed.

        Raises:
            UpstreamLost: it ends early.
        """
        raise NotImplementedError

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive; closes at the end.

        Raises:
            UpstreamLost: it ends early.
        """
        raise NotImplementedError

    def becomes_stream(self) -> None:
        """It has no end in sight: it waits for ever between two pieces, and its lane gets the slot back."""
        raise NotImplementedError

    def close(self) -> None:
        """Give connection and slot back; a connection with an unread answer on it is closed. Idempotent."""
        raise NotImplementedError

    def abort(self) -> None:
        """The same: nobody reads on."""
        self.close()
