"""Watchers run behind the answers: each has a queue of its own and gets one thing after the other.

Order is kept per hook, a slow one delays nobody but itself, and its queue is bounded: what comes in when it
is full is dropped, counted and logged.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, Protocol

from hapta.hooks.registry import Hook
from hapta.hooks.run import HookRunner
from hapta.model.tasks import TaskSet

MOST_WAITING: Final = 10_000


class DropMeter(Protocol):
    """Told of what is dropped."""

    def watcher_dropped(self, plugin: str, kind: str) -> None: ...


class DropLog(Protocol):
    def warning(self, event: str, **fields: object) -> None: ...


class Watchers:
    """The queues.

    Args:
        runner: runs one hook.
        most_waiting: bound of each queue.
    """

    def __init__(
        self, runner: HookRunner, meter: DropMeter, log: DropLog, *, most_waiting: int = MOST_WAITING
    ) -> None:
        self._runner = runner
        self._meter = meter
        self._log = log
        self._most_waiting = most_waiting
        self._tasks = TaskSet()
        self._queues: dict[Hook, asyncio.Queue[tuple[tuple[Any, ...], str]]] = {}
        self._is_dropping: set[Hook] = set()

    def tell(self, hooks: Iterable[Hook], *args: Any, request_id: str = "") -> None:
        """Give the same to each of these hooks; returns at once."""
        for hook in hooks:
            queue = self._queues.get(hook)
            if queue is None:
                queue = self._queues[hook] = asyncio.Queue(self._most_waiting)
                self._tasks.spawn(self._work(hook, queue), name=f"watcher {hook.name}")
            try:
                queue.put_nowait((args, request_id))
            except asyncio.QueueFull:
                self._drop(hook)

    def _drop(self, hook: Hook) -> None:
        self._meter.watcher_dropped(hook.plugin, hook.kind.name)
        if hook not in self._is_dropping:  # once, until it has caught up
            self._is_dropping.add(hook)
            message = (
                f"{hook.name} is too slow: {self._most_waiting} calls wait for it, further ones are lost"
            )
            self._log.warning("watcher_behind", message=message, plugin=hook.plugin, hook=hook.name)

    async def _work(self, hook: Hook, queue: asyncio.Queue[tuple[tuple[Any, ...], str]]) -> None:
        while True:
            args, request_id = await queue.get()
            try:
                await self._runner.watch(hook, *args, request_id=request_id)
            finally:
                queue.task_done()
            if queue.empty():
                self._is_dropping.discard(hook)

    async def drain(self, seconds: float) -> int:
        """Let them finish what waits; how many calls were still waiting when the time was over."""
        try:
            async with asyncio.timeout(seconds):
                for queue in tuple(self._queues.values()):
                    await queue.join()
        except TimeoutError:
            pass
        return sum(queue.qsize() for queue in self._queues.values())

    async def stop(self) -> None:
        """Run nothing more."""
        await self._tasks.cancel()
        self._queues.clear()
