"""Files of a write on their way to PocketBase: judged by ``[uploads]``, renamed, and images made anew in the
pool of workers. Nothing of a refused one reaches PocketBase."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from hapta.config import UploadsConfig
from hapta.hooks.change import Upload
from hapta.hooks.reject import FieldError, Reject
from hapta.model.by_collection import ByCollection
from hapta.model.errors import Overloaded
from hapta.model.schema import Collection
from hapta.records.content import BytesContent, FilePart
from hapta.records.resolve import field_named
from hapta.uploads import policy, refusals
from hapta.uploads.field_settings import certain_refusal
from hapta.uploads.inspect import Inspection, inspect
from hapta.uploads.policy import Accepted, Policy
from hapta.uploads.reencode import BadImage, ReencodeOptions, reencode
from hapta.uploads.refusals import Refusal
from hapta.uploads.sniff import READ_BYTES, sniff
from hapta.workers.errors import JobError, JobFailed, JobTimedOut


class Pool(Protocol):
    """Runs functions in other processes."""

    async def run(self, function: Callable[..., Any], *args: object, deadline_s: float | None = None) -> Any:
        """What the function returns."""
        ...


class UploadPolicies:
    """A :class:`~hapta.hooks.writes.UploadCheck`.

    Args:
        config: the ``[uploads]`` table.
        pool: makes images anew.
    """

    def __init__(self, config: UploadsConfig, pool: Pool) -> None:
        self._config = config
        self._pool = pool
        self._policy = ByCollection(lambda collection: Policy.of(config, collection))

    @property
    def is_enabled(self) -> bool:
        return self._config.is_enabled

    def concerns(self, collection: Collection) -> bool:
        return self._config.is_enabled and self._policy(collection) is not None

    async def inspect(
        self, collection: Collection, uploads: Mapping[str, Sequence[FilePart]]
    ) -> Mapping[str, tuple[FilePart, ...]]:
        rules = self._policy(collection)
        if rules is None:
            return {key: tuple(files) for key, files in uploads.items()}
        fields = {key: field for key in uploads if (field := field_named(collection, key)) is not None}
        wanted = [
            policy.Upload(str(fields[key]["name"]), file)
            for key, files in uploads.items()
            if key in fields
            for file in files
        ]
        verdict = await rules.judge(wanted)
        refused = {refusal.field: refusal for refusal in verdict.refusals}
        for key, field in fields.items():
            if key == field["name"] and field["type"] == "file" and key not in refused:
                refusal = await certain_refusal(field, uploads[key])
                if refusal is not None:
                    refused[key] = refusal
        if refused:
            raise _reject(refused.values())
        accepted = iter(verdict.accepted)
        passed: dict[str, tuple[FilePart, ...]] = {}
        for key, files in uploads.items():
            if key not in fields:
                passed[key] = tuple(files)
            else:
                passed[key] = tuple([await self._made(file, next(accepted)) for file in files])
        return passed

    async def describe(self, field: str, file: FilePart) -> Upload:
        kind = sniff(await file.head(READ_BYTES))
        return Upload(
            field, file.name, kind.type, file.content_type, file.length, file.chunks, _hash_of(file)
        )

    async def _made(self, file: FilePart, accepted: Accepted) -> FilePart:
        named = file if accepted.name == file.name else replace(file, name=accepted.name)
        if accepted.reencode is None:
            return named
        content = await self._reencoded(file, accepted.upload.field, accepted.reencode)
        return replace(named, content=BytesContent(content))

    async def _reencoded(self, file: FilePart, field: str, options: ReencodeOptions) -> bytes:
        data = b"".join([piece async for piece in file.chunks()])
        try:
            made = await self._pool.run(reencode, data, options)
        except JobFailed as exc:
            problem = exc.message if exc.type_name.endswith(BadImage.__name__) else "it cannot be read"
            raise _reject([refusals.bad_image(field, file.name, problem)]) from exc
        except JobError as exc:
            if isinstance(exc, JobTimedOut) and not exc.was_begun:
                raise Overloaded from exc
            problem = "it takes too long or too much memory to read"
            raise _reject([refusals.bad_image(field, file.name, problem)]) from exc
        assert isinstance(made, bytes)
        return made


def needs_workers(config: UploadsConfig) -> bool:
    """Whether images are made anew, in any collection."""
    return config.is_enabled and (
        config.reencode or any(own.reencode == "yes" for own in config.collections.values())
    )


def _hash_of(file: FilePart) -> Callable[[], Awaitable[str]]:
    lock = asyncio.Lock()
    found: list[str] = []

    async def sha256() -> str:
        async with lock:
            if not found:
                found.append((await inspect(file.chunks(), Inspection())).sha256)
        return found[0]

    return sha256


def _reject(refused: Iterable[Refusal]) -> Reject:
    errors = {each.field: FieldError(each.code, each.message, each.params) for each in refused}
    return Reject.of_fields(errors)
