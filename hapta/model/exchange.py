"""A request with what the stages found out about it, and the answer that goes back.

``Exchange`` is handed from stage to stage; each field that is not known from the first byte says which stage
sets it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from multidict import CIMultiDictProxy

from hapta.model.address import Address
from hapta.model.errors import HaptaError
from hapta.model.identity import Identity
from hapta.model.operation import Operation
from hapta.model.target import Target

Header = tuple[bytes, bytes]


class RequestBody(Protocol):
    """Bytes of a request, read once."""

    @property
    def length(self) -> int | None:
        """Bytes announced or held; ``None`` while unknown (chunked, not yet read)."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces.

        Raises:
            ClientGone: the client left before the end.
            BodyTooSlow: the body trickles below the floor.
            BadFraming: its chunked coding is broken.
        """
        ...


class AnswerStream(Protocol):
    """Bytes of an answer that are passed on while they arrive."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces.

        Raises:
            UpstreamLost: the upstream broke off; what was sent so far is not the whole.
        """
        ...

    def abort(self) -> None:
        """End it now: nobody reads on. Idempotent, callable from any callback."""
        ...


class Charges(Protocol):
    """The limits a request was charged to before anybody knew what it would cost."""

    def more(self, requests: float) -> None:
        """Charge all of them as if for so many further requests."""
        ...


class Standing(Protocol):
    """What a token was worth when it was looked up."""

    @property
    def exp(self) -> float:
        """Its expiry, Unix seconds."""
        ...

    def holds(self, epoch: int) -> bool:
        """Whether it is still worth that, the change feed being live and in this epoch."""
        ...

    def used(self) -> None:
        """Somebody was answered on the strength of it."""
        ...


class ClientGone(Exception):
    """The client left; there is nobody to answer."""


@dataclass(slots=True)
class Answer:
    """An answer on its way back.

    Attributes:
        status: HTTP status.
        headers: end-to-end header lines in order, without ``Content-Length`` and ``Date``'s default.
        body: the whole body, or a stream of it.
        length: bytes of the body: of a stream if announced, of the absent body in an answer to HEAD; ``None``
            where the length is that of ``body`` or unknown.
        closes_connection: no further request on this connection.
        is_event_stream: unbuffered, counted as an open stream, ended first on shutdown.
        reason: a stable word for the log when Hapta answered by itself.
        is_begun: its head stands on the wire.
        sent_bytes: bytes of the body on the wire so far.
        basis: what it was told from, where it may be told again (set by the cache stage; see
            :mod:`hapta.fastlane`).
    """

    status: int
    headers: list[Header] = field(default_factory=list)
    body: bytes | AnswerStream = b""
    length: int | None = None
    closes_connection: bool = False
    is_event_stream: bool = False
    reason: str = ""
    is_begun: bool = False
    sent_bytes: int = 0
    basis: object = None


@dataclass(slots=True)
class Exchange:
    """One request and what is known of it.

    Attributes:
        method: as sent.
        target: canonical request target.
        operation: what it asks for.
        headers: request headers as received, case-insensitive.
        body: the request body, ``None`` when there is none. The spool stage puts a body that is held whole
            here.
        scheme: ``http`` or ``https`` as the client used it, as far as our own proxies tell.
        peer: address of the other end of the connection.
        client: address of the client, behind our own proxies.
        is_peer_trusted: the peer is one of ``server.trusted_proxies``.
        is_admin_client: the client may act as superuser (``admin.networks``).
        request_id: correlates answer, log and upstream.
        on_client_gone: registers a callback for when the client leaves, and returns how to take it back.
        identity: who asks, ``None`` for a guest (set by the identify stage).
        authorization: the ``Authorization`` PocketBase gets instead of the client's, ``None`` for none (set
            by the identify stage).
        upstream_target: the target PocketBase gets where it is not ``target.raw``, else empty (set by the
            identify stage, which opens sealed file tokens).
        wants_plain_answer: PocketBase is not told what codings the client takes, because the answer must be
            read (set by the tokens stage).
        batch: the requests in a batch, or why they cannot be read; ``None`` until a stage asks for them (set
            by :func:`hapta.stages.batch.batch_requests`).
        shaped_for: values of the caller's own record that stand in the key under which the answer is stored,
            by field: plugins that shape it go by these (set by the cache stage, on its fetches).
        charges: the limits it was charged to, ``None`` where none are kept (set by the limit stage).
        is_repeatable: its answer may be given again to the same request, as far as is known: its head came by
            itself. Set to false by a stage in front of the cache whose decision rests on more than the
            request, its caller and what the cache looks at.
        is_only_if_stored: PocketBase is not asked: what is not stored is answered 504 (RFC 9111 §5.2.1.7);
            for requests Hapta makes itself.
        standing: of the token it came with (set by the identify stage for what is repeatable).
        is_answered: PocketBase answered it, whatever becomes of that answer on its way back (set by the
            upstream stage).
        upstream_s: seconds spent waiting for PocketBase (set by the upstream stage).
        cache: what the cache did with a read, for the log: ``hit``, ``miss`` or ``bypass``, a colon and the
            reason; empty for what it does not concern (set by the cache stage).
    """

    method: str
    target: Target
    operation: Operation
    headers: CIMultiDictProxy[str]
    body: RequestBody | None
    scheme: str
    peer: Address
    client: Address
    is_peer_trusted: bool
    is_admin_client: bool
    request_id: str
    on_client_gone: Callable[[Callable[[], None]], Callable[[], None]]
    identity: Identity | None = None
    authorization: str | None = None
    upstream_target: str = ""
    wants_plain_answer: bool = False
    batch: Sequence[Mapping[str, Any]] | HaptaError | None = None
    shaped_for: Mapping[str, object] = field(default_factory=dict)
    charges: Charges | None = None
    is_repeatable: bool = False
    is_only_if_stored: bool = False
    standing: Standing | None = None
    is_answered: bool = False
    upstream_s: float = 0.0
    cache: str = ""

    @property
    def is_beyond_rights(self) -> bool:
        """Only superusers may do this, and who asks is none: PocketBase refuses it before it looks closer."""
        identity = self.identity
        is_nobody = self.authorization is None if identity is None else not identity.is_superuser
        return self.operation.is_superuser_only and is_nobody


Handler = Callable[[Exchange], Awaitable[Answer]]
Stage = Callable[[Exchange, Handler], Awaitable[Answer]]
