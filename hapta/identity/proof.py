"""Proof that a PocketBase token still lives, at the lowest price: a file token asked for with it.

PocketBase takes an expired or revoked token for a guest and says nothing. ``POST /api/files/token`` answers
401 to a guest, costs 0.7 ms, changes no row and does not depend on the collection's authRule; the file token
it answers names the record (``apis/file.go``).
"""

from collections.abc import Mapping

import jwt
import orjson
from multidict import CIMultiDict

from hapta.model.errors import UpstreamLost
from hapta.upstream.client import Lane, UpstreamClient, UpstreamRequest
from hapta.upstream.superuser import USER_AGENT

_ANSWER_S = 10.0


def unverified_claims(token: str) -> Mapping[str, object] | None:
    """What a JWT says, whoever made it; ``None`` if it is none."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError):
        return None
    return claims if isinstance(claims, Mapping) else None


class Prover:
    """Asks PocketBase whether a token lives.

    Args:
        upstream: the door to PocketBase.
    """

    def __init__(self, upstream: UpstreamClient) -> None:
        self._upstream = upstream

    async def lives(self, token: str, collection: str, record: str) -> bool:
        """Whether ``token`` is at this moment that record's.

        Raises:
            HaptaError: PocketBase did not say.
        """
        headers = CIMultiDict({"User-Agent": USER_AGENT, "Authorization": token})
        response = await self._upstream.send(
            UpstreamRequest("POST", "/api/files/token", headers, None, Lane.RECORDS, _ANSWER_S, _ANSWER_S)
        )
        raw = await response.read()
        if response.status in (401, 403, 404):
            return False
        if response.status != 200:
            raise UpstreamLost
        try:
            answered = orjson.loads(raw)["token"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise UpstreamLost from None
        claims = unverified_claims(answered) or {}
        return claims.get("id") == record and claims.get("collectionId") == collection
