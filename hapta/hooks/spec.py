"""The table of hook kinds: when each runs, what it gets, what it may do, and what its failure means.

A *guard* fails closed: one that crashes or overruns its deadline stops what it guards. A *watcher* fails
open: it is logged and counted, and the answer goes out. ``docs/hooks.md`` is checked against this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a failure means."""

    GUARD = "guard"
    """It stops what it guards: 500, ``hook_failed``."""
    WATCHER = "watcher"
    """It is logged and counted, no more."""
    SCORER = "scorer"
    """The feed is answered 503; logged and counted."""
    LIFECYCLE = "lifecycle"
    """At start it refuses the plugin, at the end it is logged."""


@dataclass(frozen=True, slots=True)
class HookKind:
    """One row of the table.

    Attributes:
        name: of the decorator in :class:`~hapta.hooks.api.PluginApi`.
        when: it runs.
        gets: the types of its arguments.
        may: what it can do.
        role: what a failure means.
        is_of_collections: it is registered for collections.
        has_actions: it can be limited to some of :data:`ACTIONS`.
    """

    name: str
    when: str
    gets: tuple[str, ...]
    may: str
    role: Role
    is_of_collections: bool = True
    has_actions: bool = False


_ALL = (
    HookKind(
        "on_upload",
        "for each file of a write, before PocketBase sees a byte of it",
        ("Upload", "Change"),
        "raise Reject; return the upload under another name (`upload.renamed(...)`)",
        Role.GUARD,
    ),
    HookKind(
        "transform",
        "on each create, update or delete that PocketBase has not seen yet, before the checks",
        ("Change",),
        "return the change with other fields (`change.with_fields(...)`); raise Reject",
        Role.GUARD,
        has_actions=True,
    ),
    HookKind(
        "validate",
        "on each create, update or delete that PocketBase has not seen yet, after all transforms",
        ("Change",),
        "raise Reject",
        Role.GUARD,
        has_actions=True,
    ),
    HookKind(
        "on_auth",
        "when PocketBase has let somebody log in or refresh, before the token leaves",
        ("Login",),
        "raise Reject",
        Role.GUARD,
    ),
    HookKind(
        "can_read",
        "whenever a field might be shown, filtered or sorted by, or a file of it be fetched",
        ("Viewer", "Mapping[str, Any] | None"),
        "say whether this viewer may read the field",
        Role.GUARD,
    ),
    HookKind(
        "on_answer",
        "on the rows of an answer or event, before they are stored or sent",
        ("list[dict[str, Any]]", "Viewer"),
        "change the rows in place",
        Role.GUARD,
    ),
    HookKind(
        "after_write",
        "after PocketBase has answered a write with success",
        ("Written",),
        "watch",
        Role.WATCHER,
        has_actions=True,
    ),
    HookKind(
        "on_change",
        "on each change the feed tells, also of those that by-passed Hapta",
        ("RowChange",),
        "watch",
        Role.WATCHER,
        has_actions=True,
    ),
    HookKind(
        "feed",
        "when a ranked feed is put in order for a caller, in a worker process",
        ("FeedColumns",),
        "return a numpy array with one number for each row, the greater the better",
        Role.SCORER,
        is_of_collections=False,
    ),
    HookKind(
        "startup",
        "before the plugin's other hooks are used, with PocketBase there",
        (),
        "prepare; raise to refuse the plugin",
        Role.LIFECYCLE,
        is_of_collections=False,
    ),
    HookKind(
        "shutdown",
        "when the plugin is replaced or Hapta ends; hooks under way may end later",
        (),
        "tidy up",
        Role.LIFECYCLE,
        is_of_collections=False,
    ),
)

KINDS: Final[Mapping[str, HookKind]] = {kind.name: kind for kind in _ALL}
"""By name, in the order in which they meet a request."""
ACTIONS: Final = frozenset({"create", "update", "delete"})
"""What hooks on changes can be limited to."""
