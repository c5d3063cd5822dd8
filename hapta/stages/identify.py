"""Who asks, and what PocketBase is told of it: its own token in place of the client's.

What a token is worth (design, section 5): ours and living, or PocketBase's own and proved → that identity.
Expired, or of no form we or PocketBase know → a guest, as PocketBase treats it. Ours and ended, replayed or
of a lost identity → 401, except on the routes by which people log in again (the SDK attaches its old token
even to a login), where it is dropped. A PocketBase token that proves nothing is dropped too; what is no auth
token at all travels on, for rules and hooks may read it.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Protocol

from hapta.identity.keeper import SessionKeeper
from hapta.identity.needs import SessionEnded
from hapta.identity.proof import is_pocketbase_token
from hapta.identity.raw import AdoptedTokens
from hapta.model.exchange import Answer, Exchange, Handler, Stage, Standing
from hapta.model.identity import Identity
from hapta.model.operation import OperationClass
from hapta.sessions.keys import KeyRing
from hapta.stages.file_tokens import give_back, open_file_tokens, takes_file_tokens

_SCHEME = re.compile(r"bearer ", re.IGNORECASE)
"""As PocketBase strips it: in any letter case, with exactly one space."""
_K = OperationClass
_WITHOUT_IDENTITY = frozenset({_K.DASHBOARD, _K.PREFLIGHT})
_DROPS_ENDED = frozenset({_K.OAUTH2_REDIRECT, _K.FILE, _K.HEALTH})
_LOGIN_ACTIONS = re.compile(r"auth-with-.*|auth-methods|request-.*|confirm-.*")
_READ = frozenset({"GET", "HEAD"})


class Sessions(Protocol):
    """What a token is worth."""

    def recall(self, token: str) -> Identity | None: ...

    async def resolve(self, token: str, address: str) -> Identity | None: ...


def identify(
    keeper: SessionKeeper,
    adopted: AdoptedTokens | None,
    ring: KeyRing,
    *,
    has_our_form: Callable[[str], bool],
) -> Stage:
    """Sets ``identity``, ``authorization`` and ``upstream_target``.

    Args:
        keeper: Hapta's sessions.
        adopted: PocketBase's own tokens; ``None`` when they are refused (``sessions.raw_tokens``).
        ring: keys of sealed file tokens.
        has_our_form: whether a token claims to be Hapta's.
    """

    def stage(exchange: Exchange, forward: Handler) -> Awaitable[Answer]:
        operation = exchange.operation
        if operation.kind in _WITHOUT_IDENTITY:
            return forward(exchange)
        if exchange.target.query and takes_file_tokens(operation):
            return _opening(exchange, forward)
        sent = exchange.headers.get("Authorization")
        if not sent:
            return forward(exchange)
        token = _token(sent)
        if token == token.strip() and (identity := keeper.recall(token)) is not None:
            _is(exchange, identity, token)
            return forward(exchange)
        return _asking(exchange, token, sent, forward)

    async def _opening(exchange: Exchange, forward: Handler) -> Answer:
        opened = open_file_tokens(exchange, ring, adopts=adopted is not None)
        sent = exchange.headers.get("Authorization")
        answer = await (_asking(exchange, _token(sent), sent, forward) if sent else forward(exchange))
        if opened:
            give_back(answer, opened)
        return answer

    async def _asking(exchange: Exchange, token: str, sent: str, forward: Handler) -> Answer:
        try:
            await _identify(exchange, token, sent)
        except SessionEnded:
            if not _drops_ended(exchange):
                raise
        return await forward(exchange)

    async def _identify(exchange: Exchange, token: str, sent: str) -> None:
        if token != token.strip():
            exchange.authorization = sent  # more than one space: no token to PocketBase, and so to nobody
            return
        address = str(exchange.client)
        identity = await keeper.resolve(token, address)  # which recalls what it remembers
        if identity is None and not has_our_form(token):
            if not is_pocketbase_token(token):
                exchange.authorization = sent
            elif adopted is not None:
                identity = await adopted.resolve(token, address)
        if identity is not None:
            _is(exchange, identity, token)

    def _is(exchange: Exchange, identity: Identity, token: str) -> None:
        exchange.identity = identity
        exchange.authorization = identity.upstream_token
        if exchange.is_repeatable:
            standing: Standing | None = keeper.standing(token)
            if standing is None and adopted is not None:
                standing = adopted.standing(token)
            exchange.standing = standing

    return stage


def _token(sent: str) -> str:
    return _SCHEME.sub("", sent, count=1) if _SCHEME.match(sent) else sent


def _drops_ended(exchange: Exchange) -> bool:
    operation = exchange.operation
    if operation.kind is _K.UNKNOWN:  # static files, as far as can be told: routes of apps stand under /api/
        return exchange.method in _READ and exchange.target.segments[0] != "api"
    return operation.kind in _DROPS_ENDED or _LOGIN_ACTIONS.fullmatch(operation.action) is not None
