"""Callers' own e-mails, to be laid over answers that others share (:mod:`hapta.cache.overlay`).

An e-mail and the answer it goes into must be of one state of the caller's row. Both stand behind a fence over
that row's tag, taken before PocketBase was asked: where both hold, no write to the row was closed since the
earlier of the two questions, and none is open.
"""

from typing import Final

from cachetools import LRUCache

from hapta.cache.flights import Flights
from hapta.cache.generations import Fence, Generations
from hapta.cache.overlay import Row
from hapta.cache.tags import EVERYTHING, all_rows, record
from hapta.identity.auth_records import AuthRecords
from hapta.model.errors import HaptaError

MAX_EMAILS: Final = 10_000
"""So many are kept, about 600 bytes each."""


class OwnEmails:
    """E-mails of auth records, asked for once and kept until the record changes.

    Args:
        auth_records: asks PocketBase.
        generations: what writes moved.
        max_emails: so many are kept.
    """

    def __init__(
        self, auth_records: AuthRecords, generations: Generations, *, max_emails: int = MAX_EMAILS
    ) -> None:
        self._auth_records = auth_records
        self._generations = generations
        self._kept: LRUCache[Row, tuple[str, Fence]] = LRUCache(max_emails)
        self._flights: Flights[None] = Flights()

    def __len__(self) -> int:
        return len(self._kept)

    def known(self, row: Row) -> str | None:
        """The e-mail as it is now, if that is known."""
        kept = self._kept.get(row)
        return kept[0] if kept is not None and kept[1].holds() else None

    async def ask(self, row: Row) -> str | None:
        """The e-mail as it is when this returns; ``None`` where it cannot be told or is too long to keep."""
        if self.known(row) is None:
            try:
                await self._ask(row)
            except HaptaError:
                return None
        return self.known(row)

    async def close(self) -> None:
        """Ask no more."""
        await self._flights.close()

    async def _ask(self, row: Row) -> None:
        if self._flights.is_joinable(row):
            return await self._flights.join(row)
        fence = self._generations.fence((record(*row), all_rows(row[0]), EVERYTHING))
        if fence is not None:
            await self._flights.lead(row, fence, lambda: self._read(row, fence))

    async def _read(self, row: Row, fence: Fence) -> None:
        # not what is kept there: that may have been read before the fence was taken
        fields = await self._auth_records.read_again(*row)
        email = None if fields is None or not fields.is_current else fields.values.get("email")
        if isinstance(email, str) and _is_unicode(email) and fence.holds():
            self._kept[row] = (email, fence)


def _is_unicode(text: str) -> bool:
    """JSON can also tell half a surrogate pair, which no body can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
