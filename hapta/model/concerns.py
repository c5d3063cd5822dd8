"""Which classes of requests a stage has anything to do with.

A stage that says so hands every other request on as it came, and its answer back as it came: it may be left
out of their way. One that says nothing stands in everybody's.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from hapta.model.exchange import Stage
from hapta.model.operation import OperationClass

EVERYTHING: Final = frozenset(OperationClass)
_NAME: Final = "concerned_kinds"
_F = TypeVar("_F", bound=Callable[..., Any])


def only_for(*kinds: OperationClass) -> Callable[[_F], _F]:
    """Marks a stage, or the ``__call__`` of one: a request of any other class is nothing to it.

    Args:
        kinds: the classes by which the stage itself tells what concerns it.
    """

    def mark(stage: _F) -> _F:
        setattr(stage, _NAME, frozenset(kinds))
        return stage

    return mark


def concerned_kinds(stage: Stage) -> frozenset[OperationClass]:
    """The classes a stage must stand in the way of; all of them where it does not say."""
    found: frozenset[OperationClass] = getattr(
        stage,
        _NAME,
        getattr(stage.__call__, _NAME, EVERYTHING),  # type: ignore[operator]
    )
    return found
