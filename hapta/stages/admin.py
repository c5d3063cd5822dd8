"""The lock on what only superusers may do: they work from ``admin.networks`` or not at all.

To everybody else a superuser's route does not exist (404), and a superuser's identity or login on an ordinary
route is refused (403). The lock looks at the collection as PocketBase resolves it, in any letter case or by
id, and at the sub-requests of a batch. It reads tokens without checking them: a forged one proves nothing to
PocketBase either, and a real one cannot be written differently, because its text is what is signed.
"""

import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable
from urllib.parse import parse_qsl, unquote

import orjson

from hapta.config import AdminConfig
from hapta.model.concerns import only_for
from hapta.model.errors import AdminOnly, NotFound
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass
from hapta.stages.batch import batch_requests

SUPERUSERS = "_superusers"
SUPERUSERS_ID = "pbc_3142635823"
"""Fixed in PocketBase: ``pbc_`` and the CRC-32 of the collection's type and name
(``core/collection_model.go``)."""

_SCHEME = re.compile(r"bearer\s+", re.IGNORECASE)


def is_superusers(collection: str | None) -> bool:
    """Whether a collection name or id means ``_superusers``.

    PocketBase compares names with Go's ``strings.EqualFold``, which folds more than ASCII (``ſ`` is an
    ``s``); ``casefold`` folds at least as much, so the lock errs towards shut.
    """
    return collection is not None and (collection == SUPERUSERS_ID or collection.casefold() == SUPERUSERS)


def token_collection(token: str) -> str | None:
    """The ``collectionId`` a JWT claims, unverified; ``None`` for what is no JWT of PocketBase's."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (Base64Error, ValueError):
        return None
    collection = claims.get("collectionId") if isinstance(claims, dict) else None
    return collection if isinstance(collection, str) else None


def _claims_superuser(exchange: Exchange) -> bool:
    tokens = exchange.headers.getall("Authorization", ())
    if any(token_collection(_SCHEME.sub("", token.strip(), count=1)) == SUPERUSERS_ID for token in tokens):
        return True
    query = (exchange.upstream_target or exchange.target.raw).partition("?")[2]  # sealed ones opened
    if "token" not in query and "%" not in query:  # the name itself may be escaped
        return False
    return any(key == "token" and token_collection(value) == SUPERUSERS_ID for key, value in parse_qsl(query))


def _names_superusers(url: object) -> bool:
    """Whether the URL of a sub-request has ``_superusers`` anywhere in its path.

    PocketBase takes the collection out of the text with a regular expression and decodes no escapes; decoding
    them errs towards shut.
    """
    if not isinstance(url, str):
        return False  # PocketBase refuses it
    return any(is_superusers(unquote(segment)) for segment in re.split(r"[/?#]", url))


@only_for(OperationClass.RECORD_WRITE, OperationClass.OWN)
async def batch_lock(exchange: Exchange, forward: Handler) -> Answer:
    """The lock inside a batch; stands where the body is held whole."""
    is_looked_into = exchange.operation.action == "batch" and not exchange.is_admin_client
    if is_looked_into and any(_names_superusers(each.get("url")) for each in await batch_requests(exchange)):
        raise AdminOnly
    return await forward(exchange)


def admin_lock(config: AdminConfig) -> Stage:
    """The lock as a stage.

    Args:
        config: the ``[admin]`` table; whether a client is within its networks was decided when it came.
    """

    def lock(exchange: Exchange, forward: Handler) -> Awaitable[Answer]:
        if exchange.is_admin_client:
            return forward(exchange)
        operation = exchange.operation
        if operation.is_superuser_only:
            raise NotFound
        if operation.kind is OperationClass.DASHBOARD and config.ui == "networks":
            raise NotFound
        if is_superusers(operation.collection):
            is_record = operation.kind in (OperationClass.RECORD_READ, OperationClass.RECORD_WRITE)
            raise NotFound if is_record else AdminOnly
        if _claims_superuser(exchange):
            raise AdminOnly
        return forward(exchange)

    return lock
