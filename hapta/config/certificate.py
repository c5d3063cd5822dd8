"""``server.tls_cert`` and ``server.tls_key``: what of them can be refused before anybody connects.

The files are read as a server reads them: the first certificate is the one clients see, those below it lead
from there to an authority they know.
"""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from hapta.config.errors import ConfigError
from hapta.model.errors import OperatorError

CERT, KEY = "server.tls_cert", "server.tls_key"
_MAX_BYTES = 1_048_576


class UnusableCertificate(OperatorError):
    """It cannot be served, or not be read.

    Attributes:
        error: which key it is about, and what is wrong.
    """

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.error = ConfigError((key,), problem)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that goes with its key.

    Attributes:
        path, key_path: the files.
        subject: whom it is for, in words.
        fingerprint: SHA-256 of it, in hexadecimal.
        begins_at, ends_at: Unix seconds between which it holds.
        context: serves it, with its chain.
    """

    path: Path
    key_path: Path
    subject: str
    fingerprint: str
    begins_at: float
    ends_at: float
    context: ssl.SSLContext = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.subject}, until {_day(self.ends_at)}, SHA-256 {self.fingerprint[:16]}"

    def warning(self, now: float) -> str | None:
        """Why clients will refuse it now, though it can be served; ``None`` when they will not for its
        time."""
        if now >= self.ends_at:
            return f"{CERT}: {self.path} expired on {_day(self.ends_at)}: clients refuse it; replace it"
        if now < self.begins_at:
            return (
                f"{CERT}: {self.path} holds from {_day(self.begins_at)} on: until then clients refuse it; "
                "is this machine's clock right?"
            )
        return None


def read_certificate(path: Path, key_path: Path) -> Certificate:
    """Read both files and hold them against each other.

    Raises:
        UnusableCertificate: they cannot be served.
    """
    cert_pem, key_pem = _read(CERT, path), _read(KEY, key_path)
    leaf = _first(path, cert_pem)
    try:
        key = load_pem_private_key(key_pem, None)
    except TypeError:
        problem = f"{key_path} is encrypted, and Hapta cannot ask for its passphrase; decrypt it"
        raise UnusableCertificate(KEY, problem) from None
    except (ValueError, UnsupportedAlgorithm):
        problem = f"{key_path} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
        raise UnusableCertificate(KEY, problem) from None
    if key.public_key() != leaf.public_key():
        problem = f"{key_path} is not the key of the first certificate in {path}"
        raise UnusableCertificate(KEY, problem)
    try:
        context = _server_context(path, key_path)
    except OSError as exc:
        reason = getattr(exc, "reason", None) or exc
        raise UnusableCertificate(CERT, f"{path} cannot be served: {reason}") from None
    if (_read(CERT, path), _read(KEY, key_path)) != (cert_pem, key_pem):
        raise UnusableCertificate(CERT, f"{path} or its key was just being replaced; try again")
    return Certificate(
        path=path,
        key_path=key_path,
        subject=leaf.subject.rfc4514_string() or "no subject",
        fingerprint=leaf.fingerprint(SHA256()).hex(),
        begins_at=leaf.not_valid_before_utc.timestamp(),
        ends_at=leaf.not_valid_after_utc.timestamp(),
        context=context,
    )


def _server_context(path: Path, key_path: Path) -> ssl.SSLContext:
    """What connections are encrypted by: TLS 1.2 with forward secrecy or later, HTTP/1.1 within."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(path, key_path, password=_no_passphrase)
    return context


def client_context(path: Path, *, checks_time: bool = True) -> ssl.SSLContext:
    """For Hapta's own commands to speak to the gateway that serves this certificate.

    It is taken for what it is, by its key and not by who signed it or for which name: whoever holds the key
    is this gateway, at whatever address. Those above it in the file are believed for nothing.

    Args:
        path: its file; the key is not needed.
        checks_time: refuse it when it has expired, as clients do.

    Raises:
        UnusableCertificate: the file cannot be read or holds none.
    """
    leaf = _first(path, _read(CERT, path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.load_verify_locations(cadata=leaf.public_bytes(Encoding.PEM).decode())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not checks_time:
        context.verify_flags |= _NO_CHECK_TIME
    return context


_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""``X509_V_FLAG_NO_CHECK_TIME``, which Python has no name for."""


def _no_passphrase() -> str:
    """OpenSSL would ask at the terminal."""
    raise OSError("the key is encrypted")


def _read(key: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise UnusableCertificate(key, f"{path} does not exist") from None
    except OSError as exc:
        raise UnusableCertificate(key, f"{path} cannot be read: {exc.strerror or exc}") from None
    if len(text) > _MAX_BYTES:
        raise UnusableCertificate(key, f"{path} is larger than a certificate or key can be")
    return text


def _first(path: Path, text: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(text)[0]
    except ValueError:
        raise UnusableCertificate(CERT, _no_certificate(path, text)) from None


def _no_certificate(path: Path, text: bytes) -> str:
    if b"PRIVATE KEY-----" in text:
        return f"{path} holds a key; it belongs into {KEY}, and the certificate here"
    return f"{path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"


def _day(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d")
