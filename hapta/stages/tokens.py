"""PocketBase's tokens stay here: in every answer that carries one, Hapta's stands in its place.

The answer is otherwise PocketBase's own, byte for byte: the token's text is replaced, nothing is written
anew. Routes of ``pb_hooks`` may answer a login in any shape, so JSON of unknown routes up to 1 MiB is
searched for auth tokens; each that lives becomes a session too. Their hooks may make a login of any write (a
registration, a confirmed e-mail), so answers to those are looked at for PocketBase's form of one.
"""

import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from hapta.cache.query import parse_query
from hapta.identity.keeper import SessionKeeper
from hapta.identity.proof import AuthToken, Prover, understand_auth_token
from hapta.model.address import prefix_of
from hapta.model.errors import UpstreamLost
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass
from hapta.sessions.keys import KeyRing
from hapta.sessions.seal import seal_file_token
from hapta.stages.admit import Admission
from hapta.stages.altered import altered_by_query
from hapta.stages.second_factor import FIRST_LEGS, may_be_second_leg
from hapta.stages.streams import Prefixed
from hapta.upstream.headers import header

SCANNED_BYTES = 1024 * 1024
MAX_PROOFS = 20
"""Tokens in one answer of which PocketBase is asked whether they live; further ones are cut out of it. Who
gets a route to repeat text of his would otherwise turn one request into thousands."""
MAX_DEVICE_CHARS = 200
_JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}")
_K = OperationClass
_MAY_LOG_IN = frozenset({_K.RECORD_WRITE, _K.AUTH_ACTION})


def swap_tokens(
    keeper: SessionKeeper,
    prover: Prover,
    ring: KeyRing,
    *,
    is_auth_collection: Callable[[str], bool],
    on_login: Callable[[str, str | None], None],
    admit: Admission,
) -> Stage:
    """Replaces tokens in answers.

    Args:
        keeper: makes and rotates sessions.
        prover: tells living tokens from others in answers of unknown routes.
        ring: keys of file tokens.
        is_auth_collection: whether an id is that of a known auth collection.
        on_login: told collection (name or id) and record (``None``: not known) of every login before its
            session is made: PocketBase may have changed the auth record.
        admit: asked whether somebody may have their token.
    """

    async def stage(exchange: Exchange, forward: Handler) -> Answer:
        operation = exchange.operation
        if operation.kind is _K.AUTH_ANSWER:
            exchange.wants_plain_answer = True
            return await _auth_answer(exchange, await forward(exchange))
        if operation.action == "file-token":
            exchange.wants_plain_answer = True
            return _file_token(await forward(exchange))
        answer = await forward(exchange)
        if operation.kind is _K.UNKNOWN:
            return await _scanned(exchange, answer)
        return await _written(exchange, answer) if operation.kind in _MAY_LOG_IN else answer

    async def _auth_answer(exchange: Exchange, answer: Answer) -> Answer:
        if answer.status != 200:
            if await _may_have_changed_somebody(exchange, answer.status):
                on_login(exchange.operation.collection or "", None)
            return await _scanned(exchange, answer)  # a hook may have answered 201
        body = await _whole(answer)
        parsed = _parse(body)
        token = parsed.get("token") if isinstance(parsed, Mapping) else None
        found = understand_auth_token(token) if isinstance(token, str) else None
        answer.body, answer.length = body, None
        if found is None:
            if isinstance(token, str):
                raise UpstreamLost  # a token in a form nobody knows must not leave
            if _has_fields(exchange.target.query):
                await _without_token(exchange, parsed)
            return await _scanned(exchange, answer)  # a hook gave it a shape of its own
        own = await _own_token(exchange, found)
        answer.body = body.replace(found.text.encode(), own.encode())
        return answer

    async def _without_token(exchange: Exchange, parsed: Any) -> None:
        action, presented = exchange.operation.action, exchange.identity
        if action == "auth-refresh" and presented is not None:
            await admit.without_token(exchange, presented.record)
            return
        if action != "impersonate":
            on_login(exchange.operation.collection or "", None)
        shown = parsed.get("record") if isinstance(parsed, Mapping) else None
        record = shown.get("id") if isinstance(shown, Mapping) else None
        is_whole = "id" not in altered_by_query(exchange.target.query)
        await admit.without_token(exchange, record if is_whole and isinstance(record, str) else None)

    async def _own_token(exchange: Exchange, found: AuthToken) -> str:
        action, presented = exchange.operation.action, exchange.identity
        if action == "auth-refresh" and presented is not None and presented.session is not None:
            await admit(exchange, found.collection, found.record, action)
            if not found.refreshable:
                return _sent_token(exchange)  # PocketBase answers the same token, and so does Hapta
            return await keeper.refresh(presented, found.text, found.exp)
        if action != "impersonate":
            on_login(found.collection, found.record)
        replaces = None
        if action.startswith("auth-with-") and presented is not None:
            replaces = presented.session if presented.owns(found.collection, found.record) else None
        return await _open(exchange, found, replaces)

    async def _open(exchange: Exchange, found: AuthToken, replaces: str | None = None) -> str:
        operation = exchange.operation
        how = operation.action if operation.kind is _K.AUTH_ANSWER else "custom"
        await admit(exchange, found.collection, found.record, how)
        return await keeper.open(
            collection=found.collection,
            record=found.record,
            upstream_token=found.text,
            exp=found.exp,
            refreshable=found.refreshable,
            device=exchange.headers.get("User-Agent", "")[:MAX_DEVICE_CHARS],
            address=prefix_of(exchange.client),
            replaces=replaces,
        )

    def _file_token(answer: Answer) -> Answer:
        parsed = _parse(answer.body) if answer.status < 300 and isinstance(answer.body, bytes) else None
        token = parsed.get("token") if isinstance(parsed, Mapping) else None
        if isinstance(token, str) and isinstance(answer.body, bytes):
            answer.body = answer.body.replace(token.encode(), seal_file_token(ring, token).encode())
        return answer

    async def _written(exchange: Exchange, answer: Answer) -> Answer:
        plain = _unpacked(answer, answer.body) if isinstance(answer.body, bytes) else None
        if answer.status >= 300 or plain is None or b'"token"' not in plain:
            return answer
        parsed = _parse(plain)
        if not isinstance(parsed, Mapping) or "collectionId" in parsed:
            return answer  # a record, which may have a field of that name
        token = parsed.get("token")
        found = understand_auth_token(token) if isinstance(token, str) else None
        if found is None or not await prover.lives(found.text, found.collection, found.record):
            return answer
        on_login(found.collection, found.record)
        _rewrite(answer, plain.replace(found.text.encode(), (await _open(exchange, found)).encode()))
        return answer

    async def _scanned(exchange: Exchange, answer: Answer) -> Answer:
        if not _is_json(answer):
            return answer
        body = await _beginning(answer)
        if body is None:
            return answer
        plain = _unpacked(answer, body)
        if plain is None:
            return answer
        swapped, proofs = plain, 0
        for text in dict.fromkeys(_JWT.findall(plain)):
            found = understand_auth_token(text.decode())
            if found is None or not is_auth_collection(found.collection):
                continue
            proofs += 1
            if proofs > MAX_PROOFS:
                swapped = swapped.replace(text, b"")
            elif await prover.lives(found.text, found.collection, found.record):
                swapped = swapped.replace(text, (await _open(exchange, found)).encode())
        if swapped is not plain:
            _rewrite(answer, swapped)
        return answer

    return stage


