"""One answer that can be told again: its head taken apart into what stays, and what a second or a request
changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING
from weakref import ref

from hapta.cache.stored import Stored
from hapta.model.exchange import Answer, Exchange, Header
from hapta.stages.basis import Basis
from hapta.stages.origins import OriginMemo

if TYPE_CHECKING:
    from hapta.stages.tab import Price

_AGE, _STATUS = b"Age", b"Cache-Status"
_OF_ONE_REQUEST = frozenset({b"RateLimit-Policy", b"RateLimit", b"X-Request-Id"})
_OF_THE_ANSWER = frozenset({b"ETag", b"Cache-Control", b"Vary"})
_CORS = b"access-control-"


@dataclass(frozen=True, slots=True)
class Pieces:
    """Header lines of an answer from the store, in the order in which they are sent.

    Attributes:
        before_age: with the status line.
        before_status: between ``Age`` and ``Cache-Status``.
        behind: those behind the lines of one request.
    """

    before_age: bytes
    before_status: bytes
    behind: bytes

    @classmethod
    def of(cls, status_line: bytes, answer: Answer, told: Stored) -> "Pieces | None":
        """Of an answer as it was sent; ``None`` where a line is of a kind that may be another next time."""
        names = [name for name, _ in answer.headers]
        if names.count(_AGE) != 1 or names.count(_STATUS) != 1:
            return None
        age, status = names.index(_AGE), names.index(_STATUS)
        end = next((at for at, name in enumerate(names) if name in _OF_ONE_REQUEST), len(names))
        behind = [line for line in answer.headers[end:] if line[0] not in _OF_ONE_REQUEST]
        if not age < status == end - 1:
            return None
        fixed = [*answer.headers[:age], *answer.headers[age + 1 : status], *behind]
        if not all(_is_fixed(line, told) for line in fixed):
            return None
        return cls(
            status_line + _lines(answer.headers[:age]),
            _lines(answer.headers[age + 1 : status]),
            _lines(behind),
        )


def _is_fixed(line: Header, told: Stored) -> bool:
    return line[0] in _OF_THE_ANSWER or line[0].lower().startswith(_CORS) or line in told.headers


def _lines(headers: Sequence[Header]) -> bytes:
    return b"".join(b"%s: %s\r\n" % line for line in headers)


class Entry:
    """An answer, by its request line.

    The response is held weakly: what the store gives up is told no more.

    Attributes:
        report: what is told of it each time.
        origins: version of the CORS lines it was told with.
        slot: where its response is stored.
        stored: the response in the store.
        told: the form of it that is told.
        has_body: it is no 304.
        price: what the limits take; ``None`` where there are none.
        fields: of the caller's record, where values of it stand in the key.
        version: of the plans it was made under.
        moves: of the generations, when all that it rests on was looked at last.
        front, behind: the head as it is told in the lane's ``second``, without the lines of a request.
        good_until: monotonic instant up to which it is fresh.
        weight: bytes of memory, about; without the response.
    """

    __slots__ = (
        "_cors_until",
        "_length",
        "_pieces",
        "behind",
        "fields",
        "front",
        "good_until",
        "has_body",
        "moves",
        "origins",
        "price",
        "report",
        "second",
        "slot",
        "stored",
        "told",
        "version",
        "weight",
    )

    def __init__(
        self,
        line: bytes,
        basis: Basis,
        answer: Answer,
        pieces: Pieces,
        exchange: Exchange,
        origins: OriginMemo,
        price: "Price | None",
        report: object,
    ) -> None:
        self.stored = ref(basis.stored)
        self.told = ref(basis.told)
        self._pieces = pieces
        self._length = b"" if answer.status == 304 else b"Content-Length: %d\r\n" % len(basis.told.body)
        self.slot = basis.slot
        self.has_body = answer.status != 304
        self.report = report
        self.origins = origins.version
        self._cors_until = origins.known_until(exchange.headers.get("Origin"))
        self.fields = basis.fields
        self.version = basis.version
        self.moves = -1
        self.price = price
        self.second = -1
        self.front = self.behind = b""
        self.good_until = float("-inf")
        self.weight = _BYTES + 3 * len(line) + 2 * (len(pieces.before_age) + len(pieces.before_status))

    def repeats(self, basis: Basis, price: "Price | None", origins: int, now: float) -> bool:
        """Whether it says the same, for the same reasons, and may go on doing so.

        Args:
            origins: version of the CORS lines of now.
            now: monotonic seconds.
        """
        return (
            self.told() is basis.told
            and now < self._cors_until
            and self.price is price
            and self.fields is basis.fields
            and (self.version, self.origins) == (basis.version, origins)
        )

    def render(self, stored: Stored, now: float, wall: float, date: bytes) -> None:
        """Tell it as it is in this second.

        Args:
            now: monotonic seconds.
            wall: Unix seconds.
            date: the line of ``Date``.
        """
        ttl_s = stored.ttl_s(now, wall)
        pieces = self._pieces
        self.front = b"%sAge: %d\r\n%sCache-Status: hapta; hit; ttl=%d\r\n" % (
            *(pieces.before_age, max(0, floor(now - stored.stored_at))),
            *(pieces.before_status, floor(ttl_s)),
        )
        self.behind = b"%s%s%s\r\n" % (pieces.behind, date, self._length)
        self.good_until = min(now + ttl_s, self._cors_until)


_BYTES = 900
"""Of an entry with its places in tables and its head as it is told, on average."""
