"""What the header fields of a request say about its connection.

A client sends the same fields again and again on one connection while only the target changes. So what was
made of them is kept, and holds for as long as they are the same bytes, and the configuration it was made
under is the one of now.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from hapta.model.address import Address, client_address, has_forwarding_headers, is_within

if TYPE_CHECKING:
    from aiohttp import HttpVersion
    from multidict import CIMultiDictProxy

    from hapta.server.protocol import Connection, Reception

RawHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """A header section that was accepted.

    Attributes:
        client: the address of the client, behind our own proxies.
        client_text: the same as text.
        scheme: ``http`` or ``https`` as the client used it, as far as our own proxies tell.
        is_admin: the client may act as superuser.
        is_forwarded_by_stranger: it speaks of a hop before a peer we do not trust.
        expects_continue: the client waits for leave to send its body.
    """

    raw_headers: RawHeaders
    version: "HttpVersion"
    made_under: tuple[object, ...]
    client: Address
    client_text: str
    scheme: str
    is_admin: bool
    is_forwarded_by_stranger: bool
    expects_continue: bool

    @classmethod
    def of(
        cls,
        raw_headers: RawHeaders,
        version: "HttpVersion",
        headers: "CIMultiDictProxy[str]",
        connection: "Connection",
        reception: "Reception",
        expects_continue: bool,
    ) -> "Head":
        """Read who is at the other end."""
        peer = client = connection.peer
        scheme = "https" if connection.is_tls else "http"
        is_admin, is_stranger = connection.is_admin_network, False
        if has_forwarding_headers(headers):
            if connection.is_peer_trusted:
                named = _named(headers, peer, reception)
                client = named or peer
                if proto := headers.get("X-Forwarded-Proto"):
                    scheme = "https" if proto.lower() == "https" else "http"
                # our proxy speaks for somebody it does not name: nobody we know
                is_admin = named is not None and is_within(named, reception.admin_networks)
            else:
                # it speaks for somebody else: whoever that is, it is not this machine's operator
                is_admin, is_stranger = False, True
        made_under = (reception.config, reception.trusted, reception.admin_networks)
        return cls(
            raw_headers,
            version,
            made_under,
            client,
            str(client),
            scheme,
            is_admin,
            is_stranger,
            expects_continue,
        )

    def is_of(self, raw_headers: RawHeaders, version: "HttpVersion", reception: "Reception") -> bool:
        """Whether these are the same fields, under the same configuration."""
        config, trusted, admin_networks = self.made_under
        return (
            self.raw_headers == raw_headers
            and self.version == version
            and config is reception.config
            and trusted is reception.trusted
            and admin_networks is reception.admin_networks
        )


def _named(headers: "CIMultiDictProxy[str]", peer: Address, reception: "Reception") -> Address | None:
    chain = ",".join(headers.getall("X-Forwarded-For", ()))
    return client_address(peer, chain, reception.trusted)
