"""The tables of the cache; see :mod:`hapta.config.schema`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec import field as msgspec_field

from hapta.config.types import Bytes, Seconds, SecondsOrNone


class CacheCollectionConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is different for one collection, by its name or id; letter case does not matter."""

    is_enabled: bool = True
    """false: no answer about this collection is stored."""

    max_age_s: SecondsOrNone = 0.0
    """As in [cache]; 0: the one of [cache]."""

    pb_hooks: Literal["", "auto", "none", "auth", "request"] = ""
    """As in [cache]; empty: the one of [cache]."""

    stale_if_error_s: SecondsOrNone = 0.0
    """Seconds for which a stale answer may be given, marked as such, when PocketBase fails to answer (RFC
    5861); 0: never. Never where rights may have changed (docs/caching.md)."""

    stale_while_revalidate_s: SecondsOrNone = 0.0
    """Seconds for which a stale answer may be given at once, marked as such, while it is fetched anew (RFC
    5861); 0: never."""


class CacheFilesConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of records and their thumbs, kept on disk where everybody may have them: no file field of the
    collection is protected, and it has pb_hooks "none"."""

    is_enabled: bool = True
    """false: every file comes from PocketBase. So too with [cache] is_enabled = false."""

    dir: str = ""
    """Folder for them, nobody else's; relative to config.toml. Empty: hapta-files in [server] state_dir."""

    max_bytes: Annotated[int, Meta(ge=2**20, le=2**50)] = 1024 * 1024 * 1024
    """Bytes on disk for all kept files together; the least recently used go first."""

    max_file_bytes: Bytes = 128 * 1024 * 1024
    """Bytes of the largest file that is kept; never more than an eighth of max_bytes."""

    max_age_s: Seconds = 3600.0
    """Seconds after which PocketBase is asked whether it still has a kept file, even if no change was heard
    of."""


class CacheConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stored answers to reads of records, shared between those who may see the same. For single collections:
    [cache.collections.<name>]."""

    is_enabled: bool = True
    """false: every read goes to PocketBase."""

    max_bytes: Annotated[int, Meta(ge=2**20, le=2**50)] = 64 * 1024 * 1024
    """Bytes of memory for all stored responses together, their keys, headers and bookkeeping included."""

    max_age_s: Seconds = 300.0
    """Seconds after which a stored response is fetched again, even if nothing changed (RFC 9111 §4.2.2)."""

    max_response_bytes: Bytes = 4 * 1024 * 1024
    """Bytes of the largest body that is stored; larger ones are passed on. No response may take more than an
    eighth of max_bytes."""

    pb_hooks: Literal["auto", "none", "auth", "request"] = "auto"
    """Whether PocketBase's own hooks change what reads answer: "none", "auth" (by who asks) or "request" (by
    anything in the request: nothing is stored). "auto": with the embedded PocketBase by a look into
    hooks_dir, else "auth"."""

    overlay: bool = True
    """Users whose own record is in an answer that others share get those bytes with their own e-mail put in,
    where that is all they see more; false: PocketBase is asked for each of them."""

    patch: bool = True
    """Stored responses are brought up to date with what a write through Hapta did, where that follows from
    its answer with certainty; false: they are fetched again."""

    refill: bool = True
    """A view of a record that a list showed, or a write answered with, is made of that where everybody may
    see it; false: PocketBase is asked."""

    gzip: bool = True
    """Stored responses that several may have and that are asked for again are kept in gzip as well, for
    clients that take it; false: all are sent as they are."""

    in_doubt_s: Seconds = 300.0
    """Seconds for which nothing a write may have changed is served from the store, when its answer from
    PocketBase was lost."""

    restricted_tags: bool = True
    """Lists of rows with field = constant, in filter or listRule, are made unusable by writes to such rows
    only. false: by every write to their collection."""

    custom_routes_write: tuple[str, ...] = ("*",)
    """Collections that requests to routes of your own (PocketBase hooks) may change, all methods but GET;
    ["*"] for any, [] for none."""

    files: CacheFilesConfig = CacheFilesConfig()
    """Files of records: [cache.files]."""

    collections: dict[str, CacheCollectionConfig] = msgspec_field(default_factory=dict)
    """By name or id: [cache.collections.<name>]."""
