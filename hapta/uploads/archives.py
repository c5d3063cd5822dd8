"""Which of the formats built on zip an archive is, from the names of its first entries.

As PocketBase's detection does: nothing is unpacked, sizes in the headers are not believed, the next entry is
the next signature found.
"""

from collections.abc import Iterator

ZIP = "application/zip"
_OFFICE = "application/vnd.openxmlformats-officedocument."
_MICROSOFT = {
    b"word/": _OFFICE + "wordprocessingml.document",
    b"ppt/": _OFFICE + "presentationml.presentation",
    b"xl/": _OFFICE + "spreadsheetml.sheet",
    b"visio/": "application/vnd.ms-visio.drawing.main+xml",
}
_MAY_COME_FIRST = (b"_rels/", b"docProps/", b"customXml/", b"[trash]/")
_ANDROID = {
    b"AndroidManifest.xml",
    b"META-INF/com/android/build/gradle/app-metadata.properties",
    b"classes.dex",
    b"resources.arsc",
    b"res/drawable",
}
_MIMETYPE = b"mimetype"
_DECLARED = {
    "application/epub+zip",
    "application/vnd.sun.xml.calc",
    *(
        f"application/vnd.oasis.opendocument.{kind}"
        for kind in ("text", "text-template", "spreadsheet", "spreadsheet-template", "presentation",
                     "presentation-template", "graphics", "graphics-template", "formula", "chart")
    ),
}  # fmt: skip
_MAX_ENTRIES = 100


def zip_type(head: bytes) -> str:
    """The type of a file that begins with a zip signature."""
    entries = list(_entries(head))
    if (microsoft := _microsoft(entries)) is not None:
        return microsoft
    if head[30:38] == _MIMETYPE:  # the first entry is stored, so its content follows its name
        declared = head[38:110].decode("latin-1")
        fitting = [name for name in _DECLARED if declared.startswith(name)]
        if fitting:
            return max(fitting, key=len)
    if not _ANDROID.isdisjoint(entries):
        return "application/vnd.android.package-archive"
    name_bytes = int.from_bytes(head[26:28], "little")
    if head[30 + name_bytes : 32 + name_bytes] == b"\xfe\xca" or entries[:1] in (
        [b"META-INF/"],
        [b"META-INF/MANIFEST.MF"],
    ):
        return "application/java-archive"
    return "application/vnd.google-earth.kmz" if b"doc.kml" in entries else ZIP


def _entries(head: bytes) -> Iterator[bytes]:
    """Names of the entries; ends at one that is empty or cut off, as PocketBase's does."""
    at = 0
    for _ in range(_MAX_ENTRIES):
        at = head.find(b"PK\x03\x04", at)
        if at < 0 or at + 30 > len(head):
            return
        name_bytes = int.from_bytes(head[at + 26 : at + 28], "little")
        at += 30
        name = head[at : at + name_bytes]
        if not name or len(name) < name_bytes:
            return
        yield name


def _microsoft(entries: list[bytes]) -> str | None:
    for folder, type_ in _MICROSOFT.items():
        for place, name in enumerate(entries):
            if name.startswith(folder):
                return type_
            if place == 0 and name != b"[Content_Types].xml" and not name.startswith(_MAY_COME_FIRST):
                break
    return None
