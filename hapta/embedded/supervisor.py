"""Keeps one PocketBase serving on one address until it is told to stop.

A single task owns the child at any time: it starts it, waits until it is healthy, then waits until it ends,
and begins again after :class:`~hapta.model.backoff.Backoff`. It never gives up after the first success;
before that, whatever goes wrong is the operator's to know, with PocketBase's own last words.

The port stays the same across children, so the address of the upstream never changes. PocketBase also
restarts itself (a restored backup) with ``execve``: same pid, no exit. That shows only as its banner printed
again; then the marker of the data directory, which a restore takes away, is put back and the subscribers hear
of it as of any restart.
"""

import asyncio
import traceback
from collections.abc import Callable

from hapta.embedded.access import let_own_address_in, make_token
from hapta.embedded.accounts import Account, upsert
from hapta.embedded.child import Child, ChildExit, start_child
from hapta.embedded.events import EventLog
from hapta.embedded.health import health_status
from hapta.embedded.output import OutputTail, essence
from hapta.embedded.ports import choose_port, is_free
from hapta.embedded.prepare import Prepared
from hapta.model.backoff import Backoff
from hapta.model.clock import Clock
from hapta.model.errors import OperatorError
from hapta.model.tasks import TaskSet

_POLL_S = 0.01
_TERMINATE_WITHIN_S = 5.0
_PORT_TRIES = 5
_SHOWN_LINES = 12
_BANNER = "Server started at http"
_BANNER_LINES = (_BANNER, "├─ REST API:", "└─ Dashboard:")
_PORT_TAKEN = "address already in use"


class _NotHealthy(Exception):
    """This child will not serve; the text says why."""


class _PortTaken(_NotHealthy):
    """Another program listens where the child should."""


