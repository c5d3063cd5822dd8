"""The names PocketBase has for types, in the families its detection can tell apart only by looking closer.

It detects types with gabriel-vasile/mimetype 1.4.15, a tree: a file that begins like a zip archive may be
one, or a document of some office programme. Where Hapta knows the branch for certain but not the leaf, it
knows at least all the names PocketBase may come to, and what it cannot be. Each line is a type and its
aliases.
"""

from collections.abc import Iterable

_ZIP = """
application/zip application/x-zip application/x-zip-compressed
application/vnd.openxmlformats-officedocument.wordprocessingml.document
application/vnd.openxmlformats-officedocument.presentationml.presentation
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet
application/epub+zip
application/vnd.android.package-archive
application/java-archive application/jar application/jar-archive application/x-java-archive
application/vnd.oasis.opendocument.text application/x-vnd.oasis.opendocument.text
application/vnd.oasis.opendocument.text-template application/x-vnd.oasis.opendocument.text-template
application/vnd.oasis.opendocument.spreadsheet application/x-vnd.oasis.opendocument.spreadsheet
application/vnd.oasis.opendocument.spreadsheet-template
application/x-vnd.oasis.opendocument.spreadsheet-template
application/vnd.oasis.opendocument.presentation application/x-vnd.oasis.opendocument.presentation
application/vnd.oasis.opendocument.presentation-template
application/x-vnd.oasis.opendocument.presentation-template
application/vnd.oasis.opendocument.graphics application/x-vnd.oasis.opendocument.graphics
application/vnd.oasis.opendocument.graphics-template application/x-vnd.oasis.opendocument.graphics-template
application/vnd.oasis.opendocument.formula application/x-vnd.oasis.opendocument.formula
application/vnd.oasis.opendocument.chart application/x-vnd.oasis.opendocument.chart
application/vnd.sun.xml.calc
application/vnd.google-earth.kmz
application/vnd.ms-visio.drawing.main+xml
"""
_OLE = """
application/x-ole-storage
application/octet-stream
application/x-ms-installer application/x-windows-installer application/x-msi
application/vnd.ms-outlook
application/vnd.ms-excel application/msexcel
application/vnd.ms-publisher
application/vnd.ms-powerpoint application/mspowerpoint
application/msword application/vnd.ms-word
"""
_OGG = "application/ogg application/x-ogg audio/ogg video/ogg"
_ELF = """
application/x-elf application/x-object application/x-executable application/x-sharedlib
application/x-coredump
"""
_MP4 = """
video/mp4 image/avif
video/3gpp video/3gp audio/3gpp video/3gpp2 video/3g2 audio/3gpp2
audio/mp4 audio/x-mp4a video/quicktime audio/x-m4a video/x-m4v
image/heic image/heic-sequence image/heif image/heif-sequence video/mj2 video/vnd.dvb.file
"""
_TEXTUAL = """
text/plain text/csv text/tab-separated-values text/vcard text/calendar text/vtt
application/x-subrip application/x-srt text/x-srt application/x-ndjson text/rtf application/rtf
application/warc message/rfc822
"""
_DRAWN = """
image/x-portable-bitmap image/x-portable-graymap image/x-portable-pixmap image/x-portable-arbitrarymap
"""
_XML = """
text/xml application/xml application/rss+xml text/rss application/atom+xml model/x3d+xml
application/vnd.google-earth.kml+xml application/x-xliff+xml model/vnd.collada+xml application/gml+xml
application/gpx+xml application/vnd.garmin.tcx+xml application/x-amf
application/vnd.ms-package.3dmanufacturing-3dmodel+xml application/vnd.adobe.xfdf application/owl+xml
application/vnd.cyclonedx+xml
"""
_JSON = "application/json application/geo+json model/gltf+json application/vnd.cyclonedx+json"
_SCRIPTS = """
text/x-php text/javascript application/x-javascript application/javascript text/x-lua text/x-perl
text/x-python text/x-script.python application/x-python text/x-ruby application/x-ruby text/x-tcl
application/x-tcl text/x-shellscript text/x-sh application/x-shellscript application/x-sh
"""
_OTHER_TEXT = "image/svg+xml text/html application/xhtml+xml"


def _names(*texts: str) -> frozenset[str]:
    return frozenset(name for text in texts for name in text.split())


ZIP, OLE, OGG, ELF, MP4 = _names(_ZIP), _names(_OLE), _names(_OGG), _names(_ELF), _names(_MP4)
PLAIN, XML, JSON = _names(_TEXTUAL), _names(_XML), _names(_JSON)
TEXT = _names(_TEXTUAL, _DRAWN, _XML, _JSON, _SCRIPTS, _OTHER_TEXT)

_ALIASES: dict[str, frozenset[str]] = {
    line.split()[0]: _names(line)
    for line in (
        *_ZIP.splitlines(),
        *_OLE.splitlines(),
        "application/gzip application/x-gzip application/x-gunzip application/gzipped "
        "application/gzip-compressed application/x-gzip-compressed gzip/document",
        "application/pdf application/x-pdf",
        "application/x-rar-compressed application/x-rar application/vnd.rar",
        "application/ogg application/x-ogg",
        "audio/mpeg audio/x-mpeg audio/mp3",
        "audio/wav audio/x-wav audio/vnd.wave audio/wave",
        "image/bmp image/x-bmp image/x-ms-bmp",
        "image/vnd.mozilla.apng image/apng",
        "video/webm audio/webm",
        "video/x-msvideo video/avi video/msvideo",
        "application/vnd.sqlite3 application/x-sqlite3",
        "video/3gpp video/3gp audio/3gpp",
        "text/xml application/xml",
        "text/javascript application/x-javascript application/javascript",
        "text/x-python text/x-script.python application/x-python",
        "text/x-ruby application/x-ruby",
        "text/x-shellscript text/x-sh application/x-shellscript application/x-sh",
    )
    if line
}


def aliases(type_: str) -> frozenset[str]:
    """All names of one type, its own among them."""
    return _ALIASES.get(type_) or frozenset((type_,))


def essence(name: str) -> str:
    """A type as it is compared (Go's ``mime.ParseMediaType``): without parameters, in small letters."""
    return name.partition(";")[0].strip().lower()


def essences(names: Iterable[str]) -> frozenset[str]:
    """:func:`essence` of each."""
    return frozenset(map(essence, names))
