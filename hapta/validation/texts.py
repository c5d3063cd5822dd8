"""Fields that hold a text: text, editor, password, email, url.

Lengths count characters, an editor's bytes. Patterns run on RE2, as PocketBase's do; one that does not
compile there says nothing. Forms of addresses are known for what is surely one and what surely is none;
between them PocketBase decides.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import re2

from hapta.validation.casts import text
from hapta.validation.verdicts import REQUIRED, UNKNOWN, Check, Finding, Invalid, Record, Unknown

_DEFAULT_MAX: Final = 5000
_DEFAULT_MAX_PASSWORD: Final = 71
_MAX_PASSWORD_BYTES: Final = 72
"""Of bcrypt; more is an error without a field's name, whatever else is wrong."""
_DEFAULT_MAX_BYTES: Final = 5 << 20
_ID_PATTERN: Final = "^[a-z0-9]+$"
_GENERATED: Final = re.compile(r"\[([A-Za-z0-9-]+)\]\{([0-9]{1,4})\}")
_FORMAT: Final = Invalid("validation_invalid_format", "Invalid value format.")
_EMAIL: Final = Invalid("validation_is_email", "Must be a valid email address.")
_EMAIL_DOMAIN: Final = Invalid("validation_email_domain_not_allowed", "Email domain is not allowed.")
_URL: Final = Invalid("validation_invalid_url", "Must be a valid url.")
_URL_DOMAIN: Final = Invalid("validation_url_domain_not_allowed", "Url domain is not allowed.")
_LABEL = r"[a-z](?:[a-z0-9-]{0,40}[a-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}\.){{1,4}}[a-z]{{2,20}}"
_IS_EMAIL: Final = re.compile(rf"[A-Za-z0-9_+-]{{1,60}}(?:\.[A-Za-z0-9_+-]{{1,60}}){{0,3}}@({_DOMAIN})")
_IS_NO_EMAIL: Final = re.compile(r"[A-Za-z0-9_.+ -]+|@[A-Za-z0-9_.+@ -]*|[A-Za-z0-9_.+@ -]*@")
_IS_URL: Final = re.compile(rf"https?://({_DOMAIN})(?:/[A-Za-z0-9_-]{{0,60}}){{0,4}}")
_IS_NO_URL: Final = re.compile(r"[A-Za-z0-9_ -]+")

Matches = Callable[[str], bool | Unknown]


def text_field(options: Mapping[str, Any]) -> Check:
    """A text field; ``id`` is one."""
    least, most = int(options["min"]), int(options["max"]) or _DEFAULT_MAX
    too_short = Invalid(
        "validation_min_text_constraint", f"Must be at least {least} character(s).", {"min": least}
    )
    too_long = Invalid(
        "validation_max_text_constraint", f"Must be no more than {most} character(s).", {"max": most}
    )
    matches = _pattern(options["pattern"])
    is_key = options["primaryKey"]
    # of another pattern PocketBase looks whether one in other letter case is there
    is_foreign_key = is_key and options["pattern"] != _ID_PATTERN
    blank = _blank(options)

    def check(value: Any, _: Record | None) -> Finding:
        found = text(value)
        if found == "":
            return blank
        if isinstance(found, Unknown) or is_foreign_key:
            return UNKNOWN
        length = len(found)
        if length < least:
            return too_short
        if length > most:
            return too_long
        return None if matches is None else _verdict(matches(found))

    return check


def _blank(options: Mapping[str, Any]) -> Finding:
    if options["autogeneratePattern"]:
        return _generated(options)
    if options["primaryKey"]:
        return UNKNOWN
    return REQUIRED if options["required"] else None


