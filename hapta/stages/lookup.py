"""Where in the store the answer to a read belongs: its plan under a schema that is confirmed, and its key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hapta.cache.key import Key, cache_key
from hapta.cache.plan import Audience, Bypass, PartKind, Plan, Reason
from hapta.model.exchange import Exchange
from hapta.model.identity import Identity
from hapta.model.operation import Operation
from hapta.model.target import Target


class Plans(Protocol):
    """Plans of the current schema."""

    @property
    def version(self) -> int:
        """Moves whenever plans made before are void."""
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

    def touch(self) -> None:
        """Something is answered on the strength of it."""

    def covers(self, plan: Plan) -> bool:
        """Whether changes of every collection the plan depends on are told."""
        ...


class AuthFields(Protocol):
    """Values of auth records' own fields."""

    async def fields(self, collection: str, record: str) -> Mapping[str, object]:
        """Those of one record, as of now.

        Raises:
            HaptaError: PocketBase had to be asked and did not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """One read, planned.

    Attributes:
        slot: its place in the store.
        caller: as whom it is fetched; ``None`` where guests may share the answer.
        is_private: nobody else may have it.
        version: of the plans it was made under.
    """

    plan: Plan
    slot: Key
    caller: Identity | None
    is_private: bool
    version: int


class Lookup:
    """Plans reads.

    Args:
        plans: what reads depend on.
        coherence: the change feed and the schema.
        auth_fields: for keys with the value of an auth record's field.
    """

    def __init__(self, plans: Plans, coherence: Coherence, auth_fields: AuthFields) -> None:
        self._plans = plans
        self._coherence = coherence
        self._auth_fields = auth_fields

    @property
    def version(self) -> int:
        """Of the plans made now."""
        return self._plans.version

    async def look_up(self, exchange: Exchange, *, is_own: bool) -> Look | Bypass:
        """Plan a read.

        Args:
            exchange: the read.
            is_own: the caller's own answer is wanted, because the one others share shows their e-mail or not.
        """
        identity = exchange.identity
        if exchange.body is not None:
            return Bypass(Reason.BODY)
        if identity is not None and identity.is_superuser:
            return Bypass(Reason.SUPERUSER)
        if identity is None and exchange.authorization is not None:
            return Bypass(Reason.HEADER, "an Authorization that is no token")
        if not await self._is_live():
            return Bypass(Reason.FEED)
        version = self._plans.version
        plan = self._plans.plan(
            exchange.target, exchange.operation, None if identity is None else identity.collection
        )
        if isinstance(plan, Bypass):
            return plan
        values: Mapping[str, object] = {}
        if identity is not None and any(part.kind is PartKind.AUTH_FIELD for part in plan.parts):
            values = await self._auth_fields.fields(identity.collection, identity.record)
        key = cache_key(
            plan,
            method=exchange.method,
            headers=exchange.headers,
            query=exchange.target.query,
            caller=identity,
            auth_field=values.get,
        )
        if isinstance(key, Bypass):
            return key
        if is_own and identity is not None:
            return Look(plan, (key, identity.collection, identity.record), identity, True, version)
        is_private = any(part.kind is PartKind.AUTH_RECORD for part in plan.parts)
        return Look(plan, key, None if plan.is_shared_with_guests else identity, is_private, version)

    async def _is_live(self) -> bool:
        coherence = self._coherence
        coherence.touch()
        if not coherence.is_live:
            await coherence.confirm()
        return coherence.is_live
