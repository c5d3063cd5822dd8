"""What is asked of a ranked feed: ``/api/hapta/feeds/<name>``, or ``?feed=<name>`` on a list."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hapta.cache.paging import Paging, parse_paging
from hapta.cache.query import Query, parse_query
from hapta.model.errors import BadRequest
from hapta.model.exchange import Exchange
from hapta.model.operation import OperationClass

PARAMETER: Final = "feed"
_ROUTE: Final = "feeds"
_OWN: Final = frozenset({PARAMETER, "page", "perPage", "skipTotal", "snapshot", "explain"})
_TRUTHS: Final = {"": False, "0": False, "false": False, "1": True, "true": True}


@dataclass(frozen=True, slots=True)
class RankedRequest:
    """One page of a feed.

    Attributes:
        paging: which.
        snapshot: id of the order that is paged through; empty: the latest, or for the first page a new one.
        explains: scores are to be taken apart.
        others: all other parameters, which PocketBase gets with each question about rows: ``expand``,
            ``fields``, and what rules may read.
    """

    paging: Paging
    snapshot: str
    explains: bool
    others: Mapping[str, str]


def feed_in_path(exchange: Exchange) -> str | None:
    """The name in ``/api/hapta/feeds/<name>``; ``None`` for any other path."""
    operation = exchange.operation
    if operation.kind is not OperationClass.OWN:
        return None
    route, _, name = operation.action.partition("/")
    return name if route == _ROUTE and name and "/" not in name else None


def feed_in_query(exchange: Exchange) -> str | None:
    """The feed a list is asked to be; ``None`` where it is not."""
    operation, query = exchange.operation, exchange.target.query
    if PARAMETER not in query and "%" not in query:  # the name itself may be escaped
        return None
    if operation.kind is not OperationClass.RECORD_READ or operation.action != "list":
        return None
    parsed = parse_query(query)
    return None if parsed is None else parsed.values.get(PARAMETER)


def read_request(exchange: Exchange) -> RankedRequest:
    """What is asked for.

    Raises:
        BadRequest: something that a ranked feed cannot be asked for.
    """
    query = parse_query(exchange.target.query)
    if query is None or not query.is_plain:
        raise BadRequest("The query of a ranked feed must be plain: every parameter once.")
    for name in ("filter", "sort"):
        if query.values.get(name):
            raise BadRequest(
                f"A ranked feed takes no {name}: which rows it has, and their order, are its own."
            )
    paging = parse_paging(query.values)
    explains = _TRUTHS.get(query.values.get("explain", ""))
    if paging is None or explains is None:
        raise BadRequest("Of a ranked feed page and perPage are whole numbers, skipTotal and explain 0 or 1.")
    return RankedRequest(paging, query.values.get("snapshot", ""), explains, _others(query))


def _others(query: Query) -> dict[str, str]:
    not_theirs = _OWN | {"filter", "sort"}
    return {name: value for name, value in query.values.items() if name not in not_theirs}
