"""Tells of fields in ``[validate.<collection>]`` that PocketBase does not have.

Of collections the gateway tells, as of any that a hook names.
"""

from collections.abc import Iterable

from hapta.plugins import DatabaseError, PluginApi


async def warn_of_unknown(api: PluginApi, collection: str, fields: Iterable[str]) -> None:
    """Look at one row, if there is one: it shows all fields. Nothing is refused for what is not found."""
    try:
        rows = await api.database.list(collection, per_page=1)
    except Exception as exc:  # whatever it is, the checks are at work without this
        if not isinstance(exc, DatabaseError) or exc.status != 404:
            message = f"[validate.{collection}]: its fields cannot be seen: {exc}"
            api.log.warning(message, collection=collection)
        return
    for name in sorted(set(fields) - rows[0].keys()) if rows else ():
        api.log.warning(f"[validate.{collection}] {name}: there is no such field", collection=collection)
