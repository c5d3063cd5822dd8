"""Sessions as the operator looks for them: of everybody or of one account, counted, last refreshed first.

Only what may be seen is read: no salt, nothing sealed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hapta.identity.rows import PAGE, SESSIONS, RowsRefused, SuperuserApi, living_condition
from hapta.model.clock import Clock

FIELDS = ("id", "collection", "record", "device", "address", "created", "used", "exp")


@dataclass(frozen=True, slots=True)
class Found:
    """What was looked for.

    Attributes:
        rows: up to as many as asked for, last refreshed first.
        total: how many there are in all.
    """

    rows: Sequence[Mapping[str, Any]]
    total: int


class Overview:
    """Looks for living sessions.

    Args:
        api: superuser access.
        clock: wall time; what has expired lives no more.
    """

    def __init__(self, api: SuperuserApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def living(
        self, *, collection: str = "", record: str = "", session: str = "", limit: int = PAGE
    ) -> Found:
        """Living sessions: all, or those of one auth collection, of one account, with one id.

        Raises:
            HaptaError: PocketBase did not answer, or not as it should.
        """
        conditions = [living_condition(self._clock.now())]
        wanted = (("collection", collection), ("record", record), ("id", session))
        conditions += [f"{name}={_literal(value)}" for name, value in wanted if value]
        query = (
            f"page=1&perPage={min(limit, PAGE)}&sort=-used,-id&fields={','.join(FIELDS)}"
            f"&filter={quote(' && '.join(conditions), safe='')}"
        )
        rows: list[Mapping[str, Any]] = []
        total, page = 0, 1
        while True:
            status, answer = await self._api.request("GET", f"/api/collections/{SESSIONS}/records?{query}")
            if status != 200 or not isinstance(answer, Mapping):
                raise RowsRefused(f"sessions could not be listed (status {status})")
            rows += answer["items"]
            total = max(total, int(answer["totalItems"]))
            if len(rows) >= limit or len(answer["items"]) < PAGE:
                return Found(rows[:limit], total)
            query = query.replace(f"page={page}&", f"page={page + 1}&", 1)
            page += 1

    async def record_of(self, collection_id: str, email: str) -> str | None:
        """The id of the auth record with that e-mail address; ``None`` if there is none.

        Raises:
            HaptaError: PocketBase did not answer, or not as it should.
        """
        query = f"perPage=1&skipTotal=1&fields=id&filter={quote(f'email={_literal(email)}', safe='')}"
        status, answer = await self._api.request("GET", f"/api/collections/{collection_id}/records?{query}")
        if status != 200 or not isinstance(answer, Mapping):
            raise RowsRefused(f"accounts could not be looked for (status {status})")
        return str(answer["items"][0]["id"]) if answer["items"] else None


def _literal(text: str) -> str:
    """A string of PocketBase's filter language, which knows no other escape than that of the quote; a
    backslash, which no id and no address has, is left out, so that it cannot take the last quote along."""
    quoted = text.replace("\\", "").replace("'", "\\'")
    return f"'{quoted}'"