class EmbeddedPocketBase:
    """The embedded PocketBase, started once and stopped once.

    Attributes:
        prepared: what it was made from: the accounts to log in with, the secret, the paths.
        restarts: how many times a child was started after the first.
        reloads: how many times PocketBase restarted itself, as after a restore.
        is_up: PocketBase answered healthy and has not ended since.
    """

    def __init__(
        self, prepared: Prepared, clock: Clock, events: EventLog, *, start_timeout_s: float = 120.0
    ) -> None:
        """
        Args:
            prepared: owned from now on; its lock is given back by :meth:`stop`.
            start_timeout_s: how long a child may take until it is healthy; migrations of large data count in.
        """
        self.restarts = 0
        self.reloads = 0
        self.is_up = False
        self.prepared = prepared
        self._options = prepared.options
        self._clock = clock
        self._events = events
        self._start_timeout_s = start_timeout_s
        self._port = prepared.options.port
        self._tail = OutputTail()
        self._backoff = Backoff()
        self._tasks = TaskSet()
        self._child: Child | None = None
        self._up_at = 0.0
        self._banners = 0
        self._was_port_taken = False
        self._stopping = asyncio.Lock()
        self._on_up: list[Callable[[bool], None]] = []
        self._on_down: list[Callable[[], None]] = []

    @property
    def base_url(self) -> str:
        """Where the child serves; fixed once :meth:`start` has returned."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """PocketBase's pid while there is one."""
        return self._child.pid if self._child else None

    @property
    def guard_pid(self) -> int | None:
        """The pid of the guard process, PocketBase's parent."""
        return self._child.guard_pid if self._child else None

    def output_tail(self, count: int = 50) -> list[str]:
        """The last lines PocketBase printed, tokens masked."""
        return self._tail.last(count)

    def subscribe(
        self,
        *,
        on_up: Callable[[bool], None] | None = None,
        on_down: Callable[[], None] | None = None,
    ) -> None:
        """Be told; called on the loop, must not wait.

        Args:
            on_up: PocketBase is healthy; True for the first time, False after a restart or a restore.
                Settings may be others than before then.
            on_down: PocketBase has ended and will be restarted; :meth:`stop` is no such end. A restart of
                itself goes unannounced until it is over: then both are called.
        """
        if on_up:
            self._on_up.append(on_up)
        if on_down:
            self._on_down.append(on_down)

    async def start(self) -> str:
        """Set up the accounts where needed and start PocketBase; returns its address once it is healthy.

        Raises:
            OperatorError: it cannot serve, with what it printed. Everything is stopped and given back then.
        """
        try:
            await self._set_up_accounts()
            await self._start_first()
        except BaseException:
            await self.stop()
            raise
        self._tasks.spawn(self._supervise(), name="embedded PocketBase")
        self._went_up(first=True)
        return self.base_url

    async def stop(self) -> None:
        """SIGTERM, after five seconds SIGKILL; the data directory is given back.

        May be called any number of times; while :meth:`start` is under way, cancel that instead.
        """
        async with self._stopping:
            await self._tasks.cancel()
            if self._child is not None:
                await self._end(self._child)
            self.is_up = False
            self.prepared.release()

    async def upsert_service_account(self) -> None:
        """Set Hapta's own account again, after a login with it was refused; works while PocketBase serves."""
        if await let_own_address_in(self._options):
            self._events.warning(
                "settings",
                message="PocketBase's list of superuser IPs shut Hapta itself out: added 127.0.0.1 to it",
            )
        await self._upsert(self.prepared.service)

    async def service_token(self) -> str | None:
        """A token of Hapta's own account without a login, where superusers may not log in by password
        alone."""
        return await make_token(self._options, self.prepared.service.email, self._clock.now())

    async def upsert_operator_account(self) -> None:
        """Set the operator's account to what the configuration says; works while PocketBase serves."""
        await self._upsert(self.prepared.operator)

    async def _set_up_accounts(self) -> None:
        """Those that changed since they were last set in this data directory; normally none."""
        for account in (self.prepared.operator, self.prepared.service):
            known = self.prepared.data_dir.accounts.get(account.name)
            if known != account.fingerprint(self.prepared.secret):
                await self._upsert(account)

    async def _upsert(self, account: Account) -> None:
        await upsert(self._options, account)
        data_dir = self.prepared.data_dir
        data_dir.mark(data_dir.accounts | {account.name: account.fingerprint(self.prepared.secret)})

    async def _start_first(self) -> None:
        for _ in range(_PORT_TRIES if not self._options.port else 1):
            self._port = self._options.port or choose_port()
            try:
                await self._launch()
            except _PortTaken as exc:
                taken = exc
            except _NotHealthy as exc:
                raise OperatorError(self._failure(exc)) from None
            else:
                return
        raise OperatorError(self._failure(taken))

    def _failure(self, reason: Exception) -> str:
        said = "".join(f"\n  {line}" for line in essence(self._tail.last(), _SHOWN_LINES))
        said = f"it printed:{said}" if said else "it printed nothing"
        what = f"PocketBase ({self._options.binary}) does not start on {self._options.data_dir}"
        return f"{what}: {reason}; {said}"

    async def _launch(self) -> None:
        """Start a child and wait until it is healthy.

        Raises:
            _NotHealthy: it is not; no child is left.
        """
        options = self._options
        if not is_free(self._port):  # or its answers could be taken for the child's
            raise _PortTaken(f"another program listens on 127.0.0.1:{self._port} (upstream.embedded_port)")
        command = [str(options.binary), "serve", f"--http=127.0.0.1:{self._port}", *options.arguments()]
        self._banners, self._was_port_taken = 0, False
        try:
            child = await start_child(
                command,
                cwd=options.base_dir,
                environ=options.environ,
                lock_descriptor=self.prepared.data_dir.lock_descriptor,
                on_output=self._on_output,
            )
        except OSError as exc:
            raise _NotHealthy(f"its guard process cannot be started: {exc}") from exc
        self._child = child
        try:
            await self._until_healthy(child)
        except _NotHealthy:
            await self._end(child)
            raise

    async def _until_healthy(self, child: Child) -> None:
        ended = self._tasks.spawn(child.wait(), name="wait for the child's end")
        last_status: int | None = None
        deadline = self._clock.monotonic() + self._start_timeout_s
        try:
            while not ended.done():
                last_status = await health_status(self._port)
                if last_status == 200:
                    return
                if self._clock.monotonic() >= deadline:
                    raise _NotHealthy(
                        f"/api/health did not answer 200 within {self._start_timeout_s:g} s "
                        f"(last answer: {last_status or 'none'})"
                    )
                await asyncio.wait([ended], timeout=_POLL_S)
            if self._was_port_taken:
                raise _PortTaken(f"127.0.0.1:{self._port} was taken meanwhile (upstream.embedded_port)")
            raise _NotHealthy(ended.result().reason)
        finally:
            ended.cancel()

    async def _supervise(self) -> None:
        while True:
            if self._child is not None:
                ended = await self._child.wait()
                self._child = None
                await self._pause(ended)
            self.restarts += 1
            try:
                await self._launch()
            except (_NotHealthy, OperatorError) as exc:
                wait_s = self._backoff.wait_s(0.0)
                self._events.error(
                    "pocketbase_not_started",
                    message=f"PocketBase does not start again: {exc}",
                    next_try_s=wait_s,
                )
                await asyncio.sleep(wait_s)
            else:
                self._went_up(first=False)

    async def _pause(self, ended: ChildExit) -> None:
        """Report the end, and wait as long as the ends before it demand."""
        served_s = self._clock.monotonic() - self._up_at
        wait_s = self._backoff.wait_s(served_s)
        self._events.error(
            "pocketbase_ended",
            message=f"PocketBase ended: {ended.reason}; it is started again",
            served_s=round(served_s, 1),
            next_try_s=wait_s,
        )
        self._went_down()
        await asyncio.sleep(wait_s)

    async def _end(self, child: Child) -> None:
        child.terminate()
        try:
            await asyncio.wait_for(child.wait(), _TERMINATE_WITHIN_S)
        except TimeoutError:
            self._events.warning(
                "pocketbase_killed",
                message=f"PocketBase did not end within {_TERMINATE_WITHIN_S:g} s of SIGTERM and was killed",
            )
            child.kill()
            await child.wait()
        if self._child is child:
            self._child = None

    def _on_output(self, data: bytes) -> None:
        for line in self._tail.feed(data):
            if not any(mark in line for mark in _BANNER_LINES):  # its address is not for people, Hapta's is
                self._events.info("pocketbase_output", message=line)
            self._was_port_taken |= _PORT_TAKEN in line
            if _BANNER in line:
                self._banners += 1
                if self._banners > 1 and self.is_up and self._child is not None:
                    self._tasks.spawn(self._reloaded(self._child), name="PocketBase restarted itself")

    async def _reloaded(self, child: Child) -> None:
        self._events.warning(
            "pocketbase_reloaded", message="PocketBase restarted itself, as after a restored backup"
        )
        self.reloads += 1
        self._went_down()
        try:
            self.prepared.data_dir.ensure_marker()
            await self._until_healthy(child)
        except (_NotHealthy, OperatorError) as exc:
            self._events.error(
                "pocketbase_not_started",
                message=f"PocketBase restarted itself and does not serve: {exc}",
                next_try_s=0.0,
            )
            child.kill()  # the supervising task sees the end, if it has not yet
        else:
            self._went_up(first=False)

    def _went_up(self, *, first: bool) -> None:
        self.is_up = True
        self._up_at = self._clock.monotonic()
        for tell in self._on_up:
            self._call(tell, first)

    def _went_down(self) -> None:
        if self.is_up:
            self.is_up = False
            for tell in self._on_down:
                self._call(tell)

    def _call(self, subscriber: Callable[..., None], *arguments: bool) -> None:
        """A subscriber's mistake must not end the supervision."""
        try:
            subscriber(*arguments)
        except Exception:
            self._events.error(
                "pocketbase_subscriber_failed",
                message="a part of Hapta failed on the news that PocketBase is up or down",
                traceback=traceback.format_exc(),
            )
