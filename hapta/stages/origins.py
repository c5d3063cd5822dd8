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


class OriginMemo:
    """Lines by origin, bounded and short-lived.

    Args:
        config: the ``[cors]`` table: ``memo_s`` and ``memo_origins`` count here too.
        clock: monotonic time.
    """

    def __init__(self, config: CorsConfig, clock: Clock) -> None:
        self._clock = clock
        self.configure(config)

    def configure(self, config: CorsConfig) -> None:
        """Other bounds from now on; what was learned is forgotten."""
        self._memo: TTLCache[str, tuple[Header, ...]] = TTLCache(
            config.memo_origins, config.memo_s, timer=self._clock.monotonic
        )

    def lines(self, origin: str | None) -> tuple[Header, ...] | None:
        """The lines for an answer to a page of ``origin``; ``None`` when PocketBase must be asked.

        Args:
            origin: the ``Origin`` field; ``None`` or empty for a request without one, which gets none.
        """
        if not origin:
            return ()
        return self._memo.get(_ANY) or self._memo.get(origin)

    def learn(self, origin: str, lines: Iterable[Header]) -> None:
        """PocketBase answered a page of ``origin`` with these header lines."""
        if len(origin) > MAX_ORIGIN_BYTES or origin == _ANY:
            return
        cors = tuple(line for line in lines if line[0].lower().startswith(_PREFIX))
        if cors == ((b"Access-Control-Allow-Origin", b"*"),):
            self._memo[_ANY] = cors  # it says that to everybody
        elif cors:
            self._memo[origin] = cors
        else:
            self._memo[origin] = ()
