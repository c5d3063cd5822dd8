"""Tells of collections and fields in ``[validate.<collection>]`` that PocketBase does not have."""

from collections.abc import Iterable

from hapta.plugins import DatabaseError, PluginApi


async def warn_of_unknown(api: PluginApi, collection: str, fields: Iterable[str]) -> None:
    """Look at one row, if there is one: it shows all fields. Nothing is refused for what is not found."""
    try:
        rows = await api.database.list(collection, per_page=1)
    except Exception as exc:  # whatever it is, the checks are at work without this
        is_gone = isinstance(exc, DatabaseError) and exc.status == 404
        problem = "there is no such collection" if is_gone else f"its fields cannot be seen: {exc}"
        api.log.warning(f"[validate.{collection}]: {problem}", collection=collection)
        return
    for name in sorted(set(fields) - rows[0].keys()) if rows else ():
        api.log.warning(f"[validate.{collection}] {name}: there is no such field", collection=collection)
