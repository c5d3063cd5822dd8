"""Who reads: a guest, a superuser, accounts of two collections, and somebody with a token nobody gave."""

from dataclasses import dataclass
from itertools import count

from tests.isolation.wire import Reply, Wire
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD

CLIENT_IP_HEADER = "X-Hapta-Client-IP"
GUEST, SUPERUSER, STRANGER = "guest", "superuser", "stranger"
_FOREIGN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjb2xsZWN0aW9uSWQiOiJwYmNfMSIsImV4cCI6NDEwMjQ0NDgwMCwiaWQiOiJ"
    "4IiwidHlwZSI6ImF1dGgifQ.c2lnbmF0dXJl"
)


@dataclass
class Caller:
    """Attributes:
    row: id of its auth record.
    direct: its token at PocketBase.
    through: its token at Hapta.
    """

    name: str
    row: str = ""
    direct: str = ""
    through: str = ""


class Doors:
    """The two ways to PocketBase, and how a caller comes in.

    Every request but a superuser's has an address of its own: PocketBase slows down empty lists per address.
    """

    def __init__(self, pocketbase: Wire, hapta: Wire) -> None:
        self.pocketbase, self.hapta = pocketbase, hapta
        self._addresses = count(1)

    async def direct(
        self,
        caller: Caller,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: object = None,
    ) -> Reply:
        """Ask PocketBase itself."""
        sent = self._headers(caller, caller.direct, CLIENT_IP_HEADER) | (headers or {})
        return await self.pocketbase.ask(method, target, sent, body)

    async def through(
        self,
        caller: Caller,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: object = None,
    ) -> Reply:
        """Ask Hapta."""
        sent = self._headers(caller, caller.through, "X-Forwarded-For") | (headers or {})
        return await self.hapta.ask(method, target, sent, body)

    def _headers(self, caller: Caller, token: str, address_header: str) -> dict[str, str]:
        number = next(self._addresses)
        headers = {"Authorization": f"Bearer {token}" if number % 3 == 0 else token} if token else {}
        if caller.name != SUPERUSER:
            headers[address_header] = f"11.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        return headers

    async def log_in(self, caller: Caller, collection: str, email: str) -> None:
        """Get the caller's tokens at both."""
        body = {"identity": email, "password": PASSWORD}
        target = f"/api/collections/{collection}/auth-with-password"
        answer = await self.pocketbase.ask("POST", target, {}, body)
        assert answer.status == 200, answer
        caller.direct = answer.json()["token"]
        answer = await self.hapta.ask("POST", target, {}, body)
        assert answer.status == 200, answer
        caller.through = answer.json()["token"]

    async def superuser(self) -> Caller:
        """The superuser, logged in."""
        caller = Caller(SUPERUSER)
        await self.log_in(caller, "_superusers", ADMIN_EMAIL)
        return caller


def nobodies() -> list[Caller]:
    """Who needs no account."""
    return [Caller(GUEST), Caller(STRANGER, "", _FOREIGN, _FOREIGN)]
