"""The control socket: how the operator's commands speak to the Hapta that runs.

``hapta.sock`` in ``server.state_dir``, HTTP and JSON. Who may open the file may do everything here, so it is
made for its owner alone; there is no other check.
"""

from hapta.app.control.client import ControlClient
from hapta.app.control.desk import Desk
from hapta.app.control.endpoint import NAME, ControlSocket

__all__ = ["NAME", "ControlClient", "ControlSocket", "Desk"]
