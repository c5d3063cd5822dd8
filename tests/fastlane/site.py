"""A gateway on a thread of this process, whose lane is counted, and connections that show every byte."""

import asyncio
import io
import re
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import uvloop

from hapta.app import Gateway, Outputs
from hapta.config import load
from hapta.model.clock import SystemClock
from hapta.model.exchange import Answer, Exchange
from hapta.observe.access_log import AccessLog
from hapta.observe.events import Events
from hapta.observe.metrics import Metrics
from hapta.server.protocol import Connection, Lane, Reception
from tests.support.hapta import KNOWN_HOOKS, SECRET, UNLIMITED
from tests.support.pocketbase import GATEWAY_EMAIL, PASSWORD
from tests.support.process import free_port
from tests.support.wire import Wire

T = TypeVar("T")
POSTS = "/api/collections/posts/records"
VIEW = f"{POSTS}/post00000000001"
LIST = f"{POSTS}?perPage=5&sort=title"
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")
_OF_THE_MOMENT = (
    (re.compile(rb"\r\n(Date|X-Request-Id|Age): [^\r]*"), rb"\r\n\1: *"),
    (re.compile(rb"; ttl=-?\d+"), rb"; ttl=*"),
    (re.compile(rb";r=\d+;t=\d+"), rb";r=*;t=*"),
)


class Counted:
    """The lane of a gateway, and how often it answered."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.told = 0

    def seat(self, address: str, *, is_trusted: bool, is_admin: bool) -> Any:
        return self._lane.seat(address, is_trusted=is_trusted, is_admin=is_admin)

    def answer(self, peer: Any, head: bytes, transport: asyncio.Transport) -> float:
        answered_at = self._lane.answer(peer, head, transport)
        self.told += bool(answered_at)
        return answered_at

    def passes_on(self, peer: Any) -> None:
        self._lane.passes_on(peer)

    def learn(self, peer: Any, head: bytes, exchange: Exchange, answer: Answer) -> None:
        self._lane.learn(peer, head, exchange, answer)


class Site:
    """One gateway, on the loop it runs on where there is uvloop; a context manager.

    Attributes:
        url: where it listens.
        home: its folder.
        metrics: of it.
        log: its access lines, once it has ended.
    """

    def __init__(
        self,
        home: Path,
        upstream: str,
        *,
        new_loop: Any = uvloop.new_event_loop,
        **settings: Any,
    ) -> None:
        self.home = home
        chosen = {"server.port": free_port(), "metrics.enabled": False, **UNLIMITED, **KNOWN_HOOKS}
        chosen |= {name.replace("__", "."): value for name, value in settings.items()}
        texts = [
            f"{key}={str(value).lower() if isinstance(value, bool) else value}"
            for key, value in chosen.items()
        ]
        environ = {
            "DatabaseURL": upstream,
            "AdminEmail": GATEWAY_EMAIL,
            "AdminPassword": PASSWORD,
            "Secret": SECRET,
        }
        loaded = load(home / "config.toml" if (home / "config.toml").exists() else None, environ, texts, home)
        clock, self.metrics, self.log = SystemClock(), Metrics(), io.BytesIO()
        self.events = io.BytesIO()
        events = Events(loaded.config.log, self.events, clock, ())
        self._access_log = AccessLog(loaded.config.log, self.log, clock, self.metrics.log_lines_dropped.inc)
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway")
        outputs = Outputs(events, self._access_log, self.metrics)
        self._make: Callable[[], Gateway] = lambda: Gateway(loaded, environ, outputs, clock)
        self.url = f"http://127.0.0.1:{chosen['server.port']}"
        self.lane: Counted | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self.gateway = self.call(self._make)
        try:
            self.run(self.gateway.start())
        except BaseException:
            self._end()
            raise
        assert self.gateway._listener is not None
        self.reception: Reception = self.gateway._listener._reception
        if self.reception.lane is not None:
            self.lane = Counted(self.reception.lane)
            self.reception.lane = self.lane
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.run(self.gateway.stop())
        finally:
            self._end()
        assert "Traceback" not in self.events.getvalue().decode()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self._access_log.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Something awaited on the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def call(self, function: Callable[[], T]) -> T:
        """Something called on the gateway's loop, between two of its steps."""

        async def step() -> T:
            return function()

        return self.run(step())

    @property
    def told(self) -> int:
        """How often the lane has answered."""
        lane = self.lane
        return 0 if lane is None else self.call(lambda: lane.told)

    def settle(self) -> None:
        """Return once all gzip variants are made that are wanted by now."""
        caching = self.gateway._caching
        assert caching is not None
        self.run(caching._variants.settled())

    def connections(self) -> list[Connection]:
        """The open ones."""
        return self.call(lambda: list(self.reception.connections))

    def token(self, collection: str, identity: str, password: str = PASSWORD) -> str:
        """Of a new session."""
        body = {"identity": identity, "password": password}
        with self.client() as client:
            answer = client.post(f"/api/collections/{collection}/auth-with-password", json=body)
        answer.raise_for_status()
        return str(answer.json()["token"])

    def client(self, token: str = "") -> httpx.Client:
        """One that asks in the ordinary way."""
        headers = {"Authorization": token} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)


class Line(Wire):
    """A connection whose answers are taken as they are."""

    def raw(self, method: str = "GET") -> bytes:
        """The next answer, interim ones before it included."""
        head = self.until(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100"):
            return head + self.raw(method)
        length = _LENGTH.search(head)
        if method == "HEAD" or head[9:12] in (b"204", b"304"):
            return head
        if length is None:
            return head + self._chunked()
        return head + self._take(int(length[1]))

    def ask(self, head: bytes) -> bytes:
        """Send one request in one piece, and take its answer."""
        self.send(head)
        return self.raw(head.partition(b" ")[0].decode())


class Caller:
    """Who asks with one header block on one connection; a context manager."""

    def __init__(self, site: Site, *lines: str, line: Line | None = None) -> None:
        self.site = site
        self.lines = lines
        self._is_own = line is None
        self.line = Line(site.url) if line is None else line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._is_own:
            self.line.__exit__(*exc)

    def ask(self, target: str) -> bytes:
        """The answer, as it came."""
        return self.line.ask(get(target, *self.lines))

    def told(self, target: str) -> tuple[bytes, bool]:
        """The answer, and whether the lane gave it. The connection is idle when it is asked: uvloop may hand
        on what a quick client sends before the way of the answer before it is over."""
        before = self.site.told
        answer = self.ask(target)
        return answer, self.site.told == before + 1

    def warm(self, target: str) -> bytes:
        """Ask until the lane answers; that answer. A collection that is new is followed after a moment."""
        for attempt in range(100):
            answer, is_told = self.told(target)
            if is_told:
                return answer
            if attempt > 8:
                time.sleep(0.05)
        raise AssertionError(f"never told by the lane: {answer!r}")


def get(target: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A head without a body."""
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: a", *lines, "", ""]).encode("latin-1")


def fixed(answer: bytes) -> bytes:
    """The answer without what is another each time."""
    head, mark, body = answer.partition(b"\r\n\r\n")
    for pattern, instead in _OF_THE_MOMENT:
        head = pattern.sub(instead, head)
    return head + mark + body


def status(answer: bytes) -> int:
    return int(answer[9:12])


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def field(answer: bytes, name: str) -> str | None:
    """The first value of a header field."""
    found = re.search(rb"\r\n%b: ([^\r]*)" % name.encode(), answer.partition(b"\r\n\r\n")[0])
    return None if found is None else found[1].decode()
