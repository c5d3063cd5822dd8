"""The installation under test: how it is asked, and what the checks have learned about it so far."""

import asyncio
import json
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import httpx

from hapta.identity.proof import unverified_claims
from hapta.sessions.token import ID_CHARS, ISSUER

ANSWER_S: Final = 15.0
CONNECT_S: Final = 5.0
PATIENCE_S: Final = 3
USER_AGENT: Final = "hapta-test"
"""Fixed, so that PocketBase's login alerts know it as one device."""

_MAX_MESSAGE_CHARS: Final = 200


class Failed(Exception):
    """It is not as it should be; the text says what was seen, and what to do where that is known."""


class Skipped(Exception):
    """It cannot be told, and that is no fault; the text says why."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who the tests may log in as; ``None`` where nothing was given."""

    admin_email: str | None = None
    admin_password: str | None = field(default=None, repr=False)
    admin_token: str | None = field(default=None, repr=False)
    user_email: str | None = None
    user_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Setup:
    """What is known of the configuration of the installation under test; ``None`` where nothing is.

    Attributes:
        overlap_s: ``sessions.overlap_s``.
        database_url: where PocketBase itself is.
        is_caching: ``cache.is_enabled``.
        feeds: the collection of each ``[feeds.<name>]``.
    """

    overlap_s: float | None = None
    database_url: str | None = None
    is_caching: bool | None = None
    feeds: Mapping[str, str] = field(default_factory=dict)


class Installation:
    """What answers at ``url``; a context manager, closing its connections.

    Attributes:
        url: without a slash at its end.
        credentials: of the operator.
        superuser: token of a superuser, once logged in.
        collection: name of the collection the tests work in; their users are in ``{collection}_users``.
        user: token of a user of the tests, once logged in.
        user_id: that user's id.
        password: that user's password.
        has_written: something was made that has to be removed.
        records: ids of records made on the way, by what they are for.
        setup: what is known of its configuration.
        users_id: id of the auth collection of the tests.
        sessions: ids of the sessions the tests opened.
        rotated: two generations of the token of one session, the older one first.
        file_name: name PocketBase gave to the uploaded file.
        file_bytes: content of that file.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        transport: httpx.AsyncBaseTransport | None = None,
        setup: Setup | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
            url: base URL, without a path.
            credentials: who the tests may log in as.
            setup: what is known of its configuration.
            tls: whose certificates are taken; by default the system's trust store.
            transport: carries the requests instead of the network.
        """
        self.url = url.rstrip("/")
        self.credentials = credentials
        self.superuser = ""
        self.collection = f"hapta_test_{secrets.token_hex(6)}"
        self.user = ""
        self.user_id = ""
        self.password = secrets.token_urlsafe(24)
        self.has_written = False
        self.setup = setup or Setup()
        self.users_id = ""
        self.sessions: list[str] = []
        self.rotated = ("", "")
        self.records: dict[str, str] = {}
        self.file_name = ""
        self.file_bytes = b""
        # no proxy from the environment: what is tested is this address
        self.http = httpx.AsyncClient(
            base_url=self.url,
            headers={"User-Agent": USER_AGENT},
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            trust_env=False,
            verify=tls or ssl.create_default_context(),
            transport=transport,
        )

    @property
    def users(self) -> str:
        """Name of the auth collection of the tests."""
        return f"{self.collection}_users"

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, exc, traceback)

    def note_session(self, token: str) -> None:
        """Remember the session of ``token``, if it is one of Hapta's, to remove it in the end."""
        claims = unverified_claims(token)
        if claims is not None and claims.get("iss") == ISSUER:
            self.sessions.append(str(claims.get("sid"))[:ID_CHARS])

    async def ask(self, method: str, path: str, *, token: str = "", **more: Any) -> httpx.Response:
        """:meth:`ask_once`, and again when it is told by a limit to come back in a moment."""
        while True:
            answer = await self.ask_once(method, path, token=token, **more)
            pause = answer.headers.get("Retry-After", "")
            if answer.status_code != 429 or not pause.isdecimal() or int(pause) > PATIENCE_S:
                return answer
            await asyncio.sleep(int(pause))

    async def ask_once(self, method: str, path: str, *, token: str = "", **more: Any) -> httpx.Response:
        """One request and its whole answer, whatever the status.

        Args:
            method: HTTP method.
            path: path and query.
            token: identity to ask as; nobody when empty.
            more: further arguments of httpx's ``request``.

        Raises:
            Failed: there was no answer.
        """
        headers = {**more.get("headers", {}), **({"Authorization": token} if token else {})}
        try:
            return await self.http.request(method, path, **{**more, "headers": headers})
        except httpx.HTTPError as exc:
            raise Failed(no_answer(exc, self.url)) from exc

    async def expect(self, status: int, method: str, path: str, *, token: str = "", **more: Any) -> Any:
        """The JSON body of an answer that must have ``status``; ``None`` for an empty one.

        Raises:
            Failed: another status, or no JSON.
        """
        answer = await self.ask(method, path, token=token, **more)
        if answer.status_code != status:
            raise Failed(f"{method} {path}: expected {status}, got {explained(answer)}")
        return parsed(answer) if answer.content else None


def no_answer(exc: httpx.HTTPError, url: str) -> str:
    """Why a request got no answer, for the operator."""
    text = str(exc) or type(exc).__name__
    if isinstance(exc, httpx.ConnectTimeout):
        return f"no connection to {url} within {CONNECT_S:g} s"
    if isinstance(exc, httpx.ConnectError):
        cause = exc.__cause__
        while cause is not None and not isinstance(cause, OSError | ExceptionGroup):
            cause = cause.__cause__
        if isinstance(cause, ssl.SSLError) or "SSL" in text or "certificate" in text:
            return f"no TLS connection to {url}: {text}"
        if "refused" in text.lower() or "all connection attempts failed" in text.lower():
            return f"connection refused at {url}: is `hapta serve` running there?"
        return f"no connection to {url}: {text}"
    if isinstance(exc, httpx.TimeoutException):
        return f"no answer from {url} within {ANSWER_S:g} s"
    return f"no whole answer from {url}: {text}"


def parsed(answer: httpx.Response) -> Any:
    """The JSON body of ``answer``.

    Raises:
        Failed: it has none.
    """
    try:
        return json.loads(answer.content)
    except ValueError:
        kind = answer.headers.get("Content-Type", "no Content-Type")
        raise Failed(f"{answer.request.url.path}: expected JSON, got {kind}") from None


def explained(answer: httpx.Response) -> str:
    """Status and message of an answer."""
    try:
        body = json.loads(answer.content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return f"{answer.status_code} without an error body"
    message = str(body.get("message", ""))[:_MAX_MESSAGE_CHARS]
    return f"{answer.status_code} {message}".rstrip()
