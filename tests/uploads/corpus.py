"""Files of every kind, honest and nasty, made here."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from typing import Any

from PIL import Image

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
HTML = b"<!DOCTYPE html>\n<html><head><title>t</title></head><body><script>alert(1)</script></body></html>"
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
EXE = b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0" + bytes(200) + b"PE\0\0"


def image(kind: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> bytes:
    """A picture with a gradient, so that no two corners are alike."""
    picture = Image.linear_gradient("L").resize(size).convert(mode)
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def animation(kind: str, frames: int = 3, size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    """Squares that change their shade."""
    pictures = [Image.new("RGB", size, (20 * n % 256, 90, 255 - n % 256)) for n in range(frames)]
    out = io.BytesIO()
    pictures[0].save(
        out, kind, save_all=True, append_images=pictures[1:], duration=[50] * frames, loop=0, **options
    )
    return out.getvalue()


def zipped(*names: str, content: bytes = b"content") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


def declared(mimetype: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", mimetype)
        archive.writestr("content.xml", "<x/>")
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    return out.getvalue()


def ftyp(brand: bytes) -> bytes:
    return struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + b"isomiso2" + bytes(64)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """A PNG with one chunk more, behind its header."""
    return png[:33] + chunk(kind, data) + png[33:]


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims these dimensions and hardly holds a pixel."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


HONEST: dict[str, tuple[bytes, str]] = {
    "png": (image("PNG"), "image/png"),
    "apng": (animation("PNG"), "image/vnd.mozilla.apng"),
    "jpeg": (image("JPEG"), "image/jpeg"),
    "gif": (image("GIF"), "image/gif"),
    "animated gif": (animation("GIF"), "image/gif"),
    "webp": (image("WEBP"), "image/webp"),
    "avif": (image("AVIF"), "image/avif"),
    "heic": (ftyp(b"heic"), "image/heic"),
    "heif": (ftyp(b"mif1"), "image/heif"),
    "bmp": (image("BMP"), "image/bmp"),
    "tiff": (image("TIFF"), "image/tiff"),
    "ico": (image("ICO"), "image/x-icon"),
    "svg": (SVG, "image/svg+xml"),
    "svg with a declaration": (b'<?xml version="1.0"?>\n' + SVG, "image/svg+xml"),
    "svg behind a comment": (b"<!-- Made by hand -->" + SVG, "image/svg+xml"),
    "pdf": (PDF, "application/pdf"),
    "zip": (zipped("a.txt"), "application/zip"),
    "empty zip": (zipped(), "application/zip"),
    "docx": (zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
             "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"),
             "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "pptx": (zipped("[Content_Types].xml", "ppt/presentation.xml"),
             "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    "odt": (declared("application/vnd.oasis.opendocument.text"), "application/vnd.oasis.opendocument.text"),
    "ods": (declared("application/vnd.oasis.opendocument.spreadsheet"),
            "application/vnd.oasis.opendocument.spreadsheet"),
    "odp": (declared("application/vnd.oasis.opendocument.presentation"),
            "application/vnd.oasis.opendocument.presentation"),
    "epub": (declared("application/epub+zip"), "application/epub+zip"),
    "jar": (zipped("META-INF/", "META-INF/MANIFEST.MF", "A.class"), "application/java-archive"),
    "apk": (zipped("AndroidManifest.xml", "classes.dex"), "application/vnd.android.package-archive"),
    "kmz": (zipped("doc.kml"), "application/vnd.google-earth.kmz"),
    "gzip": (gzip.compress(b"x"), "application/gzip"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(30), "application/x-7z-compressed"),
    "rar": (b"Rar!\x1a\x07\1\0" + bytes(30), "application/x-rar-compressed"),
    "rar 4": (b"Rar!\x1a\x07\0" + bytes(30), "application/x-rar-compressed"),
    "tar": (tarred(), "application/x-tar"),
    "bzip2": (b"BZh91AY&SY" + bytes(30), "application/x-bzip2"),
    "mp3 with a tag": (b"ID3\4\0\0\0\0\0\x0a" + bytes(40), "audio/mpeg"),
    "mp3": (b"\xff\xfb\x90\x64" + bytes(40), "audio/mpeg"),
    "mp4": (ftyp(b"isom"), "video/mp4"),
    "m4a": (ftyp(b"M4A "), "audio/x-m4a"),
    "m4v": (ftyp(b"M4V "), "video/x-m4v"),
    "3gp": (ftyp(b"3gp4"), "video/3gpp"),
    "mov": (ftyp(b"qt  "), "video/quicktime"),
    "webm": (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\x82\x84webm" + bytes(40), "video/webm"),
    "mkv": (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\x82\x88matroska" + bytes(40), "video/x-matroska"),
    "avi": (b"RIFF\x24\0\0\0AVI LIST" + bytes(40), "video/x-msvideo"),
    "ogg": (b"OggS\0\2" + bytes(20) + b"\1\x13OpusHead" + bytes(40), "audio/ogg"),
    "vorbis": (b"OggS\0\2" + bytes(20) + b"\1\x1e\1vorbis" + bytes(40), "audio/ogg"),
    "theora": (b"OggS\0\2" + bytes(20) + b"\1\x2a\x80theora" + bytes(40), "video/ogg"),
    "ogg of another kind": (b"OggS\0\2" + bytes(60), "application/ogg"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "audio/wav"),
    "flac": (b"fLaC\0\0\0\x22" + bytes(40), "audio/flac"),
    "elf": (b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + bytes(40), "application/x-elf"),
    "exe": (EXE, "application/vnd.microsoft.portable-executable"),
    "mach-o": (b"\xcf\xfa\xed\xfe\7\0\0\1" + bytes(40), "application/x-mach-binary"),
    "java class": (b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(40), "application/x-java-applet"),
    "ole": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "application/x-ole-storage"),
    "shell script": (b"#!/bin/sh\necho hi\n", "text/x-shellscript"),
    "python script": (b"#!/usr/bin/env python3\nprint(1)\n", "text/x-python"),
    "php": (b"<?php echo 1;\n", "text/x-php"),
    "html": (HTML, "text/html"),
    "html without a doctype": (b" \n<html><body>x</body></html>", "text/html"),
    "xhtml": (b'<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"/>',
              "application/xhtml+xml"),
    "xml": (b'<?xml version="1.0"?><a><b/></a>', "text/xml"),
    "json": (b'{"a": [1, 2, {"b": null}]}', "application/json"),
    "long json": (b"[" + b", ".join(b'{"n": %d}' % n for n in range(1000)) + b"]", "application/json"),
    "text": ("Grüße, ein Text.\n".encode(), "text/plain"),
    "latin-1": ("Grüße, ein Text.\n".encode("latin-1"), "text/plain"),
    "utf-8 with a mark": (b"\xef\xbb\xbfhello", "text/plain"),
    "utf-16": ("\ufeffhello there".encode("utf-16-le"), "text/plain"),
    "markdown": (b"# Title\n\nSome *text*.\n", "text/plain"),
    "css": (b"body { color: red }\n", "text/plain"),
    "nothing at all": (b"", "text/plain"),
    "woff": (b"wOFF\0\1\0\0" + bytes(40), "font/woff"),
    "woff2": (b"wOF2\0\1\0\0" + bytes(40), "font/woff2"),
    "wasm": (b"\0asm\1\0\0\0", "application/wasm"),
    "sqlite": (b"SQLite format 3\0" + bytes(90), "application/vnd.sqlite3"),
}  # fmt: skip
"""Name to content and the type PocketBase sees."""

POLYGLOTS: dict[str, bytes] = {
    "jpeg with a zip behind it": image("JPEG") + zipped("evil.class"),
    "png with a zip behind it": image("PNG") + zipped("evil.class"),
    "gif with html behind it": image("GIF") + HTML,
    "gif with a script in its comment": image("GIF", comment=b"<script>alert(1)</script>"),
    "jpeg with php in its comment": image("JPEG", comment=b"<?php system($_GET[0]); ?>"),
    "png with php in a text": with_chunk(image("PNG"), b"tEXt", b"Comment\0<?php phpinfo();"),
    "png that is a pdf": with_chunk(image("PNG"), b"tEXt", b"Comment\0" + PDF),
    "jpeg that is a pdf": image("JPEG", comment=PDF),
    "webp with html behind it": image("WEBP") + b"<ScRiPt src=//e.example>",
    "jpeg with a phar behind it": image("JPEG") + b"<?php __HALT_COMPILER(); ?>\r\n" + bytes(20),
    "jpeg with a rar behind it": image("JPEG") + b"Rar!\x1a\x07\1\0" + bytes(30),
}

ODD: dict[str, bytes] = {
    "exe named jpeg": EXE,
    "html behind a comment": b"<!-- x -->" + HTML,
    "html behind many blanks": b" " * 2000 + HTML,
    "svg behind a comment and a line": b"<!-- x -->\n" + SVG,
    "svg without a namespace": b"<svg><script>alert(1)</script></svg>",
    "svg with a prefix": b'<s:svg xmlns:s="http://www.w3.org/2000/svg"/>',
    "svg behind a doctype": b'<?xml version="1.0"?><!DOCTYPE svg PUBLIC "a" "b">' + SVG,
    "svg behind a doctype with entities": b'<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG,
    "svg in utf-16": ("\ufeff" + SVG.decode()).encode("utf-16-le"),
    "geojson": b'{"type": "Feature", "geometry": null, "properties": {}}',
    "json lines": b'{"a":1}\n{"b":2}\n',
    "broken json": b'{"a": ',
    "json scalar": b'"text"',
    "csv": b"a,b,c\n1,2,3\n4,5,6\n",
    "tsv": b"a\tb\n1\t2\n",
    "rss": b'<?xml version="1.0"?><rss version="2.0"></rss>',
    "vcard": b"BEGIN:VCARD\nVERSION:3.0\nEND:VCARD\n",
    "calendar": b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n",
    "rtf": b"{\\rtf1 hello}",
    "ppm": b"P3\n1 1\n255\n1 2 3\n",
    "subtitles": b"1\n00:02:16,612 --> 00:02:19,376\nHi\n",
    "mail": b"From: a@example.com\nTo: b@example.com\nSubject: x\n\nhi\n",
    "unknown script": b"#!/opt/thing\nx\n",
    "text like a bitmap": b"BMW is a car.\n",
    "text like an exe": b"MZ is short for something.\n",
    "text like a tag": b"ID3 is a format.\n",
    "text with DICM": b"x" * 128 + b"DICM and more",
    "text like cpio": b"070707 is an octal number\n",
    "text like zlib": b"x^2 + y^2 = z^2\n",
    "text like dxf": b"  0\nSECTION\n  2\nHEADER\n",
    "text with a pdf mark": b"see: %PDF-1.4 is how it begins\n",
    "text that is a tar": b"x" * 148 + b"0164034 " + b"x" * 356,
    "zeros": bytes(500),
    "one zero": b"\0",
    "noise": bytes(n * 7919 % 251 for n in range(4000)),
    "half a zip signature": b"PK\3",
    "half a png signature": b"\x89PNG\r\n",
    "jpeg cut short": image("JPEG")[:10],
    "riff of no kind": b"RIFF\x24\0\0\0XXXX" + bytes(40),
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 " + bytes(40),
    "fat mach-o": b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(40),
    "cursor": b"\0\0\2\0\1\0" + bytes(40),
    "ttf": b"\0\1\0\0\0\x0b\0\x80\0\3\0\x30OS/2" + bytes(40),
    "deb": b"!<arch>\ndebian-binary   " + bytes(40),
    "psd": b"8BPS\0\1" + bytes(40),
    "mp4 audio": ftyp(b"M4B "),
    "exe that may be jpeg 2000": b"MZ\0\0jP  " + bytes(12) + b"jp2 " + bytes(40),
    "elf that may be jpeg 2000": b"\x7fELFjP  " + bytes(12) + b"jpx " + bytes(40),
    "aac that may be a film": b"\xff\xf1\0\0moov\0" + bytes(40),
    "rar that may be dicom": b"Rar!\x1a\x07\0" + bytes(121) + b"DICM" + bytes(40),
    "wasm that may be a font": b"\0asm\1\0\0\0\2\0\1" + bytes(23) + b"LP" + bytes(40),
    "mach-o that may be dicom": b"\xcf\xfa\xed\xfe" + bytes(124) + b"DICM" + bytes(40),
    "gzip that may be a film": b"\x1f\x8b\x08\0moov\0" + bytes(40),
    "webp that may be a tar": b"RIFF\x24\0\0\0WEBP" + b"x" * 136 + b"0164034 " + b"x" * 356,
    "aac": b"\xff\xf1\x50\x80" + bytes(40),
    "xml without a declaration": b"<note><to>x</to></note>",
    "docx in an odd order": zipped("word/document.xml", "[Content_Types].xml"),
    "docx behind a file of another kind": zipped("a.txt", "word/document.xml"),
    "utf-32": "\ufeffhello".encode("utf-32-le"),
    "pdf behind a shell script": b"#!/bin/sh\n" + PDF,
    "gif of a script": b"GIF89a/*" + bytes(6) + b"*/=1;alert(1)",
}
