"""The HTTP library's errors become ours here, once; no other module names them."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from hapta.model.errors import HaptaError, UpstreamLost, UpstreamRefused
from hapta.model.exchange import ClientGone


@contextmanager
def upstream_errors() -> Iterator[None]:
    """Translate what goes wrong between Hapta and PocketBase.

    Raises:
        UpstreamRefused: no connection; nothing was sent, so even a write may be tried again.
        UpstreamLost: reset, cut off or silent after the request was sent; a write may have happened.
    """
    try:
        yield
    except (HaptaError, ClientGone):
        raise
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
        raise UpstreamRefused from exc
    except (TimeoutError, aiohttp.ClientError, ConnectionError) as exc:
        raise UpstreamLost from exc
