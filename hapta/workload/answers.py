"""What came back, and what in it must not have: equality and leaks.

No field of the workload's answers may differ between two requests for the same thing by the same caller:
there are no file tokens and no random order in it. A *leak* is judged by the reference rules themselves, so
it is found even where no second answer is at hand: a private post or notification of somebody else, an e-mail
address of somebody else, a hidden field.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from hapta.workload import schema
from hapta.workload.calls import SUPERUSER

_NEVER_SHOWN = (schema.HIDDEN_FIELD, "tokenKey", "password")


@dataclass(frozen=True)
class Answer:
    """One answer; status 0 stands for none at all.

    Attributes:
        cache_status: what the target said of its cache (RFC 9211).
    """

    status: int
    body: bytes
    is_json: bool
    cache_status: str = ""

    @cached_property
    def json(self) -> Any:
        """The parsed body; ``None`` when it is not JSON."""
        if not self.is_json or not self.body:
            return None
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


def is_equal(one: Answer, other: Answer) -> bool:
    """The same status and the same content; for JSON whatever the order of keys."""
    if one.status != other.status:
        return False
    if one.body == other.body:
        return True
    if one.json is None or other.json is None:
        return False
    return _canonical(one.json) == _canonical(other.json)


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def records(value: Any) -> Iterator[dict[str, Any]]:
    """Every record in an answer: items, the answer itself, and what is expanded in them."""
    if isinstance(value, list):
        for item in value:
            yield from records(item)
    elif isinstance(value, dict):
        if "collectionName" in value and "id" in value:
            yield value
        for child in value.values():
            if isinstance(child, dict | list):
                yield from records(child)


def private_facts(answer: Answer, caller: str) -> set[str]:
    """What the answer says that ``caller`` may not know by the rules of the reference schema."""
    if caller == SUPERUSER:
        return set()
    facts = set()
    for record in records(answer.json):
        identifier, collection = record["id"], record["collectionName"]
        is_foreign_post = collection == schema.POSTS and record.get("author") != caller
        if is_foreign_post and record.get("visibility") == "private":
            facts.add(f"private post {identifier}")
        if collection == schema.NOTIFICATIONS and record.get("recipient") != caller:
            facts.add(f"notification {identifier} of somebody else")
        if collection == schema.USERS and identifier != caller and "email" in record:
            facts.add(f"e-mail address of {identifier}")
        facts.update(f"hidden field {name} of {identifier}" for name in _NEVER_SHOWN if name in record)
    return facts
