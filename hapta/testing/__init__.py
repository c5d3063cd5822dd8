"""For authors of plugins: a plugin's hooks run as Hapta runs them, without a server, a database or a network.

:func:`load_plugin` loads a plugin as the gateway does, with a :class:`MemoryDatabase` behind its door and
jobs run beside the test; the ``make_`` functions make what hooks get.
"""

from hapta.testing.columns import make_columns
from hapta.testing.make import make_caller, make_change, make_login, make_row_change, make_upload
from hapta.testing.memory import MemoryDatabase
from hapta.testing.plugin import LogLine, TestedPlugin, load_plugin

__all__ = [
    "LogLine",
    "MemoryDatabase",
    "TestedPlugin",
    "load_plugin",
    "make_caller",
    "make_change",
    "make_columns",
    "make_login",
    "make_row_change",
    "make_upload",
]
