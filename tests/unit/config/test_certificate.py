"""``server.tls_cert`` and ``server.tls_key``: what is refused, and in which words."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hapta.config import ConfigErrors, UnusableCertificate, client_context, load
from hapta.config.certificate import CERT, KEY, read_certificate
from tests.support.certificates import Made, make_certificate

DAY_S = 86_400.0


def problem(path: Path, key_path: Path) -> tuple[tuple[str, ...], str]:
    with pytest.raises(UnusableCertificate) as refused:
        read_certificate(path, key_path)
    return refused.value.error.keys, refused.value.error.problem


def test_a_certificate_with_its_key_is_taken(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    found = read_certificate(made.cert, made.key)
    assert found.subject == "CN=own.example.org"
    assert found.context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert found.warning(found.begins_at + DAY_S) is None


@pytest.mark.parametrize(("which", "key"), [("cert", CERT), ("key", KEY)])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, which: str, key: str) -> None:
    made = make_certificate(tmp_path)
    gone = getattr(made, which)
    gone.unlink()
    assert problem(made.cert, made.key) == ((key,), f"{gone} does not exist")


@pytest.mark.parametrize(("which", "key"), [("cert", CERT), ("key", KEY)])
def test_a_folder_in_its_place_is_named(tmp_path: Path, which: str, key: str) -> None:
    made = make_certificate(tmp_path)
    there = getattr(made, which)
    there.unlink()
    there.mkdir()
    assert problem(made.cert, made.key) == ((key,), f"{there} cannot be read: Is a directory")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_key_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    made.key.chmod(0)
    assert problem(made.cert, made.key) == ((KEY,), f"{made.key} cannot be read: Permission denied")


def test_a_file_without_a_certificate_is_told_from_one_with_a_key(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    assert "belongs into server.tls_key" in problem(made.key, made.key)[1]
    assert "no private key in PEM form" in problem(made.cert, made.cert)[1]
    made.cert.write_text("no certificate")
    assert "no certificate in PEM form" in problem(made.cert, made.key)[1]


def test_another_certificates_key_is_refused(tmp_path: Path) -> None:
    one, other = make_certificate(tmp_path, "one"), make_certificate(tmp_path, "other")
    keys, text = problem(one.cert, other.key)
    assert keys == (KEY,)
    assert text == f"{other.key} is not the key of the first certificate in {one.cert}"


def test_an_encrypted_key_is_refused_without_asking_for_its_passphrase(tmp_path: Path) -> None:
    made = make_certificate(tmp_path, passphrase=b"open sesame")
    keys, text = problem(made.cert, made.key)
    assert keys == (KEY,)
    assert "encrypted" in text


def test_a_key_that_openssl_does_not_take_is_refused(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    other = rsa.generate_private_key(65537, 2048)
    made.key.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert problem(made.cert, made.key)[0] == (KEY,)


@pytest.mark.parametrize(
    ("begins", "ends", "word"),
    [pytest.param(-9, -1, "expired on", id="expired"), pytest.param(1, 9, "holds from", id="not yet")],
)
def test_one_whose_time_it_is_not_is_served_with_a_warning(
    tmp_path: Path, begins: float, ends: float, word: str
) -> None:
    made = make_certificate(tmp_path, begins_in_days=begins, ends_in_days=ends)
    found = read_certificate(made.cert, made.key)
    now = found.ends_at + DAY_S if ends < 0 else found.begins_at - DAY_S
    assert word in (found.warning(now) or "")


@pytest.mark.parametrize(("given", "missing"), [("tls_cert", "tls_key"), ("tls_key", "tls_cert")])
def test_one_without_the_other_is_refused(tmp_path: Path, given: str, missing: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        load(None, {}, [f"server.{given}=x.pem"], tmp_path)
    assert refused.value.problems == (
        f"--set server.{given}=x.pem: server.{missing}: is missing; server.{given} is of no use without it",
    )


def test_a_start_needs_a_certificate_that_can_be_served_and_other_commands_do_not(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[server]\ntls_cert = "c.pem"\ntls_key = "k.pem"\n')
    assert load(config, {}, [], tmp_path).certificate is None
    with pytest.raises(ConfigErrors) as refused:
        load(config, {}, [], tmp_path, needs_secrets=True)
    assert refused.value.problems == (f"config.toml:2: server.tls_cert: {tmp_path / 'c.pem'} does not exist",)


async def speaks(served: Made, context: ssl.SSLContext) -> bool:
    """Whether a client with this context takes what is served."""
    server = await asyncio.start_server(
        lambda _, writer: writer.close(),
        "127.0.0.1",
        0,
        ssl=read_certificate(served.cert, served.key).context,
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        except ssl.SSLCertVerificationError:
            return False
        writer.close()
        return True


async def test_own_commands_take_the_own_certificate_at_any_address(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    assert await speaks(made, client_context(made.cert))


async def test_own_commands_take_no_other_of_the_same_authority(tmp_path: Path) -> None:
    authority = make_certificate(tmp_path, "authority", is_authority=True)
    own = make_certificate(tmp_path, "own", signed_by=authority)
    other = make_certificate(tmp_path, "other", signed_by=authority)
    context = client_context(own.cert)
    assert await speaks(own, context)
    assert not await speaks(other, context)


async def test_that_it_has_expired_is_noticed_by_who_looks(tmp_path: Path) -> None:
    made = make_certificate(tmp_path, begins_in_days=-9, ends_in_days=-1)
    assert not await speaks(made, client_context(made.cert))
    assert await speaks(made, client_context(made.cert, checks_time=False))