def _generated(options: Mapping[str, Any]) -> Finding:
    """What becomes of a value PocketBase makes by itself, and validates then."""
    found = _GENERATED.fullmatch(options["autogeneratePattern"])
    if found is None:
        return UNKNOWN
    characters, length = found[1], int(found[2])
    if not max(1, options["min"]) <= length <= (options["max"] or _DEFAULT_MAX):
        return UNKNOWN
    fits = not options["pattern"] or (options["pattern"] == _ID_PATTERN and characters == "a-z0-9")
    return None if fits else UNKNOWN


def editor_field(options: Mapping[str, Any]) -> Check:
    """An editor field."""
    most = int(options["maxSize"]) or _DEFAULT_MAX_BYTES
    too_long = Invalid(
        "validation_content_size_limit",
        f"The maximum allowed content size is {most} bytes.",
        {"maxSize": most},
    )
    blank = REQUIRED if options["required"] else None

    def check(value: Any, _: Record | None) -> Finding:
        content = text(value)
        if content == "":
            return blank
        if isinstance(content, Unknown):
            return UNKNOWN
        return too_long if len(content) * 4 > most and len(content.encode()) > most else None

    return check


def password_field(options: Mapping[str, Any]) -> Check:
    """A password field."""
    least, most = int(options["min"]), int(options["max"]) or _DEFAULT_MAX_PASSWORD
    too_short = Invalid("validation_min_text_constraint", f"Must be at least {least} character(s).")
    too_long = Invalid("validation_max_text_constraint", f"Must be less than {most} character(s).")
    matches = _pattern(options["pattern"])
    blank = REQUIRED if options["required"] else None

    def check(value: Any, _: Record | None) -> Finding:
        plain = text(value)
        if plain == "":
            return blank
        if isinstance(plain, Unknown) or not fits_bcrypt(plain):
            return UNKNOWN
        if len(plain) < least:
            return too_short
        if len(plain) > most:
            return too_long
        return None if matches is None else _verdict(matches(plain))

    return check


def fits_bcrypt(plain: str) -> bool:
    """Whether a password can be hashed."""
    return len(plain) <= _MAX_PASSWORD_BYTES and len(plain.encode()) <= _MAX_PASSWORD_BYTES


def email_field(options: Mapping[str, Any]) -> Check:
    """An email field."""
    return _address_field(options, _IS_EMAIL, _is_no_email, _EMAIL, _EMAIL_DOMAIN)


def url_field(options: Mapping[str, Any]) -> Check:
    """A url field."""
    return _address_field(
        options, _IS_URL, lambda value: _IS_NO_URL.fullmatch(value) is not None, _URL, _URL_DOMAIN
    )


def _is_no_email(value: str) -> bool:
    return _IS_NO_EMAIL.fullmatch(value) is not None


def _address_field(
    options: Mapping[str, Any],
    form: re.Pattern[str],
    is_none: Callable[[str], bool],
    malformed: Invalid,
    not_allowed: Invalid,
) -> Check:
    blank = REQUIRED if options["required"] else None
    only = frozenset(options["onlyDomains"] or ())
    barred = frozenset(options["exceptDomains"] or ())

    def check(value: Any, _: Record | None) -> Finding:
        address = text(value)
        if address == "":
            return blank
        if isinstance(address, Unknown):
            return UNKNOWN
        found = form.fullmatch(address)
        if found is None:
            return malformed if is_none(address) else UNKNOWN
        if (only and found[1] not in only) or found[1] in barred:
            return not_allowed
        return None

    return check


def _pattern(pattern: str) -> Matches | None:
    if not pattern:
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error:
        return lambda _: UNKNOWN
    # classes and letter case of all of Unicode: the tables may be of another year
    is_of_tables = re.search(r"\\[pP]|\(\?|\[\[", pattern) is not None

    def matches(value: str) -> bool | Unknown:
        if is_of_tables and not value.isascii():
            return UNKNOWN
        return compiled.search(value) is not None

    return matches


def _verdict(matches: bool | Unknown) -> Finding:
    if isinstance(matches, Unknown):
        return UNKNOWN
    return None if matches else _FORMAT
