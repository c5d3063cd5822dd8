"""Sessions at rest: rows of ``hapta_sessions``, ``hapta_rotations`` and ``hapta_audit`` in PocketBase.

The session row holds generation 1. Every later generation is a row of ``hapta_rotations`` whose id is
computed from session and generation: creating it is the compare-and-set that lets exactly one process make
generation n+1, and its sealed token stands in the same row, so that a refresh is one write and either whole
or not there.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

from hapta.model.errors import OperatorError, UpstreamLost
from hapta.sessions.keys import KeyRing
from hapta.sessions.rotation import Generation, Session
from hapta.sessions.seal import open_token, seal_token
from hapta.sessions.token import rotation_id

SESSIONS, ROTATIONS, AUDIT = "hapta_sessions", "hapta_rotations", "hapta_audit"
_EXPAND = f"{ROTATIONS}_via_session"
PAGE = 500
LAST_DATE = 253_402_300_799
"""The last second a date can name; a token may be made to live longer."""


class SuperuserApi(Protocol):
    """Requests to PocketBase as superuser."""

    async def request(self, method: str, path: str, json: Any = None) -> tuple[int, Any]:
        """Returns the status and the parsed JSON body."""
        ...


def date_text(at: float) -> str:
    """An instant as PocketBase writes it, in UTC with milliseconds."""
    return datetime.fromtimestamp(min(at, LAST_DATE), UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def date_value(text: object) -> float | None:
    """An instant PocketBase wrote; ``None`` for an empty one."""
    if not isinstance(text, str) or not text:
        return None
    return datetime.fromisoformat(text.replace(" ", "T").replace("Z", "+00:00")).timestamp()


def living_condition(now: float) -> str:
    """PocketBase's filter for sessions that live: of their generations any, for the session's own row learns
    of a refresh only after it was answered, and a kill may come between."""
    at = date_text(now)
    return f"ended='' && (exp>'{at}' || {_EXPAND}.exp?>'{at}')"


class RowsRefused(UpstreamLost):
    """PocketBase does not do with Hapta's own rows what it should; the client gets 504 and no reason.

    Args:
        detail: the reason, for the log.
    """

    def __init__(self, detail: str) -> None:
        super().__init__()
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class RightsLost(RowsRefused):
    """PocketBase refuses Hapta its superuser rights just now."""

    status, code = 503, "rights_lost"
    message = "The database is not available. Please try again shortly."


class SessionRows:
    """Reads and writes the rows.

    Args:
        api: superuser access.
        ring: keys under which upstream tokens are sealed.
    """

    def __init__(self, api: SuperuserApi, ring: KeyRing) -> None:
        self._api = api
        self._ring = ring

    async def create(self, session: Session, *, device: str, address: str) -> None:
        """Store a new session; when this returns it survives a kill.

        Raises:
            HaptaError: it is not stored.
        """
        first = session.newest
        row = {
            "id": session.id,
            "collection": session.collection,
            "record": session.record,
            "salt": session.salt,
            "refreshable": session.refreshable,
            "sealed": seal_token(self._ring, first.upstream_token, _owner(session.id, first.number)),
            "device": device,
            "address": address,
            "issued": date_text(first.issued_at),
            "used": date_text(first.issued_at),
            "exp": date_text(first.exp),
        }
        status, answer = await self._ask("POST", f"/api/collections/{SESSIONS}/records", row)
        if status != 200:
            raise RowsRefused(f"a session could not be stored (status {status}: {_why(answer)})")

    async def load(self, session_id: str) -> Session | None:
        """A session with its generations; ``None`` if there is no such row.

        Raises:
            HaptaError: PocketBase did not answer, or not as it should.
        """
        path = f"/api/collections/{SESSIONS}/records/{session_id}?expand={_EXPAND}"
        status, row = await self._ask("GET", path)
        if status == 404 and isinstance(row, Mapping) and row.get("status") == 404:
            return None  # PocketBase's own words, not those of something before it
        if status != 200 or not isinstance(row, Mapping):
            raise RowsRefused(f"a session could not be read (status {status})")
        return self._session(row)

    def _session(self, row: Mapping[str, Any]) -> Session | None:
        session_id = str(row["id"])
        generations = {}
        first = self._generation(session_id, 1, row, used_at=date_value(row["issued"]))
        if first is not None:
            generations[1] = first
        rotations = row.get("expand", {}).get(_EXPAND, [])
        for rotation in rotations:
            number = int(rotation["generation"])
            later = self._generation(session_id, number, rotation, used_at=date_value(rotation["first_used"]))
            if later is not None:
                generations[number] = later
        if not generations:
            return None  # sealed under a Secret we do not have: as good as not there
        newest = max(generations)
        for number, generation in generations.items():
            successor = generations.get(number + 1)
            if generation.first_used_at is None and successor is not None:
                generation.first_used_at = successor.issued_at  # only who used it could refresh it
        for number in range(1, newest - 1):
            # rows of forgotten generations are gone, but generation 1 stands in the session's own row
            if number + 1 not in generations:
                generations.pop(number, None)
        return Session(
            id=session_id,
            collection=row["collection"],
            record=row["record"],
            salt=row["salt"],
            refreshable=bool(row["refreshable"]),
            generations=generations,
            ended_reason=row["ended_reason"] or ("ended" if row["ended"] else ""),
        )

    def _generation(
        self, session_id: str, number: int, row: Mapping[str, Any], *, used_at: float | None
    ) -> Generation | None:
        token = open_token(self._ring, row["sealed"], _owner(session_id, number))
        issued_at, exp = date_value(row["issued"]), date_value(row["exp"])
        if token is None or issued_at is None or exp is None:
            return None
        return Generation(number, token, issued_at, round(exp), used_at)

    async def rotate(self, session_id: str, made: Generation) -> Generation | None:
        """Make a generation, or learn who was first.

        Returns:
            ``made`` if it is the one that counts, else the one another process made; ``None`` if the session
            is gone, has ended or is further by more than one generation.

        Raises:
            HaptaError: it is not known which.
        """
        row_id = rotation_id(session_id, made.number)
        row = {
            "id": row_id,
            "session": session_id,
            "generation": made.number,
            "sealed": seal_token(self._ring, made.upstream_token, _owner(session_id, made.number)),
            "issued": date_text(made.issued_at),
            "exp": date_text(made.exp),
        }
        status, answer = await self._ask("POST", f"/api/collections/{ROTATIONS}/records", row)
        if status == 200:
            session = await self.load(session_id)
            if session is not None and not session.ended_reason and not _comes_late(made, session):
                return made
            await self._write("DELETE", f"/api/collections/{ROTATIONS}/records/{row_id}")
            return None
        if status == 400:
            session = await self.load(session_id)
            if session is None:
                return None
            if winner := session.generations.get(made.number):
                return winner
        raise RowsRefused(f"a session could not be rotated (status {status}: {_why(answer)})")

    async def first_used(self, session_id: str, number: int, at: float) -> None:
        """Note when a generation was first used: from then on the one before it retires."""
        path = f"/api/collections/{ROTATIONS}/records/{rotation_id(session_id, number)}"
        await self._write("PATCH", path, {"first_used": date_text(at)})

    async def touch(self, session_id: str, *, used_at: float, exp: float) -> None:
        """Bring what the operator sees up to date."""
        changes = {"used": date_text(used_at), "exp": date_text(exp)}
        await self._write("PATCH", f"/api/collections/{SESSIONS}/records/{session_id}", changes)

    async def forget(self, session_id: str, numbers: Sequence[int]) -> None:
        """Delete rows of generations that no verdict needs any more."""
        for number in numbers:
            if number > 1:
                row_id = rotation_id(session_id, number)
                await self._write("DELETE", f"/api/collections/{ROTATIONS}/records/{row_id}")

    async def end(self, session_id: str, reason: str, at: float) -> bool:
        """End a session for good; whether there was one.

        Raises:
            HaptaError: it is not known to be ended.
        """
        changes = {"ended": date_text(at), "ended_reason": reason}
        return await self._write("PATCH", f"/api/collections/{SESSIONS}/records/{session_id}", changes)

    async def of_identity(self, collection: str, record: str, now: float) -> list[Mapping[str, Any]]:
        """The rows of an auth record's living sessions, last used first."""
        return await self._list(_living(collection, record, now), sort="-used,-id")

    async def beyond(self, collection: str, record: str, now: float, keep: int) -> list[str]:
        """Ids of an auth record's living sessions, last used first, without the first ``keep`` of them.

        Those are not read: every login asks, and hardly ever is there one too many.
        """
        size = min(keep, PAGE)
        pages, rest = divmod(keep, size)
        rows = await self._list(
            _living(collection, record, now), sort="-used,-id", more="&fields=id", size=size, page=pages + 1
        )
        return [row["id"] for row in rows[rest:]]

    async def list_living(self, now: float) -> list[Mapping[str, Any]]:
        """The rows of all living sessions, last used first."""
        return await self._list(living_condition(now), sort="-used,-id")

    async def expired(self, before: float) -> list[str]:
        """Ids of sessions of which no generation lives after ``before``."""
        rows = await self._list(f"exp<'{date_text(before)}'", sort="id", more=f"&expand={_EXPAND}")
        return [
            row["id"]
            for row in rows
            if all(
                (date_value(rotation["exp"]) or 0) < before
                for rotation in row.get("expand", {}).get(_EXPAND, [])
            )
        ]

    async def delete(self, session_id: str) -> None:
        """Delete a session with its rotations."""
        await self._write("DELETE", f"/api/collections/{SESSIONS}/records/{session_id}")

    async def audit(self, kind: str, *, session: Session, address: str, detail: Mapping[str, object]) -> None:
        """Write down what an operator should see later."""
        row = {
            "kind": kind,
            "session": session.id,
            "collection": session.collection,
            "record": session.record,
            "address": address,
            "detail": dict(detail),
        }
        await self._write("POST", f"/api/collections/{AUDIT}/records", row)

    async def _write(self, method: str, path: str, json: Mapping[str, object] | None = None) -> bool:
        """Write to a row; whether there was one."""
        status, answer = await self._ask(method, path, json)
        if status not in (200, 204, 404):
            raise RowsRefused(f"a session's row could not be written (status {status}: {_why(answer)})")
        return status != 404

    async def _ask(self, method: str, path: str, json: Mapping[str, object] | None = None) -> tuple[int, Any]:
        try:
            status, answer = await self._api.request(method, path, json)
        except OperatorError as exc:
            raise RightsLost(str(exc)) from exc
        if status in (401, 403):
            raise RightsLost(f"PocketBase refuses Hapta its superuser rights (status {status})")
        return status, answer

    async def _list(
        self, condition: str, *, sort: str, more: str = "", size: int = PAGE, page: int = 1
    ) -> list[Mapping[str, Any]]:
        """All rows from ``page`` of ``size`` on."""
        rows: list[Mapping[str, Any]] = []
        query = f"perPage={size}&skipTotal=1&sort={sort}&filter={quote(condition, safe='')}{more}"
        while True:
            status, answer = await self._ask(
                "GET", f"/api/collections/{SESSIONS}/records?page={page}&{query}"
            )
            if status != 200 or not isinstance(answer, Mapping):
                raise RowsRefused(f"sessions could not be listed (status {status})")
            rows += answer["items"]
            if len(answer["items"]) < size:
                return rows
            page += 1


def _comes_late(made: Generation, session: Session) -> bool:
    """Whether a generation was made before, and its row deleted long ago, when two more had come after it."""
    return any(
        number >= made.number + 2 and later.issued_at < made.issued_at
        for number, later in session.generations.items()
    )


def _living(collection: str, record: str, now: float) -> str:
    """The condition for living sessions of an auth record."""
    return f"collection={_literal(collection)} && record={_literal(record)} && {living_condition(now)}"


def _literal(text: str) -> str:
    """A string of PocketBase's filter language."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _owner(session_id: str, generation: int) -> str:
    return f"{session_id}.{generation}"


def _why(answer: object) -> str:
    if isinstance(answer, Mapping):
        return str(answer.get("data") or answer.get("message"))
    return "no reason given"
