"""Rows of one author apart from each other.

Place by place, the best row is taken whose author is in none of the ``spacing`` places before; where the rows
left are all of such authors, it is the best row of the author who was there longest ago. So two rows of one
author come one after the other only when nobody else is left. A row without author is never in the way, and
the rows of one author keep their order.

A row passed over waits in a queue of its author's, and no row is looked at more than twice.
"""

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush

from hapta.ranking.features import NONE


def spaced(authors: Sequence[int], spacing: int, count: int, fixed: int, is_all: bool) -> list[int] | None:
    """The first ``count`` places of an order in which authors stand apart.

    Args:
        authors: their codes, the best row first.
        fixed: so many at the beginning stay where they are.
        is_all: these are all rows; else there are more after them.

    Returns:
        Indices into ``authors``; ``None``: a row after these would have to be looked at.
    """
    count = min(count, len(authors))
    taken = list(range(min(fixed, count)))
    last_place = {authors[row]: place for place, row in enumerate(taken)}
    waiting: dict[int, deque[int]] = {}
    ready: list[int] = []  # heads of the queues whose author is far enough behind, by how good they are
    following = fixed
    for place in range(len(taken), count):
        behind = place - spacing - 1
        if behind >= 0:
            author = authors[taken[behind]]
            if author in waiting and last_place[author] == behind:
                heappush(ready, waiting[author][0])
        if ready:
            row = heappop(ready)
        else:
            while following < len(authors):
                author = authors[following]
                if author == NONE or last_place.get(author, behind) <= behind:
                    break
                waiting.setdefault(author, deque()).append(following)
                following += 1
            if following < len(authors):
                row = following
                following += 1
            elif not is_all:
                return None
            else:
                row = waiting[min(waiting, key=last_place.__getitem__)][0]
        author = authors[row]
        queue = waiting.get(author)
        if queue and queue[0] == row:
            queue.popleft()
            if not queue:
                del waiting[author]
        taken.append(row)
        last_place[author] = place
    return taken
