"""Runs hooks: within their deadline, each failure meaning what its kind says.

Deadlines are cooperative: a hook that waits is cancelled, one that computes without awaiting holds up the
whole process and is found out afterwards. Heavy work belongs into the pool (``api.offload``).
"""

import asyncio
import json
import traceback
from typing import Any, Final, Protocol

from hapta.hooks.begun import Done, begin, rest
from hapta.hooks.change import Change, Written
from hapta.hooks.registry import Hook
from hapta.hooks.reject import HookFailed, Reject
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError

_REDACTED: Final = "[redacted]"
_MIN_SECRET_CHARS: Final = 4
"""Shorter ones are no passwords, and masking them would make a trace unreadable."""


class HookMeter(Protocol):
    """Counts runs of hooks."""

    def hook_done(self, plugin: str, kind: str, outcome: str, seconds: float) -> None:
        """One ended: ``passed``, ``rejected``, ``failed`` or ``timed_out``."""


class HookLog(Protocol):
    """The event log."""

    def error(self, event: str, **fields: object) -> None: ...


class Misbehaved(Exception):
    """A hook took longer than its deadline, or returned what it may not: no trace would tell more."""


class HookRunner:
    """Runs single hooks.

    Args:
        guard_deadline_s, watcher_deadline_s: of hooks that have no deadline of their own.
    """

    def __init__(
        self,
        *,
        guard_deadline_s: float,
        watcher_deadline_s: float,
        meter: HookMeter,
        log: HookLog,
        clock: Clock,
    ) -> None:
        self.configure(guard_deadline_s=guard_deadline_s, watcher_deadline_s=watcher_deadline_s)
        self._meter = meter
        self._log = log
        self._clock = clock

    def configure(self, *, guard_deadline_s: float, watcher_deadline_s: float) -> None:
        """Other deadlines for hooks that begin from now on."""
        self._guard_deadline_s = guard_deadline_s
        self._watcher_deadline_s = watcher_deadline_s

    async def guard(self, hook: Hook, *args: Any, request_id: str = "") -> Any:
        """Run a guard; what it returns.

        Raises:
            Reject: it refuses.
            HookFailed: it crashed, or took too long.
            HaptaError: PocketBase did not answer it.
        """
        try:
            return await self._run(hook, args, hook.deadline_s or self._guard_deadline_s)
        except (Reject, HaptaError):
            raise
        except Exception as exc:
            self._tell(hook, exc, request_id, args)
            raise HookFailed from exc

    async def watch(self, hook: Hook, *args: Any, request_id: str = "") -> None:
        """Run a watcher; its failures are logged and counted."""
        try:
            await self._run(hook, args, hook.deadline_s or self._watcher_deadline_s)
        except Exception as exc:
            self._tell(hook, exc, request_id, args)

    async def call(self, hook: Hook) -> None:
        """Run what belongs to a plugin's life; it may fail with anything."""
        await self._run(hook, (), hook.deadline_s or self._watcher_deadline_s)

    async def _run(self, hook: Hook, args: tuple[Any, ...], deadline_s: float) -> Any:
        began, outcome = self._clock.monotonic(), "failed"
        deadline: asyncio.Timeout | None = None
        try:
            try:
                begun = begin(hook.function(*args))
                if isinstance(begun, Done):
                    result = begun.result
                else:
                    left_s = deadline_s - (self._clock.monotonic() - began)
                    async with asyncio.timeout(left_s) as deadline:
                        result = await rest(begun)
            except TimeoutError as exc:
                if deadline is None or not deadline.expired():
                    raise
                outcome = "timed_out"
                raise Misbehaved(f"took longer than {deadline_s:g} s") from exc
            except asyncio.CancelledError as exc:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                raise Misbehaved("awaited something that was cancelled") from exc
            except SystemExit as exc:
                raise Misbehaved(f"wants to end Hapta: SystemExit({exc.code!r})") from exc
            if deadline is not None and deadline.expired():  # it would not be cancelled
                outcome = "timed_out"
                raise Misbehaved(f"took longer than {deadline_s:g} s")
            if (took := self._clock.monotonic() - began) > deadline_s:
                outcome = "timed_out"
                raise Misbehaved(f"took {took:.1f} s without awaiting, more than {deadline_s:g} s")
            outcome = "passed"
            return result
        except Reject:
            outcome = "rejected"
            raise
        finally:
            seconds = self._clock.monotonic() - began
            self._meter.hook_done(hook.plugin, hook.kind.name, outcome, seconds)

    def blame(self, hook: Hook, problem: str, request_id: str) -> None:
        """What a hook returned is of no use; the caller stops what it guards."""
        self._tell(hook, Misbehaved(problem), request_id)

    def _tell(self, hook: Hook, exc: Exception, request_id: str, args: tuple[Any, ...] = ()) -> None:
        is_told = isinstance(exc, Misbehaved)
        fields: dict[str, object] = {"plugin": hook.plugin, "hook": hook.name, "kind": hook.kind.name}
        fields["where"] = f"{hook.file}:{hook.line}"
        if request_id:
            fields["request_id"] = request_id
        if not is_told:
            fields["trace"] = _without_secrets("".join(traceback.format_exception(exc)), args)
        reason = str(exc) if is_told else _without_secrets(f"{type(exc).__name__}: {exc}", args)
        self._log.error("hook_failed", message=f"{hook.name}: {reason}", **fields)


def _without_secrets(text: str, args: tuple[Any, ...]) -> str:
    """What is told of a failure, without the passwords its hook was given: exceptions quote values."""
    changes = [arg.change if isinstance(arg, Written) else arg for arg in args]
    values = [value for change in changes if isinstance(change, Change) for value in change.secrets]
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _MIN_SECRET_CHARS:
            for form in (value, repr(value)[1:-1], json.dumps(value)[1:-1]):
                text = text.replace(form, _REDACTED)
    return text
