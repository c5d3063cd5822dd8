"""Ports of the loopback interface.

A port that is chosen is kept across restarts of the child, so that the address of the upstream never changes.
It comes from below the range the system gives to outgoing connections (from 32768 on Linux, 49152 on macOS
and by IANA): otherwise any outgoing connection could take it in the moment between two children.
"""

import errno
import random
import socket

from hapta.model.errors import OperatorError

LOWEST, HIGHEST = 20_000, 32_000
_TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1 at ``port`` now.

    Raises:
        OperatorError: the port may not be used at all (privileged ports).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PocketBase does
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return False
            raise OperatorError(
                f"upstream.embedded_port {port}: cannot listen there: {exc.strerror}"
            ) from exc
    return True


def choose_port() -> int:
    """A port that is free now."""
    for _ in range(_TRIES):
        port = random.randrange(LOWEST, HIGHEST)
        if is_free(port):
            return port
    raise OperatorError(
        f"no free port on 127.0.0.1 between {LOWEST} and {HIGHEST}; set upstream.embedded_port"
    )
