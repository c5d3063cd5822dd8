"""Which extensions fit which type, and which ones a server or a desktop may run."""

_STRICT: dict[str, str] = {
    "image/png": "png apng",
    "image/vnd.mozilla.apng": "png apng",
    "image/jpeg": "jpg jpeg jpe jfif jif mpo",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif avifs",
    "image/heic": "heic heif hif",
    "image/heic-sequence": "heics heifs heic heif hif",
    "image/heif": "heif heic hif avif",
    "image/heif-sequence": "heifs heics heif heic hif",
    "image/bmp": "bmp dib",
    "image/x-icon": "ico",
    "application/pdf": "pdf ai",
    "application/x-7z-compressed": "7z cb7",
    "application/x-rar-compressed": "rar cbr rev",
    "audio/mpeg": "mp3 mp2 mpga",
    "audio/wav": "wav wave",
    "audio/flac": "flac",
    "video/webm": "webm weba",
    "video/x-matroska": "mkv mka mks mk3d",
    "application/ogg": "ogg oga ogv ogx opus spx",
    "audio/ogg": "ogg oga opus spx",
    "video/ogg": "ogv ogg ogx",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "application/vnd.microsoft.portable-executable": "exe dll sys scr cpl ocx com drv efi mui",
    "application/x-java-applet": "class",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx docm dotx dotm",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx xlsm xltx xltm xlsb xlam",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx pptm potx ppsx ppsm",
    "application/vnd.oasis.opendocument.text": "odt fodt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods fods",
    "application/vnd.oasis.opendocument.presentation": "odp fodp",
    "application/epub+zip": "epub",
    "application/java-archive": "jar war ear",
    "application/vnd.android.package-archive": "apk apkm xapk",
}
"""These types have no extensions but these; the first is given to a file that has none of them."""

_OFTEN_ELSEWHERE = "docx xlsx pptx odt ods odp epub jar apk docm xlsm pptm"
"""Formats built on zip, which are known as such only when their entries come in the usual order."""

_LOOSE: dict[str, str] = {
    "application/zip": f"zip {_OFTEN_ELSEWHERE}",
    "application/x-ole-storage": "doc xls ppt msg msi",
    "application/gzip": "gz",
    "application/x-tar": "tar",
    "image/tiff": "tif tiff",
    "video/mp4": "mp4 heic heif avif",
    "video/quicktime": "mov",
    "audio/x-m4a": "m4a",
    "application/x-elf": "so",
    "application/x-mach-binary": "dylib",
    "image/svg+xml": "svg",
    "text/html": "html htm",
    "application/xhtml+xml": "xhtml xht html htm",
    "text/xml": "xml",
    "application/json": "json",
    "text/plain": "txt",
    "text/x-php": "php",
    "text/x-shellscript": "sh",
    "text/x-python": "py",
}
"""These types have further extensions, any that does not belong to another type."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RUNNABLE = _words(
    """
    exe com scr bat cmd pif msi msp dll cpl hta lnk vbs vbe js jse mjs wsf wsh ps1 psm1 reg jar class apk
    app dmg sh bash zsh csh ksh fish pl py rb lua tcl php php3 php4 php5 php7 php8 phps phtml phar pht asp
    aspx ascx ashx asmx jsp jspx cfm cgi fcgi shtml shtm stm htaccess htm html xhtml xht svg svgz swf
    """
)
"""Extensions of what somebody's server, browser or desktop runs or renders."""

_OF = {type_: tuple(text.split()) for type_, text in {**_STRICT, **_LOOSE}.items()}
_OWNED = _words(" ".join(_STRICT.values())) | _words(
    "svg gz tar tif tiff mp4 mov m4a html htm xhtml xht doc xls ppt zip so"
)
KNOWN = _OWNED | RUNNABLE | _words(" ".join(_LOOSE.values()))


def fits(extension: str, type_: str) -> bool:
    """Whether a file of this type may be called so; true where nothing is known of the type.

    Args:
        extension: in small letters, without its dot.
    """
    known = _OF.get(type_)
    if known is None or extension in known:
        return True
    return type_ in _LOOSE and extension not in _OWNED


def usual(type_: str) -> str:
    """The extension files of this type usually have; empty where nothing is known of it."""
    return _OF[type_][0] if type_ in _OF else ""
