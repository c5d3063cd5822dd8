"""Hapta's own collections stay out of sight: the dashboard and exports show the operator's.

PocketBase itself is asked to leave them out, by a filter, so pages and totals are exact. Only ``GET
/api/collections`` and ``GET /api/collections/NAME`` are concerned; their rows are reached as any others, and
a schema import that does not name them leaves them alone, because they are system collections.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from urllib.parse import quote, unquote_plus

from hapta.model.concerns import only_for
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass
from hapta.model.schema import fold_name
from hapta.model.target import Target

_ABSENT = "-"
"""No collection can have this name."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def hide_own_collections(names: Collection[str], ids: Collection[str]) -> Stage:
    """Leaves Hapta's collections out of what ``/api/collections`` shows.

    Args:
        names: their names.
        ids: their ids.
    """
    condition = " && ".join(f'name != "{name}"' for name in sorted(names))
    hidden = {*ids, *names}

    @only_for(OperationClass.ADMIN)
    async def hide(exchange: Exchange, forward: Handler) -> Answer:
        operation, asked = exchange.operation, exchange.target
        if (
            operation.kind is not OperationClass.ADMIN
            or operation.action != "schema"
            or exchange.method not in {"GET", "HEAD"}
        ):
            return await forward(exchange)
        if operation.collection is None:
            exchange.target = filtered(asked, condition)
        elif operation.collection in hidden or fold_name(operation.collection) in hidden:
            exchange.target = _absent(asked)
        try:
            return await forward(exchange)
        finally:
            exchange.target = asked  # what is logged is what the client sent

    return hide


def _absent(target: Target) -> Target:
    path = f"/api/collections/{_ABSENT}"
    query = f"?{target.query}" if target.query else ""
    return replace(target, raw=path + query, path=path, segments=("api", "collections", _ABSENT))


def filtered(target: Target, condition: str) -> Target:
    """``target`` with ``condition`` added to its ``filter``; of several the first counts (Go's ``url.Values``
    leaves out pairs with a semicolon or a bad escape)."""
    pairs = target.query.split("&") if target.query else []
    for index, pair in enumerate(pairs):
        key, _, value = pair.partition("=")
        if ";" in pair or _BAD_ESCAPE.search(pair) or unquote_plus(key) != "filter":
            continue
        given = unquote_plus(value)
        if given.strip():
            # on lines of its own: a comment at its end would swallow the bracket
            pairs[index] = "filter=" + quote(f"{condition} && (\n{given}\n)", safe="")
            break
        pairs[index] = "filter=" + quote(condition, safe="")
        break
    else:
        pairs.append("filter=" + quote(condition, safe=""))
    query = "&".join(pairs)
    return replace(target, raw=f"{target.path}?{query}", query=query)
