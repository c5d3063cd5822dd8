"""All keys come from ``Secret``, one for each purpose (HKDF, RFC 5869), so that none can be used for another.

While ``Secret`` is being changed, ``SecretPrevious`` still opens and verifies what the old one sealed and
signed; everything new is made under the current one.
"""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_SALT = b"hapta sessions v1"


def _derive(secret: str, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, _SALT, purpose.encode()).derive(secret.encode())


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one ``Secret``; their values are in no ``repr``.

    Attributes:
        seal: AES-256-GCM for upstream tokens at rest.
        file: the same for file tokens on their way through a browser.
        session_id: HMAC for the mark a session id carries.
        sign: HMAC from which each session's signing key is made.
        check: HMAC that tells whether two processes have the same ``Secret``.
    """

    seal: AESGCM = field(repr=False)
    file: AESGCM = field(repr=False)
    session_id: bytes = field(repr=False)
    sign: bytes = field(repr=False)
    check: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> "Keys":
        """Derive all keys of ``secret``."""
        return cls(
            AESGCM(_derive(secret, "seal")),
            AESGCM(_derive(secret, "file token")),
            _derive(secret, "session id"),
            _derive(secret, "sign"),
            _derive(secret, "check"),
        )

    def check_value(self) -> str:
        """What stands in ``hapta_meta`` to recognise this ``Secret`` again; tells nothing about it."""
        return hmac.digest(self.check, b"hapta key check", sha256).hex()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The current keys, and the previous ones while ``Secret`` is being changed."""

    current: Keys
    previous: Keys | None = None

    @classmethod
    def of(cls, secret: str, previous: str | None) -> "KeyRing":
        """Keys for ``Secret`` and ``SecretPrevious``."""
        return cls(Keys.of(secret), Keys.of(previous) if previous else None)

    def all(self) -> tuple[Keys, ...]:
        """Current first."""
        return (self.current,) if self.previous is None else (self.current, self.previous)
