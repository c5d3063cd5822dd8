"""What hooks get: values about one write, one login, one caller, one event.

None of them can be changed in place; :meth:`Change.with_fields` makes another. What a hook sees is what
PocketBase will store: bodies are read once, and what is sent is written anew from what was read.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as member
from types import MappingProxyType
from typing import Any, Literal, Self, TypeAlias

from hapta.model.errors import HaptaError

Record: TypeAlias = Mapping[str, Any]
"""A row as PocketBase shows it to a superuser, hidden fields included."""
Action: TypeAlias = Literal["create", "update", "delete"]
Load: TypeAlias = Callable[[], Awaitable[Record | None]]
NOTHING: Mapping[str, Any] = MappingProxyType({})
_SECRET = frozenset({"password", "passwordConfirm", "oldPassword", "tokenKey"})


def nothing() -> Mapping[str, Any]:
    """Python 3.11 takes no mapping for a default, not even one that cannot change."""
    return NOTHING


async def nobody() -> Record | None:
    """There is no such record."""
    return None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        collection: name of the auth collection.
        id: of the auth record.
        is_superuser: PocketBase's rules do not bind them.
    """

    collection: str
    id: str
    is_superuser: bool = False
    load: Load = member(default=nobody, repr=False, compare=False)

    async def record(self) -> Record | None:
        """The caller's own record; asked for once, ``None`` if it is gone.

        Raises:
            HaptaError: PocketBase does not answer.
        """
        return await self.load()


