"""The metrics listener: a server of its own, so what is counted is never reachable through the gateway."""

import errno

from aiohttp import web

from hapta.model.errors import OperatorError
from hapta.observe.metrics import CONTENT_TYPE, Metrics

_SHUTDOWN_S = 1.0


class MetricsListener:
    """Answers ``GET /metrics`` at ``host:port``, and 404 to everything else.

    Attributes:
        port: the port listened on; the real one once started, when 0 was asked for.
    """

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self._metrics = metrics
        self._host = host
        self.port = port
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OperatorError: the address cannot be had.
        """
        runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self.port).start()
        except OSError as exc:
            await runner.cleanup()
            raise OperatorError(_refusal(exc, self._host, self.port)) from exc
        self._runner = runner
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and close all connections; does nothing when not started."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD"} or request.path != "/metrics":
            return web.Response(status=404, text="Only /metrics is here.\n")
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})


def _refusal(exc: OSError, host: str, port: int) -> str:
    """Which key to change, and why."""
    if exc.errno == errno.EADDRINUSE:
        return (
            f"metrics.port: {host}:{port} is in use by another program; "
            "set metrics.port to a free port, or metrics.enabled = false"
        )
    if exc.errno in {errno.EACCES, errno.EPERM}:
        return f"metrics.port: no permission to listen on {host}:{port}; take a port above 1023"
    return f'metrics.host: cannot listen on "{host}": {exc.strerror or exc}; give an address of this machine'
