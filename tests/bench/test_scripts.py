"""What wrk is told to ask is what arrives."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import wrk
from bench.machine import is_there
from bench.peers import scripts
from bench.peers.callers import browser, with_token

pytestmark = pytest.mark.skipif(
    not (is_there("wrk") and is_there("taskset")), reason="wrk is not installed: apt-get install wrk"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request."""

    connection: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Recorder(ThreadingHTTPServer):
    """Answers everything with 200, and remembers what was asked."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[Seen] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/first"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = dict(self.headers.items())
        self.server.seen.append(Seen(self.client_address[1], self.command, self.path, headers, body))
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    do_GET = _answer
    do_PATCH = _answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Five targets."""
    path = tmp_path / "targets"
    path.write_text("".join(f"/{number}\n" for number in range(5)), encoding="ascii")
    return path


def _ask(
    recorder: Recorder, home: Path, script: str, *, connections: int = 2, threads: int = 1
) -> list[Seen]:
    printed = wrk.run(home, recorder.url, connections, 1, script=script, threads=threads)
    report = wrk.parse(printed)
    assert report.errors == 0
    assert 0 < report.requests <= len(recorder.seen)
    return list(recorder.seen)


def test_a_browser_s_headers_arrive_as_they_are(recorder: Recorder, tmp_path: Path) -> None:
    wanted = with_token("a.b.c", browser(7))
    seen = _ask(recorder, tmp_path, scripts.headers(wanted))
    assert {one.target for one in seen} == {"/first"}
    assert all(one.headers.items() >= wanted.items() for one in seen)
    assert '"Google Chrome"' in seen[0].headers["sec-ch-ua"]


def test_a_walk_asks_for_every_target_and_for_no_other(
    recorder: Recorder, tmp_path: Path, listed: Path
) -> None:
    seen = _ask(recorder, tmp_path, scripts.headers({"X-One": "1"}) + scripts.random_walk(listed))
    assert {one.target for one in seen} == {f"/{number}" for number in range(5)}
    assert {one.headers["X-One"] for one in seen} == {"1"}


def test_each_caller_has_a_connection_of_its_own(recorder: Recorder, tmp_path: Path) -> None:
    callers = [with_token(f"token-{number}", browser(number)) for number in range(6)]
    seen = _ask(recorder, tmp_path, scripts.callers(callers), connections=6, threads=6)
    of_connections: dict[int, set[str]] = {}
    for one in seen:
        of_connections.setdefault(one.connection, set()).add(one.headers["Authorization"])
    assert all(len(tokens) == 1 for tokens in of_connections.values())
    assert set.union(*of_connections.values()) == {f"token-{number}" for number in range(6)}


def test_no_caller_asks_twice_until_all_pairs_were_asked(
    recorder: Recorder, tmp_path: Path, listed: Path
) -> None:
    callers = [{"Authorization": str(number)} for number in range(4)]
    seen = _ask(recorder, tmp_path, scripts.pairs(callers, listed, first=7, stride=2), connections=1)
    pairs = [(one.headers["Authorization"], one.target) for one in seen]
    assert len(set(pairs[:20])) == 20
    # the twelve that were left after wrk's own look, and then those that had been left out
    assert pairs[12] == ("0", "/0")


def test_a_fresh_target_is_never_asked_for_again(recorder: Recorder, tmp_path: Path, listed: Path) -> None:
    seen = _ask(recorder, tmp_path, scripts.fresh(listed, first=12))
    assert max(Counter(one.target for one in seen).values()) == 1
    asked = {one.target for one in seen}
    assert {"/3?fields=*,lap2", "/4?fields=*,lap2", "/0?fields=*,lap3"} <= asked
    # left out, and looked at by wrk
    assert asked.isdisjoint({"/1?fields=*,lap2", "/2?fields=*,lap2"})


def test_one_request_in_so_many_writes_and_one_in_ten_asks_for_the_list(
    recorder: Recorder, tmp_path: Path, listed: Path
) -> None:
    script = scripts.headers({"Authorization": "a"}) + scripts.mixed(listed, "/list?x=(a%3E1)", every=20)
    seen = _ask(recorder, tmp_path, script, connections=1)
    assert len(seen) >= 40
    # the first one was for wrk to look at
    assert [number for number, one in enumerate(seen[:40], 2) if one.method == "PATCH"] == [20, 40]
    asked = [number for number, one in enumerate(seen[:40], 2) if one.target == "/list?x=(a%3E1)"]
    assert asked == [5, 15, 25, 35]
    write = seen[18]
    assert json.loads(write.body) == {"likes": 20}
    assert write.headers["Content-Type"] == "application/json"
    assert {one.headers["Authorization"] for one in seen} == {"a"}


@pytest.mark.parametrize("value", ["a]==]b", "a]", "a\nb", "a\rb"])
def test_a_value_that_would_end_its_literal_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="not for a Lua script"):
        scripts.headers({"X": value})
