"""Whether a login may be the second leg of two: then PocketBase may refuse it after it changed the record.

A one-time code marks the address as verified, and an OAuth2 login makes or links the record, before
PocketBase looks at the ``mfaId`` sent along (``apis/record_helpers.go`` checkMFA). One that is invalid
or over is a 400 like that of a wrong code, of which nothing came.
"""

from hapta.model.exchange import Exchange
from hapta.records.names import member_name

FIRST_LEGS = frozenset({"auth-with-otp", "auth-with-oauth2"})
"""Logins that may change the record, whatever becomes of them."""
_NAME = "mfaid"
_MOST_BYTES = 16 * 1024
"""Of a body that is looked at; no honest login is longer."""


async def may_be_second_leg(exchange: Exchange) -> bool:
    """Whether an ``mfaId`` is in it, or may be in a form that is not looked through.

    Args:
        exchange: with a body that is held whole.
    """
    query = exchange.target.query
    if "%" in query or _NAME in member_name(query):
        return True
    body = exchange.body
    if body is None:
        return False
    content_type = exchange.headers.get("Content-Type", "").lower()
    if body.length is None or body.length > _MOST_BYTES or content_type.startswith("multipart"):
        return True
    text = b"".join([piece async for piece in body.chunks()])
    return b"\\" in text or b"%" in text or _NAME in member_name(text.decode("latin-1"))
