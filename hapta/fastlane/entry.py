"""One answer that can be told again."""

from math import floor
from typing import TYPE_CHECKING
from weakref import ref

from hapta.cache.stored import Stored
from hapta.fastlane.template import Template
from hapta.model.exchange import Answer, Exchange
from hapta.stages.basis import Basis
from hapta.stages.origins import OriginMemo

if TYPE_CHECKING:
    from hapta.stages.tab import Price


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
        uses: in this second.
        good_until: monotonic instant up to which it is fresh.
        weight: bytes of memory, about; without the response.
    """

    __slots__ = (
        "_cors_until",
        "_etag",
        "_length",
        "_template",
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
        "uses",
        "version",
        "weight",
    )

    def __init__(
        self,
        line: bytes,
        basis: Basis,
        answer: Answer,
        template: Template,
        exchange: Exchange,
        origins: OriginMemo,
        price: "Price | None",
        report: object,
    ) -> None:
        self.stored = ref(basis.stored)
        self.told = ref(basis.told)
        self._template = template
        # a 304 names the form that the client holds, which need not be the one that is told
        self._etag = dict(answer.headers)[b"ETag"]
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
        self.uses = 0
        self.front = self.behind = b""
        self.good_until = float("-inf")
        self.weight = _BYTES + 3 * len(line) + len(template.before_etag) + len(template.before_status)

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
        template = self._template
        self.front = b"%s%s%sAge: %d\r\n%sCache-Status: hapta; hit; ttl=%d\r\n" % (
            *(template.before_etag, self._etag, template.before_age),
            *(max(0, floor(now - stored.stored_at)), template.before_status, floor(ttl_s)),
        )
        self.behind = b"%s%s%s\r\n" % (template.behind, date, self._length)
        self.good_until = min(now + ttl_s, self._cors_until)


_BYTES = 900
"""Of an entry with its places in tables and its head as it is told, on average."""
