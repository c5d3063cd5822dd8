"""Hapta's own PocketBase: its data directory, its accounts, its process.

``prepare()`` runs before any server starts and is the only part that writes to the data and state directories
before PocketBase does; ``EmbeddedPocketBase`` then keeps the child serving on one address until it is
stopped.
"""

from hapta.embedded.events import EventLog
from hapta.embedded.options import EmbeddedOptions
from hapta.embedded.prepare import GivenSecrets, Prepared, prepare
from hapta.embedded.settings import CLIENT_IP_HEADER, SuperuserApi, ensure_settings
from hapta.embedded.supervisor import EmbeddedPocketBase

__all__ = [
    "CLIENT_IP_HEADER",
    "EmbeddedOptions",
    "EmbeddedPocketBase",
    "EventLog",
    "GivenSecrets",
    "Prepared",
    "SuperuserApi",
    "ensure_settings",
    "prepare",
]
