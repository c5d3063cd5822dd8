"""hapta.embedded.ports"""

import socket

import pytest

from hapta.embedded import ports
from hapta.model.errors import OperatorError


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not ports.is_free(server.getsockname()[1])


def test_a_chosen_port_is_free_and_below_the_ports_of_outgoing_connections() -> None:
    port = ports.choose_port()
    assert ports.LOWEST <= port < ports.HIGHEST < 32_768
    assert ports.is_free(port)


def test_without_any_free_port_the_operator_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(OperatorError, match="no free port"):
        ports.choose_port()
