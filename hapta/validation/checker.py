"""One collection's rules for a create, compiled once, and what they say to a body.

What PocketBase does with a create (``apis/record_crud.go``, ``forms/record_upsert.go``, ``core/field_*.go``;
measured on 0.40.6):

1. The body must be one it can read, and the create rule must pass. Both come before this.
2. Members of hidden fields are left out, but for the password of an auth collection. Names with a modifier
   change other fields; names of no field mean nothing.
3. In an auth collection the form comes first: password there, confirmed, and nobody verifies himself but who
   manages the record. What is wrong there is all that is told.
4. Then all fields are validated, the absent like blank ones, and all that is wrong is told at once.
5. What is unique is found out on saving, so only when nothing was wrong.

So an answer is known where all fields' findings are: one that is not might have a line in it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from hapta.model.schema import Collection
from hapta.validation.casts import text, truth
from hapta.validation.fields import field_check
from hapta.validation.refusal import Refusal
from hapta.validation.texts import fits_bcrypt
from hapta.validation.verdicts import REQUIRED, UNKNOWN, Check, Invalid, Record, Unknown

_MISMATCH: Final = Invalid("validation_values_mismatch", "Values don't match.")
_FORM_ONLY: Final = frozenset({"passwordConfirm", "oldPassword"})
_RESERVED: Final = _FORM_ONLY | {"expand", "collectionId", "collectionName"}
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_MOST_CHECKERS: Final = 1_000


class Checker:
    """What one collection's rules say.

    Args:
        checks: of the fields that callers may set.
        blank: what the fields are found to be that are not set, where that is not valid.
        form: of an auth collection.
    """

    def __init__(
        self, checks: Mapping[str, Check], blank: Mapping[str, Invalid | Unknown], form: "_Form | None"
    ) -> None:
        self._checks = checks
        self._blank = tuple(blank.items())
        self._settable = frozenset(checks)
        self._form = form

    def verdict(self, members: Mapping[str, Any], *, caller: Record | None = None) -> Refusal | None:
        """How PocketBase refuses a create with this body; ``None`` where it does not, or that is not certain.

        Presupposes what the caller of this must know: the create rule passes, who asks is no superuser, no
        hooks of PocketBase stand around the collection, and the body is one JSON object PocketBase can read
        (no name twice in it, no half of a surrogate pair).

        Args:
            members: of the body, as JSON has them.
            caller: the auth record that asks, which therefore exists.
        """
        for name in members.keys() - self._settable:
            if not _PLAIN_NAME.fullmatch(name):
                return None
        if self._form is not None:
            wrong = self._form.verdict(members)
            if isinstance(wrong, Unknown):
                return None
            if wrong:
                return Refusal(wrong)
        failed: dict[str, Invalid] = {}
        for name, value in members.items():
            check = self._checks.get(name)
            if check is None:
                continue
            finding = check(value, caller)
            if finding is None:
                continue
            if finding is UNKNOWN:
                return None
            failed[name] = finding
        for name, of_blank in self._blank:
            if name in members and name in self._settable:
                continue
            if isinstance(of_blank, Unknown):
                return None
            failed[name] = of_blank
        return Refusal(failed) if failed else None


class _Form:
    """What stands before an auth collection's fields.

    Args:
        has_managers: somebody may set ``verified``.
    """

    def __init__(self, *, has_managers: bool) -> None:
        self._has_managers = has_managers

    def verdict(self, members: Mapping[str, Any]) -> Mapping[str, Invalid] | Unknown:
        wrong: dict[str, Invalid] = {}
        password, again = text(members.get("password")), text(members.get("passwordConfirm"))
        if isinstance(password, Unknown) or isinstance(again, Unknown) or not fits_bcrypt(password):
            return UNKNOWN
        if not password:
            wrong["password"] = REQUIRED
        if not again:
            wrong["passwordConfirm"] = REQUIRED
        elif again != password:
            wrong["passwordConfirm"] = _MISMATCH
        if truth(members.get("verified")):
            if self._has_managers:
                return UNKNOWN
            wrong["verified"] = _MISMATCH
        return wrong


class Checkers:
    """Checkers of collections, each compiled when first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Collection, Checker | None]] = {}

    def of(self, collection: Collection) -> Checker | None:
        """The checker of this very state of a collection; ``None`` where nothing is certain of it."""
        known = self._known.get(collection.id)
        if known is not None and known[0] is collection:
            return known[1]
        if len(self._known) >= _MOST_CHECKERS:
            self._known.clear()
        checker = compile_checker(collection)
        self._known[collection.id] = (collection, checker)
        return checker


def compile_checker(collection: Collection) -> Checker | None:
    """The rules of a collection; ``None`` where they are none that are known here."""
    is_auth = collection.type == "auth"
    if collection.type not in ("base", "auth"):
        return None
    checks: dict[str, Check] = {}
    blank: dict[str, Invalid | Unknown] = {}
    for options in collection.fields:
        check, name = field_check(options), str(options.get("name"))
        if check is None or name in _RESERVED or not _PLAIN_NAME.fullmatch(name):
            return None
        is_password = is_auth and name == "password"
        if is_auth and options["type"] == "password" and not is_password:
            return None  # one that cannot be hashed takes precedence over all that the form says
        if is_password or not options.get("hidden", True):
            checks[name] = check
        finding = check(None, None)
        if finding is not None:
            blank[name] = finding
    form = _Form(has_managers=collection.rules.get("manageRule") is not None) if is_auth else None
    return Checker(checks, blank, form)
