"""A guard's refusal, and what its client gets: PocketBase's error form, so every SDK reads it."""

from collections.abc import Mapping
from typing import Any, Final, Self

from hapta.model.errors import HaptaError

_FAILED: Final = {
    "create": "Failed to create record.",
    "update": "Failed to update record.",
    "delete": "Failed to delete record.",
}
"""PocketBase's own words (``apis/record_crud.go``)."""


class Reject(Exception):
    """Raised by a hook to refuse a request.

    Args:
        field: the field to blame; empty for none in particular.
        code: a stable word for programs, such as ``too_many_links``.
        message: a sentence for people; with a field it stands at the field, else it is the answer's.
        status: HTTP status, 400 to 499.
    """

    def __init__(self, field: str = "", *, code: str = "rejected", message: str, status: int = 400) -> None:
        if not 400 <= status < 500:
            raise ValueError(f"Reject: status {status} is not one of a client's error (400 to 499)")
        super().__init__(message)
        self.status = status
        self.message = "" if field else message
        self.errors: dict[str, FieldError] = {field: FieldError(code, message)} if field else {}

    @classmethod
    def of_fields(cls, errors: Mapping[str, "tuple[str, str] | FieldError"], *, status: int = 400) -> Self:
        """Blame several fields at once.

        Args:
            errors: code and message by field; at least one.
        """
        if not errors:
            raise ValueError("Reject.of_fields: no field to blame")
        made = cls(message="Validation failed.", status=status)
        made.message = ""
        made.errors = {
            field: error if isinstance(error, FieldError) else FieldError(*error)
            for field, error in errors.items()
        }
        return made


class FieldError:
    """What is wrong with one field.

    Attributes:
        code: a stable word for programs.
        message: a sentence for people.
        params: the bounds the message names, as PocketBase gives them; usually none.
    """

    __slots__ = ("code", "message", "params")

    def __init__(self, code: str, message: str, params: Mapping[str, Any] | None = None) -> None:
        self.code = code
        self.message = message
        self.params = params

    def data(self) -> dict[str, Any]:
        """As it stands in an error body."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.params:
            found["params"] = dict(self.params)
        return found


class Rejected(HaptaError):
    """A hook refused the request."""

    code = "hook_rejected"

    def __init__(self, reject: Reject, action: str) -> None:
        super().__init__(reject.message or _FAILED.get(action, "Failed to authenticate."))
        self.status = reject.status
        self.data = {field: error.data() for field, error in reject.errors.items()}


class HookFailed(HaptaError):
    """A guard crashed or overran its deadline: what it guards is stopped. Why stands in the log alone."""

    code = "hook_failed"
