"""Errors are types with a status and a code.

Two families that never mix: :class:`HaptaError` goes to a client, in PocketBase's error form
(``{"data":{},"message":"…","status":N}``, ``tools/router/error.go``), and :class:`OperatorError` goes to the
person who runs Hapta: one clear line that says what, where and what to do.
"""

import math
from collections.abc import Mapping
from typing import Any, Self


class HaptaError(Exception):
    """An answer Hapta gives by itself, in PocketBase's error form.

    Attributes:
        status: HTTP status.
        code: stable word for the log.
        message: one sentence for people.
        data: what is wrong with which field, by its name.
        headers: further response headers.
        closes_connection: the connection must not carry another request.
    """

    status = 500
    code = "internal"
    message = "Something went wrong while processing your request."
    closes_connection = False

    def __init__(self, message: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message or self.message)
        self.message = message or self.message
        self.data: Mapping[str, Any] = {}
        self.headers: dict[str, str] = dict(headers or {})

    def for_another(self) -> Self:
        """The same error for another of those whom it concerns: stages write into an error's headers."""
        own = type(self).__new__(type(self), *self.args)  # each type is made with arguments of its own
        vars(own).update(vars(self), headers=dict(self.headers))
        return own


def _retry_after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


class BadRequest(HaptaError):
    """The request cannot be understood, or its framing cannot be trusted (RFC 9112 §2.2)."""

    status, code, message = 400, "bad_request", "Bad Request."


class BadFraming(BadRequest):
    """Where the request ends is in doubt: answered and closed (RFC 9112 §6.3, §11.2)."""

    code, closes_connection = "bad_framing", True


class UnsupportedTransferCoding(BadFraming):
    """A transfer coding other than a single final ``chunked`` (RFC 9112 §6.1)."""

    status, code, message = 501, "unsupported_transfer_coding", "Transfer coding not implemented."


class TargetTooLong(BadRequest):
    """The request target exceeds ``server.max_target_bytes`` (RFC 9110 §15.5.15)."""

    status, code, message, closes_connection = 414, "target_too_long", "URI Too Long.", True


class HeadersTooLarge(BadRequest):
    """The header section exceeds its bounds (RFC 6585 §5)."""

    status, code, message, closes_connection = (
        431,
        "headers_too_large",
        "Request Header Fields Too Large.",
        True,
    )


class BodyTooLarge(HaptaError):
    """The body is larger than Hapta is set up to hold (RFC 9110 §15.5.14)."""

    status, code, message, closes_connection = 413, "body_too_large", "Request entity too large", True


class BodyTooSlow(HaptaError):
    """The body trickles in below ``server.body_min_bytes_per_s`` (RFC 9110 §15.5.9)."""

    status, code, message, closes_connection = 408, "body_too_slow", "Request Timeout.", True


class ExpectationFailed(HaptaError):
    """An ``Expect`` other than ``100-continue`` (RFC 9110 §10.1.1)."""

    status, code, message = 417, "expectation_failed", "Expectation Failed."


class NotFound(HaptaError):
    """Not here; also what an administrator's route is to everybody else."""

    status, code, message = 404, "not_found", "The requested resource wasn't found."


class AdminOnly(HaptaError):
    """A superuser identity or login from outside ``admin.networks``."""

    status, code = 403, "admin_networks"
    message = "You are not allowed to perform this request."


class RateLimited(HaptaError):
    """More than this client may ask for now (RFC 6585 §4)."""

    status, code, message = 429, "rate_limited", "Too many requests."

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message, headers=_retry_after(retry_after_s))


class Overloaded(HaptaError):
    """Hapta takes no more of this now; the request was not sent upstream (RFC 9110 §15.6.4)."""

    status, code, message = 503, "overloaded", "The server is busy. Please try again shortly."

    def __init__(self, retry_after_s: float = 1.0) -> None:
        super().__init__(headers=_retry_after(retry_after_s))


class UpstreamUnavailable(Overloaded):
    """The circuit breaker is open: PocketBase did not answer just now, so it was not asked."""

    code, message = "upstream_unavailable", "The database is not available. Please try again shortly."


class RankingUnavailable(Overloaded):
    """A ranked feed has no order for this caller now: it took too long, or its scoring failed."""

    code, message = "ranking_unavailable", "The feed cannot be ranked just now. Please try again shortly."


class UpstreamRefused(HaptaError):
    """No connection to PocketBase; nothing was sent, so nothing happened there."""

    status, code, message = 502, "upstream_refused", "The database cannot be reached."


class UpstreamLost(HaptaError):
    """The request was sent but no (whole) answer came: a write may have happened, and is never repeated."""

    status, code, message = 504, "upstream_lost", "The database did not answer."


class OperatorError(Exception):
    """Hapta cannot start or go on; ends the command with exit code 2.

    The text is complete for the reader: what is wrong, where (file and line, key, path or address) and what
    to do.
    """
