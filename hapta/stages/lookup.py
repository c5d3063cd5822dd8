"""Where in the store the answer to a read belongs: its plan under a schema that is confirmed, and its key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hapta.cache.key import Key, cache_key
from hapta.cache.plan import Audience, Bypass, PartKind, Plan, Reason
from hapta.cache.query import parse_query
from hapta.cache.tags import Tag, all_rows, record
from hapta.identity.auth_records import AuthFields, AuthRecords
from hapta.model.exchange import Exchange
from hapta.model.identity import Identity
from hapta.model.operation import Operation
from hapta.model.target import Target

_TRIES = 3
_NO_VALUES: Mapping[str, Any] = {}


class Plans(Protocol):
    """Plans of the current schema."""

    @property
    def version(self) -> int:
        """Moves whenever plans made before are void."""
        ...

    @property
    def planned_version(self) -> int:
        """Of the plan made last."""
        ...

    def plan(self, target: Target, operation: Operation, audience: Audience) -> Plan | Bypass:
        """The plan of a read."""
        ...


class Coherence(Protocol):
    """Whether changes are heard of."""

    @property
    def is_live(self) -> bool:
        """The feed lives and the schema is confirmed."""
        ...

    async def confirm(self) -> None:
        """Confirm the schema if that is all that is missing; says nothing of the outcome."""

    def is_confirmed_since(self, instant: float) -> bool:
        """Whether the schema is known to be what it was at some moment after this monotonic instant."""
        ...

    async def confirm_since(self, instant: float) -> None:
        """Ask for it; says nothing of the outcome."""

    def touch(self) -> None:
        """Something is answered on the strength of it."""

    def covers(self, tags: Iterable[Tag]) -> bool:
        """Whether changes of every collection that is named there are told."""
        ...


@dataclass(slots=True)  # frozen ones cost twice as much to make, and one is made for every read
class Look:
    """One read, planned.

    Attributes:
        slot: its place in the store.
        caller: as whom it is fetched; ``None`` where guests may share the answer.
        is_private: nobody else may have it.
        auth_fields: values of the caller's record that stand in the key.
        version: of the plans it was made under.
        is_own: it is beside one that others share.
        fields: where ``auth_fields`` are from.
    """

    plan: Plan
    slot: Key
    caller: Identity | None
    is_private: bool
    auth_fields: Mapping[str, object]
    version: int
    is_own: bool = False
    fields: AuthFields | None = None


class Lookup:
    """Plans reads.

    Args:
        plans: what reads depend on.
        coherence: the change feed and the schema.
        auth_records: for keys with the value of an auth record's field.
    """

    def __init__(self, plans: Plans, coherence: Coherence, auth_records: AuthRecords) -> None:
        self._plans = plans
        self._coherence = coherence
        self._auth_records = auth_records

    async def look_up(self, exchange: Exchange, *, is_own: bool) -> Look | Bypass:
        """Plan a read. Nothing is awaited after what the key is made of was read: a fence taken at once upon
        it holds for the key as well.

        Args:
            exchange: the read.
            is_own: the caller's own answer is wanted, because the one others share shows their e-mail or not.
        """
        for _ in range(_TRIES):
            look = self.look_now(exchange, is_own=is_own)
            if look is not None:
                return look
            if not await self._is_live():
                return Bypass(Reason.FEED)
            plan = self._plan(exchange)
            if isinstance(plan, Bypass):
                return plan
            version, identity = self._plans.planned_version, exchange.identity
            if identity is None or PartKind.AUTH_FIELD not in plan.kinds:
                return _look(exchange, plan, None, version, is_own=is_own)
            known = await self._auth_records.fields(identity.collection, identity.record)
            if known is None or not known.is_current:
                return Bypass(Reason.WRITE, "the caller's record is not known or changes")
            # else the plan is void by now, or it may be
            if version == self._plans.version and self._coherence.is_live:
                return _look(exchange, plan, known, version, is_own=is_own)
        return Bypass(Reason.SCHEMA, "the schema keeps changing")

    def look_now(self, exchange: Exchange, *, is_own: bool) -> Look | Bypass | None:
        """What :meth:`look_up` says where nothing has to be asked for it; ``None`` where something must."""
        identity = exchange.identity
        if exchange.body is not None:
            return Bypass(Reason.BODY)
        if identity is None:
            if exchange.authorization is not None:
                return Bypass(Reason.HEADER, "an Authorization that is no token")
        elif identity.is_superuser:
            return Bypass(Reason.SUPERUSER)
        coherence = self._coherence
        coherence.touch()
        if not coherence.is_live:
            return None
        plan = self._plan(exchange)
        if isinstance(plan, Bypass):
            return plan
        if identity is not None and PartKind.AUTH_FIELD in plan.kinds:
            return None
        return _look(exchange, plan, None, self._plans.planned_version, is_own=is_own)

    def _plan(self, exchange: Exchange) -> Plan | Bypass:
        identity = exchange.identity
        audience = None if identity is None else identity.collection
        return self._plans.plan(exchange.target, exchange.operation, audience)

    async def _is_live(self) -> bool:
        coherence = self._coherence
        coherence.touch()
        if not coherence.is_live:
            await coherence.confirm()
        return coherence.is_live


def _look(
    exchange: Exchange, plan: Plan, known: AuthFields | None, version: int, *, is_own: bool
) -> Look | Bypass:
    identity = exchange.identity
    values = _NO_VALUES if known is None else known.values
    kinds = plan.kinds
    query = parse_query(exchange.target.query) if PartKind.QUERY in kinds else None
    key = cache_key(
        plan,
        method=exchange.method,
        headers=exchange.headers,
        query=_NO_VALUES if query is None else query.values,
        caller=identity,
        auth_field=values.__getitem__,
    )
    if isinstance(key, Bypass):
        return key
    if is_own and identity is not None:
        return Look(plan, own_slot(key, identity), identity, True, _NO_VALUES, version, is_own=True)
    caller = None if plan.is_shared_with_guests else identity
    fields: Mapping[str, Any] = _NO_VALUES
    if PartKind.AUTH_FIELD in kinds:
        fields = {part.name: values[part.name] for part in plan.parts if part.kind is PartKind.AUTH_FIELD}
    return Look(plan, key, caller, PartKind.AUTH_RECORD in kinds, fields, version, fields=known)


def tags_of(look: Look) -> frozenset[Tag]:
    """What it depends on, as far as that is known before it is fetched."""
    caller = look.caller
    if caller is None:
        return look.plan.tags_for(None)
    return look.plan.tags_for(caller.record) | {
        record(caller.collection, caller.record),
        all_rows(caller.collection),
    }


def own_slot(slot: Key, caller: Identity) -> Key:
    """The place of a caller's own answer beside one that others share."""
    return (*slot, ("own", caller.collection, caller.record))
