"""Hapta serving https by itself."""

import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import MakeHapta
from tests.faults.gauges import Gauges
from tests.support.certificates import Made, any_certificate, make_certificate
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PocketBase
from tests.support.process import free_port, wait_until
from tests.support.upstream_double import UpstreamDouble, chunk, chunked_head, says
from tests.support.wire import Wire

ROOT = Path(__file__).parents[2]
LIVE = b"GET /api/hapta/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
FILE = "/api/files/documents/abcdefghijklmno/report.bin"
TIMEOUT_S = 1.0
PER_ADDRESS = 5


class Encrypted:
    """A Hapta with a certificate, and what it holds."""

    def __init__(self, hapta: Hapta, made: Made, metrics_port: int) -> None:
        self.hapta, self.made = hapta, made
        self.gauges = Gauges(hapta, metrics_port)
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"

    def wire(self, context: ssl.SSLContext | None = None) -> Wire:
        return Wire(self.hapta.url, tls=context or any_certificate())

    def silent(self) -> socket.socket:
        """Connects, and never begins its handshake."""
        return socket.create_connection(("127.0.0.1", self.hapta.port), timeout=5)

    def refused(self, reason: str) -> float:
        for line in httpx.get(self._metrics).text.splitlines():
            if line.startswith(f'hapta_connections_refused_total{{reason="{reason}"}}'):
                return float(line.split()[-1])
        return 0.0


def settings_of(made: Made, metrics_port: int) -> dict[str, object]:
    return {
        "server.tls_cert": made.cert,
        "server.tls_key": made.key,
        "server.header_timeout_s": TIMEOUT_S,
        "server.max_connections_per_address": PER_ADDRESS,
        "metrics.enabled": True,
        "metrics.port": metrics_port,
    }


def to_the_end(client: ssl.SSLSocket) -> bytes:
    """Everything up to TLS's goodbye; without one it raises, where ragged ends are not suppressed."""
    received = b""
    while data := client.recv(65536):
        received += data
    return received


