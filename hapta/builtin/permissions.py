"""The plugin ``permissions``: who may set, change and read which field. Superusers may everything.

Writes are judged before any other plugin transforms them, so that nothing a plugin makes of a field a client
may not set counts as the plugin's own. A field that is sent back as it is stored is taken out of the write,
for frontends send whole records: what is stored may be another by the time PocketBase writes, and would be
set back. One its sender may not read is refused all the same, for it could be found out by trying.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hapta.builtin.access import ALWAYS_READ, Access, Rule, allows, expressions, is_open
from hapta.plugins import Caller, Change, FieldError, PluginApi, Record, Reject, Viewer

NAME: Final = "permissions"
_FIRST: Final = -1_000_000
_NOT_ALLOWED: Final = FieldError("validation_not_allowed", "You are not allowed to set this field.")
_MISSING: Final = object()


def add_writes(api: PluginApi, collection: str, create: Access, update: Access, read: Access) -> None:
    """Register what is asked of writes to one collection."""

    async def guard(change: Change) -> Change:
        if change.is_by_superuser:
            return change
        access = create if change.action == "create" else update
        closed = {name: rule for name in _touched(change) if not is_open(rule := access.rule(name))}
        if not closed:
            return change
        row = await _row(change)
        auth = await _auth(change.caller, [*closed.values(), *map(read.rule, closed)])
        forbidden = [name for name, rule in closed.items() if not allows(rule, auth, row)]
        sent_back = [name for name in forbidden if _is_sent_back(change, name, read, auth, row)]
        errors = {name: _NOT_ALLOWED for name in forbidden if name not in sent_back}
        if errors:
            raise Reject.of_fields(errors)
        return change.without_fields(sent_back) if sent_back else change

    guard.__name__ = f"guard_{collection}"
    api.transform(collection, on={"create", "update"}, priority=_FIRST)(guard)


def add_reads(api: PluginApi, collection: str, read: Access) -> None:
    """Register what is asked of reads of one collection."""
    for field, rule in read.rules.items():
        if field not in ALWAYS_READ and not (is_open(rule) and is_open(read.others)):
            _add_read(api, collection, field, rule)
    if not is_open(read.others):
        _add_read(api, collection, "*", read.others)


def _add_read(api: PluginApi, collection: str, field: str, rule: Rule) -> None:
    names = frozenset(name for expression in expressions(rule) for name in expression.auth)

    async def may_read(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return allows(rule, {name: viewer[f"auth.{name}"] for name in names}, row)

    may_read.__name__ = f"read_{collection}_{'others' if field == '*' else field}"
    api.can_read(collection, field, depends_on={f"auth.{name}" for name in names})(may_read)


def _touched(change: Change) -> set[str]:
    """The fields a write sets; on create the id the client chooses is one of them."""
    names = {*change.fields, *change.files}
    return names | {"id"} if change.action == "create" and change.id is not None else names


async def _row(change: Change) -> Mapping[str, Any]:
    """The record expressions are about: the stored one, on create the one that is to be."""
    if change.action == "create":
        return change.fields if change.id is None else {**change.fields, "id": change.id}
    return await change.old() or {}


async def _auth(caller: Caller | None, rules: Iterable[Rule]) -> Mapping[str, Any]:
    """The caller's values that the rules ask for; of somebody who is gone none is known."""
    names = {name for expression in expressions(*rules) for name in expression.auth}
    if caller is None:
        return dict.fromkeys(names)
    known = {"id": caller.id, "collectionName": caller.collection}
    if names <= known.keys():
        return known
    record: Record | None = await caller.record()
    if record is None:
        return known
    # what the caller's collection does not have is NULL, the null of a JSON field is something else
    values = {name: record.get(name) for name in names if name not in record or record[name] is not None}
    return values | known


def _is_sent_back(
    change: Change, name: str, read: Access, auth: Mapping[str, Any], row: Mapping[str, Any]
) -> bool:
    if change.action != "update" or name in change.files:
        return False
    if name not in ALWAYS_READ and not allows(read.rule(name), auth, row):
        return False
    if name == "email" and row.get("emailVisibility") is False and not _is_own(change):
        return False  # PocketBase shows it to its owner
    return _is_same(change.fields.get(name, _MISSING), row.get(name, _MISSING))


def _is_own(change: Change) -> bool:
    caller = change.caller
    return caller is not None and (caller.collection, caller.id) == (change.collection, change.id)


def _is_same(left: Any, right: Any) -> bool:
    """Whether two values are the same JSON; ``true`` is not 1, as it is in Python."""
    waiting = [(left, right)]
    while waiting:
        one, other = waiting.pop()
        if one is _MISSING or isinstance(one, bool) is not isinstance(other, bool):
            return False
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            if one.keys() != other.keys():
                return False
            waiting += [(one[key], other[key]) for key in one]
        elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
            if len(one) != len(other):
                return False
            waiting += zip(one, other, strict=True)
        elif one != other:
            return False
    return True
