"""Keep posts free of link farms.

Switch it on in config.toml, and say what it may be::

    [plugins.link_limit]
    is_enabled = true
    max_links = 3

A write to ``posts`` whose ``body`` has more links is refused in PocketBase's error form, at the field
``body``; PocketBase never sees it. To use it for other collections copy it into ``plugins/`` and change the
names.
"""

from typing import Annotated

from msgspec import Meta

from hapta.plugins import Change, PluginApi, Reject, Settings


class LinkLimit(Settings, frozen=True):
    max_links: Annotated[int, Meta(ge=0)] = 3
    """Links allowed in one post."""


def setup(api: PluginApi) -> None:
    limit = api.settings(LinkLimit)

    @api.validate("posts", on={"create", "update"})
    async def few_links(change: Change) -> None:
        links = str(change.fields.get("body", "")).count("://")
        if links > limit.max_links:
            raise Reject("body", code="too_many_links", message=f"At most {limit.max_links} links.")
