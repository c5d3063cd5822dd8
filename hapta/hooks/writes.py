"""One write on its way through its guards: uploads, transforms, validation, and what is to be sent then.

What guards see is what PocketBase will store: values are those it makes of the body, and the body is written
anew from them. A value that cannot be foreseen for certain is refused where somebody guards the collection.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

from hapta.hooks.change import Action, Caller, Change, Load, Record, Upload
from hapta.hooks.registry import Hook, Registry
from hapta.hooks.reject import FieldError, HookFailed, Reject
from hapta.hooks.run import HookRunner
from hapta.model.errors import NotFound
from hapta.model.schema import Collection
from hapta.records.content import FilePart
from hapta.records.errors import Unsure
from hapta.records.normal import normalise
from hapta.records.resolve import Resolved, field_named, needs_old, resolve

_GUARDS: Final = ("on_upload", "transform", "validate")
_NO_RECORD: Mapping[str, Any] = MappingProxyType({})


class UploadCheck(Protocol):
    """Looks at the files of a write before hooks do."""

    @property
    def is_enabled(self) -> bool:
        """Whether it looks at files for any collection."""
        ...

    def concerns(self, collection: Collection) -> bool:
        """Whether it looks at files for this collection at all."""
        ...

    async def inspect(
        self, collection: Collection, uploads: Mapping[str, Sequence[FilePart]]
    ) -> Mapping[str, tuple[FilePart, ...]]:
        """The files as they may go on: perhaps under another name, or made anew.

        Raises:
            Reject: one may not.
        """
        ...

    async def describe(self, field: str, file: FilePart) -> Upload:
        """What hooks are told of a file."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A write as it was read.

    Attributes:
        record: id as written in the path; of a create the one asked for, if any.
        members, files: as :class:`~hapta.records.body.RecordBody` has them.
        query_members: members that the request's query has too.
        load_old: reads the record as it is now.
    """

    collection: Collection
    action: Action
    record: str | None
    members: Mapping[str, Any]
    files: Mapping[str, tuple[FilePart, ...]]
    query_members: Mapping[str, Any]
    caller: Caller | None
    address: str
    request_id: str
    is_in_batch: bool
    load_old: Load


@dataclass(frozen=True, slots=True)
class Approved:
    """A write that may be sent.

    Attributes:
        change: as the last guard saw it.
        members, files: what to send.
    """

    change: Change
    members: Mapping[str, Any]
    files: Mapping[str, tuple[FilePart, ...]]


class WriteGuards:
    """Runs the guards of writes.

    Args:
        runner: runs one hook.
        uploads: looks at files first.

    Attributes:
        runner: the same.
    """

    def __init__(self, runner: HookRunner, uploads: UploadCheck) -> None:
        self.runner = runner
        self._uploads = uploads

    def concern(self, registry: Registry, collection: Collection, action: str) -> bool:
        """Whether a write of this kind must be read before it is sent."""
        if action != "delete" and self._uploads.concerns(collection):
            return True
        return any(registry.on(kind, collection, action) for kind in _GUARDS)

    def guard_any(self, registry: Registry, collection: Collection) -> bool:
        """Whether some write to the collection must be read before it is sent."""
        if self._uploads.concerns(collection):
            return True
        return any(registry.of(kind, collection) for kind in _GUARDS)

    def concern_any(self, registry: Registry, collection: Collection) -> bool:
        """Whether some write to the collection is looked at, or told of."""
        return self.guard_any(registry, collection) or bool(registry.of("after_write", collection))

    def has_any(self, registry: Registry) -> bool:
        """Whether any write at all may be looked at, or told of."""
        if self._uploads.is_enabled:
            return True
        return any(registry.all_of(kind) for kind in (*_GUARDS, "after_write"))

    async def approve(self, registry: Registry, draft: Draft) -> Approved:
        """Let the guards look at a write.

        Raises:
            Reject: one refuses it.
            HookFailed, HaptaError: one could not decide.
            NotFound: there is no record to update.
        """
        collection, action = draft.collection, draft.action
        resolved = await _resolved(draft)
        if resolved.unsure and any(registry.on(kind, collection, action) for kind in _GUARDS[1:]):
            raise Reject.of_fields(
                {
                    name: FieldError("validation_uncertain_value", f"This value cannot be checked: {why}.")
                    for name, why in resolved.unsure.items()
                }
            )
        files = dict(draft.files)
        if resolved.uploads and action != "delete":
            files = await self._inspected(collection, files)
        change = Change(
            action=action,
            collection=collection.name,
            id=draft.record,
            fields=MappingProxyType(dict(resolved.fields)),
            caller=draft.caller,
            address=draft.address,
            request_id=draft.request_id,
            is_in_batch=draft.is_in_batch,
            load_old=draft.load_old,
        )
        if resolved.uploads:
            change, files = await self._uploaded(registry, collection, change, files)
        for hook in registry.on("transform", collection, action):
            change = await self._transformed(hook, change, collection)
        for hook in registry.on("validate", collection, action):
            await self.runner.guard(hook, change, request_id=change.request_id)
        return _to_send(collection, change, resolved.members, files)

    async def _inspected(
        self, collection: Collection, files: Mapping[str, tuple[FilePart, ...]]
    ) -> dict[str, tuple[FilePart, ...]]:
        if not self._uploads.concerns(collection):
            return dict(files)
        return dict(await self._uploads.inspect(collection, files))

    async def _uploaded(
        self,
        registry: Registry,
        collection: Collection,
        change: Change,
        files: Mapping[str, tuple[FilePart, ...]],
    ) -> tuple[Change, dict[str, tuple[FilePart, ...]]]:
        """What hooks on uploads make of the files' names; the change knows all files then."""
        hooks = registry.on("on_upload", collection, change.action)
        fields = {key: field for key in files if (field := field_named(collection, key)) is not None}
        described = [
            (key, file, await self._uploads.describe(str(field["name"]), file))
            for key, field in fields.items()
            for file in files[key]
        ]
        change = replace(change, files=_by_field(upload for _, _, upload in described))
        passed: dict[str, list[FilePart]] = {
            key: [] if key in fields else list(several) for key, several in files.items()
        }
        kept: list[Upload] = []
        for key, file, upload in described:
            named = upload
            for hook in hooks:
                if hook.field in ("", named.field):
                    named = await self._passed_on(hook, named, change)
            kept.append(named)
            passed[key].append(file if named.name == file.name else replace(file, name=named.name))
        change = replace(change, files=_by_field(kept))
        return change, {key: tuple(several) for key, several in passed.items()}

    async def _passed_on(self, hook: Hook, upload: Upload, change: Change) -> Upload:
        result = await self.runner.guard(hook, upload, change, request_id=change.request_id)
        if result is None:
            return upload
        if not isinstance(result, Upload) or replace(result, name=upload.name) != upload:
            self.runner.blame(hook, "returned something else than its upload under a name", change.request_id)
            raise HookFailed
        return result

    async def _transformed(self, hook: Hook, change: Change, collection: Collection) -> Change:
        result = await self.runner.guard(hook, change, request_id=change.request_id)
        problem = ""
        if not isinstance(result, Change):
            problem = f"returned {type(result).__name__}, not the change"
        elif replace(result, fields=change.fields, sets=change.sets, drops=change.drops) != change:
            problem = "changed more than fields"
        elif change.action == "delete" and result.sets:
            problem = "set fields of a record that is deleted"
        else:
            try:
                return _normalised(result, collection)
            except (Unsure, LookupError) as exc:
                problem = f"set what PocketBase would not store: {exc}"
        self.runner.blame(hook, problem, change.request_id)
        raise HookFailed


