"""What PocketBase tells pages of an origin: the CORS lines of answers, which are never stored with them.

PocketBase echoes an origin it allows, or says ``*`` to every one (``apis/middlewares_cors.go``). A stored
answer was fetched without an ``Origin``; whoever asks for it with one gets the lines PocketBase gave to that
very origin a moment ago. An origin that is not known yet asks PocketBase once.
"""

from collections.abc import Iterable

from cachetools import TTLCache

from hapta.config import CorsConfig
from hapta.model.clock import Clock
from hapta.model.exchange import Header
from hapta.stages.cors import MAX_ORIGIN_BYTES

_ANY = "*"
_PREFIX = b"access-control-"
Lines = tuple[Header, ...]


class OriginMemo:
    """Lines by origin, bounded and short-lived.

    Args:
        config: the ``[cors]`` table: ``memo_s`` and ``memo_origins`` count here too.
        clock: monotonic time.

    Attributes:
        version: moves whenever the lines of an origin that were known are others.
    """

    def __init__(self, config: CorsConfig, clock: Clock) -> None:
        self.version = 0
        self._clock = clock
        self.configure(config)

    def configure(self, config: CorsConfig) -> None:
        """Other bounds from now on; what was learned is forgotten."""
        self.version += 1
        self._memo_s = config.memo_s
        self._memo: TTLCache[str, tuple[Lines, float]] = TTLCache(
            config.memo_origins, config.memo_s, timer=self._clock.monotonic
        )

    def lines(self, origin: str | None) -> tuple[Header, ...] | None:
        """The lines for an answer to a page of ``origin``; ``None`` when PocketBase must be asked.

        Args:
            origin: the ``Origin`` field; ``None`` or empty for a request without one, which gets none.
        """
        if not origin:
            return ()
        known = self._known(origin)
        return None if known is None else known[0]

    def known_until(self, origin: str | None) -> float:
        """Monotonic instant until which :meth:`lines` says the same, while :attr:`version` does not move."""
        if not origin:
            return float("inf")
        known = self._known(origin)
        return float("-inf") if known is None else known[1]

    def _known(self, origin: str) -> tuple[Lines, float] | None:
        known: tuple[Lines, float] | None = self._memo.get(_ANY) or self._memo.get(origin)
        return known

    def learn(self, origin: str, lines: Iterable[Header]) -> None:
        """PocketBase answered a page of ``origin`` with these header lines."""
        if len(origin) > MAX_ORIGIN_BYTES or origin == _ANY:
            return
        cors = tuple(line for line in lines if line[0].lower().startswith(_PREFIX))
        # a star alone it says to everybody
        of = _ANY if cors == ((b"Access-Control-Allow-Origin", b"*"),) else origin
        before = self._memo.get(of)
        self._memo[of] = cors, self._clock.monotonic() + self._memo_s
        if before is None or before[0] != cors:
            self.version += 1
