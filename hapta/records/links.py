"""The links of a text, by what spam does: what somebody could click or copy counts, marked up or not.

Counted is each

1. ``scheme://…``, whatever the scheme;
2. ``www.…``;
3. host name with a top-level domain that spam is sold under (:data:`_DOMAINS`), ``pills.example.com``; one
   that is a word of a language (:data:`_WORDS`) counts unless it looks like the first word of a sentence,
   ``the end.Today``;
4. host name or IPv4 address with a path or a port behind, ``bit.ly/x``.

An e-mail address is no link. Before counting, HTML entities are resolved, letters in other shapes (full
width, ideographic full stop) become plain ones, and characters nobody sees are left out.

All patterns run on RE2, so that time grows with the length and no more.
"""

import html
import unicodedata
from collections.abc import Iterator
from typing import Final

import re2

_DOMAINS: Final = """
    com net org info biz ru cn su ua pl de uk eu nl fr br ir kz by io co cc tv ly gl gg ws tk ml ga cf
    gq pw xyz icu app dev tech cam porn sex xxx casino bet poker loan asia mobi onion
"""
_WORDS: Final = """
    top site online shop store club click link live pro vip win bid work website space fun buzz rest
    monster lol life world today me so in us to is it at be no my am ai fm host trade date party review
    science stream download racing cricket faith men news media email blog best cheap
"""
_DOMAIN_SET, _WORD_SET = frozenset(_DOMAINS.split()), frozenset(_WORDS.split())
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_UNSEEN = re2.compile(r"[\p{Cf}\p{Mn}]", _OPTIONS)
_MARKED = re2.compile(r"(?i)[a-z][a-z0-9+.-]*:(?://|\\\\)[^\s<>\"'()\[\]{}|]*", _OPTIONS)
_SCHEME = re2.compile(r"(?i)[a-z][a-z0-9+.-]*:(?://|\\\\)", _OPTIONS)
_AUTHORITY_END = re2.compile(r"[/?#\\]", _OPTIONS)
_MAIL = re2.compile(r"[\p{L}\p{N}_.+-]+@[\p{L}\p{N}_.-]+", _OPTIONS)
_LABEL = r"[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?"
_HOST = re2.compile(rf"((?:{_LABEL}\.)+{_LABEL})(:[0-9]{{1,5}})?(/[^\s<>\"'()\[\]{{}}|]*)?", _OPTIONS)
_ADDRESS = re2.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}", _OPTIONS)


def count_links(text: str) -> int:
    """How many there are."""
    plain = _plain(text)
    marked = sum(len(_SCHEME.findall(found)) for found in _MARKED.findall(plain))
    rest = _MAIL.sub(" ", _MARKED.sub(" ", plain))
    return marked + sum(_is_link(*found.groups()) for found in _HOST.finditer(rest))


def link_hosts(text: str) -> Iterator[str]:
    """Where the links that are counted lead to: names of hosts as in :func:`plain_host`."""
    plain = _plain(text)
    for marked in (found[0] for found in _MARKED.finditer(plain)):
        for rest in _SCHEME.split(marked)[1:]:
            authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
            yield plain_host(authority.rpartition("@")[2].partition(":")[0])
    for found in _HOST.finditer(_MAIL.sub(" ", _MARKED.sub(" ", plain))):
        if _is_link(*found.groups()):
            yield plain_host(found[1])


def plain_host(name: str) -> str:
    """A name of a host in the one form in which names are compared: small letters, IDNA where needed."""
    name = unicodedata.normalize("NFKC", name).lower().strip(".")
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:  # no host has this name
        return name


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKC", html.unescape(text)).replace("\u3002", ".")
    return str(_UNSEEN.sub("", plain))


def _is_link(host: str, port: str | None, path: str | None) -> bool:
    labels = host.split(".")
    if _ADDRESS.fullmatch(host):
        return bool(port or path)
    if labels[0].lower() == "www" or port:
        return True
    if path and len(path) > 1:
        return len(labels[-1]) > 1 and not labels[-1].isdecimal()
    return any(_is_domain(label) for label in labels[1:])


def _is_domain(label: str) -> bool:
    low = label.lower()
    if low in _DOMAIN_SET or low.startswith("xn--"):
        return True
    return low in _WORD_SET and not (label[0].isupper() and label[1:].islower())
