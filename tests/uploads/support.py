"""PocketBase as the judge of files."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from hapta.uploads import families

_GUESSES = """
image/jpg image/pjpeg image/x-png image/apng image/x-gif image/svg image/avif-sequence
image/vnd.microsoft.icon image/ico image/x-tiff application/x-pdf application/acrobat
application/octet-stream application/x-msdownload application/x-dosexec application/exe
application/x-mach-binary application/x-7z-compressed application/x-tar application/tar application/gzip
application/x-gzip application/x-rar application/vnd.rar application/x-rar-compressed application/x-bzip2
application/x-xz application/zstd application/wasm application/x-java-applet application/x-shockwave-flash
application/vnd.sqlite3 application/x-sqlite3 audio/mpeg audio/mp3 audio/x-mpeg audio/flac audio/x-flac
audio/wav audio/x-wav audio/wave audio/vnd.wave audio/aac audio/midi audio/x-midi audio/mid audio/sp-midi
video/webm audio/webm video/x-matroska video/quicktime video/avi video/x-msvideo video/msvideo font/woff
font/woff2 application/font-woff image/png image/vnd.mozilla.apng image/jpeg application/x-gunzip
application/gzipped application/gzip-compressed application/x-gzip-compressed gzip/document image/gif
image/webp image/bmp image/x-bmp image/x-ms-bmp image/tiff image/x-icon image/jxl image/jp2
application/vnd.microsoft.portable-executable application/zlib application/pdf image/vnd.dxf
"""
_FAMILIES = (families.ZIP, families.OLE, families.OGG, families.ELF, families.MP4, families.TEXT)
ALL_NAMES = sorted(frozenset(_GUESSES.split()).union(*_FAMILIES))
_NAME = re.compile(r"f[0-9]+")


class TypeOracle:
    """A collection with a file field for each type, and a required field that is never given."""

    def __init__(self, admin: httpx.Client) -> None:
        self._admin = admin
        fields: list[dict[str, Any]] = [{"name": "title", "type": "text", "required": True}]
        fields += [
            {"name": f"f{n}", "type": "file", "maxSelect": 1, "maxSize": 100_000, "mimeTypes": [name]}
            for n, name in enumerate(ALL_NAMES)
        ]
        body = {"name": "every_type", "type": "base", "createRule": "", "fields": fields}
        self._admin.post("/api/collections", json=body).raise_for_status()

    def names(self, data: bytes) -> set[str]:
        """The names PocketBase knows a file by."""
        files = [(f"f{n}", ("some.bin", data[:4096])) for n in range(len(ALL_NAMES))]
        answer = self._admin.post("/api/collections/every_type/records", files=files)
        assert answer.status_code == 400, answer.text
        refused = {key for key in answer.json()["data"] if _NAME.fullmatch(key)}
        assert "title" in answer.json()["data"]
        return {name for n, name in enumerate(ALL_NAMES) if f"f{n}" not in refused}


@dataclass(frozen=True)
class PlainFile:
    """A file in memory."""

    name: str
    data: bytes
    piece_bytes: int = 64 * 1024

    @property
    def length(self) -> int:
        return len(self.data)

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), self.piece_bytes):
            yield self.data[start : start + self.piece_bytes]

    async def head(self, count: int, /) -> bytes:
        return self.data[:count]
