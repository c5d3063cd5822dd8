"""What kind of text a text is.

Broader than PocketBase's detection where a browser is broader: what one would run is not called plain.
"""

import json
import re

_WHITE = b"\t\n\x0c\r "
_COMMENT = re.compile(rb"<!--.*?(-->|\Z)", re.DOTALL)
_DECLARATION = re.compile(rb"<\?xml[\s].*?(\?>|\Z)", re.DOTALL | re.IGNORECASE)
_INSTRUCTION = re.compile(rb"<\?[A-Za-z_].*?(\?>|\Z)", re.DOTALL)
_DOCTYPE = re.compile(rb"<!DOCTYPE\s++([A-Za-z:_-]++)", re.IGNORECASE)
_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*+:)?(svg|html)\b", re.IGNORECASE)
_ELEMENT = re.compile(rb"<(?:[A-Za-z_][\w.-]*+:)?([A-Za-z_][\w.-]*+)")
_PHP = re.compile(rb"<\?(php|=|[\s])", re.IGNORECASE)
_HTML = re.compile(
    "html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|img|meta|link|form|input|object|embed"
    "|base|span|ul|ol|li|section|main|article|nav|header|footer|video|audio|button|template|frameset"
)
"""Elements pages begin with."""
_JSON = re.compile(rb'[\[{]\s*(["\]}\[{0-9-]|true|false|null)')
_SHEBANG = re.compile(rb"#!\s*(?:\S*/)?(?:env\s+(?:-S\s+)?)?(?:\S*/)?([A-Za-z]+)")
_SHEBANG_BYTES = 128
_INTERPRETERS = {
    b"php": "text/x-php",
    b"node": "text/javascript",
    b"nodejs": "text/javascript",
    b"lua": "text/x-lua",
    b"perl": "text/x-perl",
    b"python": "text/x-python",
    b"ruby": "text/x-ruby",
    b"tcl": "text/x-tcl",
    b"tclsh": "text/x-tcl",
    b"wish": "text/x-tcl",
}
PLAIN, HTML, XHTML, SVG = "text/plain", "text/html", "application/xhtml+xml", "image/svg+xml"
XML, JSON, PHP, SHELL = "text/xml", "application/json", "text/x-php", "text/x-shellscript"


def text_type(text: bytes, *, is_whole: bool) -> str:
    """The type of a text.

    Args:
        text: its beginning, in UTF-8 or another superset of ASCII, without a byte order mark.
        is_whole: there is no more of it.
    """
    if text.startswith(b"#!"):
        found = _SHEBANG.match(text[:_SHEBANG_BYTES])
        return _INTERPRETERS.get(found[1].lower(), SHELL) if found else SHELL
    text = text.lstrip(_WHITE)
    if text.startswith(b"<"):
        return _markup_type(text)
    return JSON if text[:1] in (b"{", b"[") and _is_json(text, is_whole) else PLAIN


def _markup_type(text: bytes) -> str:
    has_comment, is_xml = False, False
    while True:
        text = text.lstrip(_WHITE)
        if found := _COMMENT.match(text):
            has_comment = True
        elif found := _DECLARATION.match(text):
            is_xml = True
        elif _PHP.match(text):
            return PHP
        elif not (found := _INSTRUCTION.match(text)):
            break
        text = text[found.end() :]
    doctype = _DOCTYPE.match(text)
    # a doctype may hold anything, and its name binds no browser: what it may be about is what it is
    root = doctype or _ELEMENT.match(text)
    name = root[1].lower().decode("ascii") if root else ""
    if doctype and name not in ("svg", "html") and (root := _ROOT.search(text)):
        name = root[1].lower().decode("ascii")
    if name == "svg":
        return SVG
    if name == "html":
        return XHTML if is_xml else HTML
    if is_xml:
        return XML
    return HTML if _HTML.fullmatch(name) or has_comment else PLAIN


def _is_json(text: bytes, is_whole: bool) -> bool:
    if not is_whole:
        return _JSON.match(text) is not None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
