"""Where to find the Hapta that a configuration describes."""

from ipaddress import IPv6Address, ip_address

from hapta.config import ServerConfig
from hapta.model.errors import OperatorError

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def own_url(server: ServerConfig) -> str:
    """The base URL of the gateway, as seen from its own machine.

    Raises:
        OperatorError: the configuration leaves the port open.
    """
    if server.port == 0:
        raise OperatorError("server.port is 0 (any free port); say where Hapta listens, with --url")
    host = _EVERYWHERE.get(server.host, server.host)
    try:
        is_v6 = isinstance(ip_address(host), IPv6Address)
    except ValueError:
        is_v6 = False
    return f"http://{f'[{host}]' if is_v6 else host}:{server.port}"
