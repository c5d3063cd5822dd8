"""Proof that a PocketBase token still lives, at the lowest price: a file token asked for with it.

PocketBase takes an expired or revoked token for a guest and says nothing. ``POST /api/files/token`` answers
401 to a guest, costs 0.7 ms, changes no row and does not depend on the collection's authRule; the file token
it answers names the record (``apis/file.go``).
"""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from multidict import CIMultiDict

from hapta.identity.rows import LAST_DATE
from hapta.model.errors import UpstreamLost
from hapta.upstream.client import Lane, UpstreamClient, UpstreamRequest
from hapta.upstream.superuser import USER_AGENT

_ANSWER_S = 10.0
_NO_BASE64 = re.compile(r"[^A-Za-z0-9_-]")


def unverified_claims(token: str) -> Mapping[str, object] | None:
    """What a JWT says, whoever made it; ``None`` if it is none, or of another kind than PocketBase makes.

    Read at least as leniently as PocketBase does: Go's base64 passes over unused bits at the end and over
    line breaks; here the signature is not looked at, nor what is no base64 elsewhere. A token that PocketBase
    takes for somebody's must never be mere text to Hapta.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    header, claims = _json(parts[0]), _json(parts[1])
    if not isinstance(header, Mapping) or not isinstance(claims, Mapping):
        return None
    return claims if header.get("alg") == "HS256" else None  # PocketBase takes no other (tools/security)


def _json(part: str) -> object:
    try:
        letters = _NO_BASE64.sub("", part)
        found: object = json.loads(urlsafe_b64decode(letters + "=" * (-len(letters) % 4)))
    except (ValueError, RecursionError):
        return None
    return found


def is_pocketbase_token(token: str) -> bool:
    """Whether a token has the form of one PocketBase issues, of any type."""
    claims = unverified_claims(token)
    return claims is not None and "type" in claims and "collectionId" in claims


@dataclass(frozen=True, slots=True)
class AuthToken:
    """What one of PocketBase's auth tokens says.

    Attributes:
        exp: Unix seconds, not beyond what a date can name.
    """

    text: str = field(repr=False)
    collection: str
    record: str
    exp: int
    refreshable: bool


def understand_auth_token(text: str) -> AuthToken | None:
    """An auth token's claims, unverified; ``None`` for every other text."""
    claims = unverified_claims(text)
    if claims is None or claims.get("type") != "auth" or not text.isascii():
        return None
    record, collection, exp = claims.get("id"), claims.get("collectionId"), claims.get("exp")
    if not isinstance(record, str) or not isinstance(collection, str):
        return None
    if not isinstance(exp, int | float) or not 0 <= exp < float("inf"):
        return None
    return AuthToken(text, collection, record, int(min(exp, LAST_DATE)), claims.get("refreshable") is True)


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
        try:
            answered = orjson.loads(raw)
            if response.status == 401 and answered["status"] == 401:
                return False  # PocketBase's own words; everything else says nothing of the token
            file_token = answered["token"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise UpstreamLost from None
        if response.status != 200 or not isinstance(file_token, str):
            raise UpstreamLost
        claims = unverified_claims(file_token) or {}
        return claims.get("id") == record and claims.get("collectionId") == collection
