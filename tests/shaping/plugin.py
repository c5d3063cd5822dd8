"""The plugin the tests run: every way a hook can look at a viewer, a row and other rows."""

from collections.abc import Mapping
from typing import Any

from hapta.plugins import PluginApi, Viewer


def setup(api: PluginApi) -> None:
    @api.can_read("posts", "contact", "slug", depends_on="auth.role")
    async def editors(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return bool(viewer["auth.role"] == "editor")

    @api.can_read("posts", "site", depends_on="auth.id")
    async def author_alone(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return row is not None and row["author"] == viewer["auth.id"]

    @api.can_read("posts", "views", depends_on="auth")
    async def somebody(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return bool(viewer["auth"])

    @api.can_read("posts", "author", depends_on="auth.collectionName")
    async def users_and_staff(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return viewer["auth.collectionName"] is not None

    @api.can_read("posts", "body")
    async def no_drafts(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return row is not None and row.get("status") != "draft"

    @api.can_read("comments", "post", depends_on="auth.role")
    async def editors_know_the_post(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return bool(viewer["auth.role"] == "editor")

    @api.can_read("comments", "*", depends_on="auth.collectionName")
    async def not_for_staff(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return bool(viewer["auth.collectionName"] != "staff")

    @api.can_read("users", "role", depends_on=("auth", "auth.collectionId"))
    async def not_guests(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return bool(viewer["auth"]) and viewer["auth.collectionId"] != "pbc_staff000001"

    @api.can_read("documents", "cover", depends_on="auth.role")
    async def covers(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return bool(viewer["auth.role"] == "editor")

    @api.can_read("documents", "attachments", "contract", depends_on="auth.id")
    async def owners(viewer: Viewer, row: Mapping[str, Any] | None) -> bool:
        return row is not None and row["owner"] == viewer["auth.id"]

    @api.on_answer("posts", depends_on="auth.role")
    async def titled(rows: list[dict[str, Any]], viewer: Viewer) -> None:
        for row in rows:
            if "title" in row:
                row["title"] = f"{row['title']} for {viewer['auth.role'] or 'all'}"
            row["shaped"] = True

    @api.on_answer("topics", reads="counters")
    async def counted(rows: list[dict[str, Any]], viewer: Viewer) -> None:
        found = await api.database.list("counters", sort="id")
        for row in rows:
            row["counted"] = [each["count"] for each in found]
