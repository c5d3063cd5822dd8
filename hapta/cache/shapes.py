"""Rows that plugins shape before anybody gets them, as a plan has to know of it.

What a shaped row looks like depends on the viewer's declared values and on rows the plugin reads: the first
stand in the key, the second among the tags. And since what is stored is no longer what PocketBase has,
nothing is worked out from it: no list is patched, no view made of a list, no relation read out of a row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hapta.model.schema import Collection


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how rows of one collection look.

    Attributes:
        depends_on: of a viewer: ``auth``, ``auth.id``, ``auth.collectionId``, ``auth.collectionName`` or
            ``auth.FIELD``.
        reads: names or ids of collections whose rows it depends on as well.
    """

    depends_on: frozenset[str]
    reads: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """All of one moment; other plugins make another, which :meth:`PlanBook <hapta.cache.book.PlanBook>` sees
    by identity.

    Attributes:
        version: no two have the same. It stands in the key of every shaped answer.
        of: how a collection's rows are shaped; ``None``: not at all.
    """

    version: int
    of: Callable[[Collection], Shape | None]


def _untouched(collection: Collection) -> None:
    del collection


NO_SHAPES: Final = Shapes(0, _untouched)
