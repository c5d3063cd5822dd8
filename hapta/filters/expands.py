"""The expand list: ``author,comments_via_post.author``, and the old form ``comments(post)``.

As ``core/record_query_expand.go`` reads it, measured on 0.40.6. PocketBase refuses none: what it cannot
follow is left out. Spaces vanish everywhere (no other white space does), points at both ends too; a path that
another one goes on from is dropped, and so are hops after the sixth.

A hop that leads nowhere takes its whole path with it, hops before it included, but only where a row gets that
far: with ``author.nope`` a row without author still shows an empty ``expand``. So the hops before it count as
looked at.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from hapta.filters.paths import BackRelation, back_relation

MAX_HOPS = 6
_OLD_FORM = re.compile(r"(\w+)\((\w+)\)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path.

    Attributes:
        name: as written, which is its key in the answer's ``expand``; may be one that leads nowhere.
        back: the back-relation it means; else it is a relation field. Unlike in a filter, a field called
            like a back-relation does not come first.
    """

    name: str
    back: BackRelation | None = None


def parse_expand(text: str) -> tuple[tuple[Hop, ...], ...]:
    """The paths in order, each once, without those that others go on from."""
    written = (path.strip(".") for path in text.replace(" ", "").split(","))
    paths = dict.fromkeys(path for path in written if path)
    # sorted with a point behind, whatever goes on from a path follows it directly
    ordered = sorted(path + "." for path in paths)
    contained = {path[:-1] for path, after in pairwise(ordered) if after.startswith(path)}
    return tuple(_hops(path) for path in paths if path not in contained)


def _hops(path: str) -> tuple[Hop, ...]:
    return tuple(Hop(name, _back(name)) for name in path.split(".", MAX_HOPS)[:MAX_HOPS])


def _back(name: str) -> BackRelation | None:
    if "(" not in name:
        return back_relation(name)
    found = _OLD_FORM.fullmatch(name)
    return BackRelation(found[1], found[2]) if found else None
