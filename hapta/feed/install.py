"""Hapta's collections, installed and brought up to date in whatever PocketBase stands behind it.

Looks first and writes only what is missing, all in one import, which PocketBase does in one transaction. Two
Haptas that start at once both look, both import the same, and the one that comes second finds it done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from hapta.feed.layout import LAYOUT, NAMES_BY_PART, ForeignCollection, Own, missing
from hapta.model.errors import OperatorError
from hapta.upstream.client import Lane
from hapta.upstream.superuser import NotPocketBase, SuperuserClient

HEARTBEAT_ID: Final = "feedheartbeat00"
"""The row of ``hapta_meta`` whose PATCH proves that the change feed hears."""

IMPORT: Final = "/api/collections/import"

_TRIES = 5
_PAUSE_S = 0.2


class InstallFailed(OperatorError):
    """Hapta's collections cannot be made in this PocketBase."""


def heartbeat_path(own: Own) -> str:
    """Where the heartbeat's row is."""
    return f"/api/collections/{own.meta}/records/{HEARTBEAT_ID}"


async def install(superuser: SuperuserClient) -> Own:
    """Make sure that all ``hapta_*`` collections are there, complete, with the heartbeat's row.

    Idempotent: a second call writes nothing. May run in several processes at once.

    Raises:
        InstallFailed: a foreign collection stands in the way, or PocketBase refuses, in its own words.
        NotPocketBase: what answers does not speak of collections as PocketBase does.
        SuperuserRefused: Hapta has no superuser access.
        UpstreamRefused, UpstreamLost, UpstreamUnavailable: PocketBase did not answer.
    """

    async def send(changes: Sequence[Mapping[str, Any]]) -> tuple[int, Any]:
        return await superuser.request("PUT", IMPORT, import_body(changes), lane=Lane.STREAMS)

    found = await complete(superuser, LAYOUT, send)
    own = Own(**{part: found[name]["id"] for part, name in NAMES_BY_PART.items()})
    await _ensure_heartbeat(superuser, own)
    return own


def import_body(changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What to send to :data:`IMPORT`."""
    return {"collections": changes, "deleteMissing": False}


async def complete(
    superuser: SuperuserClient,
    layout: Sequence[Mapping[str, Any]],
    send: Callable[[Sequence[Mapping[str, Any]]], Awaitable[tuple[int, Any]]],
) -> Mapping[str, Mapping[str, Any]]:
    """Make sure that collections are there, with at least these fields and indexes.

    Args:
        superuser: looks.
        layout: the collections, each with ``id``, ``name``, ``type``, ``system``, ``fields`` and ``indexes``.
        send: imports what is missing; status and answer.

    Returns:
        The collections as they are, by name.

    Raises:
        InstallFailed, NotPocketBase, SuperuserRefused, HaptaError: as :func:`install`.
    """
    refusal = ""
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(_PAUSE_S * attempt)
        found = await _found(superuser, [wanted["name"] for wanted in layout])
        changes = _changes(layout, found, superuser.base_url)
        if not changes:
            return found
        status, answer = await send(changes)
        if status != 204:  # another Hapta may have been faster: look again
            refusal = f" (status {status}): {_words(answer)}"
    raise InstallFailed(
        f"PocketBase at {superuser.base_url} does not take Hapta's collections"
        f"{refusal or '; they were taken, and are not there'}; it must be 0.38 or newer"
    )


async def _found(superuser: SuperuserClient, names: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
    wanted = " || ".join(f'name = "{name}"' for name in sorted(names))
    status, answer = await superuser.request(
        "GET", f"/api/collections?perPage=50&skipTotal=1&filter={quote(wanted)}", lane=Lane.STREAMS
    )
    if status != 200:
        raise InstallFailed(
            f"PocketBase at {superuser.base_url} does not show its collections (status {status}): "
            f"{_words(answer)}"
        )
    try:
        return {item["name"]: item for item in answer["items"]}
    except (KeyError, TypeError) as exc:
        raise NotPocketBase(
            f"{superuser.base_url} shows collections in a form Hapta does not know ({exc!r}); PocketBase "
            "must be 0.38 or newer"
        ) from exc


def _changes(
    layout: Sequence[Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]], base_url: str
) -> list[Mapping[str, Any]]:
    changes = []
    for wanted in layout:
        name = wanted["name"]
        try:
            change = missing(wanted, found.get(name))
        except ForeignCollection as exc:
            raise InstallFailed(
                f"PocketBase at {base_url} has a collection {name}, but {exc}; Hapta needs that name for "
                "itself: rename or remove the collection"
            ) from None
        if change is not None:
            changes.append(change)
    return changes


async def _ensure_heartbeat(superuser: SuperuserClient, own: Own) -> None:
    if await _has_heartbeat(superuser, own):
        return
    row = {"id": HEARTBEAT_ID, "key": "heartbeat", "value": None}
    status, answer = await superuser.request(
        "POST", f"/api/collections/{own.meta}/records", row, lane=Lane.STREAMS
    )
    if status != 200 and not await _has_heartbeat(superuser, own):  # another Hapta may have been faster
        raise InstallFailed(
            f"PocketBase at {superuser.base_url} does not let Hapta write to hapta_meta (status {status}): "
            f"{_words(answer)}; does a hook refuse it?"
        )


async def _has_heartbeat(superuser: SuperuserClient, own: Own) -> bool:
    status, _ = await superuser.request("GET", heartbeat_path(own) + "?fields=id", lane=Lane.STREAMS)
    return status == 200


def _words(answer: Any) -> str:
    if not isinstance(answer, Mapping):
        return "no reason given"
    return str(answer.get("data") or answer.get("message") or "no reason given")
