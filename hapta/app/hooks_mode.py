"""Whether PocketBase's own hooks shape what reads answer (``cache.pb_hooks``), and how strongly.

No API tells of hooks. Of the embedded PocketBase the files are here, and it loads those of the hooks
directory itself whose names end in ``.pb.js`` or ``.pb.ts`` (hidden ones and links too; what they ``require``
can register hooks as well). What is concluded from their words errs to one side:

* no such file, and the PocketBase that came with Hapta: ``none``;
* files: at least ``auth``, since a write that a hook refuses may have been committed all the same;
* files that load others from elsewhere: ``request``, for those may register any hook;
* a hook that shapes reads, and anything by which it could tell requests apart, know the time or look at other
  rows: ``request``, nothing is stored.

A remote PocketBase may have any hooks: ``auth``. The operator knows better, and may say so for each
collection.
"""

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hapta.cache.plan import HooksMode
from hapta.config import CacheConfig
from hapta.feed import EventLog
from hapta.model.schema import Collection, fold_name

_LOADED = re.compile(r".*(\.pb\.js|\.pb\.ts)", re.DOTALL)
_SOURCES: Final = (".js", ".ts", ".cjs", ".mjs", ".json")
_MOST_FILES, _MOST_BYTES = 1000, 8 * 1024 * 1024
_SHAPES_READS = re.compile(
    r"\b(?:onRecordEnrich|onRecordsListRequest|onRecordViewRequest|routerUse|onServe|globalThis|eval)\b"
    r"|\bFunction\s*\(|\$app\s*\[|/api/collections"
)
"""The last one: a route of one's own at the place of one of PocketBase's."""
_BEYOND_IDENTITY = re.compile(
    r"\brequestInfo\b(?!\s*(?:\(\s*\))?\s*\??\.\s*auth\b)"
    r"|\.\s*request\b|\b(?:realIP|remoteIP|globalThis|eval|Date|DateTime|Math)\b|\bFunction\s*\("
    r"|\$(?:app|apis|http|os|dbx|security|filesystem)\b|\.\s*app\b"
)
_REQUIRE = re.compile(r"\brequire\s*\(([^)]*)\)")
_SEEN_MODULE = re.compile(
    r"""\s*(?:__hooks\s*\+\s*(["'])/|([`])\$\{\s*__hooks\s*\}/|(["'`])(?:\./)?(?!/))"""
    r"""(?!.*\.\.)[\w@./-]*(?:\1|\2|\3)\s*"""
)
"""The text of a module of the hooks directory: ``require(`${__hooks}/utils.js`)`` and the like."""
_ORDER: Final = (HooksMode.NONE, HooksMode.AUTH, HooksMode.REQUEST)


@dataclass(frozen=True, slots=True)
class Found:
    """What a look told.

    Attributes:
        mode: what follows from it.
        because: half a sentence for the operator.
    """

    mode: HooksMode
    because: str


REMOTE: Final = Found(HooksMode.AUTH, "the hooks of a PocketBase elsewhere cannot be seen")


def strongest(*modes: HooksMode) -> HooksMode:
    """The mode that shares least; ``NONE`` of no modes."""
    return max(modes, key=_ORDER.index, default=HooksMode.NONE)


def is_stock(binary: Path) -> bool:
    """Whether it is the PocketBase that was installed with Hapta; others may have hooks compiled in."""
    return binary.parent == Path(sys.executable).parent


def look_into(hooks_dir: Path, *, is_stock: bool) -> Found:
    """What the hooks of a PocketBase on this machine can do to reads."""
    try:
        loaded = sorted(
            entry.name
            for entry in os.scandir(hooks_dir)
            if _LOADED.fullmatch(entry.name) and not entry.is_dir()
        )
    except (FileNotFoundError, NotADirectoryError):
        loaded = []
    except OSError as exc:
        return Found(HooksMode.AUTH, f"{hooks_dir} cannot be read ({exc.strerror})")
    if not loaded and not is_stock:
        return Found(HooksMode.AUTH, "a PocketBase that did not come with Hapta may have hooks of its own")
    if not loaded:
        return Found(HooksMode.NONE, f"there are no hooks in {hooks_dir}")
    sources, is_complete = _sources(hooks_dir)
    shapes = next((found for text in sources if (found := _SHAPES_READS.search(text))), None)
    unseen = _unseen_module(sources)
    if shapes is None and (unseen or not is_complete):
        what = f"{unseen}, which is not there to be looked into" if unseen else "what could not be read"
        return Found(HooksMode.REQUEST, f"the hooks in {hooks_dir} use {what}")
    if shapes is None:
        return Found(HooksMode.AUTH, f"there are hooks: {', '.join(loaded[:3])}")
    beyond = next((found for text in sources if (found := _BEYOND_IDENTITY.search(text))), None)
    if beyond is not None or unseen or not is_complete:
        more = "not all of them could be read" if beyond is None else f"and {beyond[0].strip()}"
        return Found(HooksMode.REQUEST, f"the hooks in {hooks_dir} use {shapes[0].strip()}, {more}")
    return Found(HooksMode.AUTH, f"the hooks in {hooks_dir} use {shapes[0].strip()}")


