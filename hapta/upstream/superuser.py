"""Requests Hapta makes for itself, as superuser.

One token, renewed before it expires, by one login at a time. Credentials live here and in no message: errors
name the address and the variable to look at, never a value.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
import orjson
from multidict import CIMultiDict

from hapta import __version__
from hapta.model.clock import Clock
from hapta.model.errors import HaptaError, OperatorError, UpstreamLost
from hapta.upstream.client import Lane, UpstreamClient, UpstreamRequest

USER_AGENT = f"hapta/{__version__}"
"""Fixed, so that PocketBase's login alerts know Hapta as one device."""

SUPERUSERS_ONLY: Final = "id != '@request.'"
"""A filter that holds for every row, and that PocketBase refuses everybody but superusers: it takes a request
whose token has died for a guest's, and would answer with what guests may see."""

_REFUSED = frozenset({401, 403})
_RENEW_BEFORE_S = 300.0
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """An e-mail and password, or a token made in PocketBase's dashboard (works where MFA is on)."""

    email: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


class SuperuserRefused(OperatorError):
    """PocketBase does not take the credentials."""


class NotPocketBase(OperatorError):
    """What answers at the address does not speak PocketBase's API."""


class SuperuserClient:
    """Superuser access to PocketBase.

    Args:
        upstream: the opened client.
        credentials: whose superuser rights are used.
        clock: wall time, for the token's expiry.
        on_refused: called once when a login is refused, to set the account right (embedded); then the login
            is repeated.
        make_token: asked for a token when the repeated login is refused, too (embedded).

    Attributes:
        trouble: why PocketBase refuses Hapta its rights just now, or ``None``.
        on_trouble: told whenever ``trouble`` changes.
        on_identity_lost: told when a token stopped working before its time: event streams it was bound to
            have silently become a guest's (PocketBase does not close them).
    """

    def __init__(
        self,
        upstream: UpstreamClient,
        credentials: Credentials,
        clock: Clock,
        on_refused: Callable[[], Awaitable[None]] | None = None,
        make_token: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        self._upstream = upstream
        self._credentials = credentials
        self._clock = clock
        self._on_refused = on_refused
        self._make_token = make_token
        self._token: str | None = credentials.token
        self._renew_at = 0.0 if credentials.token is None else _expiry(credentials.token) - _RENEW_BEFORE_S
        self._lock = asyncio.Lock()
        self.trouble: str | None = None
        self.on_trouble: list[Callable[[str | None], None]] = []
        self.on_identity_lost: list[Callable[[], None]] = []

    @property
    def base_url(self) -> str:
        """Where PocketBase is."""
        return self._upstream.base_url

    async def check(self) -> None:
        """Prove that a PocketBase answers and the credentials are a superuser's.

        Raises:
            NotPocketBase: something else answers there.
            SuperuserRefused: wrong credentials, or not a superuser.
            UpstreamRefused, UpstreamLost: nobody answers.
        """
        status, health = await self._exchange("GET", "/api/health", None, None)
        if status != 200 or not isinstance(health, dict) or {"code", "data", "message"} - health.keys():
            raise NotPocketBase(
                f"{self._upstream.base_url} answers, but not as a PocketBase does "
                f"(GET /api/health: {status}); check DatabaseURL"
            )
        status, _ = await self.request("GET", "/api/collections?perPage=1&skipTotal=1&fields=id")
        if status != 200:
            raise SuperuserRefused(self._refusal(status))

    def renew_by(self) -> float | None:
        """Unix seconds at which the token in use ends, if another can be had; ``None`` if not."""
        if self._token is None or self._credentials.password is None:
            return None
        return _expiry(self._token)

    async def request(
        self, method: str, path: str, json: Any = None, *, lane: Lane = Lane.RECORDS
    ) -> tuple[int, Any]:
        """One request as superuser; a token that stopped working is renewed once.

        Args:
            method: HTTP method.
            path: path and query, percent-encoded.
            json: body, or ``None``.
            lane: the connections it uses; ``STREAMS`` never waits behind clients' requests.

        Returns:
            Status and parsed JSON body (``None`` if there is none).

        Raises:
            SuperuserRefused: a login was needed and refused.
            UpstreamRefused, UpstreamLost, UpstreamUnavailable: PocketBase did not answer.
        """
        token = await self.token()
        status, parsed = await self._exchange(method, path, json, token, lane)
        if status in _REFUSED:
            if self._credentials.password is None:
                self._lost_identity()
                self._tell(self._refusal(status))
            else:
                token = await self._login(stale=token)
                status, parsed = await self._exchange(method, path, json, token, lane)
                if status not in _REFUSED:
                    self._lost_identity()
        if status < 300:
            self._tell(None)
        return status, parsed

    def _lost_identity(self) -> None:
        for tell in self.on_identity_lost:
            tell()

    def _tell(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            for tell in self.on_trouble:
                tell(trouble)

    async def token(self) -> str:
        """The token in use, for a request that somebody else sends; what PocketBase makes of it only
        :meth:`request` finds out.

        Raises:
            SuperuserRefused, UpstreamRefused, UpstreamLost, UpstreamUnavailable: as :meth:`request`.
        """
        token = self._token
        if token is not None and (self._credentials.password is None or self._clock.now() < self._renew_at):
            return token
        return await self._login(stale=token)

    async def _login(self, stale: str | None) -> str:
        async with self._lock:
            if self._token is not None and self._token != stale:
                return self._token  # somebody renewed it while we waited
            status, parsed = await self._password_login()
            if status != 200 and self._on_refused is not None:
                await self._on_refused()
                status, parsed = await self._password_login()
            if status >= 500 or status == 429:
                raise UpstreamLost  # says nothing of the credentials
            if status != 200 and self._make_token is not None and (made := await self._make_token()):
                return self._renewed(made)
            if status != 200 or not isinstance(parsed, dict) or not isinstance(parsed.get("token"), str):
                self._lost_identity()
                self._tell(self._refusal(status))
                raise SuperuserRefused(self._refusal(status))
            token: str = parsed["token"]
            return self._renewed(token)

    def _renewed(self, token: str) -> str:
        now, ends_at = self._clock.now(), _expiry(token)
        self._token, self._renew_at = token, max(ends_at - _RENEW_BEFORE_S, (now + ends_at) / 2)
        self._tell(None)
        return token

    async def _password_login(self) -> tuple[int, Any]:
        body = {"identity": self._credentials.email, "password": self._credentials.password}
        return await self._exchange("POST", "/api/collections/_superusers/auth-with-password", body, None)

    def _refusal(self, status: int) -> str:
        names = "AdminToken" if self._credentials.password is None else "AdminEmail and AdminPassword"
        hint = (
            " (with MFA on for superusers use AdminToken)" if self._credentials.password is not None else ""
        )
        return (
            f"PocketBase at {self._upstream.base_url} refuses the superuser credentials ({status}); "
            f"check {names}{hint}"
        )

    async def _exchange(
        self, method: str, path: str, json: Any, token: str | None, lane: Lane = Lane.RECORDS
    ) -> tuple[int, Any]:
        headers = CIMultiDict({"User-Agent": USER_AGENT, "Accept": "application/json"})
        body = None
        if json is not None:
            body = orjson.dumps(json)
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = token
        response = await self._upstream.send(
            UpstreamRequest(method, path, headers, body, lane, _ANSWER_S, _ANSWER_S)
        )
        raw = await response.read()
        if not raw:
            return response.status, None
        try:
            return response.status, orjson.loads(raw)
        except orjson.JSONDecodeError:
            return response.status, None


def _expiry(token: str) -> float:
    """Unix seconds at which a token ends; 0.0 for what is no token."""
    try:
        exp = jwt.decode(token, options={"verify_signature": False}).get("exp", 0)
    except jwt.InvalidTokenError:
        return 0.0
    return float(exp) if isinstance(exp, int | float) else 0.0


async def wait_for_superuser(
    client: SuperuserClient, *, keep_trying: bool, on_wait: Callable[[str], None]
) -> None:
    """Check the superuser access at the start.

    Args:
        client: whom to check.
        keep_trying: on an unreachable PocketBase wait and try again instead of giving up (``--wait``).
        on_wait: told once why we wait.

    Raises:
        OperatorError: unreachable (unless ``keep_trying``), not a PocketBase, or refused.
    """
    delay_s, told = 0.25, False
    while True:
        try:
            return await client.check()
        except (HaptaError, NotPocketBase) as exc:
            base_url = client.base_url
            if isinstance(exc, HaptaError):
                what = "does not answer" if isinstance(exc, UpstreamLost) else "cannot be reached"
                reason = (
                    f"PocketBase at {base_url} {what}; check DatabaseURL, or start with --wait to keep trying"
                )
            else:
                reason = str(exc)
            if not keep_trying:
                raise OperatorError(reason) from exc
            if not told:
                on_wait(reason)
                told = True
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * 1.5, 5.0)
