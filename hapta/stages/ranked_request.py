"""What is asked of a ranked feed: ``/api/hapta/feeds/<name>``, or ``?feed=<name>`` on a list."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from hapta.cache.header_names import snake_case
from hapta.cache.paging import TRUTHS, Paging, parse_paging
from hapta.cache.query import Query, parse_query
from hapta.model.errors import BadRequest
from hapta.model.exchange import Exchange
from hapta.model.operation import OperationClass

PARAMETER: Final = "feed"
_ROUTE: Final = "feeds"
_OWN: Final = frozenset({PARAMETER, "page", "perPage", "skipTotal", "snapshot", "explain"})
_HEADER_READ: Final = re.compile(r"@request\.headers\.(\w+)", re.ASCII)
_QUERY_READ: Final = "@request.query"
_OF_THE_MOMENT: Final = frozenset(
    {"if_none_match", "cache_control", "pragma", "referer", "x_request_id", "traceparent", "tracestate"}
)
"""Fields that are others with each request of one client."""


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
    explains = TRUTHS.get(query.values.get("explain", ""))
    if paging is None or explains is None:
        raise BadRequest("Of a ranked feed page and perPage are whole numbers, skipTotal and explain 0 or 1.")
    return RankedRequest(paging, query.values.get("snapshot", ""), explains, _others(query))


def seen_by(exchange: Exchange, others: Mapping[str, str], rule: str | None, *, reads_all: bool) -> str:
    """Who asks, as far as it decides which rows they may see: an order that was made for somebody is nobody
    else's, nor theirs when they ask in another way.

    Args:
        others: parameters, as in :attr:`RankedRequest.others`.
        rule: the listRule, which may read parameters and header fields.
        reads_all: PocketBase's own hooks may look at whatever was sent.
    """
    owner = "" if exchange.identity is None else exchange.identity.key
    names = set(_HEADER_READ.findall(rule or ""))
    fields = [
        (found, value)
        for name, value in exchange.headers.items()
        if (found := snake_case(name)) in names or (reads_all and found not in _OF_THE_MOMENT)
    ]
    read = others if reads_all or _QUERY_READ in (rule or "") else {}
    if not fields and not read:
        return owner
    told = ascii((sorted(fields), sorted(read.items()))).encode()
    return f"{owner} {blake2b(told, digest_size=12).hexdigest()}"


def _others(query: Query) -> dict[str, str]:
    not_theirs = _OWN | {"filter", "sort"}
    return {name: value for name, value in query.values.items() if name not in not_theirs}
