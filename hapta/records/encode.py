"""A body of a record write, made anew: what is written is read by PocketBase as just these members and
files."""

import re
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from hapta.records import strict_json
from hapta.records.content import BytesContent, Content, FilePart, base_name
from hapta.records.forms import PAYLOAD, goes_over

JSON: Final = "application/json"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body ready to be sent, of known length; files in it are read as it is sent.

    Attributes:
        content_type: to be sent with it.
    """

    content_type: str
    contents: tuple[Content, ...]

    @property
    def length(self) -> int:
        return sum(content.length for content in self.contents)

    @property
    def in_memory(self) -> bytes | None:
        """The whole body if there is no file in it."""
        only = self.contents[0]
        return only.content if len(self.contents) == 1 and isinstance(only, BytesContent) else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces; may be read again."""
        for content in self.contents:
            async for piece in content.chunks():
                yield piece


def encode(
    members: Mapping[str, Any],
    files: Mapping[str, Sequence[FilePart]],
    query_members: Mapping[str, Any] = MappingProxyType({}),
) -> Encoded:
    """Write a body: JSON, or a form where there are files.

    Args:
        members: all of them, by name with its modifier.
        files: by the name they are sent under, which goes before the ``key`` of the file.
        query_members: of the body that was read (:class:`hapta.records.body.RecordBody`).

    Raises:
        ValueError: a value that JSON cannot carry unchanged, a name that cannot be sent, or a member that
            cannot be what it is to be because of the query.
    """
    text = strict_json.dump(dict(members))
    parts = [(name, file) for name, several in files.items() for file in several]
    if not parts:
        return Encoded(JSON, (BytesContent(text),))
    check_query(members, query_members)
    return multipart_form(text, parts)


def check_query(members: Mapping[str, Any], query_members: Mapping[str, Any]) -> None:
    """See that a form's payload makes ``members`` of what the query of its request has.

    Raises:
        ValueError: a member that is not among them would come back, or PocketBase would refuse another kind.
    """
    for name, value in query_members.items():
        if name not in members or not goes_over(members[name], value):
            raise ValueError(f"the query has {name!r} too")


def multipart_form(payload: bytes, files: Iterable[tuple[str, FilePart]]) -> Encoded:
    """A form of one payload, and files by name.

    Raises:
        ValueError: a name that cannot be sent.
    """
    boundary = f"hapta-{secrets.token_hex(16)}"
    text = f'--{boundary}\r\nContent-Disposition: form-data; name="{PAYLOAD}"\r\n\r\n'.encode() + payload
    contents: list[Content] = []
    for name, file in files:
        declared = (
            file.content_type if _MEDIA_TYPE.fullmatch(file.content_type) else "application/octet-stream"
        )
        text += (
            f"\r\n--{boundary}\r\n"
            f'Content-Disposition: form-data; name="{_sendable(name)}"; '
            f'filename="{_file_name(file.name)}"\r\n'
            f"Content-Type: {declared}\r\n\r\n"
        ).encode()
        contents += [BytesContent(text), file.content]
        text = b""
    contents.append(BytesContent(text + f"\r\n--{boundary}--\r\n".encode()))
    return Encoded(f"multipart/form-data; boundary={boundary}", tuple(contents))


def _sendable(name: str) -> str:
    if not name or name == PAYLOAD or _CONTROL.search(name) or '"' in name or "\\" in name:
        raise ValueError(f"no name to send a file under: {name!r}")
    return name


def _file_name(name: str) -> str:
    if not name or _CONTROL.search(name) or base_name(name) != name:
        raise ValueError(f"no name for a file: {name!r}")
    return name.replace("\\", "\\\\").replace('"', '\\"')
