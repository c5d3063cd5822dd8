"""Everything a plugin may import.

A plugin is a file or folder in ``plugins/`` with a function ``setup(api: PluginApi)``; ``docs/hooks.md`` has
the kinds of hooks, ``plugins/examples/`` some to read.
"""

from hapta.hooks.api import PluginApi
from hapta.hooks.change import Caller, Change, LeftOut, Login, Record, RowChange, Upload, Viewer, Written
from hapta.hooks.database import BatchWrite, Database, DatabaseError
from hapta.hooks.feed_columns import FeedColumns
from hapta.hooks.reject import FieldError, Reject
from hapta.hooks.settings import Settings
from hapta.model.errors import HaptaError
from hapta.workers.errors import JobError, JobFailed, JobTimedOut, WorkerLost

__all__ = [
    "BatchWrite",
    "Caller",
    "Change",
    "Database",
    "DatabaseError",
    "FeedColumns",
    "FieldError",
    "HaptaError",
    "JobError",
    "JobFailed",
    "JobTimedOut",
    "LeftOut",
    "Login",
    "PluginApi",
    "Record",
    "Reject",
    "RowChange",
    "Settings",
    "Upload",
    "Viewer",
    "WorkerLost",
    "Written",
]