def _unseen_module(sources: Iterable[str]) -> str:
    """A module that hooks load from elsewhere, as they write it; it can register hooks as well as they."""
    for text in sources:
        for found in _REQUIRE.finditer(text):
            if not _is_seen(found[1]):
                return " ".join(found[0].split())[:80]
    return ""


def _is_seen(argument: str) -> bool:
    module = argument.strip().strip("\"'`")
    suffix = Path(module).suffix
    return _SEEN_MODULE.fullmatch(argument) is not None and suffix in ("", *_SOURCES)


def _sources(hooks_dir: Path) -> tuple[list[str], bool]:
    """Texts of all scripts, in folders too and those last, and whether these are all."""
    texts: list[str] = []
    size, is_complete = 0, True
    for folder, folders, names in os.walk(hooks_dir):
        is_complete &= not any(Path(folder, name).is_symlink() for name in folders)  # not followed
        for name in names:
            if not name.lower().endswith(_SOURCES):
                continue
            path = Path(folder, name)
            try:
                size += path.stat().st_size
                if len(texts) >= _MOST_FILES or size > _MOST_BYTES:
                    return texts, False
                texts.append(path.read_text("utf-8", "replace"))
            except OSError:
                is_complete = False
    return texts, is_complete


class HooksModes:
    """The mode of each collection: as configured, else as the last look found it.

    Args:
        config: the ``[cache]`` table.
        hooks_dir: of the embedded PocketBase; ``None`` for one elsewhere.
        is_stock: it is the PocketBase that came with Hapta.
        events: hears what ``auto`` means, once and whenever it changes.

    Attributes:
        found: what ``auto`` means just now.
        version: higher after every change of it: what was planned or stored under another is unusable.
    """

    def __init__(
        self, config: CacheConfig, *, hooks_dir: Path | None, is_stock: bool = True, events: EventLog
    ) -> None:
        self._config = config
        self._hooks_dir = hooks_dir
        self._is_stock = is_stock
        self._events = events
        self._named = _named(config)
        self.found: Found | None = None
        self.version = 0
        self.look()

    def configure(self, config: CacheConfig) -> None:
        """Other modes from now on."""
        was_looked_at, self._config = self._config.pb_hooks == "auto", config
        self._named = _named(config)
        self.version += 1
        if not was_looked_at:
            self._tell()

    def look(self) -> bool:
        """Look again: PocketBase was started, or has started itself anew. Files changed since then do not
        count for it until the next time.

        Returns:
            Whether the mode changed.
        """
        found = REMOTE
        if self._hooks_dir is not None:
            found = look_into(self._hooks_dir, is_stock=self._is_stock)
        before, self.found = self.found, found
        if before is not None and before.mode is found.mode:
            return False
        self.version += 1
        self._tell()
        return before is not None

    def _tell(self) -> None:
        found = self.found
        if found is not None and self._config.is_enabled and self._config.pb_hooks == "auto":
            self._events.info("pb_hooks", message=_sentence(found), mode=found.mode.value)

    @property
    def default(self) -> HooksMode:
        """For what belongs to no collection, and for collections that are not named in the configuration."""
        return self._resolve(self._config.pb_hooks)

    @property
    def anywhere(self) -> HooksMode:
        """The strongest of all collections, for what may concern any of them."""
        return strongest(self.default, *map(self._resolve, filter(None, self._named.values())))

    def of(self, collection: Collection) -> HooksMode:
        """For one collection; ``[cache.collections.<name>]`` has its name in any letter case, or its id."""
        named = self._named.get(fold_name(collection.name)) or self._named.get(fold_name(collection.id))
        return self._resolve(named or self._config.pb_hooks)

    def because(self, collection: Collection | None = None) -> str:
        """Half a sentence on why, where the mode was found out; empty where it was configured.

        Args:
            collection: ``None`` for those that are not named in the configuration.
        """
        named = None
        if collection is not None:
            named = self._named.get(fold_name(collection.name)) or self._named.get(fold_name(collection.id))
        is_found = (named or self._config.pb_hooks) == "auto" and self.found is not None
        return self.found.because if is_found and self.found is not None else ""

    def follows(self, collection: Collection) -> bool:
        """Whether own writes to rows of a collection tell all that becomes of them: no hook adds to it."""
        is_stored = self._config.is_enabled and not collection.is_system and not collection.is_view
        return is_stored and self.of(collection) is HooksMode.NONE

    def _resolve(self, configured: str) -> HooksMode:
        if configured != "auto":
            return HooksMode(configured)
        assert self.found is not None
        return self.found.mode


def _named(config: CacheConfig) -> dict[str, str]:
    return {fold_name(name): one.pb_hooks for name, one in config.collections.items()}


def _sentence(found: Found) -> str:
    if found.mode is HooksMode.NONE:
        return f"answers are shared between all who may see them: {found.because}"
    gain = 'set [cache] pb_hooks = "none" if no hook changes what reads answer'
    if found.mode is HooksMode.AUTH:
        return f"each user has stored answers of their own, guests share theirs: {found.because}; {gain}"
    return f"nothing is stored: {found.because}; {gain}, or say so for single collections"