@pytest.fixture(scope="module")
def encrypted(pocketbase: PocketBase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    home, port = tmp_path_factory.mktemp("hapta"), free_port()
    made = make_certificate(home)
    hapta = Hapta(home, pocketbase.url, settings_of(made, port))
    with ExitStack() as closing:
        closing.callback(hapta.stop)
        hapta.start()
        yield Encrypted(hapta, made, port)


@pytest.fixture(autouse=True)
def nothing_left(encrypted: Encrypted) -> Iterator[None]:
    yield
    encrypted.gauges.wait_until_quiet(5)


def test_clients_get_the_certificate_and_http_1_1_over_a_modern_tls(encrypted: Encrypted) -> None:
    context = any_certificate()
    context.set_alpn_protocols(["h2", "http/1.1"])
    raw = socket.create_connection(("127.0.0.1", encrypted.hapta.port))
    with context.wrap_socket(raw, server_hostname="own.example.org") as client:
        assert client.getpeercert(binary_form=True) == encrypted.made.der
        assert client.selected_alpn_protocol() == "http/1.1"
        assert client.version() == "TLSv1.3"
        client.sendall(LIVE)
        assert client.recv(15) == b"HTTP/1.1 200 OK"


def test_old_tls_is_refused(encrypted: Encrypted) -> None:
    context = any_certificate()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        encrypted.wire(context)


def test_tls_1_2_is_taken_with_forward_secrecy_only(encrypted: Encrypted) -> None:
    context = any_certificate()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with encrypted.wire(context) as wire:
        wire.send(LIVE)
        assert wire.reply().status == 200
    context.set_ciphers("AES128-SHA:AES256-SHA")
    with pytest.raises(ssl.SSLError):
        encrypted.wire(context)


def test_who_speaks_without_tls_gets_nothing(encrypted: Encrypted) -> None:
    with Wire(encrypted.hapta.url) as wire:
        wire.send(LIVE)
        assert b"HTTP/1.1 200" not in wire.rest()


def test_several_requests_and_a_pipeline_go_over_one_connection(encrypted: Encrypted) -> None:
    with encrypted.wire() as wire:
        for _ in range(3):
            wire.send(LIVE)
            assert wire.reply().status == 200
        wire.send(LIVE * 3)
        assert [wire.reply().status for _ in range(3)] == [200, 200, 200]


def test_an_event_stream_is_open_until_its_client_leaves(encrypted: Encrypted) -> None:
    with encrypted.wire() as wire:
        wire.send(b"GET /api/realtime HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"PB_CONNECT" in wire.until(b"PB_CONNECT")
        encrypted.gauges.wait_for("open_streams", 1)
    encrypted.gauges.wait_for("open_streams", 0)


def test_who_never_begins_its_handshake_is_cut_off_at_the_deadline_and_counted(encrypted: Encrypted) -> None:
    before = encrypted.refused("handshake")
    with encrypted.silent() as client:
        encrypted.gauges.wait_for("open_connections", 1)
        began = time.monotonic()
        assert client.recv(1) == b""
        assert time.monotonic() - began >= TIMEOUT_S / 2
    assert encrypted.refused("handshake") == before + 1


def test_handshakes_under_way_take_places_of_their_address(encrypted: Encrypted) -> None:
    before = encrypted.refused("address")
    with ExitStack() as closing:
        for _ in range(PER_ADDRESS):
            closing.enter_context(encrypted.silent())
        encrypted.gauges.wait_for("open_connections", PER_ADDRESS)
        with encrypted.silent() as one_more, suppress(ConnectionResetError):
            assert one_more.recv(1) == b""
        assert encrypted.refused("address") == before + 1


def test_failed_handshakes_give_their_places_back(encrypted: Encrypted) -> None:
    for number in range(3 * PER_ADDRESS):
        with encrypted.silent() as client:
            if number % 3:
                client.sendall(b"\x16\x03\x01\x00\x05hello" if number % 3 == 1 else b"\x16\x03")
        encrypted.gauges.wait_until_quiet()
    with encrypted.wire() as wire:
        wire.send(LIVE)
        assert wire.reply().status == 200


def test_pocketbase_is_told_that_its_client_came_over_https(double: UpstreamDouble, one: Hapta) -> None:
    with Wire(one.url, tls=any_certificate()) as wire:
        wire.send(b"GET /api/custom/where HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.reply().status == 200
    assert next(a for a in double.arrived if a.target == "/api/custom/where").headers[
        "x-forwarded-proto"
    ] == ("https")


def test_a_large_upload_and_a_large_download_arrive_whole(double: UpstreamDouble, one: Hapta) -> None:
    content = bytes(range(256)) * 12_000  # 3 MB: more than any buffer on the way
    double.plan("GET", FILE, says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content), content))
    with httpx.Client(base_url=one.url, verify=False) as client:
        assert client.get(FILE).content == content
        assert client.post("/api/custom/large", content=content).status_code == 200
    arrived = next(each for each in double.arrived if each.target == "/api/custom/large")
    assert arrived.headers["content-length"] == str(len(content))
    assert content.startswith(arrived.body)


def test_who_reads_nothing_is_cut_off_and_little_of_the_answer_waits_in_memory(
    double: UpstreamDouble, make_hapta: MakeHapta, tmp_path: Path
) -> None:
    made, port = make_certificate(tmp_path), free_port()
    hapta = make_hapta(
        upstream=double.url,
        server__tls_cert=made.cert,
        server__tls_key=made.key,
        server__send_timeout_s=1,
        metrics__enabled=True,
        metrics__port=port,
    )
    gauges = Gauges(hapta, port)
    piece = b"x" * 1_000_000
    large = says(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n", *[piece] * 200)
    double.plan("GET", FILE, large)
    before = gauges.resident_bytes()
    with Wire(hapta.url, tls=any_certificate()) as wire:
        wire.send(b"GET " + FILE.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        gauges.wait_for("open_connections", 1)
        gauges.wait_for("open_connections", 0, 10)
        assert gauges.resident_bytes() - before < 50_000_000


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_an_answer_that_breaks_off_ends_without_tls_saying_goodbye(
    double: UpstreamDouble, one: Hapta, version: bytes
) -> None:
    piece = bytes(range(256)) * 400
    double.plan("GET", FILE, says(chunked_head("a/b"), *[chunk(piece)] * 3, 0.05, then="close"))
    raw = socket.create_connection(("127.0.0.1", one.port), timeout=5)
    with any_certificate().wrap_socket(raw, suppress_ragged_eofs=False) as client:
        client.sendall(b"GET " + FILE.encode() + b" " + version + b"\r\nHost: x\r\n\r\n")
        assert client.recv(9) == b"HTTP/1.1 "
        with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
            to_the_end(client)


def test_an_answer_under_way_at_a_stop_is_whole_and_the_connection_says_goodbye(
    double: UpstreamDouble, one: Hapta
) -> None:
    double.plan("GET", "/api/custom/slow", says(0.5, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole"))
    raw = socket.create_connection(("127.0.0.1", one.port), timeout=5)
    with any_certificate().wrap_socket(raw, suppress_ragged_eofs=False) as client:
        client.sendall(b"GET /api/custom/slow HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: double.count("GET", "/api/custom/slow") == 1, "it is under way")
        assert one.process is not None
        one.process.terminate()
        assert to_the_end(client).endswith(b"\r\n\r\nwhole")


@pytest.fixture
def double() -> Iterator[UpstreamDouble]:
    with UpstreamDouble() as upstream:
        yield upstream


@pytest.fixture
def one(double: UpstreamDouble, make_hapta: MakeHapta, tmp_path: Path) -> Hapta:
    """A Hapta with a certificate in front of the double."""
    made = make_certificate(tmp_path)
    return make_hapta(upstream=double.url, server__tls_cert=made.cert, server__tls_key=made.key)


# the operator's commands


def command(encrypted: Encrypted, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of Hapta's commands with the configuration of the gateway."""
    settings = encrypted.hapta.command[encrypted.hapta.command.index("serve") + 1 :]
    done = subprocess.run(
        [sys.executable, "-m", "hapta", *arguments, *settings],
        cwd=encrypted.hapta.home,
        env={**encrypted.hapta.environment, "AdminEmail": ADMIN_EMAIL},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_hapta_test_takes_the_certificate_of_its_configuration(encrypted: Encrypted) -> None:
    report = json.loads(command(encrypted, "test", "--json").stdout)
    failed = [check for check in report["checks"] if check["status"] == "fail"]
    assert failed == []
    assert report["url"] == encrypted.hapta.url


def test_hapta_test_takes_no_other_certificate_for_it(encrypted: Encrypted, tmp_path: Path) -> None:
    other = make_certificate(tmp_path, "other")
    settings = [f"--set=server.tls_cert={other.cert}", f"--set=server.tls_key={other.key}"]
    settings.append(f"--set=server.port={encrypted.hapta.port}")
    done = subprocess.run(
        [sys.executable, "-m", "hapta", "test", "--read-only", *settings],
        cwd=tmp_path,
        env=encrypted.hapta.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "no TLS connection" in done.stdout


def test_the_doctor_finds_it_running_and_its_certificate_well(encrypted: Encrypted) -> None:
    checks = {
        each["name"]: each for each in json.loads(command(encrypted, "doctor", "--json").stdout)["checks"]
    }
    assert checks["certificate"]["status"] == "ok"
    assert "own.example.org" in checks["certificate"]["found"]
    assert "is running" in checks["server.port"]["found"]


def test_an_expired_certificate_is_served_with_a_warning(
    make_hapta: MakeHapta, pocketbase: PocketBase, tmp_path: Path
) -> None:
    made = make_certificate(tmp_path, begins_in_days=-9, ends_in_days=-1)
    hapta = make_hapta(server__tls_cert=made.cert, server__tls_key=made.key)
    assert '"event":"certificate"' in hapta.log
    assert "expired on" in hapta.log


def test_hapta_does_not_start_with_a_key_of_another_certificate(
    make_hapta: MakeHapta, pocketbase: PocketBase, tmp_path: Path
) -> None:
    made, other = make_certificate(tmp_path), make_certificate(tmp_path, "other")
    hapta = make_hapta(started=False, server__tls_cert=made.cert, server__tls_key=other.key)
    done = subprocess.run(
        hapta.command, cwd=hapta.home, env=hapta.environment, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert "is not the key of the first certificate" in done.stderr