@dataclass(frozen=True, slots=True)
class Upload:
    """A file in a write, held on Hapta's side.

    Attributes:
        field: the file field it is for.
        name: as it will be stored, before PocketBase adds its random suffix.
        type: real media type by its content, such as ``image/png``; ``application/octet-stream`` where the
            content does not tell.
        declared_type: what the client says.
        length: bytes.
    """

    field: str
    name: str
    type: str
    declared_type: str
    length: int
    read: Callable[[], AsyncIterator[bytes]] = member(repr=False, compare=False)
    hash_: Callable[[], Awaitable[str]] = member(repr=False, compare=False)

    def chunks(self) -> AsyncIterator[bytes]:
        """The content from its beginning, in pieces; may be read again."""
        return self.read()

    async def sha256(self) -> str:
        """Hash of the content, in hex; worked out once, off the event loop."""
        return await self.hash_()

    async def content(self, most_bytes: int) -> bytes:
        """The whole content.

        Raises:
            ValueError: it is longer than ``most_bytes``.
        """
        if self.length > most_bytes:
            raise ValueError(f"{self.name}: {self.length} bytes, more than {most_bytes}")
        return b"".join([piece async for piece in self.chunks()])

    def renamed(self, name: str) -> Self:
        """The same file under another name."""
        return replace(self, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write to one record, before PocketBase sees it.

    Attributes:
        action: ``create``, ``update`` or ``delete``.
        collection: name of the collection.
        id: of the record; on create the one the client asks for, ``None`` if it leaves that to PocketBase.
        fields: what the write sets, as PocketBase will have it: values normalised by the field's type,
            modifiers (``likes+``) resolved against the record of this moment; of files their names. Empty on
            delete. Fields the write does not touch are not there, nor are those PocketBase will ignore.
        files: new files, by field.
        caller: who asks; ``None`` for a guest.
        address: the client's IP address.
        request_id: as in the access log and ``X-Request-Id``.
        is_in_batch: one of several writes that are carried out all or none.
        sets: fields a transform has set (a subset of ``fields``).
        drops: fields a transform has taken out.
    """

    action: Action
    collection: str
    id: str | None = None
    fields: Mapping[str, Any] = member(default_factory=nothing)
    files: Mapping[str, tuple[Upload, ...]] = member(default_factory=nothing)
    caller: Caller | None = None
    address: str = "127.0.0.1"
    request_id: str = ""
    is_in_batch: bool = False
    sets: frozenset[str] = frozenset()
    drops: frozenset[str] = frozenset()
    load_old: Load = member(default=nobody, repr=False, compare=False)

    async def old(self) -> Record | None:
        """The record as it is now; asked for once, ``None`` on create and if there is none.

        Raises:
            HaptaError: PocketBase does not answer.
        """
        return await self.load_old()

    async def new(self) -> Record:
        """The record as it will be: the old one with ``fields`` over it."""
        return {**(await self.old() or {}), **self.fields}

    @property
    def is_by_superuser(self) -> bool:
        """Whether the caller is a superuser."""
        return self.caller is not None and self.caller.is_superuser

    def with_fields(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """The same write, setting these fields to these values (modifiers on them are gone)."""
        given = {**(values or {}), **more}
        return replace(
            self,
            fields=MappingProxyType({**self.fields, **given}),
            sets=self.sets | given.keys(),
            drops=self.drops - given.keys(),
        )

    def without_fields(self, names: Iterable[str]) -> Self:
        """The same write, leaving these fields alone."""
        gone = frozenset(names)
        return replace(
            self,
            fields=MappingProxyType({n: value for n, value in self.fields.items() if n not in gone}),
            sets=self.sets - gone,
            drops=self.drops | gone,
        )

    def __repr__(self) -> str:
        shown = {name: "…" if name in _SECRET else value for name, value in self.fields.items()}
        return (
            f"Change({self.action} {self.collection}/{self.id or ''} {shown!r} "
            f"files={ {name: len(files) for name, files in self.files.items()}!r} caller={self.caller!r})"
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must stand in no log."""
        return tuple(
            value for name, value in self.fields.items() if name in _SECRET and isinstance(value, str)
        )


@dataclass(frozen=True, slots=True)
class Written:
    """A write that PocketBase carried out.

    Attributes:
        change: what was asked for.
        record: the row as PocketBase answered it to the caller; ``None`` on delete, and where the answer does
            not show it whole (``fields``).
    """

    change: Change
    record: Record | None


@dataclass(frozen=True, slots=True)
class RowChange:
    """What the change feed tells of one row. Events come at least once, and in any order.

    Attributes:
        collection: name of the collection.
        action: ``create``, ``update`` or ``delete``.
        id: of the record.
        record: the row as the event shows it to a superuser; ``None`` if it was not told.
    """

    collection: str
    action: str
    id: str
    record: Record | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somebody PocketBase has let in.

    Attributes:
        collection: name of the auth collection.
        id: of the auth record.
        method: ``auth-with-password``, ``auth-with-otp``, ``auth-with-oauth2``, ``auth-refresh``,
            ``impersonate``, or ``custom`` for a token that a route of the operator's own gave out.
        address: the client's IP address.
        device: its ``User-Agent``.
        request_id: as in the access log.
    """

    collection: str
    id: str
    method: str
    address: str
    device: str = ""
    request_id: str = ""
    load: Load = member(default=nobody, repr=False, compare=False)

    async def record(self) -> Record | None:
        """The auth record; asked for once."""
        return await self.load()


class LeftOut(HaptaError):
    """A ``can_read`` hook asks a row for what is not shown of it: what it decides about is not shown then."""


class Viewer:
    """For whom rows are shaped, as far as the hook has declared that it matters.

    A shaped answer is stored for all whose declared values are the same, so what was not declared cannot be
    asked for.

    Args:
        values: by name: ``auth`` (somebody is logged in), ``auth.id``, ``auth.collectionName``,
            ``auth.FIELD`` (a scalar field of the caller's record); of a guest all but ``auth`` are ``None``.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        """The value.

        Raises:
            LookupError: the hook was registered without it.
        """
        try:
            return self._values[name]
        except KeyError:
            raise LookupError(f"{name!r} is not among the hook's depends_on") from None

    def __repr__(self) -> str:
        return f"Viewer({dict(self._values)!r})"
