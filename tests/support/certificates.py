"""Certificates for a test: self-signed, or signed by an authority of the test's own."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Made:
    """A certificate and its key, in files.

    Attributes:
        der: the certificate.
    """

    cert: Path
    key: Path
    der: bytes
    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey


def make_certificate(
    folder: Path,
    name: str = "own",
    *,
    begins_in_days: float = -1,
    ends_in_days: float = 90,
    signed_by: Made | None = None,
    is_authority: bool = False,
    passphrase: bytes | None = None,
) -> Made:
    """Write ``NAME.pem`` and ``NAME.key``; of one that an authority signed, the authority's stands below."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.example.org")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if signed_by is None else signed_by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins_in_days))
        .not_valid_after(now + timedelta(days=ends_in_days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.example.org")]), critical=False)
    )
    made = builder.sign(key if signed_by is None else signed_by.private_key, SHA256())
    cert, key_path = folder / f"{name}.pem", folder / f"{name}.key"
    below = b"" if signed_by is None else signed_by.cert.read_bytes()
    cert.write_bytes(made.public_bytes(Encoding.PEM) + below)
    locked = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    return Made(cert, key_path, made.public_bytes(Encoding.DER), made, key)


def any_certificate() -> ssl.SSLContext:
    """For a client that takes whatever it is shown: which one it was says the test."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
