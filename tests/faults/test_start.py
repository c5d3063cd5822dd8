"""What stands in the way of a start: exit code 2, one clear line, nothing written."""

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeHapta
from tests.faults.clients import ask
from tests.faults.processes import processes_in
from tests.faults.test_upstream_breaks import assert_refusal
from tests.support.hapta import Hapta
from tests.support.pocketbase import PASSWORD, PocketBase
from tests.support.process import free_port, wait_until
from tests.support.upstream_double import UpstreamDouble, response, says


def refusal(hapta: Hapta) -> str:
    """Run it; it must end with 2 and one line, leaving its folder as it was. Returns the line."""
    before = snapshot(hapta.home)
    hapta.launch()
    assert hapta.process is not None
    code, hapta.process = hapta.process.wait(15), None
    assert code == 2, hapta.log
    lines = hapta.log.splitlines()
    assert len(lines) == 1, hapta.log
    assert lines[0].startswith("hapta: ")
    assert PASSWORD not in hapta.log
    assert snapshot(hapta.home) == before
    assert processes_in(str(hapta.home)) == []
    return lines[0]


def snapshot(home: Path) -> dict[str, bytes]:
    """Every file of a folder but the log."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and path.name != "hapta.log"
    }


@pytest.fixture
def taken() -> Any:
    """A port somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "remote"])
def test_a_port_in_use(double: UpstreamDouble, make_hapta: MakeHapta, taken: int, embedded: bool) -> None:
    upstream = None if embedded else double.url
    hapta = make_hapta(upstream=upstream, server__port=taken, started=False)
    line = refusal(hapta)
    assert f"127.0.0.1:{taken}" in line
    assert "in use" in line
    assert "server.port" in line


def test_the_port_of_the_metrics_in_use(double: UpstreamDouble, make_hapta: MakeHapta, taken: int) -> None:
    hapta = make_hapta(upstream=double.url, metrics__enabled=True, metrics__port=taken, started=False)
    line = refusal(hapta)
    assert str(taken) in line
    assert "metrics.port" in line


def test_the_port_of_the_embedded_pocketbase_in_use(make_hapta: MakeHapta, taken: int) -> None:
    hapta = make_hapta(upstream=None, upstream__embedded_port=taken, started=False)
    hapta.launch()
    assert hapta.process is not None
    code, hapta.process = hapta.process.wait(15), None
    assert code == 2
    assert str(taken) in hapta.log
    assert "upstream.embedded_port" in hapta.log
    assert processes_in(str(hapta.home)) == []


def test_nobody_answers_at_database_url(make_hapta: MakeHapta) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    line = refusal(make_hapta(upstream=url, started=False))
    assert url in line
    assert "cannot be reached" in line
    assert "--wait" in line


def test_database_url_does_not_answer_in_time(double: UpstreamDouble, make_hapta: MakeHapta) -> None:
    double.plan("GET", "/api/health", says(then="close"))
    line = refusal(make_hapta(upstream=double.url, started=False))
    assert "does not answer" in line
    assert "DatabaseURL" in line


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(response(b"<html>", 404), id="404"),
        pytest.param(response(b"<html>welcome</html>"), id="HTML"),
        pytest.param(response(b'{"status":"ok"}'), id="other JSON"),
        pytest.param(response(b"[]"), id="a list"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="SSH"),
    ],
)
def test_something_else_answers_at_database_url(
    double: UpstreamDouble, make_hapta: MakeHapta, answer: bytes
) -> None:
    double.plan("GET", "/api/health", says(answer, then="close"))
    line = refusal(make_hapta(upstream=double.url, started=False))
    assert double.url in line
    assert "DatabaseURL" in line


@pytest.mark.parametrize(
    ("env", "names"),
    [
        pytest.param({"AdminPassword": "wrong-horse-2"}, "AdminPassword", id="password"),
        pytest.param({"AdminEmail": "nobody@example.com"}, "AdminEmail", id="e-mail"),
        pytest.param(
            {"AdminEmail": "", "AdminPassword": "", "AdminToken": "a.b.c"}, "AdminToken", id="token"
        ),
    ],
)
def test_credentials_pocketbase_refuses(
    pocketbase: PocketBase, make_hapta: MakeHapta, env: dict[str, str], names: str
) -> None:
    line = refusal(make_hapta(upstream=pocketbase.url, env=env, started=False))
    assert pocketbase.url in line
    assert names in line
    assert "wrong-horse-2" not in line


