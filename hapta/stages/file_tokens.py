"""Sealed file tokens in ``?token=``: opened for PocketBase, sealed again in whatever it says of the request.

PocketBase repeats a request's query where it redirects to the path it would rather be asked for (``//``,
``/../``), and routes of apps may repeat it anywhere.
"""

from collections.abc import Mapping
from urllib.parse import unquote_plus

from hapta.identity.proof import is_pocketbase_token
from hapta.model.exchange import Answer, Exchange
from hapta.model.operation import Operation, OperationClass
from hapta.sessions.keys import KeyRing
from hapta.sessions.seal import is_file_token, open_file_token

_K = OperationClass


def takes_file_tokens(operation: Operation) -> bool:
    """Whether PocketBase reads ``?token=``, or an app's own route may."""
    return operation.kind in (_K.FILE, _K.UNKNOWN) or operation.action == "backups"


def open_file_tokens(exchange: Exchange, ring: KeyRing, *, adopts: bool) -> dict[bytes, bytes]:
    """Set ``upstream_target`` where the target has a token that PocketBase must get otherwise.

    Args:
        adopts: PocketBase's own file tokens count; else they are taken out.

    Returns:
        What the client sent, by the opened token that PocketBase gets in its place.
    """
    target = exchange.target
    opened: dict[bytes, bytes] = {}
    pieces = target.query.split("&")
    for number, piece in enumerate(pieces):
        key, _, value = piece.partition("=")
        if unquote_plus(key) == "token":
            text = unquote_plus(value)
            if is_file_token(text):
                token = open_file_token(ring, text) or ""
                pieces[number] = f"{key}={token}"
                if token:
                    opened[token.encode()] = value.encode()  # escapes kept: it may go into a header
            elif not adopts and is_pocketbase_token(text):
                pieces[number] = f"{key}="
    query = "&".join(pieces)
    if query != target.query:
        exchange.upstream_target = f"{target.path}?{query}"
    return opened


def give_back(answer: Answer, opened: Mapping[bytes, bytes]) -> None:
    """Put the client's own text in place of every opened token that an answer repeats."""
    for token, sent in opened.items():
        answer.headers = [(name, value.replace(token, sent)) for name, value in answer.headers]
        if isinstance(answer.body, bytes) and token in answer.body:
            answer.body = answer.body.replace(token, sent)
