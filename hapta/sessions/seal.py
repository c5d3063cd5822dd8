"""PocketBase tokens, sealed: at rest in ``hapta_sessions``, and file tokens in a browser's hands.

AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D §8.2.2) and, as associated data, what the token
belongs to: a sealed token moved to another session's row, or used for another purpose, does not open.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

from cryptography.exceptions import InvalidTag

from hapta.sessions.keys import KeyRing

_NONCE_BYTES = 12
_FILE_PREFIX = "hf1."
MAX_FILE_TOKEN_CHARS = 4096


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes | None:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        return None


def seal_token(ring: KeyRing, token: str, owner: str) -> str:
    """Seal an upstream token for the row of ``owner`` (session id and generation)."""
    nonce = os.urandom(_NONCE_BYTES)
    return _encode(nonce + ring.current.seal.encrypt(nonce, token.encode(), owner.encode()))


def open_token(ring: KeyRing, sealed: str, owner: str) -> str | None:
    """The upstream token, or ``None`` if it was not sealed for ``owner`` under one of our keys."""
    raw = _decode(sealed)
    if raw is None:
        return None
    for keys in ring.all():
        try:
            return keys.seal.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode()).decode()
        except (InvalidTag, ValueError):
            continue
    return None


def seal_file_token(ring: KeyRing, token: str) -> str:
    """What a client gets for a PocketBase file token; its expiry stays PocketBase's."""
    nonce = os.urandom(_NONCE_BYTES)
    return _FILE_PREFIX + _encode(nonce + ring.current.file.encrypt(nonce, token.encode(), b"file"))


def is_file_token(text: str) -> bool:
    """Whether ``text`` has the form of a sealed file token."""
    return text.startswith(_FILE_PREFIX)


def open_file_token(ring: KeyRing, text: str) -> str | None:
    """The PocketBase file token inside, or ``None`` for a forgery."""
    if not is_file_token(text) or len(text) > MAX_FILE_TOKEN_CHARS:
        return None
    raw = _decode(text[len(_FILE_PREFIX) :])
    if raw is None:
        return None
    for keys in ring.all():
        try:
            return keys.file.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], b"file").decode()
        except (InvalidTag, ValueError):
            continue
    return None
