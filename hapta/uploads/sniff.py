"""The real type of a file, by how it begins.

Names are those of PocketBase's own detection, which looks at the first 4096 bytes and tries its tests in a
fixed order; the tests here stand in that order, so that the first that fits is the same one. Besides the type
a :class:`Kind` tells every name PocketBase may come to. Where that cannot be told, because another of its
tests might fit first, it says so, and only PocketBase judges.
"""

import re
from dataclasses import dataclass

from hapta.uploads import families
from hapta.uploads.archives import zip_type
from hapta.uploads.markup import JSON as JSON_TYPE
from hapta.uploads.markup import PLAIN, XML, text_type

READ_BYTES = 4096
"""As many PocketBase reads."""
UNKNOWN = "application/octet-stream"
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is.

    Attributes:
        type: the closest Hapta can tell, by PocketBase's name for it; :data:`UNKNOWN` where it cannot.
        narrower: types it may be on closer inspection, which Hapta does not make (CSV within plain text).
        names: all names PocketBase may know it by; ``None``: could be any.
    """

    type: str
    narrower: frozenset[str] = _NOTHING
    names: frozenset[str] | None = None

    @property
    def is_known(self) -> bool:
        return self.type != UNKNOWN


def _certain(type_: str) -> Kind:
    return Kind(type_, names=families.aliases(type_))


_FOREIGN = Kind(UNKNOWN)
_PDF, _JPEG = _certain("application/pdf"), _certain("image/jpeg")
_PNG, _APNG = _certain("image/png"), _certain("image/vnd.mozilla.apng")
_WEBP, _WAV, _AVI = _certain("image/webp"), _certain("audio/wav"), _certain("video/x-msvideo")
_QUICKTIME, _TAR = _certain("video/quicktime"), _certain("application/x-tar")
_BMP, _TAGGED = _certain("image/bmp"), Kind("audio/mpeg")
_MP3, _AAC = _certain("audio/mpeg"), _certain("audio/aac")
_WEBM, _MKV = _certain("video/webm"), _certain("video/x-matroska")
_PE, _MACHO = _certain("application/vnd.microsoft.portable-executable"), "application/x-mach-binary"
_CLASS = _certain("application/x-java-applet")

_FIRST: tuple[tuple[bytes, Kind], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind("application/x-ole-storage", families.OLE, families.OLE)),
    (b"GIF87a", _certain("image/gif")),
    (b"GIF89a", _certain("image/gif")),
    (b"MZ", _PE),
    (b"\x7fELF", Kind("application/x-elf", families.ELF, families.ELF)),
)  # fmt: skip
"""Tests that come before the one for tar archives."""

_SECOND: tuple[tuple[bytes, Kind], ...] = (
    (b"BZh", _certain("application/x-bzip2")),
    (b"II*\0", _certain("image/tiff")),
    (b"MM\0*", _certain("image/tiff")),
    (b"\0\0\1\0", _certain("image/x-icon")),
    (b"fLaC\0\0\0\x22", _certain("audio/flac")),
    (b"MThd", _certain("audio/midi")),
)

_THIRD: tuple[tuple[bytes, Kind], ...] = (
    (b"\x1f\x8b", _certain("application/gzip")),
    (b"CWS", _certain("application/x-shockwave-flash")),
    (b"FWS", _certain("application/x-shockwave-flash")),
    (b"wOFF", _certain("font/woff")),
    (b"wOF2", _certain("font/woff2")),
    (b"\xff\xf1", _AAC),
    (b"\xff\xf9", _AAC),
)

_FOURTH: tuple[tuple[bytes, Kind], ...] = (
    (b"\0asm", _certain("application/wasm")),
    (b"Rar!\x1a\x07\0", _certain("application/x-rar-compressed")),
    (b"Rar!\x1a\x07\1\0", _certain("application/x-rar-compressed")),
    (b"SQLite format 3\0", Kind("application/vnd.sqlite3")),
    (b"\x28\xb5\x2f\xfd", _certain("application/zstd")),
    (b"\xfd7zXZ\0", _certain("application/x-xz")),
)

_OTHERS = re.compile(
    rb"/\* XPM \*/|%FDF|%!PS-Adobe-|8BPS|-----BEGIN PKCS7|\xff\x0a|!<arch>|xar!|SIMPLE  =|\0\0\x02\0"
    rb"|\0\0\x1a\0|MAC |MPCK|#!AMR|\.snd|FORM|\0\0\x01[\xb0-\xbf]|FLV\x01|Creative Voice File|#EXTM3U|\.RMF"
    rb"|ZWS|Cr24|OTTO|ttcf|\0\x01\0\0|AT&T|ITOLITLS|AC[0-9.]{4}|icns|#\?RADIANCE|ISc\(|drpm|LZIP|d8:announce"
    rb"|0707|TZif|gimp xcf|PAR1|GRIB|x[\x01^\x9c\xda]|\xffWPC|BPG|II\xbc|RIFF|Rar!|NES\x1a"
    rb"|[\x50-\x5f]\x2a\x4d\x18|\s*(0|999)\s*[\r\n]"
)
"""How files of other types begin that PocketBase tests for before it comes to text."""
_CONTROLS = re.compile(rb"[\0-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_PDF_MARK = b"%PDF-"
_QUICKTIME_ATOMS = frozenset((b"moov\0", b"mdat\0", b"free\0", b"skip\0", b"pnot\0"))
_BRANDS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("image/avif", (b"avif", b"avis")),
    ("video/3gpp", (b"3gp1", b"3gp2", b"3gp3", b"3gp4", b"3gp5", b"3gp6", b"3gp7", b"3gs7", b"3ge6", b"3ge7",
                    b"3gg6")),
    ("audio/x-m4a", (b"M4A ",)),
    ("video/x-m4v", (b"M4V ", b"M4VH", b"M4VP")),
    ("image/heic", (b"heic", b"heix")),
    ("image/heic-sequence", (b"hevc", b"hevx")),
    ("image/heif", (b"mif1", b"heim", b"heis", b"avic")),
    ("image/heif-sequence", (b"msf1", b"hevm", b"hevs", b"avcs")),
)  # fmt: skip
_BITMAP_HEADERS = frozenset((40, 52, 56, 64, 108, 124))
_MACH_MAGICS = frozenset((b"\xfe\xed\xfa\xce", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xcf\xfa\xed\xfe"))


def sniff(head: bytes) -> Kind:
    """What a file is that begins like this.

    Args:
        head: its first :data:`READ_BYTES` bytes, or all of it; more is not looked at.
    """
    head = head[:READ_BYTES]
    if head.startswith(b"7z\xbc\xaf\x27\x1c"):
        return _certain("application/x-7z-compressed")
    if head[:2] == b"PK" and head[2:3] in b"\3\5\7" and head[3:4] in b"\4\6\x08" and len(head) > 3:
        return Kind(zip_type(head), names=families.ZIP)
    if _PDF_MARK in head[:1024]:
        return _PDF if not head.startswith(b"/* XPM */") else _FOREIGN
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _APNG if head[37:41] == b"acTL" else _PNG
    if head.startswith(b"OggS\0"):
        return Kind(_ogg_type(head[28:37]), names=families.OGG)
    if head.startswith(b"\xff\xd8\xff"):
        return _JPEG
    if head[4:8] in (b"jP  ", b"jP2 "):
        return _FOREIGN  # JPEG 2000, or nothing
    return _by_prefix(_FIRST, head) or _after_gif(head)


def _ogg_type(codec: bytes) -> str:
    if codec.startswith((b"\x7fFLAC", b"\x01vorbis", b"OpusHead", b"Speex   ")):
        return "audio/ogg"
    return (
        "video/ogg" if codec.startswith((b"\x80theora", b"fishead\0", b"\x01video\0")) else "application/ogg"
    )


def _by_prefix(table: tuple[tuple[bytes, Kind], ...], head: bytes) -> Kind | None:
    for magic, kind in table:
        if head.startswith(magic):
            return kind
    return None


def _after_gif(head: bytes) -> Kind:
    if head[:4] == b"RIFF" and len(head) > 12 and head[8:12] == b"WEBP":
        return _WEBP
    if _is_tar(head):
        return _TAR
    if (kind := _by_prefix(_SECOND, head)) is not None:
        return kind
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return _BMP
    if head[:3] == b"ID3" and head[3:4] in (b"\2", b"\3", b"\4"):
        return _TAGGED  # PocketBase looks at more of the tag
    if head[:1] == b"\xff" and len(head) >= 3 and head[1] & 0xFE in (0xFA, 0xF2, 0xE2):
        return _MP3
    if head[:4] == b"RIFF" and len(head) > 16:
        if head[8:12] == b"WAVE":
            return _WAV
        return _AVI if head[8:16] == b"AVI LIST" else _FOREIGN
    if (kind := _moving(head) or _by_prefix(_THIRD, head)) is not None:
        return kind
    if _has_marks_elsewhere(head):
        return _FOREIGN
    return _by_prefix(_FOURTH, head) or _program(head) or _text(head)


def _has_marks_elsewhere(head: bytes) -> bool:
    """Whether it may be of a type that is told by marks that do not stand at the beginning."""
    return (
        head[34:36] == b"LP"
        or head[128:132] == b"DICM"
        or head[60:68] == b"BOOKMOBI"
        or head[20:24] in (b"GPAT", b"GIMP")
    )


def _moving(head: bytes) -> Kind | None:
    if len(head) >= 12:
        if head[4:9] in _QUICKTIME_ATOMS or head[:8] == b"\0\0\0\x08wide":
            return _QUICKTIME
        if head[:1] == b"\0" and head[4:8] == b"ftyp":
            return _by_brand(head[8:12])
    if head.startswith(b"\x1aE\xdf\xa3"):
        at = head.find(b"B\x82")
        rest = head[at + 3 : at + 11]
        if at > 0 and rest.startswith(b"webm") and head[at + 2] & 0x80:
            return _WEBM
        return _MKV if at > 0 and rest.startswith(b"matroska") and head[at + 2] & 0x80 else _FOREIGN
    return None


def _by_brand(brand: bytes) -> Kind:
    if brand in (b"qt  ", b"moov"):
        return _QUICKTIME
    for type_, brands in _BRANDS:
        if brand in brands:
            return Kind(type_, names=families.MP4)
    return Kind("video/mp4", names=families.MP4)


def _program(head: bytes) -> Kind | None:
    if head[:4] in _MACH_MAGICS:
        return Kind(_MACHO)  # its names stay open: PocketBase tests for much else first
    if head[:4] == b"\xca\xfe\xba\xbe" and len(head) >= 8:
        return _CLASS if head[7] > 30 else Kind(_MACHO) if head[7] < 0x14 else _FOREIGN
    return None


def _text(head: bytes) -> Kind:
    if _OTHERS.match(head) or b"SECTION" in head[:64]:
        return _FOREIGN
    text = head
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") and head[2:4] != b"\0\0":
        text = head.decode("utf-16", "replace").encode("utf-8", "replace")
    elif _CONTROLS.search(head):
        return _FOREIGN
    type_ = text_type(text.removeprefix(b"\xef\xbb\xbf"), is_whole=len(head) < READ_BYTES)
    narrower = {PLAIN: families.PLAIN, XML: families.XML, JSON_TYPE: families.JSON}
    return Kind(type_, narrower.get(type_, _NOTHING), families.TEXT)


def _is_tar(head: bytes) -> bool:
    """Whether the header's checksum is right, as PocketBase looks at it."""
    if len(head) < 512 or b"/gpkg-1\0" in head[:100]:
        return False
    digits = head[148:156].strip(b" \0").partition(b"\0")[0]
    if not digits or digits.strip(b"01234567"):
        return False
    told = int(digits, 8)
    block = head[:148] + b" " * 8 + head[156:512]
    unsigned = sum(block)
    return told in (unsigned, unsigned - 256 * sum(byte > 127 for byte in block))
