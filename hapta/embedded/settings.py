"""The few settings of the embedded PocketBase that Hapta depends on.

* ``trustedProxy``: PocketBase takes a client's address from the header Hapta writes, and from no other. It
  ties a realtime subscription to the address that opened the stream, and its logs and limits count by it.
* ``meta.appURL``: the address in mails and OAuth2 pages. It must lead through Hapta.

Only what differs is written: every write of the settings makes PocketBase reload them.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

from hapta.model.errors import OperatorError

CLIENT_IP_HEADER = "X-Hapta-Client-IP"
_POCKETBASE_DEFAULT_URL = "http://localhost:8090"


class SuperuserApi(Protocol):
    """Requests to PocketBase as superuser."""

    async def request(self, method: str, path: str, json: Any = None) -> tuple[int, Any]:
        """Returns the status and the parsed JSON body."""
        ...


async def ensure_settings(
    api: SuperuserApi, *, public_url: str, own_url: str, client_ip_header: str = CLIENT_IP_HEADER
) -> tuple[str, ...]:
    """Bring the settings in line; to be called after the start, a restart and a restore.

    Args:
        public_url: ``server.public_url``; empty when the operator has not set it.
        own_url: the address Hapta itself listens at, used when nothing better is known.

    Returns:
        The dotted names of the settings that were changed; empty when all was right.

    Raises:
        OperatorError: PocketBase refused to show or to change them.
    """
    status, current = await api.request("GET", "/api/settings")
    if status != 200 or not isinstance(current, Mapping):
        raise OperatorError(f"PocketBase does not show its settings (status {status})")
    changes = wanted_changes(current, public_url, own_url, client_ip_header)
    if not changes:
        return ()
    status, answer = await api.request("PATCH", "/api/settings", json=changes)
    names = tuple(f"{group}.{name}" for group, values in changes.items() for name in values)
    if status != 200:
        details = answer.get("data") or answer.get("message") if isinstance(answer, Mapping) else answer
        raise OperatorError(f"PocketBase refuses to change {', '.join(names)} (status {status}): {details}")
    return names


def wanted_changes(
    current: Mapping[str, Any], public_url: str, own_url: str, client_ip_header: str
) -> dict[str, dict[str, Any]]:
    """What to PATCH, in the form of PocketBase's settings; empty when nothing differs."""
    changes: dict[str, dict[str, Any]] = {}
    wanted_proxy = {"headers": [client_ip_header], "useLeftmostIP": False}
    proxy = current.get("trustedProxy") or {}
    proxy_changes = {name: value for name, value in wanted_proxy.items() if proxy.get(name) != value}
    if proxy_changes:
        changes["trustedProxy"] = proxy_changes
    app_url = str((current.get("meta") or {}).get("appURL") or "")
    wanted_url = public_url or (own_url if is_placeholder_url(app_url) else app_url)
    if app_url.rstrip("/") != wanted_url.rstrip("/"):
        changes["meta"] = {"appURL": wanted_url}
    return changes


def is_placeholder_url(url: str) -> bool:
    """Whether an ``appURL`` cannot have been meant for other machines: unset, PocketBase's default, or
    loopback."""
    if url.rstrip("/") in {"", _POCKETBASE_DEFAULT_URL}:
        return True
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:  # a name, or nothing that could be read
        return False
