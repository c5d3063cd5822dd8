"""The token a client holds: a JWT in form, so that every PocketBase SDK accepts it, and nothing of
PocketBase's in it.

Why a JWT (RFC 7519): the SDKs decode its middle part for ``exp``, ``type`` and ``collectionId`` (js-sdk
``src/tools/jwt.ts``). They do so with plain ``atob``, which knows no ``-`` and ``_``; JSON of ASCII without
``>``, ``?`` and ``~`` never encodes to those, so these and all that is not ASCII stand as ``\\u`` escapes.

Two checks, of which the first needs no look-up. The session id carries a MAC of its own under a static key: a
made-up token is refused before anything is read. The signature is under a key made of ``Secret``, the
session's salt and the generation; only who has the session's row can check it. The header is a constant
compared as text, so ``alg`` is never looked at (RFC 8725 §3.1).
"""

import hmac
import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256

import orjson

from hapta.sessions.keys import KeyRing, Keys

ISSUER = "hapta"
MAX_TOKEN_CHARS = 12_288
"""Room for the longest ids PocketBase takes, each character an escape."""
ID_CHARS = 15
_MARK_CHARS = 16
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_SID = re.compile(rf"[a-z0-9]{{{ID_CHARS + _MARK_CHARS}}}")
_ESCAPES = str.maketrans({">": "\\u003e", "?": "\\u003f", "~": "\\u007e"})


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


_HEADER = _encode(b'{"alg":"HS256","typ":"JWT"}')


class ForgedToken(Exception):
    """Has the form of our token, but we did not make it (or under a ``Secret`` we no longer have)."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says.

    Attributes:
        session: session id, 15 characters.
        generation: from 1.
        collection: id of the auth collection.
        record: id of the auth record.
        exp: Unix seconds after which the token counts for nothing.
        refreshable: whether auth-refresh makes another generation.
    """

    session: str
    generation: int
    collection: str
    record: str
    exp: int
    refreshable: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """A token whose session id is ours; its signature is not checked yet."""

    claims: Claims
    signed_part: str
    signature: str


def new_session_id() -> str:
    """A fresh session id in the form of a PocketBase record id: 77 bits of randomness."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(ID_CHARS))


def new_salt() -> str:
    """The part of a session's signing key that stands in its row."""
    return secrets.token_hex(16)


def rotation_id(session: str, generation: int) -> str:
    """The record id of a rotation row: the same for everybody who rotates the same token."""
    number = int.from_bytes(sha256(f"{session}.{generation}".encode()).digest()[:12], "big")
    digits = []
    for _ in range(ID_CHARS):
        number, digit = divmod(number, 36)
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def _mark(keys: Keys, session: str) -> str:
    return hmac.digest(keys.session_id, session.encode(), sha256).hex()[:_MARK_CHARS]


def _sign(keys: Keys, session: str, salt: str, generation: int, signed_part: str) -> str:
    key = hmac.digest(keys.sign, f"{session}.{generation}.{salt}".encode(), sha256)
    return _encode(hmac.digest(key, signed_part.encode(), sha256))


def mint(keys: Keys, claims: Claims, salt: str) -> str:
    """Make the token of one generation; the same claims and salt give the same token."""
    payload = json.dumps(
        {
            "collectionId": claims.collection,
            "exp": claims.exp,
            "gen": claims.generation,
            "id": claims.record,
            "iss": ISSUER,
            "refreshable": claims.refreshable,
            "sid": claims.session + _mark(keys, claims.session),
            "type": "auth",
        },
        separators=(",", ":"),
    ).translate(_ESCAPES)
    signed_part = f"{_HEADER}.{_encode(payload.encode())}"
    return f"{signed_part}.{_sign(keys, claims.session, salt, claims.generation, signed_part)}"


def parse(ring: KeyRing, token: str) -> Parsed | None:
    """Understand a token without any look-up.

    Returns:
        ``None`` for what does not claim to be ours.

    Raises:
        ForgedToken: claims to be ours, but its session id is not.
    """
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        return None
    parts = token.split(".")
    if len(parts) != 3 or parts[0] != _HEADER:
        return None
    payload = _payload(parts[1])
    if payload is None or payload.get("iss") != ISSUER:
        return None
    claims = _claims(payload)
    mark = str(payload.get("sid"))[ID_CHARS:]
    if claims is None or not any(
        hmac.compare_digest(_mark(keys, claims.session), mark) for keys in ring.all()
    ):
        raise ForgedToken
    return Parsed(claims, f"{parts[0]}.{parts[1]}", parts[2])


def has_our_form(token: str) -> bool:
    """Whether a token claims to be ours, rightly or not."""
    parts = token.split(".")
    if len(parts) != 3 or parts[0] != _HEADER:
        return False
    payload = _payload(parts[1])
    return payload is not None and payload.get("iss") == ISSUER


def _payload(part: str) -> dict[str, object] | None:
    try:
        payload = orjson.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (Base64Error, ValueError):
        return None
    return payload if isinstance(payload, dict) else None


def _claims(payload: dict[str, object]) -> Claims | None:
    sid, generation, exp = payload.get("sid"), payload.get("gen"), payload.get("exp")
    collection, record, refreshable = (
        payload.get("collectionId"),
        payload.get("id"),
        payload.get("refreshable"),
    )
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        return None
    if type(generation) is not int or type(exp) is not int or not isinstance(refreshable, bool):
        return None
    if not isinstance(collection, str) or not isinstance(record, str) or payload.get("type") != "auth":
        return None
    return Claims(sid[:ID_CHARS], generation, collection, record, exp, refreshable)


def is_genuine(ring: KeyRing, parsed: Parsed, salt: str) -> bool:
    """Whether the signature is ours, given the session's salt; in constant time."""
    claims = parsed.claims
    return any(
        hmac.compare_digest(
            _sign(keys, claims.session, salt, claims.generation, parsed.signed_part), parsed.signature
        )
        for keys in ring.all()
    )
