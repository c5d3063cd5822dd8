"""The change feed, the schema watch, and Hapta's own collections: what everything stored depends on."""

from hapta.feed.changes import Change
from hapta.feed.feed import ChangeFeed
from hapta.feed.install import InstallFailed, install
from hapta.feed.layout import OWN_NAMES, Own
from hapta.feed.meters import GAP_REASONS, EventLog, FeedMeter
from hapta.feed.stream import FeedRefused
from hapta.feed.watch import Features, SchemaUnconfirmed, SchemaWatch

__all__ = [
    "GAP_REASONS",
    "OWN_NAMES",
    "Change",
    "ChangeFeed",
    "EventLog",
    "Features",
    "FeedMeter",
    "FeedRefused",
    "InstallFailed",
    "Own",
    "SchemaUnconfirmed",
    "SchemaWatch",
    "install",
]
