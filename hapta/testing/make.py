"""What hooks get, made for a test."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from hapta.hooks.change import NOTHING, Action, Caller, Change, Load, Login, Record, RowChange, Upload

_PIECE_BYTES: Final = 64 * 1024
UNTOLD: Final = "application/octet-stream"


def make_caller(
    collection: str = "users", id: str = "caller000000000", *, is_superuser: bool = False, **fields: Any
) -> Caller:
    """Somebody who is signed in.

    Args:
        fields: of their own record.
    """
    return Caller(collection, id, is_superuser, load=_loads(_row(collection, id, fields)))


def make_change(
    collection: str,
    action: Action = "create",
    fields: Mapping[str, Any] = NOTHING,
    *,
    id: str | None = None,
    old: Mapping[str, Any] | None = None,
    files: Iterable[Upload] = (),
    caller: Caller | None = None,
    address: str = "127.0.0.1",
    request_id: str = "test-request",
    is_in_batch: bool = False,
) -> Change:
    """A write, as hooks see it: values of ``fields`` as PocketBase would have them, no modifiers.

    Args:
        id: of the record; of an update or delete that of ``old`` if it is left out.
        old: the record as it is now.
        files: new files; their names stand in ``fields`` unless the test puts something else there.
        caller: ``None`` for a guest.
    """
    if id is None and action != "create":
        id = str((old or {}).get("id", "changed00000000"))
    uploads: dict[str, tuple[Upload, ...]] = {}
    for file in files:
        uploads[file.field] = (*uploads.get(file.field, ()), file)
    names = {
        field: found[0].name if len(found) == 1 else [file.name for file in found]
        for field, found in uploads.items()
    }
    return Change(
        action=action,
        collection=collection,
        id=id,
        fields=MappingProxyType({**names, **fields}),
        files=MappingProxyType(uploads),
        caller=caller,
        address=address,
        request_id=request_id,
        is_in_batch=is_in_batch,
        load_old=_loads(None if old is None else _row(collection, id or "", old)),
    )


def make_upload(
    content: bytes,
    name: str = "file.bin",
    *,
    field: str = "file",
    type: str = UNTOLD,
    declared_type: str = "",
) -> Upload:
    """A file in a write.

    Args:
        type: real media type; the test says it, the content is not looked at.
        declared_type: what the client says; empty: the same.
    """

    async def read() -> AsyncIterator[bytes]:
        for start in range(0, len(content), _PIECE_BYTES):
            yield content[start : start + _PIECE_BYTES]

    async def sha256() -> str:
        return hashlib.sha256(content).hexdigest()

    return Upload(field, name, type, declared_type or type, len(content), read, sha256)


def make_login(
    collection: str = "users",
    id: str = "caller000000000",
    *,
    method: str = "auth-with-password",
    address: str = "127.0.0.1",
    device: str = "",
    **fields: Any,
) -> Login:
    """Somebody PocketBase has let in.

    Args:
        fields: of their record.
    """
    return Login(
        collection=collection,
        id=id,
        method=method,
        address=address,
        device=device,
        request_id="test-request",
        load=_loads(_row(collection, id, fields)),
    )


def make_row_change(
    collection: str, action: Action = "update", record: Mapping[str, Any] | None = None, *, id: str = ""
) -> RowChange:
    """An event of the change feed.

    Args:
        record: the row; ``None`` if the event does not show it.
        id: of the row; empty: that in ``record``.
    """
    row = None if record is None else _row(collection, id or str(record.get("id", "changed00000000")), record)
    return RowChange(collection, action, id or str((row or {}).get("id", "changed00000000")), row)


def _row(collection: str, id: str, fields: Mapping[str, Any]) -> Record:
    return MappingProxyType({"collectionName": collection, "id": id, **fields})


def _loads(record: Record | None) -> Load:
    async def load() -> Record | None:
        return record

    return load