async def _resolved(draft: Draft) -> Resolved:
    old: Record | None = None
    if draft.action == "update":
        old = _NO_RECORD
        if needs_old(draft.collection, [*draft.members, *draft.files]):
            old = await draft.load_old()
            if old is None:
                raise NotFound
    if draft.action == "delete":
        return Resolved({}, {}, {}, draft.members)
    is_superuser = draft.caller is not None and draft.caller.is_superuser
    return resolve(draft.collection, draft.members, old, is_superuser=is_superuser, files=draft.files)


def _by_field(uploads: Any) -> Mapping[str, tuple[Upload, ...]]:
    found: dict[str, list[Upload]] = {}
    for upload in uploads:
        found.setdefault(upload.field, []).append(upload)
    return MappingProxyType({field: tuple(several) for field, several in found.items()})


def _normalised(change: Change, collection: Collection) -> Change:
    """What a transform set, as PocketBase will have it.

    Raises:
        LookupError: there is no such field.
        Unsure: it is not known what PocketBase makes of the value.
    """
    fields = dict(change.fields)
    for name in change.sets:
        field = field_named(collection, name)
        if field is None or field["name"] != name:
            raise LookupError(f"{collection.name} has no field {name}")
        fields[name] = normalise(field, fields[name])
    return replace(change, fields=MappingProxyType(fields))


def _to_send(
    collection: Collection,
    change: Change,
    members: Mapping[str, Any],
    files: Mapping[str, tuple[FilePart, ...]],
) -> Approved:
    replaced = change.sets | change.drops
    if not replaced:
        return Approved(change, members, files)

    def stays(name: str) -> bool:
        field = field_named(collection, name)
        return field is None or field["name"] not in replaced

    kept = {name: value for name, value in members.items() if stays(name)}
    dropped = {
        name: several
        for name, several in files.items()
        if (field := field_named(collection, name)) is None or field["name"] not in change.drops
    }
    return Approved(change, {**kept, **{name: change.fields[name] for name in change.sets}}, dropped)
