"""The cache key: a plan's canonical target and the values of its parts for one caller and request.

A key is a tuple, each part in a tuple of its own, so no value a client writes can pass for another part.
Values of records stand in their JSON form: ``1``, ``true``, ``"1"`` and ``null`` are four values, as they are
four to a rule.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

from hapta.cache.header_names import snake_case
from hapta.cache.plan import Bypass, PartKind, Plan, Reason
from hapta.model.identity import Identity

Key: TypeAlias = tuple[str | tuple[str, ...], ...]
"""Only compared and hashed; what it is made of is nobody else's matter."""

MAX_VALUE = 512
"""Characters of one value; keys must not be a way to fill the memory."""


def cache_key(
    plan: Plan,
    *,
    method: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    caller: Identity | None,
    auth_field: Callable[[str], object],
) -> Key | Bypass:
    """The key under which an answer for this caller and request is stored and found.

    Args:
        plan: for this target and the caller's audience.
        method: of the request.
        headers: of the request; a multi-dict whose ``items()`` yields repeated fields one by one.
        query: first values (:func:`hapta.cache.query.parse_query`).
        caller: ``None`` for guests.
        auth_field: the current value of a field of the caller's record, as in JSON; ``LookupError`` if it is
            not known.
    """
    if not plan.parts and not plan.shaped_by:
        return (plan.collection, plan.target)
    values: list[str | tuple[str, ...]] = [plan.collection, plan.target]
    if plan.shaped_by:
        values.append(("shaped", str(plan.shaped_by)))
    for part in plan.parts:
        kind, name = part.kind, part.name
        value: tuple[str, ...] | Bypass
        if kind is PartKind.HEADER:
            value = _header(headers, name)
        elif kind is PartKind.QUERY:
            value = _query(query.get(name))
        elif kind is PartKind.METHOD:
            value = (method,)
        elif kind is PartKind.GUEST:
            value = () if caller is None else _OTHER_AUDIENCE
        elif caller is None or caller.is_superuser:
            value = _OTHER_AUDIENCE
        elif kind is PartKind.ANY_AUTH:
            value = ()
        elif kind is PartKind.AUTH_COLLECTION:
            value = (caller.collection,)
        elif kind is PartKind.AUTH_FIELD:
            value = _auth_value(caller, name, auth_field)
        else:
            value = (caller.collection, caller.record)
        if isinstance(value, Bypass):
            return value
        values.append((_WORDS[kind], name, *value))
    return tuple(values)


def keyed_headers(plan: Plan, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """The header lines of a request whose values stand in its key, as they were sent."""
    wanted = {part.name for part in plan.parts if part.kind is PartKind.HEADER}
    return [line for line in headers.items() if snake_case(line[0]) in wanted] if wanted else []


_WORDS = {kind: kind.value for kind in PartKind}
_OTHER_AUDIENCE = Bypass(Reason.SCHEMA, "the plan is for other callers")


def _query(value: str | None) -> tuple[str, ...] | Bypass:
    if value is None:
        return ()
    return (value,) if len(value) <= MAX_VALUE else Bypass(Reason.TARGET, "a query value too long for a key")


def _header(headers: Mapping[str, str], name: str) -> tuple[str, ...] | Bypass:
    found: str | None = None
    for field, value in headers.items():
        read_as = snake_case(field)
        if read_as == "connection" and any(snake_case(each) == name for each in value.split(",")):
            return Bypass(Reason.HEADER, f"{name} is meant for one hop only")
        if read_as != name:
            continue
        if found is not None:
            return Bypass(Reason.HEADER, f"several headers are read as {name}")
        found = value
    if found is None:
        return ()
    if len(found) > MAX_VALUE or not (found.isascii() and found.isprintable()):
        return Bypass(Reason.HEADER, f"the value of {name} cannot stand in a key")
    return (found,)


def _auth_value(caller: Identity, name: str, auth_field: Callable[[str], object]) -> tuple[str, ...] | Bypass:
    """A value in its JSON form; one that JSON may have damaged, or none of a scalar, is no value."""
    try:
        value = auth_field(name)
    except LookupError:
        return Bypass(Reason.SCHEMA, f"the caller's {name} is not known")
    if isinstance(value, str):
        # PocketBase writes bytes that are not UTF-8 as U+FFFD, so two values may look the same
        if len(value) > MAX_VALUE or "\ufffd" in value:
            return Bypass(Reason.SIZE, f"the caller's {name} cannot stand in a key")
    elif isinstance(value, float):
        if not math.isfinite(value):
            return Bypass(Reason.SCHEMA, f"the caller's {name} is no number")
    elif value is not None and not isinstance(value, bool | int):
        return Bypass(Reason.SCHEMA, f"the caller's {name} is no single value")
    return (caller.collection, json.dumps(value))
