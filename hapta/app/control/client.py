"""The other end of the control socket, for the commands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from hapta.app.control.endpoint import NAME
from hapta.model.errors import OperatorError

_CONNECT_S = 2.0


class ControlClient:
    """Asks the Hapta that runs with ``state_dir``; a context manager.

    Args:
        state_dir: ``server.state_dir``.
        timeout_s: for one answer; ``None`` waits as long as it takes.
    """

    def __init__(self, state_dir: Path, timeout_s: float | None = None) -> None:
        self.path = state_dir / NAME
        self._http = httpx.Client(
            base_url="http://hapta",
            transport=httpx.HTTPTransport(uds=str(self.path)),
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_S),
        )

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._http.__exit__(*exc_info)

    def ask(self, method: str, path: str, **query: str) -> Mapping[str, Any]:
        """The answer's JSON.

        Raises:
            OperatorError: nobody answers there, or what was asked is refused, in its own words.
        """
        asked_for = {name: value for name, value in query.items() if value}
        try:
            answer = self._http.request(method, path, params=asked_for)
        except httpx.HTTPError as exc:
            raise OperatorError(_nobody(self.path, exc)) from exc
        body: Mapping[str, Any] = answer.json()
        if not answer.is_success:
            raise OperatorError(str(body.get("message", answer.status_code)))
        return body


def _nobody(path: Path, exc: httpx.HTTPError) -> str:
    cause = str(exc)
    if "Permission denied" in cause:
        return f"{path}: {cause}; run the command as the user that runs Hapta"
    if isinstance(exc, httpx.ConnectError):
        return (
            f"{path}: no Hapta runs with this state directory; start `hapta serve`, or name the "
            "configuration it was started with (--config, --set server.state_dir=…)"
        )
    return f"{path}: Hapta does not answer ({cause or type(exc).__name__})"
