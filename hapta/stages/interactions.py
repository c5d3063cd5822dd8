"""``POST /api/hapta/interactions``: what the caller did with rows of a ranked feed.

    {"collection": "posts", "interactions": [{"record": "ID", "kind": "dwell", "ms": 4200}, …]}

or ``"feed"`` and its name in place of ``"collection"``. Everybody tells of themselves: whose it is says the
token, never the body. The answer does not depend on whether there is such a row: what is told of one that
does not exist, or that the caller may not see, is kept as of any other.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import orjson

from hapta.model.concerns import only_for
from hapta.model.errors import BadRequest, BodyTooLarge, HaptaError, NotFound
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.identity import Identity
from hapta.model.operation import OperationClass
from hapta.ranking.interactions import KINDS, Interaction
from hapta.records import strict_json
from hapta.records.body import collect
from hapta.records.errors import UnreadableBody, UnsupportedType
from hapta.stages.session_routes import NoIdentity

MAX_BODY_BYTES: Final = 65_536
MAX_INTERACTIONS: Final = 200
WRITTEN_FOR_ONE: Final = 20
"""Interactions that are written for the price of one request; of more, each so many count as one more."""
MAX_MS: Final = 86_400_000
"""A day; what is longer is no dwell but a mistake."""

_RECORD_ID: Final = re.compile(r"[^\x00-\x20\x7f-\x9f./\\|\"'`<>:?*%$]{1,100}")
_REQUIRED: Final = {"code": "validation_required", "message": "Cannot be blank."}
_UNKNOWN: Final = {"code": "validation_unknown_field", "message": "There is no such field."}


class NotYourself(HaptaError):
    """The body names another than who asks."""

    status, code = 403, "not_yourself"
    message = "You are not allowed to perform this request."


class NoFeedOfTheirs(HaptaError):
    """Superusers see everything; nothing is ranked by what they do."""

    status, code = 403, "superuser"
    message = "Superusers have no interactions. Log in as the user who saw the rows."


class InvalidInteractions(BadRequest):
    """Something in the body is not as it must be.

    Args:
        data: what, by the field's name.
    """

    code, message = "invalid_interactions", "An error occurred while validating the submitted data."

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__()
        self.data = data


class Accepted(Protocol):
    """What became of them."""

    @property
    def accepted(self) -> int: ...
    @property
    def duplicates(self) -> int: ...


class Interactions(Protocol):
    """Who keeps them."""

    def collection_of(self, *, feed: str | None, collection: str | None) -> str | None: ...

    async def take(self, identity: Identity, collection_id: str, done: Sequence[Interaction]) -> Accepted: ...

    def refused(self) -> None: ...


def is_record_id(text: str) -> bool:
    """Whether PocketBase might have a record of this id: it lets nobody choose one with other characters."""
    return _RECORD_ID.fullmatch(text) is not None


def interaction_routes(interactions: Interactions) -> Stage:
    """Answers it; stands behind identify and before the routes of Hapta that nobody has."""

    async def answer(exchange: Exchange) -> Answer:
        identity = exchange.identity
        if identity is None:
            raise NoIdentity
        if identity.is_superuser:
            raise NoFeedOfTheirs
        feed, collection, done = read(await _body(exchange), identity)
        collection_id = interactions.collection_of(feed=feed, collection=collection)
        if collection_id is None:
            raise NotFound
        counted = await interactions.take(identity, collection_id, done)
        if exchange.charges is not None and counted.accepted > WRITTEN_FOR_ONE:
            exchange.charges.more(counted.accepted / WRITTEN_FOR_ONE - 1)
        body = orjson.dumps({"accepted": counted.accepted, "duplicates": counted.duplicates})
        return Answer(200, [(b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")], body)

    @only_for(OperationClass.OWN)
    async def stage(exchange: Exchange, forward: Handler) -> Answer:
        operation = exchange.operation
        if (operation.kind, operation.action, exchange.method) != (
            OperationClass.OWN,
            "interactions",
            "POST",
        ):
            return await forward(exchange)
        try:
            return await answer(exchange)
        except HaptaError:
            interactions.refused()
            raise

    return stage


async def _body(exchange: Exchange) -> bytes:
    body = exchange.body
    if body is None or body.length == 0:
        return b"{}"
    if not exchange.headers.get("Content-Type", "").startswith("application/json"):
        raise UnsupportedType
    if body.length is not None and body.length > MAX_BODY_BYTES:
        raise BodyTooLarge
    return await collect(body.chunks(), MAX_BODY_BYTES)


def read(text: bytes, identity: Identity) -> tuple[str | None, str | None, list[Interaction]]:
    """What a body says.

    Returns:
        The feed's name or ``None``, the collection's or ``None``, and what was done.

    Raises:
        UnreadableBody: it is no JSON, or could be read in two ways.
        NotYourself: it names another user.
        InvalidInteractions: what is wrong, field by field.
    """
    try:
        members = strict_json.parse(text)
    except ValueError as exc:
        raise UnreadableBody from exc
    if not isinstance(members, dict):
        raise UnreadableBody
    _refuse_others(members, identity)
    wrong: dict[str, Any] = {
        name: _UNKNOWN for name in members if name not in {"feed", "collection", "interactions", "user"}
    }
    feed, collection = members.get("feed"), members.get("collection")
    if feed is None and collection is None:
        wrong["collection"] = _REQUIRED
    elif feed is not None and collection is not None:
        wrong["feed"] = _invalid("Either a feed or a collection.")
    for name, value in (("feed", feed), ("collection", collection)):
        if value is not None and not (isinstance(value, str) and value):
            wrong[name] = _invalid("Must be a name.")
    done, wrong_items = _interactions(members.get("interactions"), identity)
    if wrong_items:
        wrong["interactions"] = wrong_items
    if wrong:
        raise InvalidInteractions(wrong)
    return feed, collection, done


def _interactions(items: object, identity: Identity) -> tuple[list[Interaction], Mapping[str, Any]]:
    if not items:
        return [], _REQUIRED
    if not isinstance(items, list):
        return [], _invalid("Must be a list.")
    if len(items) > MAX_INTERACTIONS:
        return [], _invalid(f"At most {MAX_INTERACTIONS}.", "validation_length_too_long")
    done: list[Interaction] = []
    wrong: dict[str, Any] = {}
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            wrong[str(number)] = _invalid("Must be an object.")
            continue
        _refuse_others(item, identity)
        if problems := _problems(item):
            wrong[str(number)] = problems
        else:
            done.append(Interaction(item["record"], item["kind"], item.get("ms", 0)))
    return done, wrong


def _problems(item: Mapping[str, Any]) -> dict[str, Any]:
    wrong: dict[str, Any] = {name: _UNKNOWN for name in item if name not in {"record", "kind", "ms", "user"}}
    record, kind, ms = item.get("record"), item.get("kind"), item.get("ms")
    if not record:
        wrong["record"] = _REQUIRED
    elif not isinstance(record, str) or not is_record_id(record):
        wrong["record"] = _invalid("Must be the id of a record.")
    if not kind:
        wrong["kind"] = _REQUIRED
    elif not isinstance(kind, str) or kind not in KINDS:
        wrong["kind"] = _invalid(f"Must be one of {', '.join(KINDS)}.", "validation_in_invalid")
    if kind != "dwell":
        if "ms" in item:
            wrong["ms"] = _invalid("Only of a dwell.")
    elif "ms" not in item:
        wrong["ms"] = _REQUIRED
    elif type(ms) is not int or not 0 <= ms <= MAX_MS:
        wrong["ms"] = _invalid(f"Must be a whole number of milliseconds, from 0 to {MAX_MS}.")
    return wrong


def _refuse_others(members: Mapping[str, Any], identity: Identity) -> None:
    if "user" in members and members["user"] != identity.record:
        raise NotYourself


def _invalid(message: str, code: str = "validation_invalid_format") -> dict[str, str]:
    return {"code": code, "message": message}
