"""Which tokens PocketBase issued, and where any of them turns up: in bytes of connections, logs, files.

Looked for is the signature, so a token is found in whatever it was put; it is also found in what is cut into
chunks or compressed by gzip. Tokens of mails are no auth or file tokens, and not looked for.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

_JWT = re.compile(rb"eyJ[A-Za-z0-9_-]+\.(eyJ[A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")
_CHUNK_BORDER = re.compile(rb"\r\n[0-9A-Fa-f]{1,8}\r\n")
_GZIP = re.compile(rb"\x1f\x8b\x08")


def issued(answers: Iterable[bytes]) -> dict[bytes, str]:
    """Signatures of the auth and file tokens in PocketBase's answers, each with the token's type."""
    found = {}
    for answer in answers:
        for text in _texts(answer):
            for payload, signature in _JWT.findall(text):
                kind = _claims(payload).get("type")
                if kind in {"auth", "file"}:
                    found[signature] = kind
    return found


def traces(tokens: Iterable[bytes], places: Mapping[str, Iterable[bytes]]) -> list[str]:
    """Where tokens turn up: the name of the place, what stands around, and the token's beginning."""
    wanted = re.compile(b"|".join(re.escape(signature) for signature in tokens) or rb"(?!)")
    return [
        f"{place}: …{text[max(0, found.start() - 200) : found.end()]!r}"
        for place, contents in places.items()
        for content in contents
        for text in _texts(content)
        for found in wanted.finditer(text)
    ]


def files(folder: Path) -> dict[str, list[bytes]]:
    """Contents of all files below a folder, by their path in it."""
    return {
        str(path.relative_to(folder)): [path.read_bytes()]
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _texts(data: bytes) -> Iterator[bytes]:
    yield data
    joined = _CHUNK_BORDER.sub(b"", data)
    if joined != data:
        yield joined
    for start in _GZIP.finditer(joined):
        with suppress(zlib.error):  # three bytes of something else
            yield zlib.decompressobj(wbits=31).decompress(joined[start.start() :])


def _claims(payload: bytes) -> dict[str, object]:
    try:
        return dict(json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))))
    except ValueError:
        return {}