def _has_fields(query: str) -> bool:
    """Whether PocketBase may have left out parts of an answer."""
    if not query:
        return False
    parsed = parse_query(query)
    return parsed is None or bool(parsed.values.get("fields"))


async def _may_have_changed_somebody(exchange: Exchange, status: int) -> bool:
    """A login that failed may have set a new password before, and with it ended all tokens: a second factor
    is still to come (401) or is not the right one (400), or an authRule is not met (403)."""
    if exchange.operation.action not in FIRST_LEGS:
        return False
    return status in (401, 403) or (status == 400 and await may_be_second_leg(exchange))


def _sent_token(exchange: Exchange) -> str:
    sent = exchange.headers["Authorization"].strip()
    return sent.split(None, 1)[1] if sent[:7].lower() == "bearer " else sent


def _is_json(answer: Answer) -> bool:
    content_type = header(answer.headers, b"content-type")
    kind = (content_type or b"").partition(b";")[0].strip().lower()
    return kind in (b"application/json", b"text/json") or kind.endswith(b"+json")  # RFC 6839 §3.1


def _rewrite(answer: Answer, text: bytes) -> None:
    answer.body, answer.length = text, None
    answer.headers = [line for line in answer.headers if line[0].lower() != b"content-encoding"]


def _parse(body: Any) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


async def _whole(answer: Answer) -> bytes:
    """The whole body of an answer that must be looked into, however long."""
    if isinstance(answer.body, bytes):
        return answer.body
    return b"".join([piece async for piece in answer.body.chunks()])


async def _beginning(answer: Answer) -> bytes | None:
    """The body if it is small enough to be searched; else ``None``, and the answer goes on as a stream."""
    stream = answer.body
    if isinstance(stream, bytes):
        return stream if len(stream) <= SCANNED_BYTES else None
    if answer.length is not None and answer.length > SCANNED_BYTES:
        return None
    pieces: list[bytes] = []
    size = 0
    more = stream.chunks()
    async for piece in more:
        pieces.append(piece)
        size += len(piece)
        if size > SCANNED_BYTES:
            answer.body = Prefixed(pieces, stream, more)
            return None
    body = b"".join(pieces)
    answer.body, answer.length = body, None
    return body


def _unpacked(answer: Answer, body: bytes) -> bytes | None:
    """The JSON text behind a content coding; ``None`` where it cannot be read (Go's middleware only knows
    gzip)."""
    coding = header(answer.headers, b"content-encoding")
    if coding is None:
        return body
    if coding.strip().lower() != b"gzip":
        return None
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(body, SCANNED_BYTES)
    except zlib.error:
        return None
    return text if unpacker.eof else None
