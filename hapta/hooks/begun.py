"""A coroutine's first step, taken at once, and the rest of it if it waits.

Most hooks never wait. To step them first costs nothing, whereas a timer for each would cost more than the
hook. A step runs in the task of whoever takes it, as with ``await``.
"""

import types
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """It came to its end without waiting.

    Attributes:
        result: what it returned.
    """

    result: Any


@dataclass(frozen=True, slots=True)
class Waits:
    """It waits; :func:`rest` goes on.

    Attributes:
        coroutine: that has begun.
        on: what it gave to the event loop.
    """

    coroutine: Coroutine[Any, Any, Any]
    on: Any


def begin(coroutine: Coroutine[Any, Any, Any]) -> Done | Waits:
    """Take the first step; it may raise whatever the coroutine raises.

    Of what waits :func:`rest` must be awaited next, with nothing in between that waits itself: the event loop
    is to get what the coroutine gave for it.
    """
    try:
        return Waits(coroutine, coroutine.send(None))
    except StopIteration as end:
        return Done(end.value)


@types.coroutine
def rest(begun: Waits) -> Generator[Any, Any, Any]:
    """Go on to the end; returns and raises what the coroutine does. Being cancelled reaches it."""
    coroutine, on = begun.coroutine, begun.on
    while True:
        thrown: BaseException | None = None
        sent = None
        try:
            sent = yield on
        except BaseException as exc:
            thrown = exc
        try:
            on = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
        except StopIteration as end:
            return end.value
