"""The other end of the control socket, for the commands."""

import json
import os
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hapta.app.control.endpoint import NAME
from hapta.model.errors import OperatorError

_MANY_S = 3600.0
"""Ending a hundred thousand sessions takes PocketBase minutes."""


class ControlClient:
    """Asks the Hapta that runs with ``state_dir``, and waits for the answer.

    Args:
        state_dir: ``server.state_dir``.
        timeout_s: for one answer.
    """

    def __init__(self, state_dir: Path, timeout_s: float = _MANY_S) -> None:
        self.path = state_dir / NAME
        self._timeout_s = timeout_s

    def ask(self, method: str, path: str, **query: str) -> Mapping[str, Any]:
        """The answer's JSON.

        Args:
            query: parameters; an empty one is left out.

        Raises:
            OperatorError: nobody answers there, or what was asked is refused, in its own words.
        """
        given = urlencode({name: value for name, value in query.items() if value})
        connection = _Connection(self.path, self._timeout_s)
        try:
            connection.request(method, f"{path}?{given}" if given else path)
            answer = connection.getresponse()
            body: Mapping[str, Any] = json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as exc:
            raise OperatorError(_no_answer(self.path, exc)) from exc
        finally:
            connection.close()
        if answer.status != 200:
            raise OperatorError(str(body.get("message", answer.status)))
        return body


class _Connection(HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("hapta", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.settimeout(self.timeout)
            connected.connect(os.fspath(self._path))
        except BaseException:
            connected.close()
            raise
        self.sock = connected


def _no_answer(path: Path, exc: Exception) -> str:
    if isinstance(exc, FileNotFoundError | ConnectionRefusedError):
        return (
            f"{path}: no Hapta runs with this state directory; start `hapta serve`, or name the "
            "configuration it was started with (--config, --set server.state_dir=…)"
        )
    if isinstance(exc, PermissionError):
        return f"{path}: may not be opened by this user; run the command as the user that runs Hapta"
    return f"{path}: Hapta does not answer ({exc or type(exc).__name__})"
