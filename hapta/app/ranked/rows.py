"""Rows as a superuser reads them, page after page and by their ids.

A page begins after the last id of the one before: PocketBase finds that in its index, so page 1,000 costs
what the first does, and rows that come or go meanwhile move no other row from one page to another. It sorts
ids and compares them alike, byte by byte, whatever their pattern.
"""

from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

from hapta.hooks.filter_params import quoted
from hapta.model.errors import HaptaError, OperatorError
from hapta.upstream.superuser import SUPERUSERS_ONLY, SuperuserClient

Row: TypeAlias = Mapping[str, Any]
Fields: TypeAlias = frozenset[str]

PAGE: Final = 1000
"""Rows of one page, as many as PocketBase gives."""
BULKY_PAGE: Final = 200
"""The same where rows carry texts: a page is parsed in one go, and five million characters take too long."""
MOST_IDS: Final = 100
"""Ids in one filter; PocketBase takes 200 terms and 3,500 characters."""
_MOST_CHARS: Final = 3000


class RowsUnread(Exception):
    """PocketBase has refused to show rows."""


READ_FAILURES: Final = (RowsUnread, HaptaError, OperatorError, TimeoutError)
"""What reading may end in; all of these may be over the next time."""


class Rows:
    """Reads rows.

    Args:
        superuser: Hapta's rights.
    """

    def __init__(self, superuser: SuperuserClient) -> None:
        self._superuser = superuser

    async def page(
        self, collection_id: str, fields: Several[str], *, after: str, most: int = PAGE
    ) -> Sequence[Row]:
        """The rows behind one, by their ids; fewer than ``most`` are the last ones.

        Args:
            after: an id, empty for the first page.

        Raises:
            RowsUnread, HaptaError, OperatorError: PocketBase does not show them.
        """
        condition = f"{SUPERUSERS_ONLY} && id > {quoted(after)}" if after else SUPERUSERS_ONLY
        return await self._list(collection_id, fields, condition, most)

    async def by_ids(self, collection_id: str, ids: Sequence[str], fields: Several[str]) -> Mapping[str, Row]:
        """Those that are there of at most as many as :func:`portions` has in one, by id.

        Raises:
            RowsUnread, HaptaError, OperatorError: as :meth:`page`.
        """
        named = " || ".join(f"id = {quoted(each)}" for each in ids)
        found = await self._list(collection_id, fields, f"{SUPERUSERS_ONLY} && ({named})", PAGE)
        return {row["id"]: row for row in found}

    async def _list(
        self, collection_id: str, fields: Several[str], condition: str, most: int
    ) -> Sequence[Row]:
        query = {
            "sort": "id",
            "filter": condition,
            "perPage": most,
            "skipTotal": 1,
            "fields": ",".join(sorted({"id", *fields})),
        }
        path = f"/api/collections/{quote(collection_id, safe='')}/records"
        status, answer = await self._superuser.request("GET", f"{path}?{urlencode(query, quote_via=quote)}")
        if status != 200 or not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise RowsUnread(f"PocketBase does not show the rows of {collection_id} (status {status})")
        rows: Sequence[Row] = answer["items"]
        return rows


def portions(ids: Sequence[str]) -> Sequence[Sequence[str]]:
    """Ids in as many as go into one filter each."""
    found: list[list[str]] = []
    chars = 0
    for each in ids:
        chars += len(each) + len(" || id = ''")
        if not found or len(found[-1]) == MOST_IDS or chars > _MOST_CHARS:
            found.append([])
            chars = len(each) + len(" || id = ''")
        found[-1].append(each)
    return found