def test_a_users_token_is_no_superusers(pocketbase: PocketBase, make_hapta: MakeHapta) -> None:
    token = pocketbase.token("users", "ada@example.com")
    env = {"AdminEmail": "", "AdminPassword": "", "AdminToken": token}
    line = refusal(make_hapta(upstream=pocketbase.url, env=env, started=False))
    assert "AdminToken" in line
    assert token not in line


@pytest.mark.parametrize("secret", ["", "change-me-change-me-change-me-change-me"])
def test_a_secret_that_is_missing_or_a_placeholder(
    double: UpstreamDouble, make_hapta: MakeHapta, secret: str
) -> None:
    line = refusal(make_hapta(upstream=double.url, env={"Secret": secret}, started=False))
    assert "Secret" in line
    assert double.arrived == [], "PocketBase was asked although the configuration is wrong"


def test_a_second_instance_on_the_same_data(make_hapta: MakeHapta) -> None:
    first = make_hapta(upstream=None)
    second = Hapta(first.home, None)
    second.log_path = first.home.parent / f"{first.home.name}-second.log"
    second.launch()
    assert second.process is not None
    assert second.process.wait(15) == 2
    assert len(second.log.splitlines()) == 1, second.log
    assert str(first.pid) in second.log
    assert ask(first.url, "GET", "/api/health").status == 200


@pytest.mark.parametrize(
    ("key", "embedded"),
    [
        pytest.param("upstream__data_dir", True, id="data_dir"),
        pytest.param("server__state_dir", True, id="state_dir"),
        pytest.param("server__spool_dir", False, id="spool_dir"),
    ],
)
def test_a_folder_that_cannot_be_made_or_written(
    double: UpstreamDouble, make_hapta: MakeHapta, tmp_path: Path, key: str, embedded: bool
) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "folder"
    upstream = None if embedded else double.url
    line = refusal(make_hapta(upstream=upstream, started=False, **{key: folder}))
    assert str(folder) in line


def test_wait_keeps_trying_until_pocketbase_comes_up(double: UpstreamDouble, make_hapta: MakeHapta) -> None:
    double.die()
    hapta = make_hapta(upstream=double.url, arguments=["--wait"], started=False)
    hapta.launch()
    wait_until(lambda: "waiting" in hapta.log, "it says that it waits")
    double.plan("GET", "/api/health", says(response(b"starting", 503)), says(then="close"))
    double.listen()
    wait_until(lambda: double.count("GET", "/api/health") >= 2, "it tries again")
    assert hapta.process is not None
    assert hapta.process.poll() is None
    double.forget()
    hapta.wait_until_ready()
    assert hapta.log.count('"waiting"') == 1


def test_who_asks_while_it_waits_is_told_at_once(double: UpstreamDouble, make_hapta: MakeHapta) -> None:
    double.die()
    hapta = make_hapta(upstream=double.url, arguments=["--wait"], started=False)
    hapta.launch()
    wait_until(lambda: "waiting" in hapta.log, "it says that it waits")
    assert ask(hapta.url, "GET", "/api/hapta/health/live").status == 200
    assert ask(hapta.url, "GET", "/api/hapta/health/ready").status == 503
    refused = ask(hapta.url, "POST", "/api/collections/posts/records", body=b"{}")
    assert_refusal(refused, 503, "The database is not available. Please try again shortly.")
    assert refused.get("retry-after")
    double.listen()
    hapta.wait_until_ready()
    assert ask(hapta.url, "GET", "/api/collections/posts/records").status == 200
    assert double.count("POST", "/api/collections/posts/records") == 0


def test_wait_does_not_wait_for_other_credentials(pocketbase: PocketBase, make_hapta: MakeHapta) -> None:
    env = {"AdminPassword": "wrong-horse-2"}
    line = refusal(make_hapta(upstream=pocketbase.url, arguments=["--wait"], env=env, started=False))
    assert "AdminPassword" in line


def test_a_start_in_front_of_a_running_pocketbase_is_ready_within_two_seconds(
    pocketbase: PocketBase, make_hapta: MakeHapta
) -> None:
    hapta = make_hapta(upstream=pocketbase.url, started=False)
    with ExitStack() as closing:
        client = closing.enter_context(httpx.Client(base_url=hapta.url, timeout=5))
        hapta.launch()
        wait_until(hapta.is_ready, "ready", 2.0)
        assert client.get("/api/health").status_code == 200
