"""Reading an event stream: lines in, events out (HTML standard, section 9.2.6)."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One server-sent event."""

    name: str
    id: str
    data: Any


async def events(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """The events in ``lines``; data that is no JSON is given as text."""
    fields: dict[str, list[str]] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        elif "data" in fields:
            text = "\n".join(fields["data"])
            yield Event(fields.get("event", ["message"])[-1], fields.get("id", [""])[-1], _decoded(text))
            fields = {}
        else:
            fields = {}


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
