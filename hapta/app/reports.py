"""What a running gateway tells: log lines, events and counts of what happens to requests."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from hapta.model.address import Address
from hapta.model.errors import HaptaError, OperatorError
from hapta.model.operation import OperationClass
from hapta.observe.access_lines import Bound
from hapta.observe.access_log import AccessLog
from hapta.observe.events import Events
from hapta.observe.metrics import Metrics
from hapta.server.front import Finished

_REMEMBERED_HITS = 1024
_REMEMBERED_CHARS = 512


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the gateway tells what it does."""

    events: Events
    access_log: AccessLog
    metrics: Metrics


Told: TypeAlias = tuple[Bound, Callable[[float], None], tuple[str, str], int]
"""Its access line, what counts its seconds, collection and how, and bytes that were saved."""


class Reports:
    """Turns what happens into lines, events and counts.

    Args:
        outputs: where they go.
    """

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._warned_of_forwarding = False
        self._put = outputs.access_log.put
        self._hits = outputs.metrics.cache.hits
        self._bound_hit = lru_cache(_REMEMBERED_HITS)(self._bind_hit)

    def on_finished(self, request: Finished) -> None:
        """A request is over."""
        if request.cache == "hit" and not request.upstream_s and len(request.target) <= _REMEMBERED_CHARS:
            count, line = self._bound_hit(
                *(request.method, request.target, request.status, request.sent_bytes),
                request.kind,
            )
            count(request.seconds)
            self._put(line, request.request_id, request.seconds, request.client)
            return
        self._outputs.metrics.request_done(request.kind, request.status, request.seconds)
        self._outputs.access_log.record(
            request.request_id,
            request.method,
            request.target,
            request.status,
            request.sent_bytes,
            request.seconds,
            request.kind,
            request.client,
            request.upstream_s or None,
            request.cache or None,
        )

    def bind_hit(
        self,
        target: str,
        status: int,
        sent_bytes: int,
        kind: OperationClass,
        collection: str,
        how: str,
        saved_bytes: int,
    ) -> Told:
        """What :meth:`told` takes for a read that is answered from the cache again and again.

        Args:
            saved_bytes: by its gzip variant.
        """
        done, line = self._bind_hit("GET", target, status, sent_bytes, kind)
        return line, done, (collection, how), saved_bytes

    def told(self, told: Told, request_id: str, seconds: float, address: str) -> None:
        """It was answered."""
        line, done, label, saved_bytes = told
        done(seconds)
        self._hits[label] += 1
        if saved_bytes:
            self._outputs.metrics.cache.variant_served(label[0], saved_bytes)
        self._put(line, request_id, seconds, address)

    def _bind_hit(
        self, method: str, target: str, status: int, sent_bytes: int, kind: OperationClass
    ) -> tuple[Callable[[float], None], Bound]:
        outputs = self._outputs
        line = outputs.access_log.bind(method, target, status, sent_bytes, kind, "hit")
        return outputs.metrics.bind_request(kind, status), line

    def on_bad_request(self, peer: Address, error: HaptaError, request_id: str) -> None:
        """What came was no request: it is counted and logged like one."""
        kind = OperationClass.UNKNOWN
        self.on_finished(
            Finished(request_id, "-", "-", error.status, 0, 0.0, 0.0, kind, str(peer), error.code)
        )

    def on_crash(self, request_id: str, exc: BaseException) -> None:
        """A request met an exception nobody expected."""
        trace = "".join(traceback.format_exception(exc))
        self._outputs.events.error(
            "crash",
            message="a request met an error in Hapta itself; please report it",
            id=request_id,
            trace=trace,
        )

    def on_untrusted_forwarding(self, peer: str) -> None:
        """A peer speaks for somebody else and is none of our proxies; told once."""
        self._outputs.metrics.untrusted_forwarding.inc()
        if not self._warned_of_forwarding:
            self._warned_of_forwarding = True
            self._outputs.events.warning(
                "untrusted_forwarding",
                message=f"{peer} sends forwarding headers but is not in server.trusted_proxies: they are "
                "ignored, and it may not act as superuser. If it is your proxy, add it there",
            )

    def on_spool_trouble(self, exc: OSError) -> None:
        """A request body found no place on disk."""
        self._outputs.events.error(
            "spool",
            message=f"a request body could not be put into a file: {exc.strerror or exc}; "
            "make room, or set server.spool_dir",
        )

    def on_settings_trouble(self, exc: Exception) -> None:
        """PocketBase's settings could not be looked at."""
        message = str(exc) if isinstance(exc, OperatorError) else f"{type(exc).__name__}: {exc}"
        self._outputs.events.error(
            "settings", message=f"PocketBase's settings could not be checked: {message}"
        )
