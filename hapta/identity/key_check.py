"""Whether the sessions at rest were made under the ``Secret`` we have.

``hapta_meta`` keeps a value made of ``Secret`` that tells nothing about it. Under another ``Secret`` no
session opens: they end with 401, and the operator is told so once, not each client with 500.
"""

from collections.abc import Mapping

from hapta.identity.rows import RowsRefused, SuperuserApi
from hapta.sessions.keys import KeyRing

_META = "hapta_meta"
_KEY = "key_check"


async def check_keys(api: SuperuserApi, ring: KeyRing) -> str | None:
    """Compare and then write down which ``Secret`` is in use.

    Returns:
        What the operator should know, or ``None``.

    Raises:
        HaptaError: PocketBase did not answer.
    """
    query = f"filter=key%3D'{_KEY}'&perPage=1&skipTotal=1"
    status, answer = await api.request("GET", f"/api/collections/{_META}/records?{query}")
    if status != 200 or not isinstance(answer, Mapping):
        raise RowsRefused(f"the key check could not be read (status {status})")
    current = ring.current.check_value()
    if not answer["items"]:
        await _write(api, "POST", f"/api/collections/{_META}/records", {"key": _KEY, "value": current})
        return None
    row = answer["items"][0]
    if row["value"] == current:
        return None
    await _write(api, "PATCH", f"/api/collections/{_META}/records/{row['id']}", {"value": current})
    if ring.previous is not None and row["value"] == ring.previous.check_value():
        return None
    return (
        "Secret is not the one the stored sessions were made under: they have ended, everybody logs in anew. "
        "To keep them when you change it, set SecretPrevious to the old one for a while"
    )


async def _write(api: SuperuserApi, method: str, path: str, json: Mapping[str, object]) -> None:
    status, _ = await api.request(method, path, dict(json))
    if status not in (200, 400):  # 400: another Hapta wrote the same row at this moment
        raise RowsRefused(f"the key check could not be written (status {status})")
