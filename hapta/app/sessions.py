"""Sessions put together: engine, rows, memory, stages, and what the change feed tells them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network

from cachetools import TTLCache

from hapta.config import SessionsConfig
from hapta.feed import Change, ChangeFeed, Own, SchemaUnconfirmed, SchemaWatch
from hapta.identity.keeper import SessionKeeper
from hapta.identity.key_check import check_keys
from hapta.identity.proof import Prover
from hapta.identity.raw import PROOFS_PER_MINUTE, AdoptedTokens
from hapta.identity.restore import RestoreFence
from hapta.identity.rows import SessionRows, date_value
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, OperatorError
from hapta.model.exchange import Stage
from hapta.model.schema import Schema
from hapta.model.tasks import TaskSet
from hapta.observe.events import Events
from hapta.sessions.keys import KeyRing
from hapta.sessions.token import has_our_form
from hapta.stages.admit import Admission
from hapta.stages.bind import bind_streams
from hapta.stages.doubt import Doubts, cast_doubt
from hapta.stages.identify import identify
from hapta.stages.restore import fence_restores
from hapta.stages.session_routes import session_routes
from hapta.stages.streams import OpenStreams
from hapta.stages.tokens import swap_tokens
from hapta.upstream.client import UpstreamClient
from hapta.upstream.superuser import SuperuserClient

SWEEP_EVERY_S = 3600.0
_EXPIRED_KEPT_S = 60.0
_SETTLE_AFTER_S = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0)
_PROOF_ADDRESSES = 50_000


@dataclass(frozen=True, slots=True)
class _Watched:
    """The change feed and the schema watch as one: a changed authRule ends tokens without any event."""

    feed: ChangeFeed
    schema: SchemaWatch

    @property
    def epoch(self) -> int:
        return self.feed.epoch

    @property
    def is_live(self) -> bool:
        return self.feed.is_live and self.schema.is_confirmed()

    async def confirm(self) -> None:
        if not self.schema.is_confirmed():
            with suppress(SchemaUnconfirmed):
                await self.schema.confirmed()

    def touch(self) -> None:
        self.feed.touch()


@dataclass(frozen=True, slots=True)
class _Doubts:
    """Doubt falls on all alike who remember something of auth records."""

    all: list[Doubts]

    def identity_changed(self, collection: str, record: str | None) -> None:
        for each in self.all:
            each.identity_changed(collection, record)

    def everybody_changed(self) -> None:
        for each in self.all:
            each.everybody_changed()

    def everything_changed(self) -> None:
        for each in self.all:
            each.everything_changed()


class _AuthCollections:
    """What sessions need to know of the schema."""

    def __init__(self, watch: SchemaWatch) -> None:
        self._watch = watch
        self._reached: dict[str, tuple[str, ...]] = {}
        self._schema: Schema | None = None

    def is_auth(self, collection_id: str) -> bool:
        collection = self._watch.snapshot.by_id.get(collection_id)
        return collection is not None and collection.type == "auth"

    def auth_reached_by(self, name_or_id: str) -> tuple[str, ...] | None:
        schema = self._watch.snapshot
        if schema is not self._schema:
            self._schema, self._reached = schema, {}
        collection = schema.resolve(name_or_id)
        if collection is None:
            return None
        reached = self._reached.get(collection.id)
        if reached is None:
            reached = self._reached[collection.id] = auth_reached(schema, collection.id)
        return reached


def auth_reached(schema: Schema, collection_id: str) -> tuple[str, ...]:
    """Ids of the auth collections a write to a collection can change: itself, and those whose rows go when
    its rows go, over any number of cascading relations."""
    seen, todo = {collection_id}, [collection_id]
    while todo:
        target = todo.pop()
        for other in schema.by_id.values():
            if other.id not in seen and any(
                field.get("type") == "relation"
                and field.get("collectionId") == target
                and field.get("cascadeDelete")
                for field in other.fields
            ):
                seen.add(other.id)
                todo.append(other.id)
    return tuple(found for found in seen if schema.by_id[found].type == "auth")


class Sessions:
    """Everything about sessions in one running gateway.

    Args:
        superuser: access to the rows.
        upstream: the door to PocketBase, for proofs.
        feed: the change feed, started.
        schema: the schema watch, started.
        own: ids of Hapta's collections.
        streams: the open event streams.
        admit: asked whether somebody who logged in may have their token (:mod:`hapta.stages.admit`).
    """

    def __init__(
        self,
        config: SessionsConfig,
        ring: KeyRing,
        *,
        superuser: SuperuserClient,
        upstream: UpstreamClient,
        feed: ChangeFeed,
        schema: SchemaWatch,
        own: Own,
        streams: OpenStreams,
        admit: Admission,
        clock: Clock,
        events: Events,
    ) -> None:
        self._admit = admit
        self._ring = ring
        self._superuser = superuser
        self._own = own
        self._clock = clock
        self._events = events
        self._streams = streams
        self._tasks = TaskSet()
        self._schema = schema
        watched = _Watched(feed, schema)
        self._collections = _AuthCollections(schema)
        self.rows = SessionRows(superuser, ring)
        self._prover = Prover(upstream)
        self.keeper = SessionKeeper(
            self.rows,
            self._prover,
            ring,
            watched,
            config,
            clock,
            events,
            streams,
        )
        self._adopted = None
        if config.raw_tokens == "adopt":
            self._adopted = AdoptedTokens(
                self._prover,
                watched,
                clock,
                is_auth_collection=self._collections.is_auth,
                take_proof=_proof_allowance(clock),
                has_stream=streams.has,
                on_ended=streams.end,
            )
        self._doubts = _Doubts([self.keeper])
        if self._adopted is not None:
            self._doubts.all.append(self._adopted)
        self._fence = RestoreFence(self.rows, self.keeper, clock)
        feed.on_change(self._on_change)
        feed.on_gap(self._on_gap)
        schema.on_change(self._on_schema_change)

    def also_tell(self, doubts: Doubts) -> None:
        """Somebody else remembers something of auth records."""
        self._doubts.all.append(doubts)

    def configure(self, config: SessionsConfig) -> None:
        """As :meth:`~hapta.identity.keeper.SessionKeeper.configure`."""
        self.keeper.configure(config)

    def identify_stages(self) -> Sequence[Stage]:
        """The stages in front of the lock and the limiter."""
        return [identify(self.keeper, self._adopted, self._ring, has_our_form=has_our_form)]

    def route_stages(self) -> Sequence[Stage]:
        """Hapta's own routes about sessions."""
        return [session_routes(self.keeper, self.rows, self._clock)]

    def inner_stages(self) -> Sequence[Stage]:
        """The stages behind the one that holds bodies."""
        return [
            bind_streams(self._streams, self.keeper.has_ended),
            swap_tokens(
                self.keeper,
                self._prover,
                self._ring,
                is_auth_collection=self._collections.is_auth,
                on_login=self._on_login,
                admit=self._admit,
            ),
            fence_restores(self._fence),
            cast_doubt(self._doubts, self._collections),
        ]

    async def start(self) -> None:
        """Look whether ``Secret`` is the one we know, and begin to sweep away what has expired.

        Raises:
            OperatorError: PocketBase does not answer.
        """
        try:
            warning = await check_keys(self._superuser, self._ring)
        except HaptaError as exc:
            raise OperatorError(f"the stored sessions cannot be looked at: {exc}") from exc
        if warning is not None:
            self._events.warning("secret_changed", message=warning)
        self._tasks.spawn(self._sweep(), name="sweep of expired sessions")

    async def stop(self) -> None:
        """Finish what is being written."""
        await self._tasks.cancel()
        if self._adopted is not None:
            await self._adopted.close()
        await self.keeper.close()

    async def _sweep(self) -> None:
        while True:
            with suppress(HaptaError):  # the next round does it
                for session_id in await self.rows.expired(self._clock.now() - _EXPIRED_KEPT_S):
                    await self.rows.delete(session_id)
            await asyncio.sleep(SWEEP_EVERY_S)

    def _on_change(self, change: Change) -> None:
        if change.collection_id == self._own.sessions:
            if change.action == "delete":
                self.keeper.session_row_changed(change.record_id, is_gone=True)
            elif change.action == "update":
                is_gone = None if change.record is None else bool(change.record["ended"])
                self.keeper.session_row_changed(change.record_id, is_gone=is_gone)
        elif change.collection_id == self._own.rotations:
            if change.record is None:
                self.keeper.everything_changed()  # whose it is was not told
            elif change.action != "delete":
                used_at = date_value(change.record["first_used"])
                self.keeper.rotation_row_changed(
                    change.record["session"], int(change.record["generation"]), used_at
                )
        elif change.action != "create" and self._collections.is_auth(change.collection_id):
            self._doubts.identity_changed(change.collection_id, change.record_id)

    def _on_login(self, collection: str, record: str | None) -> None:
        found = self._schema.snapshot.resolve(collection)
        if found is None:
            self._schema.invalidate()  # it was made behind Hapta, and its accounts are to be watched
        elif record is None:
            self._doubts.everybody_changed()
        else:
            self._doubts.identity_changed(found.id, record)

    def _on_gap(self) -> None:
        self._doubts.everything_changed()
        self._tasks.spawn(self._settle_restore(), name="sessions after a restore")

    async def _settle_restore(self) -> None:
        for delay_s in _SETTLE_AFTER_S:
            await asyncio.sleep(delay_s)
            with suppress(HaptaError):  # PocketBase is not back yet; until then the fence holds
                if ended := await self._fence.settle():
                    message = "a backup was restored; sessions that had ended before stay ended"
                    self._events.info("sessions", message=message, sessions=ended)
                return

    def _on_schema_change(self, _: Schema) -> None:
        # a changed authRule or secret ends tokens of the whole collection without an event (facts 0.12)
        self._doubts.everything_changed()


def _proof_allowance(clock: Clock) -> Callable[[str], bool]:
    """So many proofs of unknown tokens a minute for each address."""
    left: TTLCache[str, Iterator[int]] = TTLCache(_PROOF_ADDRESSES, 60.0, timer=clock.monotonic)

    def take(address: str) -> bool:
        if ":" in address:
            address = str(ip_network((address, 64), strict=False))  # one host has all of them
        allowance = left.get(address)
        if allowance is None:
            left[address] = allowance = iter(range(PROOFS_PER_MINUTE))
        return next(allowance, None) is not None

    return take
