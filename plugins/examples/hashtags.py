"""Make relations of the #hashtags in a text.

Switch it on in config.toml::

    [plugins.hashtags]
    is_enabled = true
    collection = "posts"        # whose texts are looked at
    text_field = "body"
    relation_field = "tags"     # a relation to tags_collection that takes max_tags of them
    tags_collection = "tags"    # has a text field name_field

On every write that sets the text, the relation is set to the tags in it, in their order; tags nobody has used
before are made, all in one request to PocketBase. Nobody else sets the relation, superusers excepted.

The id of a tag is derived from its name, so two writers who use a new tag at the same moment make the same
row. ``#Straße``, ``#STRASSE`` and ``#ＳＴＲＡＳＳＥ`` are one tag, named ``strasse``.

What a hook does before PocketBase has seen the write stays done when PocketBase then refuses it: a refused
post can leave new tags behind. So a guest's post gets the tags that are there already, and makes none.
"""

import hashlib
import html
import re
import unicodedata
from base64 import b32encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Annotated

from cachetools import TTLCache
from msgspec import Meta

from hapta.plugins import BatchWrite, Change, DatabaseError, PluginApi, Record, Reject, RowChange, Settings

LONGEST = 64
"""Characters of a tag; what is longer is taken for text."""
REMEMBERED_S = 300.0
"""A tag removed while the change feed was down is noticed after this time at the latest."""
ASKED_AT_ONCE = 10
"""Tags in one filter, which PocketBase limits to 3,500 bytes."""

_MARKUP = re.compile(r"<[^<>]*>")  # not [^>]: of a text of many < that would look at each to its end
_MARK = re.compile("[#＃]")
_NOT_BEFORE = "&/#＃"


class Hashtags(Settings, frozen=True):
    collection: str = "posts"
    """Collection whose texts are looked at."""
    text_field: str = "body"
    """Field with the text; of an editor field the markup is left out."""
    relation_field: str = "tags"
    """Relation to the tags."""
    tags_collection: str = "tags"
    """Collection of the tags."""
    name_field: str = "name"
    """Text field of the tags' collection."""
    max_tags: Annotated[int, Meta(ge=1, le=50)] = 10
    """Tags in one text; PocketBase takes 50 writes in a batch."""
    remembered: Annotated[int, Meta(ge=1)] = 10_000
    """Tags whose ids are kept in memory."""


def tags_in(text: str) -> list[str]:
    """The tags in a text, each once, normalised (NFKC, case folded)."""
    plain = _MARKUP.sub(" ", text)
    with suppress(ValueError):  # a number of thousands of digits
        plain = html.unescape(plain)
    found: dict[str, None] = {}
    for mark in _MARK.finditer(plain):
        before = plain[mark.start() - 1 : mark.start()]
        if before and (_is_of_tag(before) or before in _NOT_BEFORE):
            continue  # page#part, &#39;, ##
        word = "".join(takewhile(_is_of_tag, plain[mark.end() : mark.end() + 4 * LONGEST]))
        name = normalised(word)
        if 0 < len(name) <= LONGEST and not name.replace("_", "").isdigit() and name.strip("_"):
            found[name] = None
    return list(found)


def normalised(name: str) -> str:
    """One spelling for all that are read as the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def id_of(name: str) -> str:
    """A tag's id: 75 bits of its name's hash, in letters and digits PocketBase takes."""
    return b32encode(hashlib.sha256(name.encode()).digest()).decode()[:15].lower()


def _is_of_tag(character: str) -> bool:
    # letters, digits and what combines with them: \w knows no vowel signs of Indic scripts
    return character == "_" or unicodedata.category(character)[0] in "LMN"


def setup(api: PluginApi) -> None:
    settings = api.settings(Hashtags)
    ids: TTLCache[str, str] = TTLCache(settings.remembered, REMEMBERED_S)

    @api.transform(settings.collection, on={"create", "update"}, priority=100)
    async def link_tags(change: Change) -> Change:
        if settings.text_field not in change.fields:
            is_meddling = settings.relation_field in change.fields and not change.is_by_superuser
            return change.without_fields([settings.relation_field]) if is_meddling else change
        names = tags_in(str(change.fields[settings.text_field] or ""))
        if len(names) > settings.max_tags:
            message = f"At most {settings.max_tags} tags."
            raise Reject(settings.text_field, code="too_many_tags", message=message)
        known = {name: ids[name] for name in names if name in ids}
        known |= await existing([name for name in names if name not in known])
        if change.caller is not None:
            known |= await made([name for name in names if name not in known])
        ids.update(known)
        return change.with_fields({settings.relation_field: [known[name] for name in names if name in known]})

    @api.on_change(settings.tags_collection, on={"update", "delete"})
    async def forget(event: RowChange) -> None:
        for name in [name for name, id in ids.items() if id == event.id]:
            ids.pop(name, None)

    async def existing(names: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(names), ASKED_AT_ONCE):
            asked = {f"n{number}": name for number, name in enumerate(names[start : start + ASKED_AT_ONCE])}
            condition = " || ".join(f"{settings.name_field} = {{:{key}}}" for key in asked)
            rows = await api.database.list(settings.tags_collection, filter=condition, params=asked)
            found |= {row[settings.name_field]: row["id"] for row in rows}
        return found

    async def made(names: Sequence[str]) -> Mapping[str, str]:
        rows = [{"id": id_of(name), settings.name_field: name} for name in names]
        if not rows:
            return {}
        try:
            # not create: somebody else may have made one since we looked
            await api.database.batch([BatchWrite("upsert", settings.tags_collection, fields=r) for r in rows])
        except DatabaseError as exc:
            if exc.status not in (400, 403):
                raise
            for row in rows:  # the batch API is off, or takes fewer at once
                await create_once(row)
        return {row[settings.name_field]: row["id"] for row in rows}

    async def create_once(row: Record) -> None:
        try:
            await api.database.create(settings.tags_collection, row)
        except DatabaseError as exc:
            if "id" not in exc.data:
                raise
