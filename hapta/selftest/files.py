"""Checks of files: up, down, and a part of one."""

import os

from hapta.selftest.installation import Failed, Installation, explained

_FILE_BYTES = 200_000


def _path(installation: Installation) -> str:
    record = installation.records["file"]
    return f"/api/files/{installation.collection}/{record}/{installation.file_name}"


async def upload(installation: Installation) -> None:
    """A user uploads a file."""
    content = os.urandom(_FILE_BYTES)
    made = await installation.expect(
        200,
        "POST",
        f"/api/collections/{installation.collection}/records",
        token=installation.user,
        data={"title": "file", "owner": installation.user_id, "is_open": "true"},
        files={"file": ("hapta test.bin", content, "application/octet-stream")},
    )
    if not made.get("file"):
        raise Failed("the created record names no file")
    installation.records["file"] = made["id"]
    installation.file_name, installation.file_bytes = made["file"], content


async def download(installation: Installation) -> None:
    """The file comes back as it was sent."""
    answer = await installation.ask("GET", _path(installation))
    if answer.status_code != 200:
        raise Failed(f"expected 200, got {explained(answer)}")
    if answer.content != installation.file_bytes:
        raise Failed(f"other bytes came back than were sent ({len(answer.content)} of {_FILE_BYTES})")


async def range_(installation: Installation) -> None:
    """A part of a file can be asked for, as players and resumed downloads do (RFC 9110, section 14)."""
    answer = await installation.ask("GET", _path(installation), headers={"Range": "bytes=1000-1999"})
    if answer.status_code != 206:
        raise Failed(f"expected 206, got {explained(answer)}")
    if answer.headers.get("Content-Range") != f"bytes 1000-1999/{_FILE_BYTES}":
        raise Failed(f"Content-Range is {answer.headers.get('Content-Range')}")
    if answer.content != installation.file_bytes[1000:2000]:
        raise Failed("other bytes came back than were asked for")
