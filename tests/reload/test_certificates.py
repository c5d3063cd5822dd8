"""Certificates are read again at a reload; who is connected goes on with the one they have."""

import shutil
import ssl
from pathlib import Path

from tests.faults.gauges import Gauges
from tests.reload.conftest import MakeSite
from tests.reload.site import Site
from tests.support.certificates import Made, any_certificate, make_certificate
from tests.support.process import free_port
from tests.support.wire import Wire

LIVE = b"GET /api/hapta/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def shown(site: Site) -> bytes:
    """The certificate a new connection gets."""
    pem = ssl.get_server_certificate(("127.0.0.1", site.hapta.port))
    return ssl.PEM_cert_to_DER_cert(pem)


def replace(served: Made, by: Made) -> None:
    """Put other files in the place of those that are served."""
    shutil.copy(by.cert, served.cert)
    shutil.copy(by.key, served.key)


def test_new_connections_get_the_new_certificate_and_an_open_one_goes_on(
    make_site: MakeSite, tmp_path: Path
) -> None:
    one, other = make_certificate(tmp_path, "one"), make_certificate(tmp_path, "other", ends_in_days=60)
    port = free_port()
    site = make_site(
        server__tls_cert=one.cert, server__tls_key=one.key, metrics__enabled=True, metrics__port=port
    )
    gauges = Gauges(site.hapta, port)
    gauges.wait_for("certificate_expiry_timestamp_seconds", one.certificate.not_valid_after_utc.timestamp())
    assert shown(site) == one.der
    with Wire(site.url, tls=any_certificate()) as wire:
        wire.send(LIVE)
        assert wire.reply().status == 200
        was = one.der
        replace(one, other)
        (change,) = site.reload()["changes"]
        assert change.startswith("certificate: CN=one.example.org, until ")
        assert " -> CN=other.example.org, until " in change
        assert shown(site) == other.der != was
        ends_at = other.certificate.not_valid_after_utc.timestamp()
        gauges.wait_for("certificate_expiry_timestamp_seconds", ends_at)
        for _ in range(3):
            wire.send(LIVE)
            assert wire.reply().status == 200


def test_another_path_is_taken_too(make_site: MakeSite, tmp_path: Path) -> None:
    one, other = make_certificate(tmp_path, "one"), make_certificate(tmp_path, "other")
    site = make_site(server__tls_cert=one.cert, server__tls_key=one.key)
    site.reload(server__tls_cert=other.cert, server__tls_key=other.key)
    assert shown(site) == other.der


def test_a_key_that_does_not_fit_leaves_the_old_certificate_and_everything_else(
    make_site: MakeSite, tmp_path: Path
) -> None:
    one, other = make_certificate(tmp_path, "one"), make_certificate(tmp_path, "other")
    site = make_site(server__tls_cert=one.cert, server__tls_key=one.key)
    was = one.der
    shutil.copy(other.cert, one.cert)
    site.write(cors__max_age_s=5)
    (message,) = site.refuse()
    assert "is not the key of the first certificate" in message
    assert shown(site) == was
    shutil.copy(other.key, one.key)
    assert [change.partition(":")[0] for change in site.reload()["changes"]] == [
        "cors.max_age_s",
        "certificate",
    ]
    assert shown(site) == other.der


def test_an_expired_one_is_taken_with_a_warning(make_site: MakeSite, tmp_path: Path) -> None:
    one = make_certificate(tmp_path, "one")
    expired = make_certificate(tmp_path, "expired", begins_in_days=-9, ends_in_days=-1)
    site = make_site(server__tls_cert=one.cert, server__tls_key=one.key)
    replace(one, expired)
    site.reload()
    assert shown(site) == expired.der
    (warning,) = site.events("certificate")
    assert "expired on" in warning["message"]


def test_tls_is_not_switched_on_or_off_at_run_time(make_site: MakeSite, tmp_path: Path) -> None:
    one = make_certificate(tmp_path, "one")
    site = make_site(server__tls_cert=one.cert, server__tls_key=one.key)
    assert site.reload(server__tls_cert=None, server__tls_key=None)["changes"] == []
    (waiting,) = site.events("needs_restart")
    assert waiting["message"].endswith("restart: server.tls_cert, server.tls_key")
    assert shown(site) == one.der
    plain = make_site()
    plain.reload(server__tls_cert=one.cert, server__tls_key=one.key)
    with Wire(plain.url) as wire:
        wire.send(LIVE)
        assert wire.reply().status == 200


def test_the_command_reaches_it_and_renews_it(make_site: MakeSite, tmp_path: Path) -> None:
    one, other = make_certificate(tmp_path, "one"), make_certificate(tmp_path, "other")
    site = make_site(server__tls_cert=one.cert, server__tls_key=one.key)
    replace(one, other)
    done = site.command("reload")
    assert done.returncode == 0
    assert done.stdout.startswith("certificate: CN=one.example.org, ")
    assert shown(site) == other.der
